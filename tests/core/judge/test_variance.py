"""Variances of what units repeat: published numbers, closed forms, and error rates where events are clustered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement, difference
from streams.core.judge.moments import Floats, JointMoments, Moments
from streams.core.judge.proportions import unpooled_z
from streams.core.judge.variance import (
    combined,
    efficient_weights,
    jackknife,
    linearised,
    of_units,
    ratio,
    ratio_of_buckets,
)
from tests.core.judge.published import Method, assert_agrees, vectors


def of_sums(arm: Mapping[str, Any]) -> JointMoments:
    products = ((arm["sum_mm"], arm["sum_md"]), (arm["sum_md"], arm["sum_dd"]))
    return JointMoments.of_sums(arm["n"], (arm["sum_m"], arm["sum_d"]), products)


def of_ratios(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    found = difference(ratio(of_sums(inputs["a"])), ratio(of_sums(inputs["b"])))
    interval = found.interval or Interval.everything()
    numbers = {"estimate": found.effect, "se": found.error, "p_value": found.p}
    return {**numbers, "low": interval.low, "high": interval.high}


METHODS: dict[str, Method] = {"ratio_t": of_ratios}


@pytest.mark.parametrize("vector", vectors("variance"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published sums give the published ratios."""
    assert_agrees(METHODS, vector)


def users(rng: np.random.Generator, number: int) -> tuple[Floats, Floats]:
    """Return clicks and views of users who differ in how often they come and in how much they click."""
    views = 1 + rng.negative_binomial(1, 0.1, number)
    return rng.binomial(views, rng.beta(1, 4, number)).astype(float), views.astype(float)


def test_ratio_from_moments_is_ratio_of_units() -> None:
    """From merged moments of (N, D), and from the totals themselves, ratio and error are the same."""
    numerator, denominator = users(np.random.default_rng(1), 300)
    merged = JointMoments.of(numerator[:40], denominator[:40]).merged(JointMoments.of(numerator[40:], denominator[40:]))
    found = ratio(merged)

    assert (found.value, found.error) == pytest.approx(ratio_of_buckets(numerator, denominator))
    assert found.freedom == 299


def test_delta_formula() -> None:
    """The variance is [s_N² - 2 R s_ND + R² s_D²] / (n mean(D)²)."""
    numerator, denominator = users(np.random.default_rng(2), 50)
    value, error = ratio_of_buckets(numerator, denominator)
    covariance = np.cov(numerator, denominator)
    above = covariance[0, 0] - 2 * value * covariance[0, 1] + value**2 * covariance[1, 1]

    assert error**2 == pytest.approx(above / (50 * denominator.mean() ** 2))


@pytest.mark.parametrize("buckets", [None, 50])
def test_clustered_events_keep_the_error_rate(buckets: int | None) -> None:
    """Of 1,500 A/A tests on clustered clicks 5 % err, +- 4 SE and 0.5 %, by user or bucket; a test on events 25 %."""
    rng = np.random.default_rng(3)
    wrong = np.zeros(2)
    for _ in range(1500):
        arms = [users(rng, 500) for _ in range(2)]
        by_event = [(int(clicks.sum()), int(views.sum())) for clicks, views in arms]
        wrong += [_by_unit(arms, buckets, rng) < 0.05, unpooled_z(*by_event).p < 0.05]

    assert wrong[0] / 1500 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 1500) + 0.005)
    assert wrong[1] / 1500 > 0.25


def _by_unit(arms: list[tuple[Floats, Floats]], buckets: int | None, rng: np.random.Generator) -> float:
    measured = []
    for numerator, denominator in arms:
        place = np.arange(500) if buckets is None else rng.integers(0, buckets, 500)
        totals = [np.bincount(place, values, buckets or 500).astype(float) for values in (numerator, denominator)]
        measured.append(Measurement(*ratio_of_buckets(*totals), (buckets or 500) - 1))
    return difference(*measured).p


def test_jackknife_of_a_mean_is_its_error() -> None:
    """Leaving out one unit at a time gives a mean's own standard error, exactly, with n - 1 degrees of freedom."""
    values = np.random.default_rng(4).normal(10, 3, 40)
    found = jackknife(lambda sums: float(sums[0] / sums[1]), np.column_stack((values, np.ones(40))))
    moments = Moments.of(values)

    assert (found.value, found.error, found.freedom) == pytest.approx((moments.mean, moments.error, 39))


def test_jackknife_of_a_function_of_ratios() -> None:
    """The jackknife of a product of ratios agrees with the delta method to 2 %, with 400 buckets."""
    rng = np.random.default_rng(5)
    sums = np.column_stack((*users(rng, 400), *users(rng, 400)))
    found = jackknife(lambda s: float(s[0] / s[1] * s[2] / s[3]), sums)
    one, other = ratio(JointMoments.of(sums[:, 0], sums[:, 1])), ratio(JointMoments.of(sums[:, 2], sums[:, 3]))
    linear = linearised(JointMoments.of(*sums.T), [(0, 1), (2, 3)]).linear((other.value, one.value))

    assert found.value == pytest.approx(one.value * other.value)
    assert found.error == pytest.approx(linear.error, rel=0.02)


def test_linearised_ratios_keep_their_covariance() -> None:
    """Two ratios of the same units are correlated as their linearised values are."""
    rng = np.random.default_rng(6)
    clicks, views = users(rng, 500)
    later, more = clicks + rng.poisson(1, 500), views + rng.poisson(2, 500)
    totals = JointMoments.of(clicks, views, later, more)
    found = linearised(totals, [(0, 1), (2, 3)])
    r, s = clicks.sum() / views.sum(), later.sum() / more.sum()
    values = np.stack(((clicks - r * views) / views.mean(), (later - s * more) / more.mean()))

    assert found.mean == pytest.approx((r, s))
    assert np.array(found.products) / 499 == pytest.approx(np.cov(values), rel=1e-9)


def test_repeated_measurements() -> None:
    """The mean of three correlated measurements has the error of each unit's own mean."""
    rng = np.random.default_rng(7)
    table = rng.normal(0, 1, (3, 200)) + rng.normal(0, 2, 200)
    found = combined(JointMoments.of(*table), (1 / 3,) * 3)
    own = Moments.of(table.mean(axis=0))

    assert (found.value, found.error, found.freedom) == pytest.approx((own.mean, own.error, 199))


def test_efficient_weights_have_the_smallest_variance() -> None:
    """No other weights that sum to 1 have a smaller variance within arms; a noisy measurement counts less."""
    rng = np.random.default_rng(8)
    shared = rng.normal(0, 1, 300)
    arms = [JointMoments.of(shared + rng.normal(0, 1, 300), shared + rng.normal(5, 3, 300)) for _ in range(2)]
    weights = efficient_weights(*arms)

    def spread(first: float) -> float:
        return sum(arm.linear((first, 1 - first)).m2 for arm in arms)

    scaled = [JointMoments.of(1e-6 * shared, 1e6 * rng.normal(0, 1, 300)) for _ in range(2)]

    assert sum(weights) == sum(efficient_weights(*scaled)) == pytest.approx(1)
    assert weights[0] > 0.8
    assert spread(weights[0]) < min(spread(weights[0] + 0.01), spread(weights[0] - 0.01))


def test_units_measured_unequally_often() -> None:
    """Units of several measurements are clusters: the mean over all, with the error of a ratio of totals."""
    rng = np.random.default_rng(9)
    units = [rng.normal(rng.normal(), 1, size) for size in rng.integers(1, 9, 60)]
    found = ratio(of_units([Moments.of(unit) for unit in units]))
    sums, counts = np.array([unit.sum() for unit in units]), np.array([float(len(unit)) for unit in units])

    assert found.value == pytest.approx(np.concatenate(units).mean())
    assert (found.value, found.error) == pytest.approx(ratio_of_buckets(sums, counts))


def test_a_billion_events_a_bucket() -> None:
    """Totals of 1e18 lose no digits: nearly equal ratios keep their small spread."""
    denominator = np.full(4, 1e18)
    numerator = denominator * np.array([0.5, 0.5 + 1e-12, 0.5 - 1e-12, 0.5])

    assert ratio_of_buckets(numerator, denominator)[1] == pytest.approx(math.sqrt(2e-24 / 12), rel=1e-3)


def test_what_has_no_variance() -> None:
    """One bucket, shapes that differ, empty denominators, and copies among measurements are refused."""
    one, two = np.ones(1), np.ones(2)
    for numerator, denominator in ((one, one), (one, two)):
        with pytest.raises(ValueError, match="give 2 or more buckets"):
            ratio_of_buckets(numerator, denominator)
    with pytest.raises(ValueError, match="the denominators of 2 buckets sum to 0"):
        ratio_of_buckets(two, np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="the denominators of 2 units sum to 0"):
        ratio(JointMoments.of(two, np.zeros(2)))
    with pytest.raises(ValueError, match="1 buckets"):
        jackknife(lambda sums: float(sums[0]), np.ones((1, 1)))
    with pytest.raises(ValueError, match="not a finite number"), np.errstate(divide="ignore"):
        jackknife(lambda sums: float(1 / sums[0]), np.array([[1.0], [0.0]]))
    values = np.random.default_rng(10).normal(0, 1, 20)
    for copies in (JointMoments.of(values, values), JointMoments.of(values, np.ones(20))):
        with pytest.raises(ValueError, match="leave it out"):
            efficient_weights(copies)
