"""
Sample: raw events kept for the analyst, the same requests in all three types.

A request is kept when the hash of its id, read as a fraction of 2**64, is below the share: no random numbers, so
that a prediction and its outcome are kept together and a larger share contains a smaller one.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa

from streams.core.block import Batch
from streams.core.columns import Array, Floats, Hashes, Ints, Mask, from_arrow
from streams.core.flatten import request_of
from streams.core.privacy.treatment import Treatment

TIME = pa.timestamp("us", tz="UTC")
_MAPS = ("attributes", "features", "assignments")
_AT_ONCE = 200  # events: what Python makes of more would still be there when its collector looks for garbage


def sampled(keys: Hashes, share: float) -> Mask:
    """
    Mask of the requests (by the hash of their id) that a share keeps.

    >>> sampled(np.array([0, 2**63, 2**64 - 1], np.uint64), 0.5).tolist()
    [True, False, False]
    """
    below = int(share * 2.0**64)
    return np.ones(len(keys), np.bool_) if below >= 2**64 else keys < np.uint64(below)


def sample_rows(batch: Batch, rows: Ints, share: Floats, treatment: Treatment) -> pa.Table:
    """Rows of the `samples` table: these events, treated, as JSON, with the joint probability of being there."""
    table = treatment.table(batch.table.take(pa.array(rows)))
    absent = pa.nulls(len(table), pa.string()).fill_null("")
    named = batch.kind == "prediction"
    return pa.table(
        {
            "type": pa.repeat(pa.scalar(batch.kind), len(table)),
            "request_id": request_of(table),
            "event_time": table["event_time"].cast(TIME),
            "model": table["model"] if named else absent,
            "version": table["version"] if named else absent,
            "payload": pa.array(_payloads(table), pa.string()),
            "inclusion_probability": share * _own_probability(table),
            "source": pa.repeat(pa.scalar(batch.source), len(table)),
            "position": batch.positions[rows],
        }
    )


def _own_probability(table: pa.RecordBatch) -> Array:
    if "inclusion_probability" not in table.schema.names:
        return np.ones(len(table))
    return from_arrow(table["inclusion_probability"])


def _payloads(table: pa.RecordBatch) -> list[str]:
    """Sampled events as JSON objects; the sample is small, so Python may see each."""
    parts = (table.slice(first, _AT_ONCE) for first in range(0, len(table), _AT_ONCE))
    return [text for part in parts for text in _encoded(part)]


def _encoded(table: pa.RecordBatch) -> list[str]:
    names = table.schema.names
    columns = [column.to_pylist() for column in table.columns]
    for place in (names.index(name) for name in _MAPS if name in names):
        columns[place] = [dict(pairs) for pairs in columns[place]]
    encode = msgspec.json.encode
    return [encode(dict(zip(names, row, strict=True))).decode() for row in zip(*columns, strict=True)]
