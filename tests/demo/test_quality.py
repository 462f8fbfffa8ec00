"""The report's numbers are those of the view, and the worst slices are those that surely are."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from streams.demo.quality import Cell, read_months, worst_slices
from streams.sinks.clickhouse.rows import SCHEMAS
from streams.sinks.clickhouse.store import open_store


def brier(carrier: str, low: float | None, n: float = 1000, month: str = "2013-05", metric: str = "brier") -> Cell:
    """Make a cell of a carrier whose interval is 0.1 long."""
    value, high = (None, None) if low is None else (low + 0.05, low + 0.1)
    return Cell("static", metric, {"carrier": carrier}, month, value, low, high, n, n, 0.9)


def carriers(*cells: Cell, at_most: int = 5) -> list[str]:
    """Rank the cells' carriers, with an effective n of 500 as enough evidence."""
    return [cell.slice["carrier"] for cell in worst_slices(cells, "carrier", at_most, 500)]


def test_rows_become_cells() -> None:
    """Every row of the query is a cell, maps become dictionaries and nulls None."""
    row: Mapping[str, object] = {
        "version": "static",
        "metric": "brier",
        "slice": [("carrier", "B6")],
        "month": "2013-01",
        "value": None,
        "low": None,
        "high": None,
        "n": 3.0,
        "n_effective": 3.0,
        "label_coverage": 0.5,
    }
    types = pa.schema({"slice": pa.map_(pa.string(), pa.string()), "value": pa.float64()})
    table = pa.table(
        {
            name: pa.array([value], types.field(name).type if name in types.names else None)
            for name, value in row.items()
        }
    )

    assert read_months(lambda _sql: table) == [
        Cell("static", "brier", {"carrier": "B6"}, "2013-01", None, None, None, 3.0, 3.0, 0.5)
    ]


def test_months_are_read_from_a_store(tmp_path: Path) -> None:
    """Of a store's windows, those of a calendar month and of the demo's model are read, in order of time."""
    june, may = (
        {
            "model": "flight_delay",
            "version": "static",
            "window": "1mo",
            "window_start": dt.datetime(2013, month, 1, tzinfo=dt.UTC),
            "window_end": dt.datetime(2013, month + 1, 1, tzinfo=dt.UTC),
            "slice_id": 7,
            "slice": [("carrier", "B6")],
            "metric": "brier",
            "value": 0.25,
            "low": None,
            "high": None,
            "n": 9.0,
            "n_effective": 8.0,
            "label_coverage": 0.75,
            "is_final": True,
            "revision": 1,
        }
        for month in (6, 5)
    )
    rows = [june, may, june | {"window": "1d"}, june | {"model": "another"}]
    with open_store(f"chdb://{tmp_path}/store") as store:
        store.migrate()
        store.insert("windows", pa.Table.from_pylist(rows, SCHEMAS["windows"]))
        cells = read_months(store.query)

    assert cells == [
        Cell("static", "brier", {"carrier": "B6"}, month, 0.25, None, None, 9.0, 8.0, 0.75)
        for month in ("2013-05", "2013-06")
    ]


def test_worst_is_the_highest_lower_bound() -> None:
    """Groups are ranked by the lower end of the interval, highest first."""
    assert carriers(brier("AA", 0.1), brier("B6", 0.3), brier("UA", 0.2)) == ["B6", "UA", "AA"]


def test_each_group_comes_once_at_its_worst() -> None:
    """Of a group's months and versions only the worst is kept."""
    ranked = worst_slices([brier("AA", 0.1), brier("AA", 0.3, month="2013-07")], "carrier", 5, 500)

    assert [cell.month for cell in ranked] == ["2013-07"]


def test_little_evidence_does_not_count() -> None:
    """Cells under the effective n that is enough, and those without an interval, are left out."""
    assert carriers(brier("AA", 0.1, n=500), brier("OO", 0.9, n=499), brier("HA", None)) == ["AA"]


def test_other_slices_and_metrics_do_not_count() -> None:
    """Cells of the whole, of other attributes and of other metrics are left out."""
    whole = Cell("static", "brier", {}, "2013-01", 0.5, 0.4, 0.6, 1000, 1000, 0.9)
    origin = Cell("static", "brier", {"origin": "JFK"}, "2013-01", 0.5, 0.4, 0.6, 1000, 1000, 0.9)

    assert carriers(whole, origin, brier("AA", 0.9, metric="accuracy"), brier("B6", 0.1)) == ["B6"]


def test_no_more_than_asked_for() -> None:
    """At most so many groups are returned as asked for."""
    assert carriers(brier("AA", 0.1), brier("B6", 0.3), brier("UA", 0.2), at_most=2) == ["B6", "UA"]
