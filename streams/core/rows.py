"""Rows of records that are kept as they came: the rejected, and the orphans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from streams.core.block import Batch, Reject
from streams.core.columns import Mask
from streams.core.flatten import request_of

_TIME = pa.timestamp("us", tz="UTC")
_RECORD = ("request_id", "prediction_id", "event_time", "label", "value", "kind", "revision")
_TYPES = {
    "request_id": pa.string(),
    "prediction_id": pa.string(),
    "event_time": pa.int64(),
    "label": pa.string(),
    "value": pa.float64(),
    "kind": pa.string(),
    "revision": pa.int64(),
}


def rejected_rows(rejects: Sequence[Reject]) -> pa.Table:
    """Return rows of the `rejected` table."""
    return pa.table(
        {
            "source": pa.array([r.source for r in rejects], pa.string()),
            "position": pa.array([r.position for r in rejects], pa.int64()),
            "type": pa.array([r.kind or "" for r in rejects], pa.string()),
            "reason": pa.array([r.reason for r in rejects], pa.string()),
            "detail": pa.array([r.detail for r in rejects], pa.string()),
            "original": pa.array([r.original for r in rejects], pa.binary()),
        }
    )


def record_texts(batch: Batch) -> pa.Table:
    """Return what an orphan's row will say of each event, for the archive."""
    rows = len(batch)
    fixed = {
        "source": pa.repeat(pa.scalar(batch.source), rows),
        "position": pa.array(batch.positions),
        "type": pa.repeat(pa.scalar(batch.kind), rows),
    }
    names = set(batch.table.schema.names)
    fields = {name: batch.table[name] if name in names else pa.nulls(rows, _TYPES[name]) for name in _RECORD}
    return pa.table(fixed | fields)


def orphan_rows(texts: pa.Table, late: Mask) -> pa.Table:
    """Return rows of the `orphans` table from archived texts; `late` says which came after a known horizon."""
    request = request_of(texts)
    reason = pa.array(np.where(late, "late", "unmatched"), pa.string())
    columns = {name: texts[name] for name in texts.schema.names}
    columns |= {"request_id": request, "event_time": texts["event_time"].cast(_TIME)}
    order = ("source", "position", "type", "reason", *_RECORD)
    return pa.table({name: (columns | {"reason": reason})[name] for name in order})


def intake_row(partition: int, counts: Mapping[str, int], watermark: int | None, revision: int) -> pa.Table:
    """Return the row of the `intake` table of one partition: its counts, and how far event time has come there."""
    return pa.table(
        {
            "partition": pa.array([partition], pa.int64()),
            "counts": pa.array([list(counts.items())], pa.map_(pa.string(), pa.uint64())),
            "watermark": pa.array([watermark], pa.int64()).cast(_TIME),
            "revision": pa.array([revision], pa.uint64()),
        }
    )
