"""Sample ratio mismatch, against published numbers, scipy, brute force and seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats

from streams.core.judge.counts import log_bayes_factor, log_regret, share_intervals
from streams.core.judge.evidence import Interval
from streams.core.judge.sample_ratio import (
    SampleRatio,
    chi_square,
    crossovers,
    mismatched_slices,
    sample_ratio,
    sample_ratio_of_segments,
)
from tests.core.judge.published import vectors


@pytest.mark.parametrize("vector", vectors("sample_ratio"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published counts give the published p-values."""
    found = chi_square(**vector["inputs"])[2]

    assert found == pytest.approx(vector["expected"]["value"], abs=vector["tolerance"])


@given(counts=st.lists(st.integers(0, 10**6), min_size=3, max_size=3).filter(any))
def test_chi_square_is_scipy_s(counts: list[int]) -> None:
    """The statistic and p-value are scipy's, with arms of weight 0 left out of the degrees of freedom."""
    expected = stats.chisquare(counts, np.array([0.7, 0.2, 0.1]) * sum(counts))

    statistic, degrees, p = chi_square([*counts, 0], [7, 2, 1, 0])

    assert (statistic, degrees, p) == pytest.approx((expected.statistic, 2, expected.pvalue), rel=1e-6, abs=1e-9)


@given(counts=st.lists(st.integers(0, 10**9), min_size=3, max_size=3))
def test_without_a_minimum_effect_it_is_the_multinomial_test(counts: list[int]) -> None:
    """The evidence is the Bayes factor against the weights' shares, whatever unit the weights are in."""
    found = sample_ratio(counts, [60, 30, 10], scale=500)

    assert found.log_e == pytest.approx(log_bayes_factor(counts, [0.6, 0.3, 0.1], 500), abs=1e-6)
    expected = share_intervals(counts, [0.6, 0.3, 0.1], scale=500, alpha=0.01)
    ends = [[(i.low, i.high) for i in intervals] for intervals in (found.intervals, expected)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)
    assert (found.verdict == "mismatch") == (found.log_e >= math.log(100))


def test_looking_two_hundred_times_alarms_no_more_than_alpha() -> None:
    """
    Two thousand experiments with arms of 50, 30 and 20 per cent, 500 units between looks, and no mismatch.

    At most alpha + 4 standard errors of them are called a mismatch at any of 200 looks. Evidence at every look is
    computed here; the look with the most is judged.
    """
    rng, alpha, shares = np.random.default_rng(5), 0.05, np.array([0.5, 0.3, 0.2])
    counts = rng.multinomial(500, shares, (2000, 200)).cumsum(axis=1).astype(float)
    prior = 10_000 * shares
    log_e = (special.gammaln(prior + counts) - special.gammaln(prior) - counts * np.log(shares)).sum(axis=2)
    log_e += special.gammaln(10_000) - special.gammaln(10_000 + counts.sum(axis=2))
    worst = counts[np.arange(2000), log_e.argmax(axis=1)]

    found = [sample_ratio(run.astype(int).tolist(), [5, 3, 2], alpha=alpha) for run in worst]

    np.testing.assert_allclose([ratio.log_e for ratio in found], log_e.max(axis=1), atol=1e-6)
    alarms = np.mean([ratio.verdict == "mismatch" for ratio in found])
    assert 0 < alarms <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / 2000)


def test_a_deviation_that_does_no_harm_never_alarms() -> None:
    """
    Shares at the very edge of the minimum effect, looked at 100 times with up to 10 million units.

    At most alpha + 4 standard errors of 300 experiments are called a mismatch; without a minimum effect all are.
    """
    rng, alpha = np.random.default_rng(6), 0.05
    counts = rng.multinomial(100_000, [0.5 * 1.01, 0.5 * 0.99], (300, 100)).cumsum(axis=1)

    def alarms(run: int, minimum_effect: float) -> bool:
        looks = (
            sample_ratio(c.tolist(), [1, 1], minimum_effect=minimum_effect, alpha=alpha) for c in counts[run, 4::5]
        )
        return any(look.verdict == "mismatch" for look in looks)

    assert np.mean([alarms(run, 0.01) for run in range(300)]) <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / 300)
    assert all(alarms(run, 0.0) for run in range(3))


@pytest.mark.parametrize(
    ("counts", "minimum_effect", "verdict"),
    [
        ([500_500_000, 499_500_000], 0.0, "mismatch"),
        ([500_500_000, 499_500_000], 0.005, "match"),
        ([510_000_000, 490_000_000], 0.005, "mismatch"),
        ([50_050, 49_950], 0.005, "not enough evidence"),
        ([80, 0], 0.005, "mismatch"),
    ],
)
def test_a_billion_units_with_a_trivial_deviation_page_nobody(
    counts: list[int], minimum_effect: float, verdict: str
) -> None:
    """A tenth of a per cent off is a mismatch only if any deviation is; two per cent are beyond half a per cent."""
    found = sample_ratio(counts, [1, 1], minimum_effect=minimum_effect, scale=100)

    assert found.verdict == verdict


@given(a=st.integers(0, 10**6), b=st.integers(0, 10**6), weight=st.floats(0.01, 0.99), effect=st.floats(1e-3, 0.5))
def test_with_two_arms_a_mismatch_is_an_interval_beyond_the_minimum_effect(
    a: int, b: int, weight: float, effect: float
) -> None:
    """With two arms the verdict follows from whether a whole interval is outside, or both are inside, the effect."""
    found = sample_ratio([a, b], [weight, 1 - weight], minimum_effect=effect, scale=1000)
    bands = [(share * (1 - effect), share * (1 + effect)) for share in found.expected]
    pairs = list(zip(found.intervals, bands, strict=True))
    near = [abs(end - limit) < 1e-7 for i, band in pairs for end in (i.low, i.high) for limit in band]
    assume(not any(near))

    outside = any(i.low > high or i.high < low for i, (low, high) in pairs)
    inside = all(low <= i.low and i.high <= high for i, (low, high) in pairs)

    assert (found.verdict == "mismatch") == outside
    assert (found.verdict == "match") == inside


@pytest.mark.parametrize("counts", [[300, 150, 90], [420, 0, 80], [100, 500, 0], [330, 200, 70], [0, 0, 90]])
def test_with_more_arms_the_evidence_is_the_smallest_within_the_minimum_effect(counts: list[int]) -> None:
    """A grid of all shares within a fifth of the expected ones holds none with a smaller e-value."""
    expected, effect = np.array([0.6, 0.3, 0.1]), 0.2
    a, b = (axis.ravel() for axis in np.meshgrid(*(np.linspace(s * 0.8, s * 1.2, 401) for s in expected[:2])))
    grid = np.stack([a, b, 1 - a - b], axis=1)
    grid = grid[(np.abs(grid[:, 2] / expected[2] - 1) <= effect + 1e-9)]
    log_e = log_bayes_factor(counts, expected.tolist(), 200) + np.log(expected / grid) @ np.array(counts)

    found = sample_ratio(counts, expected.tolist(), minimum_effect=effect, scale=200)

    assert found.log_e <= log_e.min() + 1e-9
    assert found.log_e == pytest.approx(log_e.min(), abs=0.2)  # the grid is this coarse


def test_evidence_of_segments_adds() -> None:
    """Across changes of weights the logarithms add, and what the weights promised is weighted by units."""
    segments = [([9_900, 120], [99, 1]), ([4_400, 640], [90, 10]), ([1_010, 1_000], [1, 1])]
    parts = [sample_ratio(counts, weights) for counts, weights in segments]

    found = sample_ratio_of_segments(segments)

    assert found.log_e == pytest.approx(sum(part.log_e for part in parts), abs=1e-9)
    assert found.counts == (15_310, 1_760)
    expected = (10_020 * 0.01 + 5_040 * 0.1 + 2_010 * 0.5) / 17_070
    assert found.expected == pytest.approx((1 - expected, expected))


def test_pooled_counts_would_mismatch_where_segments_do_not() -> None:
    """A ramp from 1 to 50 per cent is no mismatch by segments, and one against either pair of weights."""
    segments = [([99_000, 1_000], [99, 1]), ([50_000, 50_000], [1, 1])]

    assert sample_ratio_of_segments(segments, minimum_effect=0.2).verdict == "match"
    assert sample_ratio([149_000, 51_000], [99, 1]).verdict == "mismatch"
    assert sample_ratio([149_000, 51_000], [1, 1]).verdict == "mismatch"


def test_intervals_of_segments_are_projections_of_their_joint_sequence() -> None:
    """A grid over the shares of two segments has the interval's limits as the extremes of the average."""
    segments = [([80, 20], [4, 1]), ([30, 45], [1, 1])]
    budget = sum(log_regret(n, [w / sum(ws) for w in ws], 50) for n, ws in segments) - math.log(0.05)
    grid = np.linspace(0.001, 0.999, 999)
    cost = [special.rel_entr(n[1], sum(n) * grid) + special.rel_entr(n[0], sum(n) * (1 - grid)) for n, _ in segments]
    joint = cost[0][:, None] + cost[1][None, :] <= budget
    averages = ((100 * grid[:, None] + 75 * grid[None, :]) / 175)[joint]

    found = sample_ratio_of_segments(segments, scale=50, alpha=0.05).intervals[1]

    assert (found.low, found.high) == pytest.approx((averages.min(), averages.max()), abs=0.002)


def test_one_segment_cut_in_two_has_a_wider_interval() -> None:
    """Each restart costs evidence: cut segments have the same shares and wider intervals."""
    whole = sample_ratio([600, 400], [1, 1], scale=100)
    halves = sample_ratio_of_segments([([300, 200], [1, 1])] * 2, scale=100)

    assert halves.shares == whole.shares
    assert halves.intervals[0].low < whole.intervals[0].low < whole.intervals[0].high < halves.intervals[0].high


def test_arms_without_weight_are_left_out() -> None:
    """An arm of weight 0 changes nothing, unless it has units: then these are the finding, and nothing else."""
    two, three = sample_ratio([5_100, 4_900], [1, 1]), sample_ratio([5_100, 0, 4_900], [1, 0, 1])
    stray = sample_ratio([5_100, 1, 4_900], [1, 0, 1])

    assert (three.log_e, three.verdict, three.strays) == (two.log_e, two.verdict, ())
    assert three.intervals == (two.intervals[0], Interval(0.0, 0.0), two.intervals[1])
    assert (stray.verdict, stray.worst, stray.strays, stray.log_e) == ("mismatch", 1, (1,), two.log_e)
    assert (stray.counts, sum(stray.shares)) == ((5_100, 1, 4_900), 1.0)


def test_an_arm_that_joins_late_is_tested_from_then() -> None:
    """An arm has weight in the second segment only: its share is of all units, and its first segment is silent."""
    found = sample_ratio_of_segments([([500, 500, 0], [1, 1, 0]), ([300, 330, 320], [1, 1, 1])], minimum_effect=0.3)

    assert (found.verdict, found.strays) == ("match", ())
    assert found.intervals[2].contains(320 / 1950)
    assert found.expected[2] == pytest.approx(950 / 3 / 1950)


def test_the_worst_arm_is_named() -> None:
    """The arm farthest from its promise, in its own standard units, is named."""
    assert sample_ratio([500, 300, 260], [5, 3, 2]).worst == 2
    assert sample_ratio([560, 300, 200], [5, 3, 2]).worst == 0


def test_without_units_nothing_is_known() -> None:
    """No units: no evidence, no arm to blame, and shares from 0 to 1."""
    found = sample_ratio([0, 0, 0], [1, 1, 0], minimum_effect=0.1)

    assert found == SampleRatio(
        (0, 0, 0),
        (0.0, 0.0, 0.0),
        (0.5, 0.5, 0.0),
        0.0,
        1.0,
        (Interval(0.0, 1.0), Interval(0.0, 1.0), Interval(0.0, 0.0)),
        "not enough evidence",
        None,
        (),
    )
    assert chi_square([0, 0], [1, 1]) == (0.0, 1, 1.0)
    assert mismatched_slices({}, 0.05) == ()


def test_intervals_shrink_as_units_come() -> None:
    """At the same shares, more units give narrower intervals, up to a billion."""
    widths = [sample_ratio([6 * n, 4 * n], [6, 4]).intervals[0].width for n in (10, 10**4, 10**6, 10**8)]

    assert all(later < earlier / 3 for earlier, later in pairwise(widths))


def test_slices_share_one_alpha() -> None:
    """Of a thousand slices without mismatch hardly any is named; one with a mismatch, and one with strays, are."""
    rng = np.random.default_rng(8)
    slices = {f"slice {k}": sample_ratio(rng.multinomial(5_000, [0.5, 0.5]).tolist(), [1, 1]) for k in range(1000)}
    slices["broken"] = sample_ratio([3_000, 2_000], [1, 1])
    slices["stray"] = sample_ratio([5_000, 5_000, 2], [1, 1, 0])

    assert mismatched_slices(slices, 0.05) == ("broken", "stray")
    assert mismatched_slices({"alone": sample_ratio([5_000, 5_600], [1, 1])}, 0.01) == ("alone",)


def test_crossovers_against_a_tolerance() -> None:
    """One per cent of units in two arms is beyond a tolerance of a tenth of that, and within one of twice."""
    beyond = crossovers(1_000, 100_000, tolerance=0.001)
    within = crossovers(1_000, 100_000, tolerance=0.02)
    early = crossovers(1, 100, tolerance=0.009)

    assert (beyond.verdict, within.verdict, early.verdict) == ("fail", "pass", "not enough evidence")
    assert beyond.p < 0.01
    assert within.p == 1.0
    assert early.p > 0.01
    assert beyond.interval.contains(beyond.share)
    assert beyond.share == 0.01


def test_crossovers_at_the_tolerance_seldom_fail() -> None:
    """With as many crossovers as tolerable, at most alpha + 4 standard errors of runs fail at any of 50 looks."""
    rng, alpha = np.random.default_rng(9), 0.1
    crossed = rng.binomial(2_000, 0.01, (300, 50)).cumsum(axis=1)

    def fails(run: int) -> bool:
        looks = enumerate(crossed[run].tolist(), 1)
        return any(crossovers(c, 2_000 * k, tolerance=0.01, scale=1e5, alpha=alpha).verdict == "fail" for k, c in looks)

    assert np.mean([fails(run) for run in range(300)]) <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / 300)


def test_crossovers_without_units() -> None:
    """No units: a share of 0 that may be anything."""
    found = crossovers(0, 0, tolerance=0.01)

    assert (found.share, found.interval, found.p, found.verdict) == (
        0.0,
        Interval(0.0, 1.0),
        1.0,
        "not enough evidence",
    )


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: sample_ratio([1, 2, 3], [1, 1]), "3 counts and 2 weights"),
        (lambda: sample_ratio([1, -2], [1, 1]), "0 or more"),
        (lambda: sample_ratio([1, 2], [1, -1]), "none may be negative"),
        (lambda: sample_ratio([1, 2], [1, 0]), "two or more must be positive"),
        (lambda: sample_ratio([1, 2], [1, 1], minimum_effect=1.0), "minimum effect is 1.0"),
        (lambda: sample_ratio([1, 2], [1, 1], alpha=0.0), "alpha is 0.0"),
        (lambda: sample_ratio_of_segments([]), "one or more"),
        (lambda: sample_ratio_of_segments([([1, 2], [1, 1]), ([1, 2, 3], [1, 1, 1])]), "the same arms"),
        (lambda: crossovers(3, 2, tolerance=0.1), "3 of 2 units"),
        (lambda: crossovers(1, 2, tolerance=0.0), "tolerance is 0.0"),
    ],
)
def test_what_is_wrong_is_said(attempt: Callable[[], object], message: str) -> None:
    """Counts, weights and parameters that make no sense are refused, by name and value."""
    with pytest.raises(ValueError, match=message):
        attempt()
