"""
Effect sizes that have names: Cohen's d and h, relative risk and odds ratio, each with its large-sample interval.

Ratios are of treatment to control; differences are treatment minus control.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from streams.core.judge.binomial_interval import Count, check_count
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement, critical, interval_of
from streams.core.judge.moments import Moments


@dataclass(frozen=True, slots=True)
class EffectSize:
    """An effect size, in units of its own, and its confidence interval at 1 - alpha."""

    name: str
    value: float
    interval: Interval


def cohen_d(control: Moments, treatment: Moments, *, alpha: float = 0.05) -> EffectSize:
    """
    Difference of means in pooled standard deviations (Cohen 1988, 2.5.2); error: Hedges & Olkin 1985, eq. 5.14.

    Raises
    ------
    ValueError
        If the arms do not vary, or there are fewer than three observations.
    """
    n0, n1 = control.n, treatment.n
    spread = math.sqrt((control.m2 + treatment.m2) / (n0 + n1 - 2)) if min(n0, n1) >= 1 and n0 + n1 > 2 else 0.0
    if not spread:
        raise ValueError(f"n is {n0} and {n1}, and nothing varies: there is no standard deviation to measure in")
    d = (treatment.mean - control.mean) / spread
    error = math.sqrt((n0 + n1) / (n0 * n1) + d * d / (2 * (n0 + n1)))
    return EffectSize("Cohen's d", d, interval_of(Measurement(d, error), alpha))


def cohen_h(control: Count, treatment: Count, *, alpha: float = 0.05) -> EffectSize:
    """Difference of 2 asin(sqrt(share)), whose variance is 1 / n at any share (Cohen 1988, 6.2)."""
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    h = arcsine_difference(k0 / n0, k1 / n1)
    return EffectSize("Cohen's h", h, interval_of(Measurement(h, math.sqrt(1 / n0 + 1 / n1)), alpha))


def arcsine_difference(control: float, treatment: float) -> float:
    """Cohen's h of two shares."""
    return 2 * math.asin(math.sqrt(treatment)) - 2 * math.asin(math.sqrt(control))


def relative_risk(control: Count, treatment: Count, *, alpha: float = 0.05) -> EffectSize:
    """
    Ratio of the shares, with the interval of its logarithm (Katz et al. 1978); (0, inf) if an arm has no successes.

    Raises
    ------
    ValueError
        If neither arm has a success.
    """
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    if not k0 and not k1:
        raise ValueError(f"{k0}/{n0} and {k1}/{n1}: without a success in either arm no risk is relative to another")
    variance = 1 / k1 - 1 / n1 + 1 / k0 - 1 / n0 if k0 and k1 else math.inf
    above, below = k1 * n0, k0 * n1
    return EffectSize("relative risk", above / below if below else math.inf, _limits(above, below, variance, alpha))


def odds_ratio(control: Count, treatment: Count, *, alpha: float = 0.05) -> EffectSize:
    """
    Ratio of the odds, with the interval of its logarithm (Woolf 1955); (0, inf) if a cell of the table is empty.

    Raises
    ------
    ValueError
        If all trials, or none, are successes.
    """
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    cells = (k1, n1 - k1, k0, n0 - k0)
    if not 0 < k0 + k1 < n0 + n1:
        raise ValueError(f"{k0}/{n0} and {k1}/{n1}: odds need a success and a failure in some arm")
    variance = sum(1 / cell for cell in cells) if all(cells) else math.inf
    above, below = k1 * (n0 - k0), k0 * (n1 - k1)
    return EffectSize("odds ratio", above / below if below else math.inf, _limits(above, below, variance, alpha))


def _limits(above: float, below: float, variance: float, alpha: float) -> Interval:
    """Limits of above / below, from the variance of its logarithm."""
    half = critical(alpha, math.inf) * math.sqrt(variance)
    if math.isinf(half) or not half:  # no variance: all trials are successes, which does not make the shares certain
        return Interval(0.0, math.inf)
    middle = math.log(above) - math.log(below)
    return Interval(math.exp(middle - half), math.exp(middle + half))
