"""Batches cut, joined and screened: what the codecs have in common once there are columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.core.block import EVENT_TYPES, MAX_MAP_KEYS, MAX_RECORD_BYTES, Batch, Block, Reject, RejectReason

Rows = npt.NDArray[np.int64]
Faults = dict[int, tuple[RejectReason, str]]


def select(batch: Batch, rows: Rows) -> Batch:
    """Return the given rows of a batch, in the given order."""
    return replace(
        batch,
        table=batch.table.take(pa.array(rows)),
        positions=batch.positions[rows],
        original=lambda row: batch.original(int(rows[row])),
    )


def join(batches: Sequence[Batch]) -> Batch:
    """Return one batch of the rows of several of one kind and source, in the order of their positions."""
    if len(batches) == 1:
        return batches[0]
    starts = np.cumsum([0, *map(len, batches)])

    def original(row: int) -> bytes:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        return batches[part].original(row - int(starts[part]))

    positions = np.concatenate([b.positions for b in batches])
    joined = replace(
        batches[0], table=pa.concat_batches([b.table for b in batches]), positions=positions, original=original
    )
    in_order = bool((np.diff(positions) > 0).all())
    return joined if in_order else select(joined, np.argsort(positions, kind="stable"))


def block_of(source: str, batches: Sequence[Batch], rejects: Sequence[Reject]) -> Block:
    """Return the block of what was decoded: screened, a batch for each type of event, rejects by position."""
    screened = [screen(batch) for batch in batches]
    refused = [*rejects, *(reject for _, more in screened for reject in more)]
    kept = [batch for batch, _ in screened if len(batch)]
    by_kind = ([batch for batch in kept if batch.kind == kind] for kind in EVENT_TYPES)
    joined = tuple(join(same) for same in by_kind if same)
    return Block(source, joined, tuple(sorted(refused, key=lambda reject: reject.position)))


def cut(block: Block, rows: int) -> Iterator[Block]:
    """Yield a block in pieces with batches of at most `rows` rows, without copying; the first has the rejects."""
    longest = max(map(len, block.batches), default=0)
    for first in range(0, max(longest, 1), rows):
        pieces = tuple(_piece(batch, first, rows) for batch in block.batches if first < len(batch))
        piece = Block(block.source, pieces, () if first else block.rejects)
        if len(piece):
            yield piece


def screen(batch: Batch) -> tuple[Batch, list[Reject]]:
    """
    Take out the rows that no format may hold, and say why.

    Refused are text that is not UTF-8 (Arrow readers do not look), nulls inside maps and lists, maps of more than
    `MAX_MAP_KEYS` keys, and rows of more than `MAX_RECORD_BYTES` bytes of content.
    """
    faults = _faults(batch.table)
    if not faults:
        return batch, []
    rejects = [_reject(batch, row, *faults[row]) for row in sorted(faults)]
    kept = np.delete(np.arange(len(batch)), list(faults))
    return select(batch, kept), rejects


def _reject(batch: Batch, row: int, reason: RejectReason, detail: str) -> Reject:
    original = batch.original(row)[:MAX_RECORD_BYTES]
    return Reject(reason, detail, batch.source, int(batch.positions[row]), original, batch.kind)


def _piece(batch: Batch, first: int, rows: int) -> Batch:
    if not first and len(batch) <= rows:
        return batch
    return replace(
        batch,
        table=batch.table.slice(first, rows),
        positions=batch.positions[first : first + rows],
        original=lambda row: batch.original(first + row),
    )


def _faults(table: pa.RecordBatch) -> Faults:
    faults: Faults = {}
    if table.nbytes > MAX_RECORD_BYTES:
        sizes = sum((content_bytes(column) for column in table.columns), start=np.zeros(len(table), np.int64))
        faults |= {
            int(row): ("too_large", f"{sizes[row]} bytes, at most {MAX_RECORD_BYTES} are taken")
            for row in np.flatnonzero(sizes > MAX_RECORD_BYTES)
        }
    for name, column in zip(table.schema.names, table.columns, strict=True):
        faults |= _map_faults(name, column) if pa.types.is_map(column.type) else {}
        faults |= _hole_faults(name, column) if pa.types.is_nested(column.type) else {}
    for row in _not_utf8(table):
        faults[row] = "undecodable", "text that is not UTF-8"
    return faults


def _map_faults(name: str, column: pa.MapArray) -> Faults:
    keys = np.diff(np.asarray(column.offsets))
    return {
        int(row): ("too_large", f"{name} has {keys[row]} keys, at most {MAX_MAP_KEYS} are taken")
        for row in np.flatnonzero(keys > MAX_MAP_KEYS)
    }


def _hole_faults(name: str, column: pa.Array) -> Faults:
    values = column.items if pa.types.is_map(column.type) else column.values
    if not values.null_count:
        return {}
    offsets = np.asarray(column.offsets)
    holes_before = np.concatenate([[0], np.cumsum(np.asarray(values.is_null()))])
    holes = holes_before[offsets[1:]] - holes_before[offsets[:-1]]
    return {int(row): ("undecodable", f"{name} holds a null") for row in np.flatnonzero(holes)}


def _not_utf8(table: pa.RecordBatch) -> list[int]:
    """Find the rows whose text is not UTF-8: usually none, as one look at everything shows, else by halving."""
    if _is_valid(table):
        return []
    ranges, bad = [np.arange(len(table))], []
    while ranges:
        rows = ranges.pop()
        if _is_valid(table.take(pa.array(rows))):  # not a slice: its maps and lists would keep the others' text
            continue
        if len(rows) == 1:
            bad.append(int(rows[0]))
            continue
        ranges += np.array_split(rows, 2)
    return bad


def _is_valid(table: pa.RecordBatch) -> bool:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def content_bytes(column: pa.Array) -> Rows:
    """Bytes of content in each row of a column: text as it is, eight for any other value. Shape (rows,)."""
    if not len(column):
        return np.zeros(0, np.int64)
    if pa.types.is_string(column.type):
        offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
        return np.diff(offsets).astype(np.int64)
    if not pa.types.is_nested(column.type):
        return np.full(len(column), 8, np.int64)
    offsets = np.asarray(column.offsets).astype(np.int64)
    children = [column.keys, column.items] if pa.types.is_map(column.type) else [column.values]
    before = np.zeros(len(children[0]) + 1, np.int64)
    np.cumsum(sum(content_bytes(child) for child in children), out=before[1:])
    sizes: Rows = before[offsets[1:]] - before[offsets[:-1]]
    return sizes
