"""Bands around distributions and tests of two arms, against published numbers and seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.distribution import band, compare, dkw_band, dkw_radius
from streams.core.judge.evidence import Interval
from streams.core.judge.quantile import Cumulative, Floats, lil_radius
from tests.core.judge.published import vectors

EDGES = np.linspace(0.05, 5, 60)
increasing = st.lists(st.integers(0, 100), min_size=3, max_size=3).map(lambda steps: np.cumsum(steps).astype(np.int64))


def counted(values: Floats) -> Cumulative:
    return Cumulative.of(values, EDGES)


@pytest.mark.parametrize("vector", vectors("distribution"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """The band of one planned look has the published radius."""
    assert dkw_radius(**vector["inputs"]) == pytest.approx(vector["expected"]["value"], abs=vector["tolerance"])


def test_bands_hold_under_continuous_looks_where_those_of_one_look_fail() -> None:
    """
    Three hundred streams of 2,000 values, 60 edges, 96 looks from the hundredth value on.

    The time-uniform band fails at any edge and look in at most alpha + 4 standard errors of streams, and the band
    of one look in more than that.
    """
    rng, alpha, runs = np.random.default_rng(21), 0.1, 300
    truth, looks = stats.expon.cdf(EDGES), range(100, 2001, 20)
    failed = {"band": 0, "dkw": 0}
    for _ in range(runs):
        values = rng.exponential(size=2000)
        counts = (values[:, None] <= EDGES).cumsum(axis=0)
        seen = [Cumulative(EDGES, counts[n - 1], n) for n in looks]
        for name, bands in (
            ("band", (band(c, alpha=alpha) for c in seen)),
            ("dkw", (dkw_band(c, alpha=alpha) for c in seen)),
        ):
            failed[name] += any(((truth < b.low) | (truth > b.high)).any() for b in bands)

    limit = alpha + 4 * math.sqrt(alpha * (1 - alpha) / runs)
    assert failed["band"] / runs <= limit < failed["dkw"] / runs


def test_bands_are_shares_and_their_radius() -> None:
    """A band is the observed share plus and minus the radius, cut off at 0 and 1."""
    counts = Cumulative(EDGES, np.linspace(0, 1000, 60).astype(np.int64), 1000)
    shares, found = counts.counts / 1000, band(counts, alpha=0.05)

    np.testing.assert_allclose(found.low, np.clip(shares - lil_radius(1000, 0.05), 0, 1))
    np.testing.assert_allclose(found.high, np.clip(shares + lil_radius(1000, 0.05), 0, 1))


def test_before_the_earliest_look_nothing_is_known() -> None:
    """A band before the earliest look, or of no values, is from 0 to 1, and so is a comparison's interval."""
    few, none = counted(np.full(99, 1.0)), counted(np.array([], np.float64))

    for counts in (few, none):
        found = band(counts, alpha=0.05)
        assert (found.low.max(), found.high.min()) == (0.0, 1.0)
    assert dkw_radius(0, 0.05) == math.inf
    for arms in ((few, few), (none, few), (none, none)):
        comparison = compare(*arms)
        assert (comparison.interval, comparison.p) == (Interval(0.0, 1.0), 1.0)
        assert comparison.verdict == "not enough evidence"


def test_equal_arms_seldom_differ_under_continuous_looks() -> None:
    """Arms of equal latency, one with a tenth of the traffic: at most alpha + 4 errors of runs ever find anything."""
    rng, alpha, runs = np.random.default_rng(22), 0.1, 100
    found = 0
    for _ in range(runs):
        control, treatment = rng.exponential(size=10_000), rng.exponential(size=1_000)
        looks = ((counted(control[: 10 * n]), counted(treatment[:n])) for n in range(50, 1001, 50))
        found += any(
            compare(*arms, alternative=alternative, alpha=alpha).p < alpha
            for arms in looks
            for alternative in ("two-sided", "greater", "less")
        )

    assert found / runs <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / runs)


@given(control=increasing, treatment=increasing, beyond=st.integers(0, 100), tolerance=st.floats(0, 0.5))
def test_the_p_value_and_the_verdict_agree(
    control: np.ndarray, treatment: np.ndarray, beyond: int, tolerance: float
) -> None:
    """A hypothesis fails exactly when p < alpha, and passes only while its interval is within the tolerance."""
    edges = np.array([1.0, 2.0, 3.0])
    arms = [Cumulative(edges, 20 * c, 20 * int(c[-1] + beyond)) for c in (control, treatment)]

    found = compare(*arms, tolerance=tolerance, alpha=0.05)

    assert (found.verdict == "fail") == (found.p < 0.05)
    assert (found.verdict == "pass") == (found.interval.high <= tolerance)
    assert found.interval.contains(found.difference)


def test_the_p_value_is_the_alpha_at_which_the_verdict_turns() -> None:
    """Just above the p-value as alpha the hypothesis fails, and just below it does not."""
    rng = np.random.default_rng(23)
    arms = counted(rng.exponential(size=3000)), counted(1.5 * rng.exponential(size=2000))
    p = compare(*arms).p

    assert 1e-6 < p < 0.05
    assert compare(*arms, alpha=p * 1.0001).verdict == "fail"
    assert compare(*arms, alpha=p * 0.9999).verdict == "not enough evidence"


def test_the_largest_difference_is_between_its_bounds() -> None:
    """The truth is in the interval at each of 40 looks, and the interval is narrower at each doubling of the values."""
    rng = np.random.default_rng(24)
    control, treatment = rng.exponential(size=8000), 1.3 * rng.exponential(size=8000)
    truth = float(np.abs(stats.expon.cdf(EDGES) - stats.expon.cdf(EDGES, scale=1.3)).max())
    looks = [compare(counted(control[:n]), counted(treatment[:n])) for n in range(200, 8001, 200)]

    assert all(look.interval.contains(truth) for look in looks)
    assert looks[-1].interval.width < looks[0].interval.width / 3
    assert looks[-1].edge == pytest.approx(1.2, abs=0.6)


def test_a_slower_treatment_is_not_a_faster_one() -> None:
    """Latency a third higher is found as "greater" and as different, and not as "less"."""
    rng = np.random.default_rng(25)
    arms = counted(rng.exponential(size=20_000)), counted(1.33 * rng.exponential(size=20_000))

    verdicts = {a: compare(*arms, alternative=a).verdict for a in ("two-sided", "greater", "less")}

    assert verdicts == {"two-sided": "fail", "greater": "fail", "less": "not enough evidence"}
    assert compare(*arms, alternative="less").difference == 0.0


def test_a_treatment_that_is_no_slower_passes() -> None:
    """With a tolerance of five points, an equal or faster treatment passes, and one a third slower fails."""
    rng = np.random.default_rng(26)
    control = counted(rng.exponential(size=50_000))
    treatments = {scale: counted(scale * rng.exponential(size=50_000)) for scale in (0.8, 1.0, 1.33)}

    verdicts = {s: compare(control, t, alternative="greater", tolerance=0.05).verdict for s, t in treatments.items()}

    assert verdicts == {0.8: "pass", 1.0: "pass", 1.33: "fail"}


def test_comparisons_merge() -> None:
    """Counts of two shards, added, give the comparison of all values."""
    rng = np.random.default_rng(27)
    control, treatment = rng.exponential(size=3000), rng.exponential(size=3000)

    merged = compare(counted(control[:900]) + counted(control[900:]), counted(treatment[:10]) + counted(treatment[10:]))

    assert merged == compare(counted(control), counted(treatment))


def test_a_billion_values_differ_beyond_doubt() -> None:
    """At a billion values a difference of ten points has a p-value that underflows to 0, and nothing overflows."""
    edges, n = np.array([1.0]), 10**9

    found = compare(Cumulative(edges, np.array([n // 2]), n), Cumulative(edges, np.array([n // 2 + n // 10]), n))

    assert (found.p, found.verdict) == (0.0, "fail")


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: dkw_radius(-1, 0.05), "n is -1"),
        (lambda: dkw_radius(10, 0.0), "alpha is 0.0"),
        (lambda: compare(counted(EDGES), counted(EDGES), tolerance=1.0), "tolerance is 1.0"),
        (lambda: compare(counted(EDGES), Cumulative.of(EDGES, EDGES + 1)), "different edges"),
    ],
)
def test_what_is_wrong_is_said(attempt: Callable[[], object], message: str) -> None:
    """Edges and parameters that make no sense are refused, by name and value."""
    with pytest.raises(ValueError, match=message):
        attempt()
