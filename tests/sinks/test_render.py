from __future__ import annotations

import csv
import io
import json
import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from rich.console import Console

from streams.sinks.render import to_csv, to_json_lines, to_rich

MAP = pa.map_(pa.string(), pa.string())
TIME = pa.timestamp("us", tz="UTC")
NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


def printed(table: pa.Table, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(to_rich(table, width=width))
    return console.export_text()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([[("carrier", "UA")], [], None], MAP, [{"carrier": "UA"}, {}, None]),
        ([NOON, None], TIME, ["2013-01-01T12:00:00Z", None]),
        ([NOON.replace(microsecond=5)], TIME, ["2013-01-01T12:00:00.000005Z"]),
        ([NOON], pa.timestamp("s", tz="America/New_York"), ["2013-01-01T12:00:00Z"]),
        ([1], pa.timestamp("ns", tz="UTC"), ["1970-01-01T00:00:00Z"]),
        ([date(2013, 1, 1)], pa.date32(), ["2013-01-01"]),
        ([0.5, math.nan, math.inf, None], pa.float64(), [0.5, None, None, None]),
        ([2**64 - 1], pa.uint64(), [2**64 - 1]),
        ([True, None], pa.bool_(), [True, None]),
        ([b"\xffA"], pa.binary(), ["\\xffA"]),
        ([Decimal("1.50")], pa.decimal128(18, 2), ["1.50"]),
        ([[NOON], []], pa.list_(TIME), [["2013-01-01T12:00:00Z"], []]),
        ([{"a": math.nan}], pa.struct([("a", pa.float64())]), [{"a": None}]),
        ([[("a", [("b", 1)])]], pa.map_(pa.string(), pa.map_(pa.string(), pa.int8())), [{"a": {"b": 1}}]),
    ],
)
def test_json_of_every_type(values: list[object], kind: pa.DataType, expected: list[object]) -> None:
    """Each value is what JSON has for it: maps objects, times ISO 8601 in UTC, what is not a number null."""
    lines = list(to_json_lines(pa.table({"x": pa.array(values, kind)})))

    assert [json.loads(line) for line in lines] == [{"x": value} for value in expected]


def test_json_is_one_line_a_row() -> None:
    """Line ends inside a value do not break the line."""
    lines = list(to_json_lines(pa.table({"a": ["x\ny", "z"], "b": [1, 2]})))

    assert lines == ['{"a":"x\\ny","b":1}', '{"a":"z","b":2}']


def test_csv_is_read_back_by_a_csv_reader() -> None:
    """Commas, quotes and line ends are quoted; maps are JSON; NULL and NaN are empty."""
    table = pa.table(
        {
            "text": ['say "no", \n now', None],
            "slice": pa.array([[("a", "b")], []], MAP),
            "value": [math.nan, 0.5],
            "final": [True, False],
            "time": pa.array([NOON, None], TIME),
        }
    )
    rows = list(csv.reader("\n".join(to_csv(table)).splitlines(keepends=True)))

    assert rows == [
        ["text", "slice", "value", "final", "time"],
        ['say "no", \n now', '{"a":"b"}', "", "true", "2013-01-01T12:00:00Z"],
        ["", "{}", "0.5", "false", ""],
    ]


def test_no_rows() -> None:
    """An empty result is no JSON, a CSV header, and a table that says so."""
    table = pa.table({"n": pa.array([], pa.int64())})

    assert list(to_json_lines(table)) == []
    assert list(to_csv(table)) == ["n"]
    assert "0 rows" in printed(table)


def test_a_table_for_people() -> None:
    """Midnights are dates, numbers are rounded, an empty map is everything, markup is text, NULL a dash."""
    table = pa.table(
        {
            "start": pa.array([NOON.replace(hour=0)], TIME),
            "seen": pa.array([NOON], TIME),
            "slice": pa.array([[]], MAP),
            "group": pa.array([[("carrier", "UA")]], MAP),
            "value": [0.123456789],
            "label": ["[bold]"],
            "low": pa.nulls(1, pa.float64()),
        }
    )
    lines = [re.split(r" {2,}", line.strip()) for line in printed(table, width=120).splitlines()]

    assert ["2013-01-01", "2013-01-01 12:00:00Z", "(all)", "carrier=UA", "0.12346", "[bold]", "-"] in lines
    assert lines[-1] == ["1 row"]


def test_a_long_table_says_how_long_it_is() -> None:
    """The first fifty rows are shown, and how many there are."""
    text = printed(pa.table({"n": range(1234)}))

    assert "first 50 of 1,234 rows" in text
    assert [line for line in text.split() if line.isdigit()] == [*map(str, range(50)), "50"]


def test_a_wide_table_is_turned() -> None:
    """Columns that do not fit side by side are listed one below the other, whole."""
    wide = pa.table({f"column_{i}": [f"a value that is long {i}"] * 20 for i in range(8)})
    text = printed(wide, width=60)

    assert all(f"column_{i}  a value that is long {i}" in text for i in range(8))
    assert "first 10 of 20 rows" in text
