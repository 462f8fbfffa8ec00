"""
Avro datums to columns, by the writer's schema.

The columnar decoder neither says which datum failed nor notices bytes that a datum does not use. So each datum is
decoded with eight known bytes behind it, as a double behind the record's last field: where they are not found
again, the datum did not end where it should. What fails is halved until the bad datums are found, with the same
decoder, so that a verdict on a record never depends on its neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro.schema
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyruhvro
from fastavro.schema import SchemaParseException, UnknownType

from streams.codecs.binary import Shape, Skip, boundaries, encode_long, skipper
from streams.codecs.columns import conform, misfits
from streams.codecs.shape import shape_of
from streams.core.block import EVENT_TYPES, EventType
from streams.errors import SchemaError

END = b"\x01streams"
"""
Stands behind every datum. No beginning of it is its end, so a datum that ends early finds it only if all eight bytes
follow in the message itself: then, and only then, what is left behind a datum is disregarded.
"""

_END_NUMBER = np.frombuffer(END, np.int64)[0]
_END_FIELD = {"name": "end_of_datum", "type": "double"}
_FRAMING_FIELDS = [{"name": "framing_magic", "type": "long"}, {"name": "framing_id", "type": "float"}]
"""What Confluent framing is to a decoder of Avro: a byte 0 is the number 0, and any four bytes are a float."""

_MILLIS = "timestamp-millis"


class UnknownEventError(SchemaError):
    """A schema whose record is none of the events."""


@dataclass(frozen=True)
class Sifted:
    """The datums that decode, as columns, with their rows among those given; and those that do not, with why."""

    table: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    bad: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class WriterSchema:
    """
    A schema that events were written with, ready to decode them into the columns of their event type.

    `skip` finds where a datum ends. The JSON texts are what the columnar decoder is given: for one record and the
    eight bytes behind it, for the same behind Confluent framing, and for an Avro array of records (the payload of a
    container's block).
    """

    kind: EventType
    skip: Skip = field(repr=False)
    record_json: str = field(repr=False)
    framed_json: str = field(repr=False)
    array_json: str = field(repr=False)
    in_millis: bool

    @staticmethod
    def parse(schema: Any) -> WriterSchema:
        """
        Prepare a schema, as parsed JSON.

        Raises `UnknownEventError` for a record of another name, `SchemaError` for anything else that cannot be
        decoded into the columns of its event type: malformed, a type not supported, a column of the wrong type.
        """
        whole = written_out(schema)
        kind = _kind(whole)
        try:
            shape = shape_of(whole)
        except (KeyError, TypeError, ValueError, RecursionError) as problem:
            raise SchemaError(f"schema {kind}: {problem}; write the event without it") from problem
        writer = _prepare(kind, shape, in_millis=_event_time_logical_type(whole) == _MILLIS)
        problems = misfits(kind, pyruhvro.avro_to_arrow_schema(json.dumps(shape)))
        if problems:
            raise SchemaError(f"schema {kind}: {'; '.join(problems)}")
        return writer

    def datums(self, values: Sequence[bytes], skip_bytes: int = 0) -> pa.RecordBatch:
        """Decode datums, each behind `skip_bytes` of framing. Raises ValueError if any of them is bad."""
        framed = [value[skip_bytes:] + END for value in values]
        raw = pyruhvro.deserialize_array(framed, self.record_json)
        _check_ends(raw)
        return self._conform(raw)

    def framed(self, values: Sequence[bytes], number: bytes) -> pa.RecordBatch:
        """
        Decode datums behind Confluent framing with the schema id `number`, its four bytes.

        The framing is decoded with them, which spares a copy of each. Raises ValueError if any of them is bad, or
        framed otherwise.
        """
        raw = pyruhvro.deserialize_array([value + END for value in values], self.framed_json)
        _check_ends(raw)
        ids = np.asarray(raw.column("framing_id")).view(np.uint32)
        if np.asarray(raw.column("framing_magic")).any() or (ids != np.frombuffer(number, np.uint32)).any():
            raise ValueError("not all are framed alike")
        return self._conform(raw)

    def runs(self, runs: Sequence[tuple[int, bytes]]) -> pa.RecordBatch:
        """
        Decode runs of datums: how many, and their bytes joined. Raises ValueError if any run is bad.

        A count and joined datums are the encoding of an Avro array, so each run is decoded as a single datum.
        """
        framed = [encode_long(count) + payload + b"\0" + END for count, payload in runs]
        raw = pyruhvro.deserialize_array(framed, self.array_json)
        _check_ends(raw)
        found = np.diff(np.asarray(raw.column(0).offsets))
        if not np.array_equal(found, [count for count, _ in runs]):
            raise ValueError("a block has more records than it declares")
        return self._conform(pa.RecordBatch.from_struct_array(raw.column(0).values))

    def sift(self, values: Sequence[bytes], skip_bytes: int = 0) -> Sifted:
        """Decode the datums that can be decoded, and find those that cannot."""
        good: list[tuple[int, pa.RecordBatch]] = []
        bad: list[tuple[int, str]] = []
        ranges = [(0, len(values))] if values else []
        while ranges:
            first, end = ranges.pop()
            try:
                good.append((first, self.datums(values[first:end], skip_bytes)))
            except ValueError as problem:
                if end - first == 1:
                    bad.append((first, self._what_is_wrong(values[first][skip_bytes:], problem)))
                    continue
                middle = (first + end) // 2
                ranges += [(middle, end), (first, middle)]
        return Sifted(_concat(self.kind, [table for _, table in good]), _rows(good), tuple(bad))

    def _what_is_wrong(self, datum: bytes, problem: ValueError) -> str:
        """Say what is wrong with a datum; the decoder itself may speak of the eight bytes behind it."""
        ends, found = boundaries(self.skip, datum, 1)
        if found is None and ends[-1] < len(datum):
            found = f"{len(datum) - ends[-1]} bytes are left behind the last field"
        return found or str(problem)

    def _conform(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        columns = dict(zip(raw.schema.names, raw.columns, strict=True))
        if self.in_millis:
            columns["event_time"] = columns["event_time"].view(pa.timestamp("ms"))
        return conform(self.kind, columns, raw.num_rows)


def written_out(schema: Any) -> Any:
    """Return a schema with its named types written out where they are used. Raises `SchemaError` if malformed."""
    try:
        return fastavro.schema.expand_schema(schema)
    except (SchemaParseException, UnknownType, KeyError, TypeError, ValueError, RecursionError) as problem:
        text = json.dumps(schema)[:200]
        raise SchemaError(f"malformed schema {text}: {type(problem).__name__} {problem}") from problem


def _kind(schema: Any) -> EventType:
    """Return the event type that a record is named after; its namespace does not matter, as in resolution."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnknownEventError(f"schema {json.dumps(schema)[:200]} is not a record; events are records")
    name = str(schema["name"]).rpartition(".")[2]
    for kind in EVENT_TYPES:
        if kind == name.lower():
            return kind
    raise UnknownEventError(
        f"record {schema['name']} is none of {', '.join(EVENT_TYPES)}; rename it, or send it elsewhere"
    )


def _event_time_logical_type(schema: Any) -> str | None:
    for column in schema["fields"]:
        if column["name"] == "event_time":
            branches = column["type"] if isinstance(column["type"], list) else [column["type"]]
            return next((b["logicalType"] for b in branches if isinstance(b, dict) and "logicalType" in b), None)
    return None


def _prepare(kind: EventType, shape: Shape, *, in_millis: bool) -> WriterSchema:
    record = {**shape, "fields": [*shape["fields"], _END_FIELD]}
    framed = {**shape, "fields": [*_FRAMING_FIELDS, *record["fields"]]}
    array = {
        "type": "record",
        "name": "run",
        "fields": [{"name": "items", "type": {"type": "array", "items": shape}}, _END_FIELD],
    }
    return WriterSchema(kind, skipper(shape), json.dumps(record), json.dumps(framed), json.dumps(array), in_millis)


def _check_ends(raw: pa.RecordBatch) -> None:
    ends = np.asarray(raw.column(raw.num_columns - 1)).view(np.int64)
    if (ends != _END_NUMBER).any():
        raise ValueError("bytes are left behind the last field")


def _concat(kind: EventType, tables: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(tables) == 1:
        return tables[0]
    return pa.concat_batches(tables) if tables else conform(kind, {}, 0)


def _rows(good: list[tuple[int, pa.RecordBatch]]) -> npt.NDArray[np.int64]:
    ranges = [np.arange(first, first + table.num_rows, dtype=np.int64) for first, table in good]
    return np.concatenate(ranges) if ranges else np.empty(0, np.int64)
