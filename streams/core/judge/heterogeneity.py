"""
Whether an effect, or an error rate, is the same everywhere: across declared slices, and across another experiment.

Slices must be declared beforehand and must not share units. An average hides what it averages: Cochran's Q says
whether slices differ more than their errors explain, and `apart` says which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from streams.core.judge import mixture
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Comparison, Measurement, Name, interval_of, judged, minus, tail
from streams.core.judge.moments import Floats
from streams.core.judge.variance import jackknife

INTERACTION = Name("interaction", "(effect of A with B) - (effect of A without B)")
INTERACTION_OF_BUCKETS = Name("interaction, jackknife", "(effect of A with B) - (effect of A without B)")

Cells = tuple[tuple[Measurement, Measurement], tuple[Measurement, Measurement]]
"""What was measured in each combination of arms, `cells[arm of A][arm of B]`, 0 being control."""


def interaction(cells: Cells, *, alpha: float = 0.05) -> Comparison:
    """
    Test whether one experiment changes the effect of another, from independent cells.

    Plain or clustered: as the errors of the cells are.
    """
    without, having = (minus(cells[1][b], cells[0][b]) for b in (0, 1))
    return judged(INTERACTION, minus(having, without), alpha)


def interaction_of_buckets(numerator: Floats, denominator: Floats, *, alpha: float = 0.05) -> Comparison:
    """
    Test the interaction of ratios when a bucket of units has some of each cell, so that cells are not independent.

    Parameters
    ----------
    numerator, denominator
        Totals, shape (2, 2, B): arm of A, arm of B, bucket.

    Raises
    ------
    ValueError
        If the shapes differ, or without some bucket a cell is empty.
    """
    if numerator.shape != denominator.shape or numerator.ndim != 3 or numerator.shape[:2] != (2, 2):
        raise ValueError(f"totals of shapes {numerator.shape} and {denominator.shape}: both must be (2, 2, buckets)")
    left = denominator.sum(axis=-1, keepdims=True) - denominator
    if (left == 0).any():
        raise ValueError("without some bucket a cell's denominator is 0: use fewer buckets")
    sums = np.concatenate((numerator.reshape(4, -1), denominator.reshape(4, -1))).T
    return judged(INTERACTION_OF_BUCKETS, jackknife(_difference_of_differences, sums), alpha)


def _difference_of_differences(sums: Floats) -> float:
    ratios = sums[:4] / sums[4:]
    return float(ratios[3] - ratios[1] - ratios[2] + ratios[0])


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """
    How far slices differ.

    Attributes
    ----------
    q, freedom, p
        Cochran's Q, its degrees of freedom, and the probability of so much if all slices were the same.
    i2
        Share of the observed spread that the errors do not explain, 0 to 1 (Higgins & Thompson 2002).
    tau2
        Variance between slices.
    common
        The mean if slices are the same (inverse-variance weights).
    average
        The mean of slices that differ (weights with tau2).
    """

    q: float
    freedom: int
    p: float
    i2: float
    tau2: float
    common: Measurement
    average: Measurement


def heterogeneity(slices: Sequence[Measurement]) -> Heterogeneity:
    """
    Test whether slices are the same, and estimate how much they differ.

    Cochran 1954; between-slice variance by moments (DerSimonian & Laird 1986, eq. 8).

    Raises
    ------
    ValueError
        If there are fewer than two slices, or one has no error.
    """
    y, v = _columns(slices)
    w = v.min() / v  # only ratios of weights matter, and these do not overflow
    mean = float(w @ y / w.sum())
    q = float(w @ (y - mean) ** 2 / v.min())
    freedom = len(y) - 1
    scale = float(w.sum() - w @ w / w.sum()) / v.min()
    tau2 = max((q - freedom) / scale, 0.0)
    p = float(special.chdtrc(freedom, q))
    i2 = max(1 - freedom / q, 0.0) if q else 0.0
    return Heterogeneity(q, freedom, p, i2, tau2, _pooled(y, v), _pooled(y, v + tau2))


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A slice's effect drawn towards the average; `weight` is how much of its own estimate is left."""

    value: float
    interval: Interval
    error: float
    weight: float


def shrunken(slices: Sequence[Measurement], *, alpha: float = 0.05) -> list[Shrunk]:
    """
    Estimate each slice by its own data and, as far as these are few, by the others' (empirical Bayes).

    Morris 1983, sections 4 and 5: intervals include that the average and the spread between slices are themselves
    estimated, and cover 1 - alpha of slices on average. Three slices or fewer are left as they are.

    Raises
    ------
    ValueError
        As `heterogeneity` does.
    """
    y, v = _columns(slices)
    k = len(y)
    found = heterogeneity(slices)
    w = 1 / (v + found.tau2)
    b = max(k - 3, 0) / (k - 1) * v * w
    off = y - found.average.value
    of_spread = 2 / (k - 3) * b * b * (w / w.mean()) * off * off if k > 3 else np.zeros(k)
    errors = np.sqrt(v * (1 - (1 - w / w.sum()) * b) + of_spread)
    values = y - b * off
    measured = [Measurement(value, error) for value, error in zip(values.tolist(), errors.tolist(), strict=True)]
    kept = (1 - b).tolist()
    return [Shrunk(m.value, interval_of(m, alpha), m.error, left) for m, left in zip(measured, kept, strict=True)]


@dataclass(frozen=True, slots=True)
class Apart:
    """
    One slice against all others.

    Attributes
    ----------
    effect
        The slice less the inverse-variance mean of the others.
    p
        For one slice chosen beforehand, and one look.
    p_holm
        For all slices together (Holm 1979), and one look.
    log_e
        Logarithm of an e-value, for any number of looks; take all slices' to the e-BH procedure.
    """

    effect: Measurement
    p: float
    p_holm: float
    log_e: float


def apart(slices: Sequence[Measurement], n: float, *, planned: float, alpha: float = 0.05) -> list[Apart]:
    """
    Compare each slice with the rest.

    Parameters
    ----------
    slices
        Independent measurements.
    n
        Units in all slices together.
    planned
        Units expected in all, fixed beforehand: where the e-values are sharpest.

    Raises
    ------
    ValueError
        As `heterogeneity` does.
    """
    y, v = _columns(slices)
    rest = [_pooled(np.delete(y, i), np.delete(v, i)) for i in range(len(y))]
    effects = [minus(Measurement(s.value, s.error), other) for s, other in zip(slices, rest, strict=True)]
    p = [tail(effect.value / effect.error, math.inf, "two-sided") for effect in effects]
    rho = mixture.planned_rho(planned, alpha)
    log_e = [mixture.log_e(effect.value, effect.error, n, rho) for effect in effects]
    return [Apart(*row) for row in zip(effects, p, holm(p), log_e, strict=True)]


def holm(p: Sequence[float]) -> list[float]:
    """
    P-values corrected so that all of them together err at most alpha, however they depend (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1) * np.asarray(p)[order]
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]


def _columns(slices: Sequence[Measurement]) -> tuple[Floats, Floats]:
    if len(slices) < 2:
        raise ValueError(f"{len(slices)} slices: it takes at least 2 to differ")
    if not all(s.error > 0 for s in slices):
        raise ValueError(
            "a slice has an error of 0: its data do not vary, and say nothing of their error; leave it out"
        )
    return np.array([s.value for s in slices]), np.array([s.error for s in slices]) ** 2


def _pooled(y: Floats, v: Floats) -> Measurement:
    w = v.min() / v
    return Measurement(float(w @ y / w.sum()), math.sqrt(float(v.min() / w.sum())))
