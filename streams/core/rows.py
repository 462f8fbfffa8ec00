"""Rows of records that took part in nothing: the rejected, and the orphans. Their fields are treated first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from streams.core.block import Batch, Reject
from streams.core.columns import Mask
from streams.core.flatten import request_of
from streams.core.privacy.rule import KEEP
from streams.core.privacy.treatment import Treatment

_TIME = pa.timestamp("us", tz="UTC")
_RECORD = ("request_id", "prediction_id", "event_time", "label", "value", "kind", "revision", "unit_id")
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)  # from the first quote to the last, whatever is quoted inside
_TYPES = {
    "request_id": pa.string(),
    "prediction_id": pa.string(),
    "event_time": pa.int64(),
    "label": pa.string(),
    "value": pa.float64(),
    "kind": pa.string(),
    "revision": pa.int64(),
    "unit_id": pa.string(),
}
_FORGOTTEN = {
    "order_name": pa.string(),
    "source": pa.string(),
    "kind": pa.string(),
    "asked": pa.int64(),
    "removed": pa.uint64(),
    "remaining": pa.uint64(),
    "revision": pa.uint64(),
}


def rejected_rows(rejects: Sequence[Reject], treatment: Treatment) -> pa.Table:
    """Return rows of the `rejected` table: of records that were decoded the fields, of others how long they are."""
    kept = [_kept(reject, treatment) for reject in rejects]
    return pa.table(
        {
            "source": pa.array([r.source for r in rejects], pa.string()),
            "position": pa.array([r.position for r in rejects], pa.int64()),
            "type": pa.array([r.kind or "" for r in rejects], pa.string()),
            "reason": pa.array([r.reason for r in rejects], pa.string()),
            "detail": pa.array([detail for detail, _ in kept], pa.string()),
            "original": pa.array([original for _, original in kept], pa.binary()),
        }
    )


def _kept(reject: Reject, treatment: Treatment) -> tuple[str, bytes]:
    """Return what may be stored of why a record was rejected, and of the record."""
    if treatment.plan.payload == KEEP:
        return reject.detail, reject.original
    if reject.fields is None:
        # What is no event may quote what it is instead; other messages of decoders have no values.
        detail = _QUOTED.sub("...", reject.detail) if reject.reason == "unknown_schema" else reject.detail
        return detail, msgspec.json.encode(_outside(reject.original, treatment))
    fields = treatment.record(reject.fields)
    same = not reject.column or fields.get(reject.column) == reject.fields[reject.column]
    return reject.detail if same else f"{reject.column}: {reject.says}", msgspec.json.encode(fields)


def _outside(content: bytes, treatment: Treatment) -> dict[str, object]:
    """Return how long a record is and, where there is a secret, a digest by which it is known again."""
    names = treatment.pseudonyms
    return {"bytes": len(content)} | ({} if names is None else {"digest": names.digest(content)})


def record_texts(batch: Batch, treatment: Treatment) -> pa.Table:
    """Return what an orphan's row will say of each event, for the archive."""
    rows = len(batch)
    fixed = {
        "source": pa.repeat(pa.scalar(batch.source), rows),
        "position": pa.array(batch.positions),
        "type": pa.repeat(pa.scalar(batch.kind), rows),
    }
    there = treatment.table(batch.table.select([name for name in batch.table.schema.names if name in _RECORD]))
    names = set(there.schema.names)
    fields = {name: there[name] if name in names else pa.nulls(rows, _TYPES[name]) for name in _RECORD}
    return pa.table(fixed | fields)


def orphan_rows(texts: pa.Table, late: Mask) -> pa.Table:
    """Return rows of the `orphans` table from archived texts; `late` says which came after a known horizon."""
    request = request_of(texts)
    reason = pa.array(np.where(late, "late", "unmatched"), pa.string())
    columns = {name: texts[name] for name in texts.schema.names}
    columns |= {"request_id": request, "event_time": texts["event_time"].cast(_TIME)}
    columns |= {"reason": reason, "unit_id": columns.get("unit_id", pa.nulls(len(texts), pa.string()))}
    return pa.table({name: columns[name] for name in ("source", "position", "type", "reason", *_RECORD)})


def forgotten_rows(answers: Sequence[dict[str, Any]], revision: int) -> pa.Table:
    """Return rows of the `forgotten` table, which are given as plain data, with times in us."""
    rows = [answer | {"revision": revision} for answer in answers]
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in _FORGOTTEN.items()}
    return pa.table(columns | {"asked": columns["asked"].cast(_TIME)})


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
