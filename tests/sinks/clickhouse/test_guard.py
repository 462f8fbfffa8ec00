"""How long tables keep rows, and which cells the view shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from streams.config.privacy import Retained
from streams.core.window_spec import DAY
from streams.sinks.clickhouse.guard import TIMES
from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import records, window_row, windows

NOW = datetime.now(UTC)
QUALITY = "SELECT units FROM quality ORDER BY units"
RIGHTS = "SELECT name FROM system.tables WHERE create_table_query LIKE '%SQL SECURITY DEFINER%' ORDER BY name"


def aged(table: Retained, days: int) -> pa.Table:
    """Return a row of a table that is so many days old."""
    rows = windows(window_row()) if table == "windows" else records()[table]
    time = pa.array([NOW - timedelta(days=days)], pa.timestamp("us", tz="UTC"))
    return rows.slice(0, 1).set_column(rows.schema.get_field_index(TIMES[table]), TIMES[table], time)


def count(store: Store, table: str) -> int:
    (number,) = store.query(f"SELECT count() AS n FROM {table}")["n"].to_pylist()  # noqa: S608
    return int(number)


@pytest.mark.parametrize("table", [table for table in TIMES if table != "rejected"])
@pytest.mark.parametrize(("days", "left"), [(40, 0), (20, 1)])
def test_rows_that_are_too_old_are_gone(store: Store, table: Retained, days: int, left: int) -> None:
    """With a retention of 30 days, a merge leaves no row of 40 days, and leaves one of 20."""
    store.insert(table, aged(table, days))
    store.guard({table: 30 * DAY}, 1)
    store._writer.command(f"OPTIMIZE TABLE {table} FINAL")

    assert count(store, table) == left


def test_rejected_rows_age_from_when_they_landed(store: Store) -> None:
    """They have no other time that could be trusted: what was written just now is there, what is older is not."""
    store.insert("rejected", records()["rejected"])
    store._writer.command(
        "INSERT INTO rejected (source, position, landed) SETTINGS insert_allow_materialized_columns = 1 "
        "SELECT 'old', number, now() - toIntervalDay(40 * number) FROM numbers(2)"
    )
    before = count(store, "rejected")
    store.guard({"rejected": 30 * DAY}, 1)
    store._writer.command("OPTIMIZE TABLE rejected FINAL")

    assert (before, count(store, "rejected")) == (3, 2)


def test_what_is_as_declared_is_left_alone(store: Store) -> None:
    """It says what it does, and in a dry run what it would do; done once, there is nothing to do."""
    said = ["samples: rows are kept for 30d", "quality: cells of at least 5 units are shown"]
    every = dict.fromkeys(TIMES, 30 * DAY)

    assert store.guard({"samples": 30 * DAY}, 5, dry_run=True) == said
    assert store.guard({"samples": 30 * DAY}, 5) == said
    assert store.guard({"samples": 30 * DAY}, 5) == []
    assert store.guard({}, 1)[0] == "samples: rows are kept for ever"
    assert len(store.guard(every, 1)) == len(TIMES)
    assert store.guard(every, 1) == []
    assert len(store.guard({}, 1)) == len(TIMES)
    assert store.guard({}, 1) == []


def test_small_cells_are_not_shown(store: Store) -> None:
    """The view hides rows of fewer units, or of nobody knows how many, for as long as that is declared."""
    cells = (window_row(n=1_000.0, units=units, slice_id=n) for n, units in enumerate((1, 4, 5, 100, None)))
    store.insert("windows", windows(*cells))
    shown = []
    for smallest in (1, 5, 6, 1):
        store.guard({}, smallest)
        shown.append(store.query(QUALITY)["units"].to_pylist())

    assert shown == [[1, 4, 5, 100, None], [5, 100], [100], [1, 4, 5, 100, None]]


def test_a_row_that_says_nothing_any_more_hides_the_one_before(store: Store) -> None:
    """Where the newest revision is of too few units, no older one is shown in its place."""
    store.guard({}, 5)
    store.insert("windows", windows(window_row(units=9, revision=1)))
    before = store.query(QUALITY).num_rows
    store.insert("windows", windows(window_row(value=None, n=0.0, units=0, revision=2)))

    assert (before, store.query(QUALITY).num_rows) == (1, 0)


def test_views_of_analysts_need_no_right_to_tables(store: Store) -> None:
    """They read with the rights of who made them, whether or not small cells are hidden."""
    found = []
    for smallest in (1, 5, 1):
        store.guard({}, smallest)
        found.append(store.query(RIGHTS)["name"].to_pylist())

    assert found == [["current_verdicts", "first_verdicts", "quality"]] * 3


def test_the_view_keeps_its_columns(store: Store) -> None:
    """Hiding small cells, and showing them again, changes no column of the view."""
    before = store.query("SELECT * FROM quality").column_names
    for smallest in (5, 1):
        store.guard({}, smallest)
        assert store.query("SELECT * FROM quality").column_names == before
