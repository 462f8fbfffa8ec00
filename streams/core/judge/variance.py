"""
Honest variances where a unit is observed more than once, from sums that merge.

What was randomised is the unit of analysis. A ratio of events (clicks over views) of users who were randomised is a
ratio of two totals a user: a test on the events errs 32 % of the time at a nominal 5 %. Users may be hashed into
buckets and summed: the spread between buckets contains all that is correlated within users.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from streams.core.judge.fixed import Measurement
from streams.core.judge.means import mean
from streams.core.judge.moments import Floats, JointMoments, Moments


def linearised(totals: JointMoments, ratios: Sequence[tuple[int, int]]) -> JointMoments:
    """
    Linearise ratios of totals: moments of one variable a ratio, whose means are the ratios.

    The variable of N/D is R + (N - R D) / mean(D) (Deng, Knoblich & Lu 2018, section 2.2; Särndal, Swensson & Wretman
    1992, 5.5): a mean to first order, so that whatever works for means works for it.

    Parameters
    ----------
    totals
        Moments, over units, of the totals.
    ratios
        Pairs (numerator, denominator) of places in `totals`.

    Raises
    ------
    ValueError
        If a denominator's mean is zero.
    """
    values = []
    gradient = np.zeros((len(ratios), len(totals.mean)))
    for row, (numerator, denominator) in enumerate(ratios):
        below = totals.mean[denominator]
        if below == 0:
            raise ValueError(f"the denominators of {totals.n} units sum to 0: their ratio is not defined")
        values.append(totals.mean[numerator] / below)
        gradient[row, numerator] += 1 / below
        gradient[row, denominator] -= values[-1] / below
    products = gradient @ np.asarray(totals.products) @ gradient.T
    np.fill_diagonal(products, np.maximum(products.diagonal(), 0.0))
    return JointMoments(totals.n, tuple(values), tuple(map(tuple, products.tolist())))


def ratio(totals: JointMoments) -> Measurement:
    """
    Measure sum(N) / sum(D) over units, from the moments of (N, D) a unit; n - 1 degrees of freedom.

    Var = (s_N² - 2 R s_ND + R² s_D²) / (n mean(D)²).
    """
    return mean(linearised(totals, [(0, 1)]).of_one(0))


def ratio_of_buckets(numerator: Floats, denominator: Floats) -> tuple[float, float]:
    """
    Ratio of totals and its standard error, from totals a bucket of units.

    Var = B / (B - 1) sum (N_b - R D_b)² / (sum D_b)², which is `ratio` over buckets. Use 30 buckets or more, or
    Student's t with B - 1 degrees of freedom.

    Parameters
    ----------
    numerator, denominator
        Totals, shape (B,). A mean of events has their counts as denominators.

    Raises
    ------
    ValueError
        If there are fewer than two buckets, shapes differ, or the denominators sum to zero.

    >>> ratio_of_buckets(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0]))
    (1.0, 0.28867513459481287)
    """
    if numerator.shape != denominator.shape or numerator.ndim != 1 or len(numerator) < 2:
        raise ValueError(f"totals of shapes {numerator.shape} and {denominator.shape}: give 2 or more buckets, in both")
    below = float(denominator.sum())
    if below == 0:
        raise ValueError(f"the denominators of {len(denominator)} buckets sum to 0: their ratio is not defined")
    value = float(numerator.sum()) / below
    residuals = numerator - value * denominator
    buckets = len(numerator)
    return value, math.sqrt(buckets / (buckets - 1) * float(residuals @ residuals)) / abs(below)


def jackknife(statistic: Callable[[Floats], float], sums: Floats) -> Measurement:
    """
    Measure any smooth function of sums by leaving out one bucket at a time (Tukey 1958; Efron & Stein 1981).

    Parameters
    ----------
    statistic
        Function of the k summed totals, shape (k,).
    sums
        Totals a bucket, shape (B, k).

    Raises
    ------
    ValueError
        If there are fewer than two buckets, or the function gives what is no finite number.
    """
    buckets = len(sums)
    if buckets < 2:
        raise ValueError(f"{buckets} buckets: leaving one out needs at least 2")
    total = sums.sum(axis=0)
    without = np.array([statistic(total - one) for one in sums])
    if not np.isfinite(without).all():
        raise ValueError("without some bucket the function of the sums is not a finite number; use larger buckets")
    deviations = without - without.mean()
    error = math.sqrt((buckets - 1) / buckets * float(deviations @ deviations))
    return Measurement(float(statistic(total)), error, buckets - 1)


def combined(measurements: JointMoments, weights: Sequence[float]) -> Measurement:
    """Measure the weighted sum of repeated measurements of units; their correlation within units is in the error."""
    return mean(measurements.linear(weights))


def efficient_weights(*arms: JointMoments) -> tuple[float, ...]:
    """
    Weights, summing to 1, that give repeated measurements of one effect the smallest variance.

    Proportional to S⁻¹ 1, S the covariance within arms (generalised least squares, Aitken 1935). They must be the
    same in all arms, and are best taken from data before the experiment.

    Raises
    ------
    ValueError
        If some combination of the measurements does not vary at all.
    """
    products = np.sum([arm.products for arm in arms], axis=0)
    scale = np.sqrt(products.diagonal())
    if not scale.all() or np.linalg.cond(products / np.outer(scale, scale)) > 1e12:
        raise ValueError("a measurement does not vary, or is a combination of the others: leave it out")
    solved = np.linalg.solve(products, np.ones(len(scale)))
    return tuple((solved / solved.sum()).tolist())


def of_units(units: Sequence[Moments]) -> JointMoments:
    """
    Return the moments, over units, of (sum, count) of each unit's repeated measurements: what `ratio` reads.

    >>> ratio(of_units([Moments.of([1.0, 3.0]), Moments.of([5.0]), Moments.of([2.0, 1.0])])).value
    2.4
    """
    return JointMoments.of([unit.mean * unit.n for unit in units], [float(unit.n) for unit in units])
