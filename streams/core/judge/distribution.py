"""
Whole distributions: bands around them, and whether an arm's is the control's, at every look.

What is read are counts of values at or below declared edges: they merge, and what is said is exact at the edges and
silent between them. The bands hold for all edges and looks at once, so everything said of them does too. They assume
independent values: keep one value a user where users give many.

Source: Howard & Ramdas, Bernoulli 28 (2022), theorem 2 (the band); Lindon, Sanden & Shirikian, "Rapid regression
detection in software deployments through sequential testing", KDD 2022 (the tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from streams.core.judge.evidence import Alternative, Interval, check_alpha
from streams.core.judge.quantile import LEADING, Cumulative, Floats, lil_radius, log_crossing, same_edges


@dataclass(frozen=True, slots=True)
class Band:
    """Limits of a distribution function at the edges, shape (edges,)."""

    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    What the band around two arms' distributions says of one hypothesis.

    Attributes
    ----------
    difference
        Largest difference of the distribution functions that speaks against the hypothesis, as observed.
    interval
        Always-valid interval of the largest such difference at any edge.
    edge
        The first edge at which the observed difference is that large; None where nothing was observed.
    p
        Always-valid p-value; for an e-value, calibrate it.
    verdict
        "fail" when the difference is beyond doubt larger than tolerable, "pass" when it is beyond doubt not.
    """

    difference: float
    interval: Interval
    edge: float | None
    p: float
    verdict: Literal["pass", "fail", "not enough evidence"]


def dkw_radius(n: int, alpha: float) -> float:
    """
    Radius of the band around a distribution at one planned look, sqrt(ln(2 / alpha) / (2 n)) (Massart 1990).

    At many looks this band fails: `band` is the one to use. inf without values.

    >>> round(dkw_radius(1000, 0.05), 5)
    0.04295
    """
    check_alpha(alpha)
    if n < 0:
        raise ValueError(f"n is {n}: a number of values is 0 or more")
    return math.sqrt(math.log(2 / alpha) / (2 * n)) if n else math.inf


def band(values: Cumulative, *, alpha: float, earliest: float = 100) -> Band:
    """
    Limits that hold at every edge and every look from `earliest` values on; 0 and 1 before that.

    Parameters
    ----------
    earliest
        Number of values at the first look that counts: the band is narrowest for some time after it.
    """
    return _around(values, lil_radius(values.n, alpha, earliest=earliest))


def dkw_band(values: Cumulative, *, alpha: float) -> Band:
    """Limits that hold at every edge at one planned look."""
    return _around(values, dkw_radius(values.n, alpha))


def compare(
    control: Cumulative,
    treatment: Cumulative,
    *,
    alternative: Alternative = "two-sided",
    tolerance: float = 0.0,
    alpha: float = 0.05,
    earliest: float = 100,
) -> Comparison:
    """
    Test the treatment's distribution against the control's, at any look, by bands at alpha / 2 around each.

    Parameters
    ----------
    control, treatment
        Counts at the same edges.
    alternative
        What would speak against the hypothesis. "two-sided": that the distributions differ, so that it is equality.
        "greater": that the treatment's values are larger somewhere in the distribution, more of them than the
        control's being above some edge; the hypothesis is then that it is no slower, if values are latencies.
        "less": that they are smaller.
    tolerance
        Difference of the shares above an edge that does no harm: with one, a treatment can also pass.
    alpha
        Chance of ever saying anything untrue.
    earliest
        Number of values of an arm at the first look that counts.

    Raises
    ------
    ValueError
        If the edges differ, the tolerance is not from 0 to 1 or alpha is not from 0 to 1.
    """
    same_edges(control, treatment)
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance is {tolerance}: it is a difference of shares, from 0 to less than 1")
    radius = sum(lil_radius(arm.n, alpha / 2, earliest=earliest) for arm in (control, treatment))
    if not (control.n and treatment.n and len(control.edges)):
        return Comparison(0.0, Interval(0.0, 1.0), None, 1.0, "not enough evidence")
    gaps = control.counts / control.n - treatment.counts / treatment.n
    against = {"two-sided": np.abs(gaps), "greater": gaps, "less": -gaps}[alternative]
    place = int(against.argmax())
    largest = float(against[place])
    interval = Interval(max(0.0, largest - radius), min(1.0, max(0.0, largest + radius)))
    return Comparison(
        difference=max(0.0, largest),
        interval=interval,
        edge=float(control.edges[place]),
        p=_p(largest - tolerance, (control.n, treatment.n), earliest),
        verdict=_verdict(interval, tolerance),
    )


def _verdict(interval: Interval, tolerance: float) -> Literal["pass", "fail", "not enough evidence"]:
    if interval.low > tolerance:
        return "fail"
    return "pass" if interval.high <= tolerance else "not enough evidence"


def _p(gap: float, sizes: tuple[int, int], earliest: float) -> float:
    """
    Smallest alpha at which bands at alpha / 2 around two arms leave a gap of this size uncovered.

    Both bands have the same constant, so it is the one at which the radii add up to the gap.
    """
    if gap <= 0 or min(sizes) < earliest:
        return 1.0
    times = [math.log1p(math.log(n / earliest)) for n in sizes]

    def missing(constant: float) -> float:
        radii = (LEADING * math.sqrt((time + constant) / n) for time, n in zip(times, sizes, strict=True))
        return sum(radii) - gap

    if missing(0.0) >= 0:
        return 1.0
    constant = optimize.brentq(missing, 0.0, gap**2 * max(sizes) / LEADING**2, xtol=1e-12)
    return min(1.0, 2 * math.exp(log_crossing(float(constant))))


def _around(values: Cumulative, radius: float) -> Band:
    shares = values.counts / max(values.n, 1)
    return Band(np.maximum(shares - radius, 0.0), np.minimum(shares + radius, 1.0))
