"""Intervals of a share, against published numbers, statsmodels and enumeration of every outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from streams.core.judge.binomial_interval import agresti_coull, clopper_pearson, jeffreys, wilson
from streams.core.judge.evidence import Interval
from streams.core.metric import interval as fixed_level
from tests.core.judge.published import assert_agrees, vectors

INTERVALS: dict[str, Callable[[int, int, float], Interval]] = {
    "wilson": wilson,
    "clopper_pearson": clopper_pearson,
    "jeffreys": jeffreys,
    "agresti_coull": agresti_coull,
}
STATSMODELS = {"wilson": "wilson", "clopper_pearson": "beta", "jeffreys": "jeffreys", "agresti_coull": "agresti_coull"}


def limits(name: str, inputs: Mapping[str, Any]) -> dict[str, float | None]:
    found = INTERVALS[name](inputs["k"], inputs["n"], inputs["alpha"])
    return {"low": found.low, "high": found.high}


METHODS = {name: (lambda inputs, name=name: limits(name, inputs)) for name in INTERVALS}


@pytest.mark.parametrize("vector", vectors("binomial_interval"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published counts give the published limits."""
    assert_agrees(METHODS, vector)


@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_against_statsmodels(name: str, alpha: float) -> None:
    """Limits are those of statsmodels at every count and several levels, and from none to a million."""
    for k, n in [*((k, 17) for k in range(18)), (0, 1), (1, 1), (3, 10**6), (10**6 - 3, 10**6)]:
        low, high = proportion_confint(k, n, alpha, method=STATSMODELS[name])
        found = INTERVALS[name](k, n, alpha)

        assert (found.low, found.high) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-11), (k, n)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson, jeffreys, agresti_coull])
def test_intervals_are_at_95_percent_unless_said(interval: Callable[..., Interval]) -> None:
    """Each interval's default level is 95 %."""
    assert interval(3, 20) == interval(3, 20, 0.05) != interval(3, 20, 0.1)


@given(st.integers(1, 10**9), st.floats(0, 1), st.floats(1e-6, 0.9), st.sampled_from(sorted(INTERVALS)))
def test_mirrored_and_within_bounds(n: int, share: float, alpha: float, name: str) -> None:
    """Limits are within 0 and 1, and failures have the mirrored interval, up to a billion trials."""
    k = round(share * n)
    found, mirrored = INTERVALS[name](k, n, alpha), INTERVALS[name](n - k, n, alpha)

    assert 0 <= found.low <= found.high <= 1
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high), abs=1e-9)


def test_wilson_is_that_of_the_metrics() -> None:
    """At 95 % Wilson's interval is the one that the windows' metrics have."""
    low, high = fixed_level.wilson(np.array(81 / 263), np.array(263.0))

    assert (wilson(81, 263).low, wilson(81, 263).high) == pytest.approx((float(low), float(high)), rel=1e-15)


@pytest.mark.parametrize(("name", "least"), [("clopper_pearson", 0.95), ("wilson", 0.83), ("jeffreys", 0.83)])
def test_coverage_by_enumeration(name: str, least: float) -> None:
    """Of 30 trials, summed over all outcomes: Clopper-Pearson covers any share, the others on average."""
    shares = np.linspace(0.01, 0.99, 99)
    intervals = [INTERVALS[name](k, 30, 0.05) for k in range(31)]
    inside = np.array([[interval.contains(share) for interval in intervals] for share in shares])
    coverage = (inside * stats.binom.pmf(np.arange(31), 30, shares[:, None])).sum(axis=1)

    assert coverage.min() >= least
    assert coverage.mean() >= 0.945


@pytest.mark.parametrize("interval", INTERVALS.values())
@pytest.mark.parametrize(
    ("k", "n", "alpha", "problem"),
    [
        (500, 100, 0.05, "500/100: successes must be between 0 and"),
        (-1, 100, 0.05, "-1/100: successes must be between 0 and"),
        (0, 0, 0.05, "0/0: there must be at least 1 trial"),
        (1, 100, 1.5, "alpha is 1.5"),
    ],
)
def test_what_is_no_share(
    interval: Callable[[int, int, float], Interval], k: int, n: int, alpha: float, problem: str
) -> None:
    """Counts and levels that cannot be are refused by every interval."""
    with pytest.raises(ValueError, match=problem):
        interval(k, n, alpha)
