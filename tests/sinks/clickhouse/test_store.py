from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from streams.errors import StoreError
from streams.sinks.clickhouse.store import Store, open_store, read_store
from tests.sinks.filled import FIRST, months, window_row, windows

QUALITY = [
    "model",
    "version",
    "metric",
    "slice",
    "window_start",
    "window_end",
    "value",
    "low",
    "high",
    "n",
    "n_effective",
    "units",
    "label_coverage",
    *("maturity", "corrected", "corrected_low", "corrected_high", "corrected_n_effective"),
    "is_final",
    "window",
]


def test_the_view_shows_a_row_as_it_was_written(store: Store) -> None:
    """Columns in the documented order, times in UTC, the slice a map, an undefined interval NULL."""
    store.insert("windows", windows(window_row(slice={"carrier": "UA"}, low=None, high=None)))
    quality = store.query("SELECT * FROM quality")

    row = window_row(slice=[("carrier", "UA")], low=None, high=None)
    assert quality.column_names == QUALITY
    assert quality.to_pylist() == [{name: row[name] for name in QUALITY}]
    assert quality.schema.field("slice").type == pa.map_(pa.string(), pa.string())
    assert quality.schema.field("window_start").type == pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize("revisions", [(1, 2), (2, 1)])
def test_the_highest_revision_counts(store: Store, revisions: tuple[int, int]) -> None:
    """Of two rows with one key the view shows the newer, whichever was written first, even if its value is NULL."""
    for revision in revisions:
        store.insert("windows", windows(window_row(value=None if revision == 2 else 0.1, revision=revision)))

    assert store.query("SELECT value FROM quality").to_pylist() == [{"value": None}]


def test_a_replay_changes_nothing(store: Store) -> None:
    """The same rows written again, cut differently, give the same view."""
    rows = months()
    store.insert("windows", rows)
    before = store.query("SELECT * FROM quality ORDER BY ALL")
    for start in range(0, rows.num_rows, 100):
        store.insert("windows", rows.slice(start, 100))

    assert store.query("SELECT * FROM quality ORDER BY ALL") == before
    assert before.num_rows == rows.num_rows


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"version": "v2"},
        {"window": "1mo"},
        {"window_start": FIRST + timedelta(days=1)},
        {"slice_id": 1},
        {"metric": "recall"},
    ],
)
def test_rows_with_other_keys_stay_apart(store: Store, change: dict[str, object]) -> None:
    """A row that differs in any column of the key replaces nothing."""
    store.insert("windows", windows(window_row(), window_row(**change)))

    assert store.query("SELECT count() AS n FROM quality").to_pylist() == [{"n": 2}]


def test_more_than_a_hundred_months_fit_in_one_insert(store: Store) -> None:
    """A batch whose times are strewn over two centuries is stored whole."""
    starts = [datetime(1900 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(0, 2400, 7)]
    store.insert("windows", windows(*(window_row(window_start=start) for start in starts)))

    stored = store.query("SELECT window_start FROM quality ORDER BY window_start")
    assert stored["window_start"].to_pylist() == starts


def test_no_rows_are_no_insert(store: Store) -> None:
    """An empty batch is accepted and changes nothing."""
    store.insert("windows", windows())

    assert store.query("SELECT count() AS n FROM windows").to_pylist() == [{"n": 0}]


def test_what_was_inserted_is_there_after_reopening(directory: Path) -> None:
    """Rows survive the store's closing, and a store opened for reading shows them."""
    with open_store(f"chdb://{directory}") as store:
        store.migrate()
        store.insert("windows", windows(window_row()))
    with read_store(f"chdb://{directory}") as store:
        count = store.query("SELECT count() AS n FROM quality").to_pylist()

    assert count == [{"n": 1}]


def test_a_store_without_tables_says_what_to_do(directory: Path) -> None:
    """Inserting into and querying a new store names the command that creates its tables."""
    with open_store(f"chdb://{directory}") as store:
        with pytest.raises(StoreError, match="streams replay"):
            store.insert("windows", windows(window_row()))
        with pytest.raises(StoreError, match="streams replay"):
            store.query("SELECT * FROM quality")


def test_a_store_opened_for_reading_does_not_write(directory: Path) -> None:
    """Migrating and inserting are refused, and the store is named."""
    with open_store(f"chdb://{directory}") as store:
        store.migrate()
    with read_store(f"chdb://{directory}") as store:
        with pytest.raises(StoreError, match=f"{directory} was opened for reading only"):
            store.insert("windows", windows(window_row()))
        with pytest.raises(StoreError, match="reading only"):
            store.migrate()


def test_the_reading_connection_cannot_write(store: Store) -> None:
    """Even a statement that got past the check of its text is refused by the engine, time and again."""
    for _ in range(2):
        with pytest.raises(Exception, match="readonly"):
            store._reader.command("INSERT INTO slices (model) VALUES ('x')")

    store.insert("windows", windows(window_row()))
    assert store.query("SELECT count() AS n FROM slices").to_pylist() == [{"n": 0}]


def test_too_many_rows_are_refused(store: Store) -> None:
    """A result over `max_rows` is an error, not a part of the answer; one as large is given."""
    assert store.query("SELECT number FROM numbers(10)", max_rows=10).num_rows == 10

    with pytest.raises(StoreError, match="more than 9 rows"):
        store.query("SELECT number FROM numbers(10)", max_rows=9)


def test_a_limit_holds_for_its_query_only(store: Store) -> None:
    """The limits of one query do not linger for the next."""
    with pytest.raises(StoreError, match="more than 5 rows"):
        store.query("SELECT number FROM numbers(10)", max_rows=5)

    assert store.query("SELECT number FROM numbers(10)").num_rows == 10


def test_a_query_that_takes_too_long_is_ended(store: Store) -> None:
    """Over `max_seconds`, a query ends with an error that says so."""
    endless = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"

    with pytest.raises(StoreError, match="took longer than 1 s"):
        store.query(endless, max_seconds=1)


def test_a_wrong_query_is_explained(store: Store) -> None:
    """The engine's message comes without codes and versions, and names the column."""
    with pytest.raises(StoreError, match="no_such_column") as caught:
        store.query("SELECT no_such_column FROM quality")

    assert "DB::Exception" not in str(caught.value)
    assert "(version" not in str(caught.value)


def test_times_of_any_kind_come_back_with_their_zone(store: Store) -> None:
    """DateTime, which the engine's own Arrow output gives as a number, is a time in UTC like DateTime64."""
    store.insert("windows", windows(window_row()))
    days = store.query(
        "SELECT toStartOfDay(window_start) AS day, toDateTime('2013-01-01 00:00:00', 'America/New_York') AS there "
        "FROM quality"
    )

    assert days.to_pylist() == [{"day": FIRST, "there": FIRST + timedelta(hours=5)}]


def test_closing_twice_is_harmless(directory: Path) -> None:
    """A closed store can be closed again."""
    store = open_store(f"chdb://{directory}")
    store.close()
    store.close()

    assert directory.is_dir()
