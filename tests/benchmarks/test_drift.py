"""What the benchmark of drift counts, and what it shows the detectors."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.drift.cases import TICK, Case, Signal
from benchmarks.drift.families import FAMILIES, LENGTH, case_of
from benchmarks.drift.river_data import GENERATORS, GRADUAL, POSITION, agreed, generated_case, marked_cases
from benchmarks.drift.scoring import Score, total
from benchmarks.drift.watching import by_tick, fed, our_flags, river_flags


def test_flags_find_changes_or_are_false() -> None:
    """The first flag in a change's span finds it, others there are free, and those elsewhere are false alarms."""
    case = Case("two changes", (), ((100, 100), (200, 220)), 400, patience=50)
    score = Score()

    score.add(case, np.array([30, 99, 149, 149, 150, 199, 269, 270]), watched_from=20)

    assert score.delays == [49, 69]
    assert score.false_alarms == 5
    assert score.steady == 400 - 20 - 50 - 70


def test_a_change_ends_where_the_next_begins() -> None:
    """A flag after the next change began finds that one only; with a margin, one just before a change finds it."""
    case = Case("close changes", (), ((100, 100), (120, 120)), 300, patience=50, margin=5)
    score = Score()
    score.add(case, np.array([115]))

    assert score.delays == [0]
    assert (score.changes, score.false_alarms, score.steady) == (2, 0, 300 - 20 - 55)
    assert total([score, score]).summary() == {
        "changes": 4,
        "found": 2,
        "missed": 2,
        "median_delay": 0,
        "false_alarms": 0,
        "steady": 450,
        "false_alarms_per_10000": 0,
    }


def test_two_people_make_a_change() -> None:
    """Marks near to each other are one change if they are of two people at least."""
    assert agreed({"a": [10, 50, 53], "b": [12, 90], "c": [], "d": [11, 95]}) == [11, 92]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_changes_as_it_says(family: str) -> None:
    """The errors of all traffic are as many as the family says, before its first change and at the end."""
    cases = [case_of(family, seed) for seed in range(20)]
    before = np.mean([case.signals[0].values[:10_000].mean() for case in cases])
    after = np.mean([case.signals[0].values[-2_000:].mean() for case in cases])

    assert before == pytest.approx(0.10, abs=0.003)
    assert after == pytest.approx(
        {"steady": 0.10, "recurring": 0.10, "covariance": 0.10, "one slice": 0.12}.get(family, 0.15), abs=0.008
    )
    assert all(signal.at[-1] < LENGTH for case in cases for signal in case.signals)


def test_columns_keep_their_distribution_as_they_become_correlated() -> None:
    """Of the covariance family, each column is uniform before and after, and only the score's spread grows."""
    _, *scores = case_of("covariance", 1).signals
    spreads = np.array([(signal.values[:10_000].std(), signal.values[11_000:].std()) for signal in scores])

    np.testing.assert_allclose(spreads[:2], 1 / np.sqrt(12), rtol=0.02)
    assert spreads[2, 1] > 1.1 * spreads[2, 0]


def test_a_generated_stream_is_worse_after_its_change() -> None:
    """A model that has learned one concept of river's generator errs more once the other has come."""
    case = generated_case("Sine", GRADUAL, 0)
    errors = case.signals[0].values

    assert set(GENERATORS) >= {"SEA", "Agrawal"}
    assert case.changes == ((POSITION - GRADUAL, POSITION + GRADUAL),)
    assert errors[case.changes[0][1] :].mean() > errors[: case.changes[0][0]].mean() + 0.1


def test_marked_series_are_those_that_people_saw() -> None:
    """Marks are at what people saw: Apple fell by half on 29 September 2000, Brent by more in the autumn of 2008."""
    cases = list(marked_cases())
    apple, brent = (
        next(case for case in cases if case.signals[0].name == name) for name in ("Apple Close", "Brent value")
    )
    prices, oil = apple.signals[0].values, brent.signals[0].values

    assert len(cases) == 7
    assert all(0 < start < case.length for case in cases for start, _ in case.changes)
    assert apple.changes == ((319, 319),)
    assert prices[320] < 0.6 * prices[319]
    assert {(219, 219), (229, 229)} <= set(brent.changes)
    assert oil[230] < 0.5 * oil[215]


def test_values_are_known_at_the_end_of_their_block() -> None:
    """KSWIN is given means of 20 errors, or one score of 20, at the last of them; the others are given everything."""
    at = np.arange(0, 100, 2)
    errors = Signal("error rate", "error", at, (np.arange(50) < 10).astype(float))
    scores = Signal("score", "score", at, np.arange(50.0))

    for signal, expected in ((errors, [0.5, 0.0]), (scores, [19.0, 39.0])):
        ends, values = fed("kswin", signal)
        assert (ends.tolist(), values.tolist()) == ([38, 78], expected)
        assert fed("adwin", signal)[1] is signal.values


def test_a_tick_is_a_rate_with_its_error() -> None:
    """Errors become their rate in each tick with its standard error, which no tick of no errors makes 0."""
    values = np.repeat([1.0, 0.0, 0.0], [10, 90, TICK])
    rates, errors = by_tick(Signal("error rate", "error", np.arange(2 * TICK), values), 3)

    np.testing.assert_array_equal(rates, [0.1, 0.0, np.nan])
    np.testing.assert_allclose(errors[:2], [0.0305, 0.007], rtol=0.03)


def test_river_and_ours_find_what_is_large() -> None:
    """Both find an error rate that doubles soon after it does, and ours that only a covariance changed."""
    recurring, covariance = case_of("recurring", 0), case_of("covariance", 0)
    start = recurring.changes[0][0]
    flags, watched_from = our_flags(recurring)
    river = river_flags("adwin", recurring)

    assert river is not None
    assert start < river[0] < start + 1_500
    assert watched_from < start < flags[0] < start + 1_500
    assert our_flags(covariance)[0][0] > covariance.changes[0][0]
    assert river_flags("ddm", next(marked_cases())) is None
