"""Alerts are worded for people, and their queries run as they are, whatever the names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from chdb.session import Session

from streams.core.alert.wording import figure, moment, put, query, quoted, slice_text
from streams.core.detect.finding import Finding
from tests.core.alert.making import EV, EV_JFK, at, fell, finding, gone, moved

HOSTILE = [
    "it's",
    'say "no"',
    "back\\slash",
    "\\'",
    "new\nline",
    "tab\tnul\0",
    "{model:String}",
    "%(x)s",
    "🙂",
    "-- x",
    "",
]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (fell("accuracy", 1), "accuracy fell by 0.04 (0.03 to 0.05)"),
        (finding("recall", 1, (0.03, 0.05)), "recall rose by 0.04 (0.03 to 0.05)"),
        (finding("recall", 1, (-0.01, 0.05)), "recall changed by 0.02 (-0.01 to 0.05)"),
        (finding("recall", 1, (0.03, float("nan")), effect=0.04), "recall rose by 0.04"),
        (finding("recall", 1, (0.03, float("nan")), effect=float("nan")), "recall changed"),
        (fell("accuracy", 1, slice=EV_JFK), "accuracy where carrier=EV, origin=JFK fell by 0.04 (0.03 to 0.05)"),
        (moved("dep_delay", 1), "dep_delay moved by 0.3 (0.2 to 0.4)"),
        (fell("accuracy", 1, kind="threshold"), "accuracy is below its limit by 0.04 (0.03 to 0.05)"),
        (finding("mae", 1, (2_500.0, 3_500.0), kind="threshold"), "mae is above its limit by 3,000 (2,500 to 3,500)"),
        (finding("range", 1, (0.01, 0.03), kind="assertion"), "failures of range rose by 0.02 (0.01 to 0.03)"),
    ],
)
def test_findings_are_put_in_words(one: Finding, said: str) -> None:
    """What changed, which way, by how much with its interval, and where."""
    assert put(one, missing=False) == said


def test_missing_data_is_called_that() -> None:
    """Nothing to look at is no change."""
    assert put(gone("accuracy", 1, slice=EV), missing=True) == "no data on accuracy where carrier=EV"


def test_numbers_and_times_are_short() -> None:
    """Three digits, whole numbers from a thousand on, and times to the minute."""
    numbers = (0.0, 999.6, 1_000.0, -123_456.7, 1e15, 1e-9)
    assert [figure(one) for one in numbers] == ["0", "1,000", "1,000", "-123,457", "1e+15", "1e-09"]
    assert moment(at(0)) == "2013-07-12 00:00"
    assert moment(-1) == "1969-12-31 23:59"
    assert slice_text(()) == ""


@pytest.fixture(scope="module")
def store() -> Iterator[Session]:
    """Return an embedded store with the columns that queries read, of which the newest look at a tick counts."""
    names = ("value", "reference", "effect", "low", "high", "n_effective", "label_coverage", "log_e")
    numbers = ", ".join(f"{name} Nullable(Float64)" for name in names)
    with Session() as session:  # type: ignore[no-untyped-call] # its package is half typed
        session.query(
            "CREATE TABLE signals (model LowCardinality(String), kind LowCardinality(String), "
            "watch LowCardinality(String), slice Map(LowCardinality(String), String), tick DateTime64(6, 'UTC'), "
            f"{numbers}, revision UInt64) ENGINE = ReplacingMergeTree(revision) "
            "ORDER BY (model, watch, kind, cityHash64(slice), tick)"
        )
        yield session


def insert(store: Session, one: Finding, hour: int, number: int) -> None:
    """Write a row of a finding, with its number as the value."""
    pairs = ", ".join(f"{quoted(attribute)}, {quoted(value)}" for attribute, value in one.slice)
    names = [quoted(one.model), quoted(one.kind), quoted(one.watch), f"map({pairs})"]
    select = f"SELECT {', '.join(names)}, fromUnixTimestamp64Micro({at(hour)}), {number}, {number}"
    store.query("INSERT INTO signals (model, kind, watch, slice, tick, value, revision) " + select)  # type: ignore[no-untyped-call]


def rows(store: Session, one: Finding, first: int, last: int) -> list[Any]:
    """Run the query of a finding as it is, and return the values that it finds."""
    text = str(store.query(query(one, first, last), "CSV"))  # type: ignore[no-untyped-call]
    return [float(line.split(",")[1]) for line in text.splitlines()]


@pytest.mark.parametrize("name", HOSTILE)
def test_queries_are_safe_and_find_their_rows(store: Session, name: str) -> None:
    """The query finds the ticks of its watch in its slice and time once, and no others, whatever the names are."""
    one = fell(f"watch {name}", 9, model=f"model {name}", slice=((name, f"value {name}"), ("z", name)))
    whole, column = replace(one, slice=()), replace(one, kind="column")
    for number, (each, hour) in enumerate([(one, 4), (one, 5), (one, 7), (one, 8), (whole, 6), (column, 6), (one, 5)]):
        insert(store, each, hour, number)

    assert rows(store, one, at(5), at(7)) == [6.0, 2.0]
    assert rows(store, whole, at(0), at(9)) == [4.0]
