"""Quantiles, against published numbers, brute force, exact binomial sums and seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.evidence import Evidence, Interval
from streams.core.judge.quantile import (
    Cumulative,
    Stitching,
    at_every_value,
    cluster_inflation,
    clustered_error,
    double_stitching_bound,
    error_of_limits,
    every_quantile_radii,
    fixed_quantile_radii,
    lil_constant,
    lil_radius,
    log_crossing,
    order_statistic_ranks,
    quantile_difference,
    quantile_interval,
    quantile_interval_of_counts,
)
from streams.core.judge.variance import ratio_of_buckets
from tests.core.judge.published import vectors

Floats = npt.NDArray[np.float64]
sample = st.lists(st.integers(0, 30).map(float), max_size=60).map(lambda values: np.array(values, np.float64))


def floats(*values: float) -> Floats:
    return np.array(values, np.float64)


def stitched(i: Mapping[str, Any]) -> float:
    stitching = Stitching(i["delta"], i["s"], i["eta"])
    return double_stitching_bound(i["p"], i["n"], planned=i["planned"], alpha=i["alpha"], stitching=stitching)


def two_arms(i: Mapping[str, Any]) -> float:
    arms = (np.arange(first, last + 1, dtype=np.float64) for first, last in (i["control"], i["treatment"]))
    return quantile_difference(*at_every_value(*arms), i["p"], planned=i["planned"], alpha=i["alpha"]).p


def order_statistics(i: Mapping[str, Any]) -> dict[str, Any]:
    data = np.sort(np.random.RandomState(i["seed"]).exponential(1, i["n"]).round(5))  # as published
    ranks = order_statistic_ranks(i["n"], i["p"], i["alpha"])
    return {"ranks": ranks, "limits": [data[rank - 1] for rank in ranks]}


METHODS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "double_stitching_bound": lambda i: {"value": stitched(i)},
    "quantile_difference": lambda i: {"value": two_arms(i)},
    "fixed_quantile_radii": lambda i: {"value": fixed_quantile_radii(**i)},
    "lil_constant": lambda i: {"value": lil_constant(**i)},
    "order_statistic_ranks": order_statistics,
}


@pytest.mark.parametrize("vector", vectors("quantile"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published inputs give the published bounds, p-values and ranks."""
    found = METHODS[vector["method"]](vector["inputs"])

    for name, expected in vector["expected"].items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=vector["tolerance"])


@given(first=sample, second=sample)
def test_counts_at_edges_merge(first: Floats, second: Floats) -> None:
    """Counts of two samples add up to those of all values, and quantiles at every value are order statistics."""
    edges, values = np.arange(0, 31, dtype=np.float64), np.concatenate([first, second])

    merged = Cumulative.of(first, edges) + Cumulative.of(second, edges)

    np.testing.assert_array_equal(merged.counts, [(values <= edge).sum() for edge in edges])
    assert merged.n == len(values)
    for p in (0.01, 0.5, 0.9):
        ordered = np.sort(values)
        expected = float(ordered[math.ceil(len(values) * p - 1e-9) - 1]) if len(values) else -math.inf
        assert merged.quantile(p) == expected


@given(values=sample, p=st.floats(0.01, 0.99), above=st.floats(0, 0.5), below=st.floats(0, 0.5))
def test_intervals_hold_what_the_radii_do_not_exclude(values: Floats, p: float, above: float, below: float) -> None:
    """A value is in the interval if enough of the sample is at or below it and not too much is under it."""
    n = len(values)
    candidates = np.arange(-1, 32, 0.5)
    lowest, highest = n * (p - below) - 1e-9, n * (p + above) + 1e-9  # the limits of counts, but for rounding
    kept = [q for q in candidates if (values <= q).sum() >= lowest and (values < q).sum() <= highest]

    exact = quantile_interval(values, p, (above, below))
    at_edges = quantile_interval_of_counts(Cumulative.of(values, np.arange(0, 31, 4.0)), p, (above, below))

    assert all(exact.contains(q) for q in kept)
    assert all(at_edges.contains(q) for q in kept)
    assert at_edges.low <= exact.low <= exact.high <= at_edges.high
    inside = [q for q in candidates if exact.low < q < exact.high]
    assert set(inside) <= set(kept)


def test_fixed_quantiles_hold_under_continuous_looks() -> None:
    """
    A thousand streams of 2,000 values, looked at every 10: the radii fail at any look in at most alpha + 4 errors.

    Half of alpha is for either side. The share of values at or below the true quantile is binomial.
    """
    rng, alpha, runs = np.random.default_rng(11), 0.1, 1000
    looks = np.arange(10, 2001, 10)
    for p in (0.5, 0.99):
        below = (rng.random((runs, 2000)) <= p).cumsum(axis=1)[:, looks - 1] / looks
        radii = np.array([fixed_quantile_radii(p, int(n), planned=500, alpha=alpha) for n in looks])
        misses = ((below > p + radii[:, 0]) | (below < p - radii[:, 1])).any(axis=1).mean()

        assert misses <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / runs)


def test_every_quantile_holds_at_once_under_continuous_looks() -> None:
    """All of 99 levels, at 100 looks at 300 streams: any of them fails in at most alpha + 4 errors of the streams."""
    rng, alpha, runs = np.random.default_rng(12), 0.1, 300
    levels, looks = np.linspace(0.01, 0.99, 99), np.arange(20, 2001, 20)
    values = rng.random((runs, 2000))
    failed = np.zeros(runs, bool)
    for n in looks:
        radii = np.array([every_quantile_radii(float(p), int(n), planned=200, alpha=alpha) for p in levels[::7]])
        share = np.stack([(values[:, :n] <= p).mean(axis=1) for p in levels[::7]], axis=1)
        failed |= ((share > levels[::7] + radii[:, 0]) | (share < levels[::7] - radii[:, 1])).any(axis=1)

    assert failed.mean() <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / runs)


def test_radii_are_smallest_near_the_plan_and_mirror() -> None:
    """Radii planned for so many values are the smallest there, and those of 1 - p are those of p exchanged."""
    planned = {n: fixed_quantile_radii(0.9, 1000, planned=n, alpha=0.05)[0] for n in (10, 1000, 100_000)}

    assert planned[1000] < min(planned[10], planned[100_000])
    assert fixed_quantile_radii(0.1, 500, planned=100, alpha=0.05) == pytest.approx(
        fixed_quantile_radii(0.9, 500, planned=100, alpha=0.05)[::-1]
    )
    assert every_quantile_radii(0.1, 500, planned=100, alpha=0.05) == pytest.approx(
        every_quantile_radii(0.9, 500, planned=100, alpha=0.05)[::-1]
    )


def test_a_billion_values() -> None:
    """At a billion values all is finite: radii near those of a fixed look, and the evidence against a small shift."""
    n = 10**9
    counts = Cumulative(floats(1, 2, 3), np.array([n // 2, n - n // 10, n]), n)
    shifted = Cumulative(floats(1, 2, 3), np.array([n // 2 - 10**6, n - n // 10, n]), n)

    assert fixed_quantile_radii(0.5, n, planned=n, alpha=0.05)[0] == pytest.approx(3e-5 * 1.6, rel=0.1)
    assert math.isfinite(quantile_difference(counts, shifted, 0.5, planned=n, alpha=0.05).log_e)


@given(control=sample, treatment=sample, p=st.floats(0.05, 0.95))
def test_a_difference_is_excluded_when_the_evidence_says_so(control: Floats, treatment: Floats, p: float) -> None:
    """0 is inside the interval or at its end unless p < alpha, and exchanging the arms changes the signs."""
    arms = at_every_value(control, treatment)
    found = quantile_difference(*arms, p, planned=20, alpha=0.2)
    mirrored = quantile_difference(*arms[::-1], p, planned=20, alpha=0.2)

    assert found.p < 0.2 or found.interval.contains(0.0)
    assert found.p >= 0.2 or not found.interval.low < 0 < found.interval.high
    assert found.interval.contains(found.estimate)
    assert found == Evidence(
        -mirrored.estimate, Interval(-mirrored.interval.high, -mirrored.interval.low), found.log_e, found.p
    )
    assert mirrored.log_e == pytest.approx(found.log_e, abs=1e-9)


def smallest_log_e(arm: Cumulative, p: float, planned: float) -> list[float]:
    """Of each place between edges, the smallest log e-value over the numbers of values that may be at or below it."""
    surprise = 2 * math.log(20)
    strength = planned / (surprise + math.log1p(surprise)) - 1
    numbers = np.arange(arm.n + 1)
    log_e = stats.betabinom(arm.n, strength * p, strength * (1 - p)).logpmf(numbers)
    log_e -= stats.binom(arm.n, p).logpmf(numbers)
    ends = [0, *arm.counts, arm.n]
    return [float(log_e[low : high + 1].min()) for low, high in pairwise(ends)]


def test_a_difference_s_interval_is_all_pairs_that_are_not_excluded() -> None:
    """The limits are the extremes over all pairs of places whose e-values multiply to at most 1 / alpha."""
    rng = np.random.default_rng(13)
    arms = [Cumulative.of(rng.normal(shift, 1, 200), np.linspace(-2, 3, 26)) for shift in (0.0, 0.5)]
    lower, upper = np.append(-math.inf, arms[0].edges), np.append(arms[0].edges, math.inf)
    control, treatment = (smallest_log_e(arm, 0.5, 100) for arm in arms)
    places = [(c, t) for c in range(27) for t in range(27) if control[c] + treatment[t] <= math.log(20)]

    found = quantile_difference(arms[0], arms[1], 0.5, planned=100, alpha=0.05)

    assert found.interval.low == min(lower[t] - upper[c] for c, t in places)
    assert found.interval.high == max(upper[t] - lower[c] for c, t in places)
    assert found.log_e == pytest.approx(min(map(sum, zip(control, treatment, strict=True))), abs=0.02)


def test_arms_with_the_same_quantile_seldom_differ() -> None:
    """
    Arms of different spread and equal medians, looked at 20 times: at most alpha + 4 errors of runs find a difference.

    And the interval holds the true difference of another quantile at every look in as many.
    """
    rng, alpha, runs = np.random.default_rng(14), 0.1, 150
    found, missed = 0, 0
    edges = np.linspace(-3, 3, 61)
    for _ in range(runs):
        control, treatment = rng.normal(0, 1, 2000), rng.normal(0, 2, 2000)
        looks = [
            (Cumulative.of(control[:n], edges), Cumulative.of(treatment[:n], edges)) for n in range(100, 2001, 100)
        ]
        found += any(quantile_difference(*arms, 0.5, planned=500, alpha=alpha).p < alpha for arms in looks)
        upper = (quantile_difference(*arms, 0.8, planned=500, alpha=alpha).interval for arms in looks)
        missed += any(not interval.contains(float(stats.norm.ppf(0.8))) for interval in upper)

    assert max(found, missed) / runs <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / runs)


def test_without_values_nothing_is_known() -> None:
    """An empty sample has infinite radii and an interval without limits, and an empty arm is no evidence."""
    none, some = at_every_value(floats(), floats(1, 2, 3))

    assert fixed_quantile_radii(0.5, 0, planned=10, alpha=0.05) == (math.inf, math.inf)
    assert every_quantile_radii(0.5, 0, planned=10, alpha=0.05) == (math.inf, math.inf)
    assert quantile_interval(floats(), 0.5, (math.inf, math.inf)) == Interval.everything()
    assert quantile_interval_of_counts(none, 0.5, (0.1, 0.1)) == Interval.everything()
    for arms in ((none, some), (some, none), (none, none)):
        found = quantile_difference(*arms, 0.5, planned=10, alpha=0.05)
        assert (found.estimate, found.interval, found.p) == (0.0, Interval.everything(), 1.0)


def test_a_quantile_beyond_the_last_edge_is_unbounded() -> None:
    """Where more values than allowed are beyond the last edge, the upper limit and the estimate are infinite."""
    counts = Cumulative(floats(1, 2), np.array([500, 800]), 1000)
    interval = quantile_interval_of_counts(counts, 0.9, fixed_quantile_radii(0.9, 1000, planned=1000, alpha=0.05))

    assert (counts.quantile(0.9), interval) == (math.inf, Interval(2.0, math.inf))


@pytest.mark.parametrize("constant", [6.0, 8.12, 20.0, 300.0])
def test_the_crossing_chance_is_the_smallest_over_steps(constant: float) -> None:
    """A fine grid of eta finds no smaller bound than the search does, and one that is hardly larger."""
    eta = 1 + np.logspace(-7, math.log10(0.44), 200_001)
    slack = 0.85 - np.sqrt(2 * (eta - 1) / constant)
    gamma = 2 / eta * slack**2
    usable = (slack > 0) & (gamma > 1)
    bound = np.log(4) - gamma * constant + np.log1p(1 / (np.where(usable, gamma - 1, 1) * np.log(eta)))

    found = log_crossing(constant)

    assert found == pytest.approx(min(0.0, bound[usable].min()), abs=1e-6)


@given(alpha=st.floats(1e-12, 0.99), leading=st.floats(0.75, 3))
def test_the_constant_has_the_chance_it_was_asked_for(alpha: float, leading: float) -> None:
    """The chance of leaving the band with the constant of alpha is alpha."""
    assert log_crossing(lil_constant(alpha, leading), leading) == pytest.approx(math.log(alpha), abs=1e-8)


def test_the_radius_of_the_iterated_logarithm() -> None:
    """At 1,000 values from 100 on, the published radius is 0.08204769 (to 1e-5); before 100 there is none."""
    assert lil_radius(1000, 0.05) == pytest.approx(0.08204769, abs=1e-6)
    assert lil_radius(99, 0.05) == math.inf


@given(n=st.integers(0, 400), p=st.floats(0.01, 0.99), alpha=st.floats(0.001, 0.5))
def test_ranks_leave_half_of_alpha_on_either_side(n: int, p: float, alpha: float) -> None:
    """The number of values at or below the quantile, binomial, is seldom under the lower rank or from the upper on."""
    low, high = order_statistic_ranks(n, p, alpha)

    assert 0 <= low < high <= n + 1
    assert stats.binom.cdf(low - 1, n, p) <= alpha / 2 + 1e-12
    assert stats.binom.sf(high - 1, n, p) <= alpha / 2 + 1e-12


def clustered(rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Latencies of 300 users with 1 to 20 requests each, of which the slower users make more."""
    level = rng.normal(0, 1, 300)
    requests = rng.integers(1, 11, 300) + 9 * (level > 0.5)
    users = np.repeat(np.arange(300), requests)
    return np.exp(level[users] + 0.5 * rng.normal(size=len(users))), users


def test_the_error_of_clustered_quantiles_is_their_spread() -> None:
    """Over 300 data sets the mean error is within 15 % of the spread of the estimates; ignoring clusters, half."""
    rng = np.random.default_rng(15)
    found = []
    for _ in range(300):
        values, users = clustered(rng)
        alone = clustered_error(values, np.arange(len(values)), 0.9)
        found.append((*clustered_error(values, users, 0.9), alone[1]))
    estimates, errors, naive = np.array(found).T

    assert errors.mean() == pytest.approx(estimates.std(), rel=0.15)
    assert naive.mean() < 0.6 * estimates.std()


def test_inflation_turns_an_error_without_clusters_into_one_with_them() -> None:
    """The error of order statistics, times the root of the inflation, is near that of the clustered ranks."""
    values, users = clustered(np.random.default_rng(16))
    estimate, error = clustered_error(values, users, 0.9)
    low, high = order_statistic_ranks(len(values), 0.9, 0.05)
    ordered = np.sort(values)
    at_or_below = np.bincount(users, values <= estimate).astype(np.float64)
    _, share_error = ratio_of_buckets(at_or_below, np.bincount(users).astype(np.float64))
    inflation = cluster_inflation(share_error, len(values), 0.9)

    assert inflation > 3
    alone = error_of_limits(ordered[low - 1], ordered[high - 1])
    assert alone * math.sqrt(inflation) == pytest.approx(error, rel=0.15)
    assert error_of_limits(-1.959963985, 1.959963985) == pytest.approx(1.0)
    assert cluster_inflation(math.sqrt(0.9 * 0.1 / 500), 500, 0.9) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: Cumulative(floats(1, 1), np.array([1, 2]), 3), "edges increasing"),
        (lambda: Cumulative(floats(1, 2), np.array([1]), 3), "2 edges and 1 counts"),
        (lambda: Cumulative(floats(1, 2), np.array([2, 1]), 3), "must not decrease"),
        (lambda: Cumulative(floats(1, 2), np.array([1, 4]), 3), "of 3 values"),
        (lambda: Cumulative.of(floats(1), floats(1, 2)) + Cumulative.of(floats(1), floats(1, 3)), "different edges"),
        (lambda: fixed_quantile_radii(1.0, 10, planned=10, alpha=0.05), "level of the quantile is 1.0"),
        (lambda: fixed_quantile_radii(0.5, 10, planned=0, alpha=0.05), "planned number of values is 0"),
        (lambda: double_stitching_bound(0.5, 10, planned=10, alpha=1.0), "alpha is 1.0"),
        (lambda: lil_constant(0.05, 0.7), "leading factor is 0.7"),
        (lambda: lil_radius(10, 0.05, earliest=0), "earliest look is at 0"),
        (lambda: order_statistic_ranks(-1, 0.5, 0.05), "n is -1"),
    ],
)
def test_what_is_wrong_is_said(attempt: Callable[[], object], message: str) -> None:
    """Counts, levels and parameters that make no sense are refused, by name and value."""
    with pytest.raises(ValueError, match=message):
        attempt()
