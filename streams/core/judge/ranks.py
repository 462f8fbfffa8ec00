"""
Comparisons of two samples by their order, for one look: Mann-Whitney and Kolmogorov-Smirnov.

They need the values themselves, or a sample of them: ranks do not merge.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import stats

from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.fixed import Comparison, Name, critical
from streams.core.judge.moments import Floats

MANN_WHITNEY = Name("Mann-Whitney", "U = #(t > c) + #(t = c)/2; effect: Hodges-Lehmann median of t - c")
KOLMOGOROV_SMIRNOV = Name("Kolmogorov-Smirnov", "D = max |Ft - Fc|")

Method = Literal["exact", "asymptotic"]


def mann_whitney(
    control: Floats,
    treatment: Floats,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    method: Method = "asymptotic",
) -> Comparison:
    """
    Compare by Mann and Whitney's U (1947); the asymptotic p corrects for ties and continuity.

    The effect is the Hodges-Lehmann shift with its interval; `probability_of_superiority` is the other usual one.

    Raises
    ------
    ValueError
        If an arm is empty or has values that are not numbers, or the exact p is asked for with ties.
    """
    c, t = _sorted(control), _sorted(treatment)
    if method == "exact" and len(np.unique(np.concatenate((c, t)))) < len(c) + len(t):
        raise ValueError("there are ties, and the exact p is without: use method='asymptotic'")
    if c[0] == c[-1] == t[0] == t[-1]:
        return Comparison(MANN_WHITNEY, 0.0, 1.0, len(c) * len(t) / 2, Interval.everything())
    found = stats.mannwhitneyu(t, c, alternative=alternative, method=method)
    shift, interval = hodges_lehmann(c, t, alpha=alpha, alternative=alternative)
    return Comparison(MANN_WHITNEY, shift, float(found.pvalue), float(found.statistic), interval)


def probability_of_superiority(control: Floats, treatment: Floats) -> float:
    """
    Probability that a treated value is above a control value, ties counting half: U / (nt nc), the AUC.

    >>> probability_of_superiority([1, 2, 3, 35], [10, 20, 30, 40])
    0.8125
    """
    c, t = _sorted(control), _sorted(treatment)
    below = np.searchsorted(c, t, "left").sum() + np.searchsorted(c, t, "right").sum()
    return float(below) / (2 * len(c) * len(t))


def hodges_lehmann(
    control: Floats, treatment: Floats, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> tuple[float, Interval]:
    """
    Median of all differences t - c, and the interval that inverts the U test.

    Hodges & Lehmann 1963; interval: Hollander, Wolfe & Chicken 2014, 4.3, large-sample. Memory stays in the size of
    the samples.
    """
    c, t = _sorted(control), _sorted(treatment)
    pairs = len(c) * len(t)
    middle = (_kth_difference(c, t, (pairs - 1) // 2) + _kth_difference(c, t, pairs // 2)) / 2
    half = critical(alpha, math.inf, alternative) * math.sqrt(pairs * (len(c) + len(t) + 1) / 12)
    first = math.floor(pairs / 2 - half)  # of the differences in order, counted from 1
    if first < 1:
        return middle, Interval.everything()
    low = -math.inf if alternative == "less" else min(_kth_difference(c, t, first - 1), middle)
    high = math.inf if alternative == "greater" else max(_kth_difference(c, t, pairs - first), middle)
    return middle, Interval(low, high)


def kolmogorov_smirnov(
    control: Floats,
    treatment: Floats,
    *,
    method: Method = "asymptotic",
) -> Comparison:
    """
    Compare distributions by the largest distance between them (Smirnov 1939); `exact` is for up to 10,000 values.

    The effect and the statistic are that distance, which has no sign and here no interval.
    """
    c, t = _sorted(control), _sorted(treatment)
    found = stats.ks_2samp(t, c, method="asymp" if method == "asymptotic" else method)
    return Comparison(KOLMOGOROV_SMIRNOV, float(found.statistic), float(found.pvalue), float(found.statistic))


def _sorted(values: Floats) -> Floats:
    array = np.sort(np.asarray(values, np.float64))
    if not array.size or not np.isfinite(array).all():
        raise ValueError(f"a sample of {array.size} values: it must not be empty, and all values finite numbers")
    return array


def _kth_difference(control: Floats, treatment: Floats, k: int) -> float:
    """Find the k-th smallest of all t - c, counted from 0, by halving the range that it must be in."""
    low, high = treatment[0] - control[-1], treatment[-1] - control[0]
    while low < (middle := low + (high - low) / 2) < high:
        if np.searchsorted(control, treatment - middle, "left").sum() < len(control) * len(treatment) - k:
            high = middle
        else:
            low = middle
    return _nearest_difference(control, treatment, high)


def _nearest_difference(control: Floats, treatment: Floats, value: float) -> float:
    """Find the t - c nearest to a value, which undoes the rounding of the halves."""
    at = np.searchsorted(control, treatment - value)
    beside = (control[np.minimum(at, len(control) - 1)], control[np.maximum(at - 1, 0)])
    near = np.concatenate([treatment - neighbour for neighbour in beside])
    return float(near[np.abs(near - value).argmin()])
