"""Notices of alerts as messages: rows of the table `alerts` as JSON objects; `schemas/alert.schema.json` says how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from streams.runtime.log import Record


def notice_records(alerts: Iterable[pa.Table]) -> list[Record]:
    """Return rows of the table `alerts` as records with the model's name as key, in the order of the rows."""
    return [(one["model"].encode(), msgspec.json.encode(one)) for one in notices(alerts)]


def notices(alerts: Iterable[pa.Table]) -> Iterator[dict[str, Any]]:
    """Return rows of the table `alerts` as notices, in their order."""
    return (_notice(row) for table in alerts for row in _rows(table))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with times as microseconds."""
    kinds = [pa.int64() if pa.types.is_timestamp(field.type) else field.type for field in table.schema]
    fields = [pa.field(field.name, kind) for field, kind in zip(table.schema, kinds, strict=True)]
    rows: list[dict[str, Any]] = table.cast(pa.schema(fields)).to_pylist()
    return rows


def _notice(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a notice: the store's revision of a row says nothing of the alert, its sequence does."""
    told = {name: value for name, value in row.items() if name != "sequence"}
    slices = {"slice": dict(row["slice"]), "worst_slices": [dict(one) for one in row["worst_slices"]]}
    return told | slices | {"revision": row["sequence"]}
