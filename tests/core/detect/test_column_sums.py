"""Histograms of cells: every weight is where it belongs, whatever was added, merged, taken or saved in between."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.detect.column_sums import ColumnSums, Entries
from streams.core.detect.traveling import halves, of_models, size_of
from streams.core.groups import Slice

SLICES = (Slice("m", (), ()), Slice("m", ("country",), ("de",)), Slice("n", (), ()))
Row = tuple[int, int, int, int, int]

rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 4), st.integers(-50, 50), st.integers(-2, 3)),
    max_size=30,
)
"""Tick, slice, column, bin and weight."""


def added(sums: ColumnSums, given_rows: list[Row]) -> None:
    """Add rows, one call a cell."""
    for tick, place, column, bin_, weight in given_rows:
        cell = np.array([sums.cell(tick, SLICES[place])])
        sums.add(cell, np.array([column]), np.array([bin_]), np.array([weight / 4]))


def expected(given_rows: list[Row], before: int = 9) -> dict[tuple[int, Slice, int, int], float]:
    """Add rows up, one by one."""
    wanted: defaultdict[tuple[int, Slice, int, int], float] = defaultdict(float)
    for tick, place, column, bin_, weight in given_rows:
        if tick < before:
            wanted[tick, SLICES[place], column, bin_] += weight / 4
    return {key: value for key, value in wanted.items() if value}


def read(taken: dict[int, dict[Slice, Entries]]) -> dict[tuple[int, Slice, int, int], float]:
    """Return every entry."""
    found: dict[tuple[int, Slice, int, int], float] = {}
    for tick, cells in taken.items():
        for slice_, entries in cells.items():
            for column in range(1, 5):
                bins, weights = entries.of(column)
                found |= {(tick, slice_, column, b): w for b, w in zip(bins.tolist(), weights.tolist(), strict=True)}
    return found


@given(rows, rows, st.integers(0, 4))
def test_what_is_taken_is_what_was_added(first: list[Row], second: list[Row], before: int) -> None:
    """Ticks are taken once, with what was added here and merged from elsewhere; the later ones stay."""
    sums, other = ColumnSums(), ColumnSums()
    added(sums, first)
    added(other, second)
    sums.merge(other.collect())

    assert not other
    assert read(sums.take(before)) == expected(first + second, before)
    again = ColumnSums()
    again.restore(sums.snapshot())
    rest = {key: value for key, value in expected(first + second).items() if key[0] >= before}
    assert read(sums.take(9)) == rest == read(again.take(9))


@given(rows)
def test_parts_add_up_to_the_whole(given_rows: list[Row]) -> None:
    """Parted by model, or in halves again and again, nothing is lost and nothing comes twice."""
    sums = ColumnSums()
    added(sums, given_rows)
    whole = {"columns": sums.collect(), "delays": ColumnSums().collect(), "errors": [], "texts": []}
    parts = [of_models(whole, lambda name: name == "m"), of_models(whole, lambda name: name == "n")]
    together, pieces = ColumnSums(), list(parts)
    while pieces:
        piece = pieces.pop()
        cut = halves(piece) if size_of(piece) > 16 else []
        pieces += cut
        if not cut:
            together.merge(piece["columns"])

    assert read(together.take(9)) == expected(given_rows)


def test_the_size_of_a_cell() -> None:
    """Weight and Kish's effective number: 1 + 3 with squares of 1 + 9 tell as much as 1.6 rows."""
    sums = ColumnSums()
    cell = np.full(2, sums.cell(0, SLICES[0]))
    sums.size(cell, np.array([1.0, 3.0]), np.ones(2))
    [entries] = sums.take(1)[0].values()

    assert list(entries.size()) == pytest.approx([4.0, 1.6])


@given(rows, rows)
def test_cells_count_in_others(first: list[Row], second: list[Row]) -> None:
    """What was added of a slice that is refused counts in another one, tick by tick, before or after more is added."""

    def moved(told: list[Row]) -> list[Row]:
        return [(tick, 0 if place == 1 else place, column, bin_, weight) for tick, place, column, bin_, weight in told]

    sums = ColumnSums()
    added(sums, first)
    sums.count_in(lambda one: SLICES[0] if one == SLICES[1] else one)
    added(sums, moved(second))
    taken = sums.take(9)

    assert not any(SLICES[1] in by_slice for by_slice in taken.values())
    assert read(taken) == expected(moved(first + second))
