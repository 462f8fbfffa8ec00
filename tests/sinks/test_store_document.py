"""What docs/store.md says about the store is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import months, records

DOCUMENT = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def documented() -> dict[str, list[tuple[str, str]]]:
    """Return (column, type) of every table of columns, by the name in the heading above it."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for heading, text in re.findall(r"^##+ `(\w+)`(.*?)(?=^##|\Z)", DOCUMENT, re.DOTALL | re.MULTILINE):
        lines = re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE)
        tables[heading] = [(name, kind) for names, kind in lines for name in re.findall(r"`(\w+)`", names)]
    return tables


def test_there_are_twelve_queries() -> None:
    """The queries are found in the document: five about models, three about experiments and four about changes."""
    assert len(QUERIES) == 12


@pytest.mark.parametrize("query", QUERIES)
def test_a_documented_query_runs(store: Store, query: str) -> None:
    """On a store with three months of rows, two looks at an experiment and an alert, each query has an answer."""
    for name, batch in {"windows": months(), **records()}.items():
        store.insert(name, batch)

    assert store.query(query).num_rows > 0


def test_every_column_is_documented(store: Store) -> None:
    """Each table and view list their columns with their types, and no others."""
    columns = store.query(
        "SELECT table, name, type FROM system.columns WHERE database = currentDatabase() AND table != 'schema_versions'"
    ).to_pylist()
    created: dict[str, set[tuple[str, str]]] = {}
    for column in columns:
        created.setdefault(column["table"], set()).add((column["name"], column["type"]))

    assert {table: set(listed) for table, listed in documented().items()} == created


@pytest.mark.parametrize("view", ["quality", "current_verdicts", "first_verdicts", "current_alerts"])
def test_a_view_is_documented_in_its_order(store: Store, view: str) -> None:
    """The document lists a view's columns in the order in which SELECT * gives them."""
    assert [name for name, _ in documented()[view]] == store.query(f"SELECT * FROM {view}").column_names  # noqa: S608
