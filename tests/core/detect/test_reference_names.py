"""What categories are called is known of the reference that a column has, wherever that was learned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from streams.core.detect.column_sums import ROWS, Entries
from streams.core.detect.column_watch import ColumnWatch
from streams.core.detect.learning import Course, Least, Watches
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.signal_group import SignalGroup
from streams.core.groups import Slice
from streams.runtime.packing import decode, encode

WHOLE, PART = Slice("m", (), ()), Slice("m", ("plan",), ("free",))
COUNTRY, LABEL = "attributes.country", "label"
NUMBERS = {COUNTRY: 1, LABEL: 2}
LEARNED = 2  # ticks


def cell(countries: Mapping[int, float], labels: Mapping[int, float] | None = None) -> Entries:
    """Return a tick of two columns of categories, by bin; of a thousand rows."""
    held = [(1, countries), (2, labels or {90: 1_000.0})]
    columns = [ROWS] * 3 + [number for number, some in held for _ in some]
    bins = [0, 1, 2] + [bin_ for _, some in held for bin_ in some]
    weights = [1_000.0] * 3 + [weight for _, some in held for weight in some.values()]
    return Entries(np.array(columns), np.array(bins), np.array(weights))


def called(names: Mapping[int, str], column: int = 1) -> dict[tuple[int, int], str]:
    return {(column, bin_): text for bin_, text in names.items()}


def learned(cells: Mapping[Slice, Entries], names: Mapping[tuple[int, int], str]) -> ColumnWatch:
    """Return a watch that has learned from a few ticks that are all the same."""
    columns = ColumnWatch(NUMBERS, LEARNED)
    for _ in range(LEARNED):
        assert list(columns.look(cells, names)) == []
    return columns


def told(columns: ColumnWatch, entries: Entries, names: Mapping[int, str], slice_: Slice = WHOLE) -> set[str]:
    """Return what is said of countries in a tick of one slice."""
    assert list(columns.look({slice_: entries}, called(names)))
    return set(columns.moved(slice_, COUNTRY))


OLD = cell({10: 500.0, 11: 500.0})
NEW = cell({12: 500.0, 13: 500.0})
AFTER = cell({12: 1_000.0})


@pytest.mark.parametrize("saved", [False, True])
def test_names_come_with_a_reference_that_is_adopted(saved: bool) -> None:
    """Those that it tells of are known, though no tick since had them; those of the one before are forgotten."""
    mine = learned({WHOLE: OLD}, called({10: "de", 11: "fr"}))
    theirs = learned({WHOLE: NEW}, called({12: "it", 13: "es", 14: "never there"}))
    mine.adopt(theirs, {(WHOLE, COUNTRY)})
    if saved:
        held, mine = decode(encode(mine.snapshot()), "test"), ColumnWatch(NUMBERS, LEARNED)
        mine.restore(held)

    assert told(mine, AFTER, {12: "it"}) == {"it 100 % instead of 50 %", "es 0 % instead of 50 %"}
    assert sorted(mine.snapshot()["names"]) == [[1, 12, "it"], [1, 13, "es"]]


def test_names_of_references_that_stay_are_kept() -> None:
    """Of a column or a slice in which something changed nothing is adopted, and no name is lost or taken over."""
    names = called({10: "de", 11: "fr"}) | called({90: "yes"}, 2)
    mine = learned({WHOLE: OLD, PART: OLD}, names)
    others = called({10: "other", 12: "it", 13: "es"}) | called({90: "another"}, 2)
    theirs = learned({WHOLE: NEW, PART: OLD}, others)
    mine.adopt(theirs, {(WHOLE, COUNTRY)})

    assert told(mine, AFTER, {}) == {"it 100 % instead of 50 %", "es 0 % instead of 50 %"}
    assert told(mine, cell({10: 1_000.0}), {}, PART) == {"de 100 % instead of 50 %", "fr 0 % instead of 50 %"}
    assert [2, 90, "yes"] in mine.snapshot()["names"]


def test_names_are_those_of_the_ticks_that_were_learned_from() -> None:
    """A bin that has another name in the reference that is adopted is called by that."""
    mine = learned({WHOLE: OLD}, called({10: "de", 11: "fr"}))
    mine.adopt(learned({WHOLE: OLD}, called({10: "se", 11: "fr"})), {(WHOLE, COUNTRY)})

    assert told(mine, cell({11: 1_000.0}), {11: "fr"}) == {"fr 100 % instead of 50 %", "se 0 % instead of 50 %"}


def test_a_slice_that_is_learned_later_has_its_names() -> None:
    """It begins in the very tick in which learning ends for the one before it: nothing of that tick is forgotten."""
    columns = ColumnWatch({COUNTRY: 1}, LEARNED)
    for cells, names in (
        ({WHOLE: OLD}, {10: "de"}),
        ({WHOLE: OLD, PART: NEW}, {12: "it", 13: "es"}),
        ({PART: NEW}, {}),
    ):
        assert list(columns.look(cells, called(names))) == []

    assert told(columns, AFTER, {}, PART) == {"it 100 % instead of 50 %", "es 0 % instead of 50 %"}


def test_a_settled_reference_has_its_names() -> None:
    """Where learning ends early, with a pinned period or a file, the names stay that it tells of."""
    columns = ColumnWatch(NUMBERS, 50)
    list(columns.look({WHOLE: NEW}, called({12: "it", 13: "es", 14: "never there"})))
    columns.settle(1)

    assert told(columns, AFTER, {}) == {"it 100 % instead of 50 %", "es 0 % instead of 50 %"}
    assert sorted(columns.snapshot()["names"]) == [[1, 12, "it"], [1, 13, "es"]]


def test_outcomes_are_called_as_labels_are() -> None:
    """A class that most outcomes have, and labels seldom, has its name when it is gone."""
    columns = ColumnWatch({LABEL: 1, "outcome": 2}, LEARNED)
    many = {200 + number: 40.0 for number in range(25)}  # too many for each to have a bin of its own
    for _ in range(LEARNED):
        usual = cell(many | {200: 4.0}, {200: 500.0, 201: 500.0})
        list(columns.look({WHOLE: usual}, called({200: "rare answer", 201: "b"})))
    list(columns.look({WHOLE: cell(many, {201: 1_000.0})}, {}))

    assert set(columns.moved(WHOLE, "outcome")) == {"b 100 % instead of 50 %", "rare answer 0 % instead of 50 %"}


@pytest.mark.parametrize("cut", [None, 5, 30, 41])
def test_a_trailing_reference_brings_the_names_of_its_period(cut: int | None) -> None:
    """In the second period a country has another name; from its end on it is called by that, also after a restart."""

    def watches() -> Watches:
        levels, distances = (
            SignalGroup(Sensitivity(1_000, 20), "both", "metric"),
            SignalGroup(Sensitivity(1_000, 10), "up", "column"),
        )
        return Watches(ColumnWatch(NUMBERS, 10), levels, distances, Least(20))

    rng, through = np.random.default_rng(1), Course(watches, every=20)
    for number in range(45):
        if number == cut:
            held, through = decode(encode(through.snapshot()), "test"), Course(watches, every=20)
            through.restore(held)
        first = float(rng.binomial(1_000, 0.5))
        names = called({10: "Holland" if number < 20 else "Netherlands", 11: "fr"})
        through.look(number, {}, {WHOLE: cell({10: first, 11: 1_000.0 - first})}, names)
    through.look(45, {}, {WHOLE: cell({11: 1_000.0})}, called({11: "fr"}))
    said = through.watches.columns.moved(WHOLE, COUNTRY)

    assert {text.split(" ")[0] for text in said} == {"fr", "Netherlands"}
