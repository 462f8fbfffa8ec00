"""What the tests of the codecs share: the project's registry, strategies for events, and rows taken out of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import SCHEMAS, Block, EventType

Row = dict[str, Any]

settings.register_profile("codecs", deadline=None)  # how long a file takes says nothing about a codec
settings.load_profile("codecs")

_INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
_NULLABLE = {"request_id", "prediction_id", "unit_id", "score", "label", "ranking", "latency_ms", "value"}


def _values(field: pa.Field) -> st.SearchStrategy[Any]:
    kind = field.type
    if pa.types.is_map(kind):
        items = st.text(max_size=3) if pa.types.is_string(kind.item_type) else st.floats()
        return st.dictionaries(st.text(max_size=3), items, max_size=3)
    if pa.types.is_list(kind):
        return st.lists(st.text(max_size=3), max_size=3)
    if pa.types.is_string(kind):
        return st.text(max_size=5)
    return _INT64 if pa.types.is_int64(kind) else st.floats()


def _rows(kind: EventType) -> st.SearchStrategy[list[Row]]:
    nullable = _NULLABLE - {f"{kind}_id"}
    fields = {f.name: st.none() | _values(f) if f.name in nullable else _values(f) for f in SCHEMAS[kind]}
    in_order = st.fixed_dictionaries(fields).map(lambda row: {f.name: row[f.name] for f in SCHEMAS[kind]})
    return st.lists(in_order, max_size=8)


def _by_position(blocks: Iterable[Block], kind: EventType) -> dict[int, str]:
    found: dict[int, str] = {}
    for batch in (batch for block in blocks for batch in block.batches if batch.kind == kind):
        assert batch.table.schema.equals(SCHEMAS[kind])
        rows = batch.table.to_pylist(maps_as_pydicts="strict")
        added = {int(position): repr(row) for position, row in zip(batch.positions, rows, strict=True)}
        assert not found.keys() & added.keys()
        found |= added
    return found


@pytest.fixture(scope="session")
def registry() -> SchemaRegistry:
    return SchemaRegistry.load(default_schema_dir())


@pytest.fixture(scope="session")
def rows_of() -> Callable[[EventType], st.SearchStrategy[list[Row]]]:
    """Lists of whole rows of a type: every column, with any value that the schema can hold."""
    return _rows


@pytest.fixture(scope="session")
def by_position() -> Callable[[Iterable[Block], EventType], dict[int, str]]:
    """Rows of blocks as text (so that NaN equals NaN) by position, each position at most once."""
    return _by_position


@pytest.fixture(scope="session")
def outcomes() -> list[Row]:
    """Twenty outcomes, each different."""
    return [
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
