"""Counts by arm, against published numbers, products of predictions, statsmodels and seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import accumulate, product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from statsmodels.stats.rates import test_poisson_2indep as poisson_of_statsmodels

from streams.core.judge.counts import (
    excess,
    log_bayes_factor,
    log_odds_interval,
    log_regret,
    poisson_conditional,
    poisson_e_test,
    poisson_mid_p,
    poisson_score,
    poisson_wald,
    rate_ratio,
    rate_ratio_beyond,
    share_intervals,
)
from streams.core.judge.evidence import Alternative, Interval, p_of
from tests.core.judge.published import vectors

BERNOULLI_NUMBERS = [Decimal(a) / b for a, b in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6))]
ALTERNATIVES: tuple[tuple[Alternative, str], ...] = (
    ("two-sided", "two-sided"),
    ("greater", "larger"),
    ("less", "smaller"),
)
count = st.integers(0, 10**9)


def rising(batches: Sequence[Sequence[int]], shares: Sequence[float], scale: float) -> dict[str, Any]:
    """Evidence after each batch, and the smallest p-value so far."""
    log_e = [log_bayes_factor(n.tolist(), shares, scale) for n in np.cumsum(batches, axis=0)]
    return {"log_e": log_e, "p": list(accumulate(map(p_of, log_e), min))}


def two_rates(i: Mapping[str, Any]) -> tuple[int, int, float]:
    return i["counts"][0], i["counts"][1], i["exposure"][1] / sum(i["exposure"])


def ratio(i: Mapping[str, Any]) -> dict[str, Any]:
    found = rate_ratio(*two_rates(i), scale=i["scale"], alpha=i["alpha"])
    return {"p": found.p, "estimate": found.estimate, "interval": [found.interval.low, found.interval.high]}


def shares_of(i: Mapping[str, Any]) -> dict[str, Any]:
    found = share_intervals(i["counts"], i["shares"], scale=i["scale"], alpha=i["alpha"])
    log_e = log_bayes_factor(i["counts"], i["shares"], i["scale"])
    return {"p": p_of(log_e), "intervals": [[interval.low, interval.high] for interval in found]}


METHODS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "log_bayes_factor": lambda i: {"log_e": (e := log_bayes_factor(**i)), "p": p_of(e)},
    "log_bayes_factors": lambda i: rising(**i),
    "share_intervals": shares_of,
    "rate_ratio": ratio,
    "poisson_score": lambda i: dict(zip(("z", "p"), poisson_score(*two_rates(i)), strict=True)),
    "poisson_conditional": lambda i: {"p": poisson_conditional(*two_rates(i))},
    "poisson_mid_p": lambda i: {"p": poisson_mid_p(*two_rates(i))},
}


@pytest.mark.parametrize("vector", vectors("counts"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published counts give the published evidence and intervals."""
    found = METHODS[vector["method"]](vector["inputs"])

    for name, expected in vector["expected"].items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=vector["tolerance"])


@given(units=st.lists(st.integers(0, 2), max_size=40), scale=st.floats(0.1, 1e4))
def test_the_bayes_factor_is_a_product_of_predictions(units: list[int], scale: float) -> None:
    """One unit after another is predicted from those before it; the predictions over the shares multiply to it."""
    shares, seen, log_e = [0.5, 0.3, 0.2], [0, 0, 0], 0.0
    for unit in units:
        log_e += math.log((scale * shares[unit] + seen[unit]) / (scale + sum(seen)) / shares[unit])
        seen[unit] += 1

    assert log_bayes_factor(seen, shares, scale) == pytest.approx(log_e, abs=1e-9)


def test_the_e_value_has_mean_one() -> None:
    """Over all ways in which seven units may fall at the expected shares, the e-values average to exactly 1."""
    shares, mean = [0.7, 0.2, 0.1], 0.0
    for units in product(range(3), repeat=7):
        counts = np.bincount(units, minlength=3)
        mean += math.exp(log_bayes_factor(counts.tolist(), shares, 5.0)) * math.prod(shares[unit] for unit in units)

    assert mean == pytest.approx(1.0, abs=1e-12)


def log_gamma(x: Decimal) -> Decimal:
    """Stirling's series, to 40 digits for what follows."""
    if x < 200:
        return log_gamma(x + 1) - x.ln()
    terms = (b / (2 * k * (2 * k - 1) * x ** (2 * k - 1)) for k, b in enumerate(BERNOULLI_NUMBERS, 1))
    two_pi = Decimal("6.283185307179586476925286766559005768394338798750")
    return (x - Decimal("0.5")) * x.ln() - x + two_pi.ln() / 2 + sum(terms)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [([500_012_345, 499_987_655], [0.5, 0.5]), ([990_000_000, 9_000_000, 1_000_000], [0.99, 0.0090625, 0.0009375])],
)
def test_a_billion_units_lose_no_digits(counts: list[int], shares: list[float]) -> None:
    """At a billion units the evidence is right to a millionth, where sums of plain log-gammas lose the decimals."""
    with localcontext() as context:
        context.prec = 50
        scale, n = Decimal(10_000), [Decimal(count) for count in counts]
        s = [Decimal(share) for share in shares]
        exact = log_gamma(scale) - log_gamma(scale + sum(n))
        exact += sum(log_gamma(scale * b + a) - log_gamma(scale * b) - a * b.ln() for a, b in zip(n, s, strict=True))

    assert log_bayes_factor(counts, shares, 10_000) == pytest.approx(float(exact), abs=1e-6)


@given(counts=st.lists(count, min_size=3, max_size=3), scale=st.floats(1, 1e5))
def test_the_order_of_arms_does_not_matter(counts: list[int], scale: float) -> None:
    """Arms may come in any order."""
    shares = [0.6, 0.3, 0.1]

    assert log_bayes_factor(counts[::-1], shares[::-1], scale) == pytest.approx(
        log_bayes_factor(counts, shares, scale), rel=1e-9, abs=1e-5
    )


@given(counts=st.lists(count, min_size=2, max_size=4).filter(any), alpha=st.floats(1e-6, 0.5))
@example(counts=[1, 194_693_631], alpha=0.5)
def test_limits_of_shares_are_where_the_evidence_is_one_over_alpha(counts: list[int], alpha: float) -> None:
    """At each limit, with the other arms in the observed proportions, the e-value is 1 / alpha; inside it is less."""
    shares, n = np.full(len(counts), 1 / len(counts)), np.array(counts, np.float64)
    intervals = share_intervals(counts, shares.tolist(), scale=100, alpha=alpha)
    budget = log_regret(counts, shares.tolist(), 100) - math.log(alpha)

    for arm, interval in enumerate(intervals):
        assert interval.contains(n[arm] / n.sum())
        for limit in {interval.low, interval.high} - {0.0, 1.0}:
            pair = np.array([n[arm], n.sum() - n[arm]])
            assert excess(pair, np.array([limit, 1 - limit])) == pytest.approx(budget, rel=1e-4, abs=1e-4)


def test_intervals_of_shares_are_projections_of_the_joint_sequence() -> None:
    """A grid over all shares of three arms has the intervals' limits as the extremes of what is not excluded."""
    counts, expected = np.array([40.0, 25.0, 10.0]), [0.5, 0.3, 0.2]
    grid = np.arange(0.002, 1, 0.002)
    a, b = (axis.ravel() for axis in np.meshgrid(grid, grid))
    shares = np.stack([a, b, 1 - a - b], axis=1)[a + b < 0.9999]
    log_e = log_bayes_factor(counts.tolist(), expected, 50) + np.log(np.array(expected) / shares) @ counts
    kept = shares[log_e < math.log(20)]

    found = share_intervals(counts.tolist(), expected, scale=50, alpha=0.05)

    np.testing.assert_allclose([i.low for i in found], kept.min(axis=0), atol=0.003)
    np.testing.assert_allclose([i.high for i in found], kept.max(axis=0), atol=0.003)


def test_without_units_nothing_is_known() -> None:
    """No units give an e-value of exactly 1 and shares from 0 to 1."""
    assert log_bayes_factor([0, 0, 0], [0.98, 0.01, 0.01], 1e4) == 0.0
    assert share_intervals([0, 0], [0.9, 0.1], scale=10, alpha=0.05) == (Interval(0.0, 1.0), Interval(0.0, 1.0))


@pytest.mark.parametrize(
    ("control", "treatment", "estimate", "low", "high"),
    [(0, 0, 0.0, True, True), (60, 0, -math.inf, True, False), (0, 60, math.inf, False, True)],
)
def test_arms_without_events(control: int, treatment: int, estimate: float, low: bool, high: bool) -> None:
    """An arm without events leaves its side of the interval open, and nothing is NaN."""
    found = rate_ratio(control, treatment, 0.5, scale=100, alpha=0.05)

    assert found.estimate == estimate
    assert (found.interval.low == -math.inf, found.interval.high == math.inf) == (low, high)
    assert math.isfinite(found.log_e)


@given(control=count, treatment=count, share=st.floats(1e-3, 0.999), scale=st.floats(1, 1e5))
def test_rate_ratios_are_in_order_and_mirror(control: int, treatment: int, share: float, scale: float) -> None:
    """The estimate is in its interval, for any counts, and exchanging the arms changes the signs."""
    found = rate_ratio(control, treatment, share, scale=scale, alpha=0.05)
    mirrored = rate_ratio(treatment, control, 1 - share, scale=scale, alpha=0.05)

    assert found.interval.contains(found.estimate)
    assert found.p == p_of(found.log_e)
    ends = [found.interval.low, found.interval.high, found.estimate]
    others = [-mirrored.interval.high, -mirrored.interval.low, -mirrored.estimate]
    np.testing.assert_allclose(ends, others, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("true_ratio", [1.0, 3.0])
def test_rate_ratios_cover_under_a_rate_that_changes_with_time(true_ratio: float) -> None:
    """
    At errors of one in ten thousand, one per cent of traffic in the treatment and a common rate that swings tenfold.

    Sixty looks: the interval misses the true ratio at any of them in at most alpha + 4 standard errors of runs.
    """
    rng, alpha, looks, runs = np.random.default_rng(20), 0.1, 60, 300
    rate = 1e-4 * (0.55 + 0.45 * np.sin(np.arange(looks) / 5))
    control = rng.poisson(rate * 0.99 * 4e5, (runs, looks)).cumsum(axis=1)
    treatment = rng.poisson(rate * true_ratio * 0.01 * 4e5, (runs, looks)).cumsum(axis=1)

    def misses(run: int) -> bool:
        pairs = zip(control[run], treatment[run], strict=True)
        found = (rate_ratio(int(c), int(t), 0.01, scale=100, alpha=alpha).interval for c, t in pairs)
        return any(not interval.contains(math.log(true_ratio)) for interval in found)

    assert np.mean([misses(run) for run in range(runs)]) <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / runs)


@given(control=st.integers(0, 300), treatment=st.integers(0, 300), bound=st.floats(-1, 1))
def test_evidence_beyond_a_bound_is_the_smallest_against_its_hypothesis(
    control: int, treatment: int, bound: float
) -> None:
    """Against "at most the bound" it is the least of the e-values against all ratios up to it, and so upwards."""
    ratios = np.linspace(-12, 12, 2001)
    shares = [1 / (1 + math.exp(-(math.log(0.25) + r))) for r in (*ratios, bound)]
    regret = log_regret([control, treatment], [0.8, 0.2], 50)
    against = [excess(np.array([control, treatment]), np.array([1 - s, s])) - regret for s in shares]
    below = [e for e, r in zip(against, (*ratios, bound), strict=True) if r <= bound]
    above = [e for e, r in zip(against, (*ratios, bound), strict=True) if r >= bound]

    def found(alternative: Alternative) -> float:
        return rate_ratio_beyond(control, treatment, 0.2, scale=50, bound=bound, alternative=alternative)

    assert found("greater") == pytest.approx(min(below), abs=0.02)
    assert found("less") == pytest.approx(min(above), abs=0.02)
    assert found("two-sided") == pytest.approx(against[-1], abs=1e-9)


def test_evidence_beyond_no_difference_is_the_rate_ratio_s() -> None:
    """Two-sided, at a bound of 0, it is the evidence of `rate_ratio`."""
    found = rate_ratio_beyond(100, 160, 0.4, scale=100, bound=0.0, alternative="two-sided")

    assert found == pytest.approx(rate_ratio(100, 160, 0.4, scale=100, alpha=0.05).log_e, abs=1e-9)


def test_poisson_tests_are_those_of_statsmodels() -> None:
    """Score, Wald, conditional, mid-p and e-tests agree with statsmodels on all alternatives, zeros included."""
    rng = np.random.default_rng(4)
    cases = [(0, 7), (7, 0), (1, 1), *rng.integers(0, 40, (12, 2)).tolist()]
    for control, treatment in cases:
        exposure = rng.uniform(1, 10, 2)
        share = float(exposure[1] / exposure.sum())
        for alternative, theirs in ALTERNATIVES:
            found = {
                "score": poisson_score(control, treatment, share, alternative)[1],
                "wald": poisson_wald(control, treatment, share, alternative)[1],
                "exact-cond": poisson_conditional(control, treatment, share, alternative),
                "cond-midp": poisson_mid_p(control, treatment, share, alternative),
                "etest": poisson_e_test(control, treatment, share, alternative),
            }
            arguments = (treatment, exposure[1], control, exposure[0])
            for method, p in found.items():
                with np.errstate(divide="ignore"):  # it also divides the rates
                    expected = poisson_of_statsmodels(*arguments, method=method, alternative=theirs).pvalue
                assert p == pytest.approx(expected, abs=1e-9), (control, treatment, method, alternative)


def test_poisson_tests_of_millions_of_events() -> None:
    """At a million events the e-test takes no grid of a million squared, and agrees with the score test."""
    assert poisson_e_test(1_000_000, 1_004_000, 0.5) == pytest.approx(
        poisson_score(1_000_000, 1_004_000, 0.5)[1], abs=1e-5
    )
    assert poisson_e_test(10**8, 10**8 + 10**7, 0.5, "greater") == pytest.approx(0.0, abs=1e-12)


def test_poisson_tests_without_events() -> None:
    """No events, and events exactly as expected, are no evidence at all."""
    assert poisson_score(0, 0, 0.3) == poisson_wald(0, 0, 0.3) == (0.0, 1.0)
    assert [test(0, 0, 0.3) for test in (poisson_conditional, poisson_mid_p, poisson_e_test)] == [1.0, 1.0, 1.0]
    assert poisson_e_test(50, 50, 0.5) == 1.0


def test_log_odds_far_out_stay_finite() -> None:
    """One failure among a billion, and a budget of a million, give finite limits in order."""
    found = [log_odds_interval(1e9, 1, 5.0), log_odds_interval(5, 5, 1e6), log_odds_interval(0, 1, 1e6)]

    assert all(i.low < i.high for i in found)
    assert [math.isfinite(i.low) for i in found] == [True, True, False]


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: log_bayes_factor([1], [1.0], 10), "two or more arms"),
        (lambda: log_bayes_factor([1, 2, 3], [0.5, 0.5], 10), "3 counts and 2 shares"),
        (lambda: log_bayes_factor([1, -2], [0.5, 0.5], 10), "0 or more"),
        (lambda: log_bayes_factor([1, math.nan], [0.5, 0.5], 10), "finite"),
        (lambda: log_bayes_factor([1, 2], [0.5, 0.6], 10), "their sum 1"),
        (lambda: log_bayes_factor([1, 2], [1.0, 0.0], 10), "positive"),
        (lambda: log_bayes_factor([1, 2], [0.5, 0.5], 0), "scale is 0"),
        (lambda: share_intervals([1, 2], [0.5, 0.5], scale=10, alpha=0), "alpha is 0"),
        (lambda: rate_ratio(1, 2, 1.0, scale=10, alpha=0.05), "share of the exposure is 1.0"),
        (lambda: rate_ratio(1, -2, 0.5, scale=10, alpha=0.05), "treatment has -2 events"),
        (lambda: poisson_score(-1, 2, 0.5), "control has -1 events"),
    ],
)
def test_what_is_wrong_is_said(attempt: Callable[[], object], message: str) -> None:
    """Counts, shares and parameters that make no sense are refused, by name and value."""
    with pytest.raises(ValueError, match=message):
        attempt()
