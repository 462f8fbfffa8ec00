"""Pairs of predictions and events: whose they are, whether in time, and which outcome stands."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Columns
from streams.core.link import first_of_kind, in_time, null_first, same_request, standing
from tests.core.making import ints

Candidate = tuple[int, int, int, int, float]

candidates = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(-1, 1),
        st.sampled_from([0, 1, 2**63, 2**64 - 1]),
        st.sampled_from([math.nan, -1.0, 0.5, 1e300]),
    ),
    min_size=1,
    max_size=20,
)


def columns(rows: list[Candidate]) -> tuple[np.ndarray, Columns]:
    place, revision, time, label, value = zip(*rows, strict=True)
    events = {"revision": ints(revision), "time": ints(time), "label": np.array(label, np.uint64)}
    return ints(place), events | {"value": np.array(value)}


def precedence(row: Candidate) -> tuple[int, int, int, float]:
    """Order of candidates, the one that stands first."""
    _, revision, time, label, value = row
    return -revision, time, label, -math.inf if math.isnan(value) else value


@pytest.mark.parametrize(
    ("delay", "verdict"),
    [
        (-11, "neither"),
        (-10, "counts"),
        (0, "counts"),
        (100, "counts"),
        (101, "late"),
        (110, "late"),
        (111, "neither"),
    ],
)
def test_bounds_of_the_time_of_a_label(delay: int, verdict: str) -> None:
    """From the disorder before the prediction to the horizon after it counts, the disorder behind that is late."""
    judged = in_time(ints([1_000]), ints([1_000 + delay]), ints([100]), 10)

    assert (judged.counts.tolist(), judged.late.tolist()) == ([verdict == "counts"], [verdict == "late"])


@given(rows=candidates)
def test_the_standing_outcome_is_the_first_in_precedence(rows: list[Candidate]) -> None:
    """For each place the highest revision stands, then the earliest, then the smallest label, then value."""
    place, events = columns(rows)

    chosen = [rows[row] for row in standing(place, events).tolist()]

    expected = [min((row for row in rows if row[0] == at), key=precedence) for at in sorted({row[0] for row in rows})]
    assert repr(chosen) == repr(expected)


@given(rows=candidates, data=st.data())
def test_the_standing_outcome_does_not_depend_on_the_order(rows: list[Candidate], data: st.DataObject) -> None:
    """Shuffled candidates choose the same outcomes."""
    shuffled = data.draw(st.permutations(rows))

    chosen = [[given[row] for row in standing(*columns(given)).tolist()] for given in (rows, shuffled)]

    assert repr(chosen[0]) == repr(chosen[1])


def test_a_missing_value_comes_before_all_numbers() -> None:
    """Null compares below every finite value."""
    assert null_first(np.array([math.nan, -1e308, 0.0])).tolist() == [-math.inf, -1e308, 0.0]


def test_a_pair_is_of_one_request_and_of_the_prediction_named() -> None:
    """The second hash must agree; an event without a target fits every prediction, one with a target only that."""
    predictions = {"check": np.array([5, 5, 5, 5], np.uint64), "id": np.array([1, 1, 1, 1], np.uint64)}
    events = {"check": np.array([5, 5, 5, 6], np.uint64), "target": np.array([0, 1, 2, 1], np.uint64)}

    assert same_request(predictions, events).tolist() == [True, True, False, False]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=15),
    seen=st.lists(st.integers(0, 7), min_size=4, max_size=4),
)
def test_one_feedback_of_a_kind_is_the_first(pairs: list[tuple[int, int]], seen: list[int]) -> None:
    """Of each place and kind exactly one pair is first, none where the prediction had that kind before."""
    places = ints(place for place, _ in pairs)
    bits = np.array([1 << kind for _, kind in pairs], np.uint16)
    before = np.array([seen[place] for place, _ in pairs], np.uint16)

    first = first_of_kind(places, bits, before).tolist()

    new = {(place, kind) for place, kind in pairs if not seen[place] & (1 << kind)}
    assert sorted(pair for pair, is_first in zip(pairs, first, strict=True) if is_first) == sorted(new)
