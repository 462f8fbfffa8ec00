"""Tests of means, against published numbers and scipy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

from streams.core.judge.evidence import Alternative
from streams.core.judge.fixed import Comparison
from streams.core.judge.means import mean, paired, student, welch
from streams.core.judge.moments import JointMoments, Moments
from tests.core.judge.published import assert_agrees, vectors

# The hours of sleep that R documents as `sleep` (Student 1908): two drugs, the same ten patients.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def of_t(found: Comparison) -> dict[str, float | None]:
    assert found.interval is not None
    limits = {"low": found.interval.low, "high": found.interval.high}
    return {"t": found.statistic, "df": found.freedom, "p": found.p, **limits}


def of_sums(arm: Mapping[str, Any]) -> Moments:
    return Moments.of_sums(arm["n"], arm["sum"], arm["sum_squares"])


def welch_of_sums(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    found = welch(of_sums(inputs["a"]), of_sums(inputs["b"]))
    others = {"dof": found.freedom, "p_value": found.p, "estimate": found.effect, "se": found.error}
    return {**of_t(found), **others}


METHODS = {
    "welch": lambda i: of_t(welch(Moments.of(i["b"]), Moments.of(i["a"]))),  # printed as a - b
    "student": lambda i: of_t(student(Moments.of(i["b"]), Moments.of(i["a"]))),
    "welch_of_sums": welch_of_sums,
}


@pytest.mark.parametrize("vector", vectors("means"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published means give the published statistics."""
    assert_agrees(METHODS, vector)


def test_paired_sleep() -> None:
    """The paired t of R's sleep data is -4.0621 with 9 degrees of freedom, p = 0.002833."""
    found = paired(JointMoments.of(SECOND, FIRST))

    assert (found.statistic, found.freedom, found.p) == pytest.approx((-4.0621277, 9, 0.00283289), rel=1e-6)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_against_scipy(alternative: Alternative) -> None:
    """Statistic, p and interval of all three tests are scipy's, on each side, at other levels and sizes."""
    rng = np.random.default_rng(3)
    c, t = rng.normal(1, 1, 23), rng.normal(1.4, 3, 41)
    same = rng.normal(1.4, 3, 23) + c
    arms = Moments.of(c), Moments.of(t)
    pairs = JointMoments.of(c, same)
    ours = [test(*arms, alpha=0.1, alternative=alternative) for test in (welch, student)]
    ours.append(paired(pairs, alpha=0.1, alternative=alternative))
    independent = [stats.ttest_ind(t, c, equal_var=equal, alternative=alternative) for equal in (False, True)]
    for found, theirs in zip(ours, [*independent, stats.ttest_rel(same, c, alternative=alternative)], strict=True):
        limits = theirs.confidence_interval(0.9)
        expected = theirs.statistic, theirs.df, theirs.pvalue, limits.low, limits.high

        assert tuple(of_t(found).values()) == pytest.approx(expected, rel=1e-9)


def test_intervals_are_at_95_percent_unless_said() -> None:
    """Each test's default level is 95 %."""
    c, t = Moments.of(FIRST), Moments.of(SECOND)
    pairs = JointMoments.of(FIRST, SECOND)

    assert welch(c, t) == welch(c, t, alpha=0.05) != welch(c, t, alpha=0.1)
    assert student(c, t) == student(c, t, alpha=0.05) != student(c, t, alpha=0.1)
    assert paired(pairs) == paired(pairs, alpha=0.05) != paired(pairs, alpha=0.1)


def test_null_other_than_zero() -> None:
    """Against a null, the statistic is that of values shifted by it, and the effect is not."""
    c, t = Moments.of(FIRST), Moments.of(SECOND)
    shifted = Moments.of([value - 1 for value in SECOND])
    for test in (welch, student):
        assert test(c, t, null=1.0).statistic == pytest.approx(test(c, shifted).statistic)
        assert test(c, t, null=1.0).effect == test(c, t).effect


def test_many_units_and_large_effects() -> None:
    """A billion units and a thousand standard deviations give finite numbers."""
    found = welch(Moments.of_mean_sd(0.0, 1.0, 10**9), Moments.of_mean_sd(1e3, 1.0, 10**9))

    assert (found.effect, found.p) == (1e3, 0.0)
    assert math.isfinite(found.statistic)


def test_too_few() -> None:
    """A mean of one observation has no error, and Student's t needs three and none of the arms empty."""
    with pytest.raises(ValueError, match="n is 1"):
        mean(Moments.of([1.0]))
    with pytest.raises(ValueError, match="n is 3 and 0"):
        student(Moments.of([1.0, 2.0, 4.0]), Moments.of([]))
    assert student(Moments.of([1.0, 2.0]), Moments.of([1.0])).freedom == 1
