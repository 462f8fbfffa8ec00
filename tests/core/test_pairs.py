"""Distinct codes and pairs of tick and cohort against NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.pairs import distinct, pairs_of


@pytest.mark.parametrize("largest", [5, 10**12])
@given(data=st.data())
def test_distinct(data: st.DataObject, largest: int) -> None:
    """Dense or sparse, codes are found as `numpy.unique` finds them."""
    codes = np.array(data.draw(st.lists(st.integers(0, largest), max_size=30)), np.int64)

    found, place = distinct(codes)

    assert found.tolist() == np.unique(codes).tolist()
    assert found[place].tolist() == codes.tolist()


@given(st.lists(st.tuples(st.integers(-3, 10**9), st.integers(0, 4)), max_size=30))
def test_pairs(rows: list[tuple[int, int]]) -> None:
    """Each row's pair is at its place among the sorted ones, also before 1970, and none stands twice."""
    ticks, cohorts = np.array(rows, np.int64).reshape(-1, 2).T

    pairs, place = pairs_of(ticks, cohorts)

    assert pairs == sorted(set(rows))
    assert [pairs[one] for one in place.tolist()] == rows
