"""Verdicts as messages: each row of the table `verdicts` is a JSON object, as `schemas/verdict.schema.json` says."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from datetime import datetime

import msgspec
import pyarrow as pa

from streams.runtime.kafka import shard_of
from streams.runtime.log import Record
from streams.sinks.clickhouse.rows import SCHEMAS

_NULLABLE = frozenset(field.name for field in SCHEMAS["verdicts"] if field.nullable)


def verdict_records(verdicts: Iterable[pa.Table], partitions: int) -> dict[int, list[Record]]:
    """
    Return rows of the table `verdicts` as records with the experiment's name as key, by the partition of that.

    The records of a partition are in the order of the rows.
    """
    records: dict[int, list[Record]] = {}
    for rows in verdicts:
        shards = {name: shard_of(name, partitions) for name in rows["experiment"].unique().to_pylist()}
        for row in rows.to_pylist():
            name = row["experiment"]
            records.setdefault(shards[name], []).append((name.encode(), _message(row)))
    return records


def _message(row: dict[str, object]) -> bytes:
    return msgspec.json.encode({name: _value(name, value) for name, value in row.items()})


def _value(name: str, value: object) -> object:
    """Return a value of a row as JSON can have it, which knows neither times nor infinities."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, float) and math.isinf(value):
        # The open end of an interval is no number; but evidence without bounds must not look like a lack of it.
        return None if name in _NULLABLE else math.copysign(sys.float_info.max, value)
    return value
