"""
Messages to blocks: Avro datums in Confluent framing or as single objects, each with its own writer's schema.

Confluent framing is a zero byte and the schema's id, four bytes, big-endian. A single object is C3 01 and the
schema's CRC-64-AVRO fingerprint, eight bytes, little-endian (Avro specification, "Single-object encoding").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.codecs.avro import WriterSchema
from streams.codecs.batches import block_of
from streams.codecs.registry import SchemaRegistry
from streams.core.block import MAX_RECORD_BYTES, Batch, Block, Reject, RejectReason

END_HEADER = "streams-end"
"""
Header of the record that ends an input, for data that has an end: the record has no value, and the header the largest
event time (us, in decimal digits) of all inputs.
"""

_CONFLUENT, _CONFLUENT_BYTES = b"\x00", 5
_SINGLE_OBJECT, _SINGLE_OBJECT_BYTES = b"\xc3\x01", 10

Positions = npt.NDArray[np.int64]


def decode_datums(values: Sequence[bytes | None], source: str, positions: Positions, registry: SchemaRegistry) -> Block:
    """
    Decode messages into a block: every message becomes one row or one reject.

    `positions` (shape (n,)) are the messages' offsets. A message without a value, in another framing, or with bytes
    that its schema does not read is `undecodable`; an id or fingerprint that the registry does not have is
    `unknown_schema`. Each type of event gives at most one batch, in the order of positions.
    """
    decoding = _Decoding(values, source, positions, registry)
    if not decoding.decode_alike():
        for head, rows in _by_head(values).items():
            decoding.decode(head, rows)
    return decoding.block()


class _Decoding:
    """One call's messages, batches and rejects."""

    def __init__(
        self, values: Sequence[bytes | None], source: str, positions: Positions, registry: SchemaRegistry
    ) -> None:
        self._values, self._longest = _without_none(values)
        self._source = source
        self._positions = np.asarray(positions, np.int64)
        self._registry = registry
        self._batches: list[Batch] = []
        self._rejects: list[Reject] = []

    def decode_alike(self) -> bool:
        """Decode all messages at once if they are in Confluent framing with one schema, and good; says whether."""
        head = _head(self._values[0] if self._values else None)
        if head is None or len(head) != _CONFLUENT_BYTES or self._longest > MAX_RECORD_BYTES:
            return False
        found = self._lookup(head)
        if not isinstance(found, WriterSchema):
            return False
        try:
            table = found.framed(self._values, head[1:])
        except ValueError:
            return False
        values = self._values  # not `self`, which has the batch: nothing would be let go of before a garbage collection
        self._batches.append(Batch(found.kind, table, self._source, self._positions, lambda row: values[row]))
        return True

    def decode(self, head: bytes | None, rows: list[int]) -> None:
        """Decode the messages of the given rows, which all begin with the same framing."""
        if head is None:
            self._reject_all(rows, "undecodable", "a message without a value")
            return
        rows = self._without_too_large(rows)
        found = self._lookup(head)
        if isinstance(found, tuple):
            self._reject_all(rows, *found)
        elif rows:
            self._decode_as(found, rows, len(head))

    def block(self) -> Block:
        """Return what came of the messages."""
        return block_of(self._source, self._batches, self._rejects)

    def _lookup(self, head: bytes) -> WriterSchema | tuple[RejectReason, str]:
        if len(head) == _CONFLUENT_BYTES:
            number = int.from_bytes(head[1:], "big")
            return self._registry.by_id(number) or ("unknown_schema", f"schema id {number}")
        if len(head) == _SINGLE_OBJECT_BYTES:
            print_ = head[len(_SINGLE_OBJECT) :]
            return self._registry.by_fingerprint(print_) or ("unknown_schema", f"schema fingerprint {print_.hex()}")
        return "undecodable", "neither Confluent framing nor a single object"

    def _decode_as(self, schema: WriterSchema, rows: list[int], framing: int) -> None:
        every = self._values
        sifted = schema.sift(every if len(rows) == len(every) else [every[row] for row in rows], framing)
        for row, problem in sifted.bad:
            self._rejects.append(self._reject(rows[row], "undecodable", problem, schema))
        if not len(sifted.rows):
            return
        kept = np.asarray(rows)[sifted.rows]
        positions = self._positions[kept]
        self._batches.append(
            Batch(schema.kind, sifted.table, self._source, positions, lambda row: every[int(kept[row])])
        )

    def _without_too_large(self, rows: list[int]) -> list[int]:
        if self._longest <= MAX_RECORD_BYTES:
            return rows
        large = {row for row in rows if len(self._values[row]) > MAX_RECORD_BYTES}
        for row in large:
            detail = f"{len(self._values[row])} bytes, at most {MAX_RECORD_BYTES} are taken"
            self._rejects.append(self._reject(row, "too_large", detail))
        return [row for row in rows if row not in large]

    def _reject_all(self, rows: list[int], reason: RejectReason, detail: str) -> None:
        self._rejects += [self._reject(row, reason, detail) for row in rows]

    def _reject(self, row: int, reason: RejectReason, detail: str, schema: WriterSchema | None = None) -> Reject:
        original = self._values[row][:MAX_RECORD_BYTES]
        kind = schema.kind if schema else None
        return Reject(reason, detail, self._source, int(self._positions[row]), original, kind)


def _without_none(values: Sequence[bytes | None]) -> tuple[Sequence[bytes], int]:
    """Values with nothing in place of None, and how long the longest is."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        known = [value or b"" for value in values]
    return known, max(map(len, known), default=0)


def _by_head(values: Sequence[bytes | None]) -> dict[bytes | None, list[int]]:
    """Rows by the framing they begin with: `b""` for one that is neither, None for a message without a value."""
    groups: dict[bytes | None, list[int]] = {}
    for row, value in enumerate(values):
        groups.setdefault(_head(value), []).append(row)
    return groups


def _head(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    if value[:1] == _CONFLUENT and len(value) >= _CONFLUENT_BYTES:
        return value[:_CONFLUENT_BYTES]
    if value[:2] == _SINGLE_OBJECT and len(value) >= _SINGLE_OBJECT_BYTES:
        return value[:_SINGLE_OBJECT_BYTES]
    return b""
