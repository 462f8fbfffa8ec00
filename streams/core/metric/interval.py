"""
Intervals at 95 %, for many windows at once: shapes are (R,) or any other that broadcasts.

Three forms cover the metrics. `wilson` is for shares of observations. `bounded` is for any other quantity with a
smallest and a largest value: it gives the quantity's variance to a share of the same variance, and so never
collapses to a point when every observation agrees. `student` is for quantities without such limits.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from streams.core.metric.base import Floats

CONFIDENCE = 0.95
Z = float(special.ndtri(0.5 + CONFIDENCE / 2))

Interval = tuple[Floats, Floats]

_EDGE = 1e-12  # a share this close to 0 or 1 is there but for rounding: it would take 10**12 observations
_FEWEST_FREEDOM = 0.05  # below it Student's quantile passes 1e25: one observation outweighs all others


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is not positive."""
    positive = np.where(denominator > 0, denominator, math.nan)
    quotient: Floats = numerator / positive
    return quotient


def wilson(share: Floats, n: Floats) -> Interval:
    """
    Score interval of a share (Wilson 1927; Newcombe 1998, method 3); NaN where n is not positive.

    `n` may be an effective size, and then need not be whole.

    >>> low, high = wilson(np.array([0.0]), np.array([20.0]))
    >>> round(float(low[0]), 6), round(float(high[0]), 6)
    (0.0, 0.161125)
    """
    share = np.clip(share, 0.0, 1.0)
    size = np.where(n > 0, n, math.nan)
    middle = size * share + Z * Z / 2
    half = Z * np.sqrt(size * share * (1 - share) + Z * Z / 4)
    low, high = (middle - half) / (size + Z * Z), (middle + half) / (size + Z * Z)
    return np.clip(low, 0.0, share), np.clip(high, share, 1.0)


def bounded(value: Floats, variance: Floats, fallback: Floats, low: float = 0.0, high: float = 1.0) -> Interval:
    """
    Interval of a quantity between `low` and `high`: Wilson's, at the size at which a share has this variance.

    With p the value's place between the limits and v its variance there, that size is p (1 - p) / v, the effective
    size of survey sampling (Korn & Graubard 1998). For small variances it agrees with value +- z se.

    Parameters
    ----------
    value, variance
        The estimate and its variance, which is NaN when too few observations define it.
    fallback
        The size to use when all observations agree, so that the variance is zero.

    Returns
    -------
    NaN where the value is NaN; the whole range where the variance is.
    """
    share = (value - low) / (high - low)
    matched = divide(share * (1 - share) * (high - low) ** 2, variance)
    agree = (share * (1 - share) < _EDGE) | ~(variance > 0) | (matched > 1 / _EDGE)
    below, above = wilson(share, np.where(agree, fallback, matched))
    unknown = ~np.isnan(value) & (np.isnan(variance) | ~(fallback > 0))
    below, above = np.where(unknown, 0.0, below), np.where(unknown, 1.0, above)
    return low + (high - low) * below, low + (high - low) * above


def student(
    value: Floats, variance: Floats, n_effective: Floats, low: float = -math.inf, high: float = math.inf
) -> Interval:
    """
    Value +- t sqrt(variance), t with n_effective - 1 degrees of freedom, cut at `low` and `high`.

    NaN where fewer than two observations (by effective size, almost two) leave the variance undefined.
    """
    freedom = np.where(n_effective - 1 > _FEWEST_FREEDOM, n_effective - 1, math.nan)
    half = special.stdtrit(freedom, 0.5 + CONFIDENCE / 2) * np.sqrt(np.maximum(variance, 0.0))
    return np.clip(value - half, low, high), np.clip(value + half, low, high)
