"""What the tests of the codecs share: the project's registry, strategies for events, and rows taken out of blocks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from streams.codecs.avro import WriterSchema
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EVENT_TYPES, SCHEMAS, Block, EventType

Row = dict[str, Any]

KINDS = st.sampled_from(EVENT_TYPES)
OUTCOMES: list[Row] = [
    {
        "request_id": f"r{number}",
        "prediction_id": None,
        "event_time": 1_700_000_000_000_000 + number,
        "label": str(number % 2),
        "value": number / 4,
        "source": "observed",
        "revision": number,
        "inclusion_probability": 1.0,
    }
    for number in range(20)
]
"""Twenty outcomes, each different, with every column."""

_INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
_NULLABLE = {"request_id", "prediction_id", "unit_id", "score", "label", "ranking", "latency_ms", "value"}
_NULLABLE |= {"latency_bin", "latency_n", "latency_weight", "latency_square"}


@cache
def registry() -> SchemaRegistry:
    """Load the project's own schemas, once."""
    return SchemaRegistry.load(default_schema_dir())


def kind_of(writer: WriterSchema | None) -> EventType | None:
    """Tell which event a schema that was looked up is of, None if there was none."""
    return None if writer is None else writer.kind


def rows_of(kind: EventType) -> st.SearchStrategy[list[Row]]:
    """Lists of whole rows of a type: every column, with any value that the schema can hold."""
    nullable = _NULLABLE - {f"{kind}_id"}
    fields = {f.name: st.none() | _values(f) if f.name in nullable else _values(f) for f in SCHEMAS[kind]}
    in_order = st.fixed_dictionaries(fields).map(lambda row: {f.name: row[f.name] for f in SCHEMAS[kind]})
    return st.lists(in_order, max_size=8)


def texts(rows: Iterable[Row]) -> dict[int, str]:
    """Rows as text, so that NaN equals NaN, by their place."""
    return {place: repr(row) for place, row in enumerate(rows)}


def by_position(blocks: Iterable[Block], kind: EventType) -> dict[int, str]:
    """Rows of blocks as text by position; no position may have two rows, and no column another type."""
    found: dict[int, str] = {}
    for batch in (batch for block in blocks for batch in block.batches if batch.kind == kind):
        assert batch.table.schema.equals(SCHEMAS[kind])
        rows = batch.table.to_pylist(maps_as_pydicts="strict")
        added = {int(position): repr(row) for position, row in zip(batch.positions, rows, strict=True)}
        assert not found.keys() & added.keys()
        found |= added
    return found


def _values(field: pa.Field) -> st.SearchStrategy[Any]:
    kind = field.type
    if pa.types.is_map(kind):
        items: st.SearchStrategy[Any] = st.text(max_size=3) if pa.types.is_string(kind.item_type) else st.floats()
        return st.dictionaries(st.text(max_size=3), items, max_size=3)
    if pa.types.is_list(kind):
        return st.lists(_values(kind.value_field), max_size=3)
    if pa.types.is_string(kind):
        return st.text(max_size=5)
    return _INT64 if pa.types.is_int64(kind) else st.floats()
