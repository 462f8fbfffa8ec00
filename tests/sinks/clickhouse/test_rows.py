from __future__ import annotations

import math

import pyarrow as pa
import pytest

from streams.sinks.clickhouse.rows import KEYS, SCHEMAS, TableName, checked, empty
from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import records, window_row, windows


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_rows_fit_their_table(name: TableName) -> None:
    """`empty` gives every table's columns and types."""
    assert checked(name, empty(name)).schema == SCHEMAS[name]


def test_schemas_are_those_of_the_tables(store: Store) -> None:
    """Names, order and nullability of the Arrow schemas are those that the migrations create; some the store fills."""
    columns = store.query(
        "SELECT table, name, type LIKE '%Nullable%' AS nullable FROM system.columns "
        "WHERE database = currentDatabase() AND default_kind != 'MATERIALIZED' ORDER BY table, position"
    ).to_pylist()

    for table, schema in SCHEMAS.items():
        created = [(c["name"], bool(c["nullable"])) for c in columns if c["table"] == table]
        assert created == [(field.name, field.nullable) for field in schema]


def test_keys_are_those_of_the_tables(store: Store) -> None:
    """What identifies a row here is what the tables are sorted by."""
    tables = store.query(
        "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replacing%'"
    ).to_pylist()

    assert {table["name"]: tuple(table["sorting_key"].split(", ")) for table in tables} == KEYS


def test_nan_becomes_null() -> None:
    """An undefined estimate is NULL, however the batch said so."""
    batch = checked("windows", windows(window_row(value=math.nan, low=None)))

    assert batch.select(["value", "low", "high"]).to_pylist() == [{"value": None, "low": None, "high": 0.94}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(["n"]), "column 'n' is missing"),
        (lambda t: t.append_column("extra", pa.array([1])), "column 'extra' is unknown"),
        (lambda t: t.select(t.column_names[::-1]), "order"),
        (lambda t: t.set_column(0, "model", pa.array([1])), "column 'model' is int64, expected string"),
        (lambda t: t.set_column(0, "model", pa.nulls(1, pa.string())), r"column 'model' has 1 null"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change: object, message: str) -> None:
    """A batch with other columns, another order, other types or missing values is a ValueError that says which."""
    batch = change(windows(window_row()))  # type: ignore[operator]

    with pytest.raises(ValueError, match=message):
        checked("windows", batch)


def test_an_unknown_table_is_refused() -> None:
    """The error names the tables that exist."""
    with pytest.raises(ValueError, match="windows, slices"):
        checked("window", empty("windows"))


def test_every_table_takes_its_rows(store: Store) -> None:
    """What goes into the other tables comes out as it was: nulls, maps, times and bytes that are not text."""
    for name, batch in records().items():
        store.insert(name, batch)

    for name, batch in records().items():
        stored = store.query(f"SELECT * FROM {name} FINAL ORDER BY ALL")  # noqa: S608 - our own names
        assert stored.to_pylist() == batch.to_pylist()
