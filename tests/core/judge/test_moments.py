"""Moments of one and of several variables, against exact arithmetic and against numpy on the values themselves."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.judge.moments import JointMoments, Moments

NUMBERS = st.floats(-1e6, 1e6)


def exact_variance(values: list[float]) -> float:
    """Unbiased variance in rational numbers."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return float(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))


def test_nothing_cancels() -> None:
    """The variance of 1e9 + (4, 7, 13, 16) is 30, however the values are cut; from sums of squares it is -170.7."""
    values = [1e9 + offset for offset in (4, 7, 13, 16)]
    parts = [Moments.of([value]) for value in values]

    assert Moments.of(values).variance == 30
    assert reduce(Moments.merged, parts).variance == pytest.approx(30, rel=1e-12)
    assert JointMoments.of(values, values).merged(JointMoments.of(values, values)).of_one(1).m2 == 180


@given(st.lists(st.lists(NUMBERS, max_size=6), min_size=1, max_size=6))
def test_merging_is_concatenation(parts: list[list[float]]) -> None:
    """Moments of parts, merged from either end, are those of all values, to rounding; empty parts change nothing."""
    values = [value for part in parts for value in part]
    whole = Moments.of(values)
    for order in (parts, parts[::-1]):
        merged = reduce(Moments.merged, map(Moments.of, order))

        assert merged.n == len(values)
        assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-9)
        assert merged.m2 == pytest.approx(whole.m2, rel=1e-9, abs=1e-9)


@given(st.lists(NUMBERS, min_size=2, max_size=20))
def test_variance_is_exact_to_rounding(values: list[float]) -> None:
    """The variance agrees with rational arithmetic, and sd and error are of it."""
    moments = Moments.of(values)

    assert moments.variance == pytest.approx(exact_variance(values), rel=1e-9, abs=1e-9)
    assert moments.sd**2 == pytest.approx(moments.variance)
    assert moments.error**2 * len(values) == pytest.approx(moments.variance)


def test_joint_moments_are_covariances() -> None:
    """Of several variables, merged from three parts: numpy's means and covariances, each variable's own moments."""
    table = np.random.default_rng(1).normal(1e3, 1, (3, 50)) @ np.diag(np.arange(1.0, 51.0))
    parts = [JointMoments.of(*part) for part in (table[:, :7], table[:, 7:8], table[:, 8:])]
    merged = reduce(JointMoments.merged, parts)

    assert merged.n == 50
    assert np.array(merged.products) / 49 == pytest.approx(np.cov(table), rel=1e-12)
    assert merged.mean == pytest.approx(table.mean(axis=1))
    assert merged.of_one(2).m2 == pytest.approx(Moments.of(table[2]).m2)
    assert merged.linear((2.0, 0.0, -1.0)).m2 == pytest.approx(Moments.of(2 * table[0] - table[2]).m2)


def test_a_combination_that_does_not_vary_has_no_variance() -> None:
    """Rounding cannot make the spread of x - x negative."""
    values = np.random.default_rng(2).normal(1e3, 1, 30)

    assert 0 <= JointMoments.of(values, values * 3).linear((3.0, -1.0)).m2 < 1e-9


def test_plain_sums() -> None:
    """Moments of sums are exact for the numbers given, of one variable and of two."""
    x, y = [1.0, 2.0, 4.0], [3.0, 1.0, 0.0]
    joint = JointMoments.of_sums(3, (7.0, 4.0), ((21.0, 5.0), (5.0, 10.0)))

    assert Moments.of_sums(3, 7.0, 21.0).m2 == pytest.approx(14 / 3, rel=1e-15)
    assert np.array(joint.products) == pytest.approx(np.array(JointMoments.of(x, y).products), rel=1e-12)
    assert Moments.of_sums(1, 3.0, 9.0).m2 == 0
    assert Moments.of_sums(10, 1.1, 0.121).m2 == 0  # ten times 0.11, whose squares a float has just below their sum


def test_moments_of_a_mean_and_sd() -> None:
    """What is printed as mean, sd and n comes back as mean, sd and n."""
    moments = Moments.of_mean_sd(51.42, 4.1, 120)

    assert (moments.n, moments.mean, moments.sd) == pytest.approx((120, 51.42, 4.1))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Moments.of_mean_sd(1.0, -0.1, 10), "standard deviation is -0.1"),
        (lambda: Moments.of_mean_sd(1.0, 0.1, 1), "n is 1: a standard deviation needs at least 2"),
        (lambda: Moments.of([1.0]).variance, "n is 1: a variance needs at least 2"),
        (lambda: Moments.of([1.0, float("nan")]), "moments of n=2, mean=nan"),
        (lambda: Moments.of_sums(2, 10.0, 49.0), "sum of squares 49.0 is too small for the sum 10.0 of 2 numbers"),
        (lambda: JointMoments.of([1.0], [1.0, 2.0]), r"columns of lengths \[1, 2\]"),
        (lambda: JointMoments.of_sums(0, (1.0,), ((1.0,),)), "n is 0"),
    ],
)
def test_numbers_that_are_no_moments(make: object, problem: str) -> None:
    """What cannot be is refused with the number that is wrong."""
    assert callable(make)
    with pytest.raises(ValueError, match=problem):
        make()
