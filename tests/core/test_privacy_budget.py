"""The noise is that of the discrete Laplace distribution, hides a unit as it says, and budgets end."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from scipy import stats

from streams.core.privacy_budget import Budget, Noise


def draws(noise: Noise, many: int, seed: int) -> list[int]:
    rng = Random(seed)
    return [noise.of(rng.random(), rng.random()) for _ in range(many)]


@pytest.mark.parametrize(("bound", "epsilon"), [(1, 2.0), (3, 0.5), (10, 0.1)])
def test_the_noise_is_discrete_laplace(bound: int, epsilon: float) -> None:
    """20,000 draws fit scipy's distribution of the same decay: a chi-squared test passes at 1 in 10,000."""
    noise, truth = Noise(bound, epsilon), stats.dlaplace(epsilon / bound)
    found = np.array(draws(noise, 20_000, 1))
    cuts = np.unique(truth.ppf(np.linspace(0.02, 0.98, 21)))
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    expected = np.diff(np.concatenate([[0.0], truth.cdf(cuts), [1.0]])) * len(found)
    seen = np.histogram(np.ceil(found) - 0.5, edges)[0]

    assert stats.chisquare(seen, expected).pvalue > 1e-4
    assert noise.variance == pytest.approx(truth.var(), rel=1e-9)


@pytest.mark.parametrize(("bound", "epsilon"), [(1, 0.01), (4, 1.0), (1, 10.0)])
def test_the_noise_hides_a_unit(bound: int, epsilon: float) -> None:
    """Counts that differ by a unit's bound give no result with chances further apart than exp(epsilon)."""
    law = stats.dlaplace(1 / Noise(bound, epsilon).scale)
    results = np.arange(-50, 50)
    ratio = law.logpmf(results) - law.logpmf(results - bound)

    assert np.abs(ratio).max() == pytest.approx(epsilon, rel=1e-9)


def test_much_noise_is_like_laplaces() -> None:
    """With a large scale, 20,000 draws pass a Kolmogorov test against scipy's continuous law, at 1 in 10,000."""
    noise = Noise(100, 0.1)
    rng = Random(2)
    smooth = np.array(draws(noise, 20_000, 3)) + np.array([rng.random() - 0.5 for _ in range(20_000)])

    assert stats.kstest(smooth, stats.laplace(scale=1_000).cdf).pvalue > 1e-4
    assert noise.variance == pytest.approx(2 * 1_000**2, rel=1e-6)


def test_the_ends_of_the_uniform_numbers() -> None:
    """The smallest and largest uniform numbers give finite noise, and what is none is refused."""
    noise = Noise(1, 1e-6)

    assert noise.of(0.0, 0.0) == 0
    assert noise.of(math.nextafter(1.0, 0.0), 0.0) == -noise.of(0.0, math.nextafter(1.0, 0.0)) < 40e6
    for wrong in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="must be from 0 to 1"):
            noise.of(wrong, 0.5)


@pytest.mark.parametrize(("bound", "epsilon"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, math.nan), (1, 101.0)])
def test_noise_that_hides_nothing_is_refused(bound: int, epsilon: float) -> None:
    """A bound below 1, or an epsilon out of its range, is an error that names it."""
    with pytest.raises(ValueError, match=r"bound=0|epsilon="):
        Noise(bound, epsilon)


@pytest.mark.parametrize(("release", "day", "times"), [(0.1, 0.3, 3), (0.5, 0.5, 1), (0.2, 0.5, 2), (0.01, 1.0, 100)])
def test_a_budget_ends(release: float, day: float, times: int) -> None:
    """A unit takes part as often a day as its epsilon allows; others and other days are not its affair."""
    budget = Budget(release, day)

    assert [budget.spend("u", 1) for _ in range(times + 3)] == [True] * times + [False] * 3
    assert budget.spent("u", 1) == times
    assert budget.spend("v", 1)
    assert budget.spend("u", 2)
    assert (budget.spent("u", 2), budget.spent("w", 7)) == (1, 0)


def test_days_that_are_over_are_forgotten() -> None:
    """What is forgotten is what lies before the day."""
    budget = Budget(1.0, 1.0)
    for day in (1, 2, 3):
        budget.spend("u", day)
    budget.forget(3)

    assert [budget.spent("u", day) for day in (1, 2, 3)] == [0, 0, 1]


@pytest.mark.parametrize(("release", "day"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (math.nan, 1.0)])
def test_a_release_that_a_day_cannot_pay_is_refused(release: float, day: float) -> None:
    """A release must cost something, and no more than there is."""
    with pytest.raises(ValueError, match="must be more than 0"):
        Budget(release, day)
