from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StoreUnavailable
from streams.sinks.buffer import RowBuffer, newest
from streams.sinks.clickhouse.rows import TableName, empty
from tests.sinks.filled import records, window_row, windows


class Recorder:
    """A store that keeps what it is given, or is away."""

    def __init__(self) -> None:
        self.inserts: list[tuple[str, pa.Table]] = []
        self.away = False

    def insert(self, table: TableName, batch: pa.Table) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.inserts.append((table, batch))

    def sizes(self) -> list[tuple[str, int]]:
        return [(table, batch.num_rows) for table, batch in self.inserts]


def many(first: int, count: int) -> pa.Table:
    return windows(*(window_row(slice_id=first + i) for i in range(count)))


def test_rows_are_inserted_when_there_are_enough() -> None:
    """Batches gather, a table at a time, until one table's rows reach the cap."""
    store = Recorder()
    buffer = RowBuffer(store, max_rows=10)
    buffer.add("windows", many(0, 4))
    buffer.add("samples", records()["samples"])
    buffer.add("windows", many(4, 5))
    assert store.sizes() == []

    buffer.add("windows", many(9, 2))
    assert store.sizes() == [("windows", 11)]
    assert len(buffer) == 1


def test_flush_inserts_the_rest_once() -> None:
    """What is left of every table is inserted, and then nothing is left."""
    store = Recorder()
    buffer = RowBuffer(store)
    buffer.add("windows", many(0, 3))
    buffer.add("samples", records()["samples"])
    buffer.add("slices", empty("slices"))
    buffer.flush()
    buffer.flush()

    assert store.sizes() == [("windows", 3), ("samples", 1)]
    assert len(buffer) == 0


def test_only_the_newest_revision_of_a_window_is_inserted() -> None:
    """Of the rows of one key the highest revision goes, whenever it came; of equal ones the last."""
    store = Recorder()
    buffer = RowBuffer(store)
    buffer.add("windows", windows(window_row(revision=3, value=0.3), window_row(slice_id=1, revision=1, value=0.1)))
    buffer.add("windows", windows(window_row(revision=2, value=0.2), window_row(slice_id=1, revision=1, value=0.4)))
    buffer.flush()

    [(_, rows)] = store.inserts
    assert rows.select(["slice_id", "revision", "value"]).to_pylist() == [
        {"slice_id": 0, "revision": 3, "value": 0.3},
        {"slice_id": 1, "revision": 1, "value": 0.4},
    ]


def test_records_are_not_coalesced() -> None:
    """Tables without a revision are inserted as they came."""
    store = Recorder()
    buffer = RowBuffer(store)
    buffer.add("rejected", records()["rejected"])
    buffer.add("rejected", records()["rejected"])
    buffer.flush()

    assert store.sizes() == [("rejected", 2)]


def test_rows_stay_when_the_store_is_away() -> None:
    """A failed insert loses nothing: the next flush inserts all of it, once."""
    store = Recorder()
    buffer = RowBuffer(store, max_rows=3)
    store.away = True
    with pytest.raises(StoreUnavailable):
        buffer.add("windows", many(0, 3))
    with pytest.raises(StoreUnavailable):
        buffer.flush()
    store.away = False
    buffer.flush()

    assert store.sizes() == [("windows", 3)]
    assert len(buffer) == 0


def test_rows_that_do_not_fit_are_refused_where_they_are_added() -> None:
    """A batch with another schema is a ValueError at once, and the rows before it are kept."""
    store = Recorder()
    buffer = RowBuffer(store)
    buffer.add("windows", many(0, 1))
    with pytest.raises(ValueError, match="column 'n' is missing"):
        buffer.add("windows", many(1, 1).drop(["n"]))
    buffer.flush()

    assert store.sizes() == [("windows", 1)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5))))
def test_newest_is_what_a_dictionary_would_keep(rows: list[tuple[int, int]]) -> None:
    """For any rows, each key's highest revision is kept, the last of equal ones."""
    table = pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.int64()),
            "revision": pa.array([revision for _, revision in rows], pa.int64()),
            "row": pa.array(range(len(rows)), pa.int64()),
        }
    )
    kept: dict[int, tuple[int, int]] = {}
    for row, (key, revision) in enumerate(rows):
        kept[key] = max(kept.get(key, (-1, -1)), (revision, row))

    assert newest(table, ("key",))["row"].to_pylist() == sorted(row for _, row in kept.values())
