"""Intervals against published values and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.metric.interval import CONFIDENCE, Z, bounded, divide, student, wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 20, 0.0, 0.1611251580528194),
        (81, 263, 0.2552885198782742, 0.36620957698280004),
        (375, 400, 0.909365883869693, 0.9573108585877976),
    ],
)
def test_wilson_published(k: int, n: int, low: float, high: float) -> None:
    """Limits equal those of statsmodels 0.15 (proportion_confint); Newcombe 1998 prints .2553-.3662 for 81/263."""
    limits = wilson(np.array([k / n]), np.array([float(n)]))

    np.testing.assert_allclose(np.concatenate(limits), [low, high], atol=1e-12)


def test_wilson_without_observations_is_undefined() -> None:
    """No observations, or a share that is NaN, give NaN limits."""
    low, high = wilson(np.array([0.5, np.nan]), np.array([0.0, 9.0]))

    assert np.isnan(low).all()
    assert np.isnan(high).all()


@given(share=st.floats(0, 1), n=st.floats(0.5, 1e9))
def test_wilson_holds_the_share_and_mirrors(share: float, n: float) -> None:
    """The share lies within its limits, these within 0..1, and failures have the mirrored interval of successes."""
    low, high = wilson(np.array([share]), np.array([n]))
    mirrored_low, mirrored_high = wilson(np.array([1 - share]), np.array([n]))

    assert 0 <= low[0] <= share <= high[0] <= 1
    np.testing.assert_allclose([mirrored_low[0], mirrored_high[0]], [1 - high[0], 1 - low[0]], atol=1e-9)


def test_bounded_of_a_share_is_wilson() -> None:
    """With the variance p (1 - p) / n, on any range, the interval is Wilson's at n."""
    p, n = np.array([0.1, 0.5, 0.93]), np.array([30.0, 7.0, 400.0])

    unit = bounded(p, p * (1 - p) / n, fallback=n)
    signed = bounded(2 * p - 1, 4 * p * (1 - p) / n, fallback=n, low=-1.0)

    np.testing.assert_allclose(unit, wilson(p, n), rtol=1e-12)
    np.testing.assert_allclose(signed, 2 * np.array(wilson(p, n)) - 1, atol=1e-12)


def test_bounded_nears_value_plus_z_standard_errors() -> None:
    """For small variances the limits are value +- z se."""
    low, high = bounded(np.array([0.3]), np.array([1e-8]), fallback=np.array([10.0]))

    np.testing.assert_allclose([low[0], high[0]], [0.3 - Z * 1e-4, 0.3 + Z * 1e-4], atol=1e-7)


def test_bounded_does_not_collapse() -> None:
    """With no variance the fallback size decides; with an undefined one the whole range is given."""
    low, high = bounded(np.array([1.0, 0.5, 0.4]), np.array([0.0, 0.0, math.nan]), fallback=np.array([20.0, 20.0, 1.0]))

    np.testing.assert_allclose(low[:2], wilson(np.array([1.0, 0.5]), np.array([20.0, 20.0]))[0])
    assert (low[2], high[2]) == (0.0, 1.0)
    assert 0.8 < low[0] < 0.9


def test_student_is_scipys_interval() -> None:
    """Equal weights give the interval of scipy's t distribution with n - 1 degrees of freedom."""
    x = np.random.default_rng(0).normal(3, 2, 12)
    variance = np.array([x.var(ddof=1) / 12])

    low, high = student(np.array([x.mean()]), variance, np.array([12.0]))

    expected = stats.t.interval(CONFIDENCE, 11, loc=x.mean(), scale=math.sqrt(variance[0]))
    np.testing.assert_allclose([low[0], high[0]], expected, rtol=1e-12)


def test_student_needs_two_observations() -> None:
    """One observation, or many of which one outweighs all others, has no interval; limits are cut at the range."""
    value = np.array([1.0, 1.0, 1.0])

    low, high = student(value, np.array([0.1, 0.1, 9.0]), np.array([1.0, 1.01, 5.0]), low=0.0)

    assert np.isnan(low[:2]).all()
    assert np.isnan(high[:2]).all()
    assert low[2] == 0.0


def test_divide_by_nothing_is_undefined() -> None:
    """A quotient is NaN where the denominator is zero, negative or NaN, without a warning."""
    quotient = divide(np.ones(4), np.array([0.0, -1.0, np.nan, 4.0]))

    np.testing.assert_array_equal(quotient, [np.nan, np.nan, np.nan, 0.25])
