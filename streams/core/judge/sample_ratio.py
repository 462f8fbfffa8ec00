"""
Whether units reach the arms of an experiment in the shares that its weights promise, at any look.

A sample ratio mismatch says that assignment, logging or filtering treats the arms differently, and so that no
comparison of them is to be trusted. Count each unit once, in the arm it was first assigned to: events, or units left
after a filter that the treatment can influence, mismatch by themselves. Cumulative counts are all that is read.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy import optimize, special

from streams.core.judge.counts import Floats, excess, log_bayes_factor, log_odds_interval, log_regret, share_intervals
from streams.core.judge.evidence import Interval, check_alpha, p_of
from streams.core.judge.many import e_bh

Segment = tuple[Sequence[int], Sequence[float]]
"""Units of each arm while its weight was what it was, and these weights; arms are in the same order in all segments."""

_LARGEST_LOG = 300.0  # of a multiplier that is searched for: its square is a float

Slice = TypeVar("Slice", bound=Hashable)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """
    What the units in each arm say about the weights, one entry an arm.

    Attributes
    ----------
    counts
        Units of each arm, all segments together.
    shares, expected
        Observed and promised share of the units that arms with weight received; 0 for an arm that never had any.
    log_e, p
        Evidence against every arm being within the minimum effect of its promise.
    intervals
        Always-valid interval of each arm's share, all at once at level 1 - alpha.
    verdict
        "mismatch" when no shares within the minimum effect are in the joint confidence sequence, or an arm without
        weight has units; "match" when every interval is within the minimum effect; else "not enough evidence".
    worst
        The arm that is farthest from its promise: None without units.
    strays
        Arms that received units while their weight was 0. These units are left out of everything but `counts`.
    """

    counts: tuple[int, ...]
    shares: tuple[float, ...]
    expected: tuple[float, ...]
    log_e: float
    p: float
    intervals: tuple[Interval, ...]
    verdict: Literal["match", "mismatch", "not enough evidence"]
    worst: int | None
    strays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Crossovers:
    """Share of units that were seen in more than one arm, against a declared tolerance."""

    units: int
    crossed: int
    share: float
    interval: Interval
    log_e: float
    p: float
    verdict: Literal["pass", "fail", "not enough evidence"]


def sample_ratio(
    counts: Sequence[int],
    weights: Sequence[float],
    *,
    scale: float = 10_000,
    minimum_effect: float = 0.0,
    alpha: float = 0.01,
) -> SampleRatio:
    """
    Test the units of each arm against weights that have not changed (Lindon & Malek 2022).

    Parameters
    ----------
    counts, weights
        Units of each arm so far, and weights in any unit; an arm of weight 0 should have no units.
    scale
        Number of units at about which the test is sharpest, fixed before there are data.
    minimum_effect
        Relative deviation of a share that does no harm, such as 0.005: no mismatch is called until the deviation is
        larger beyond doubt, however many units there are. With 0 any deviation counts, and "match" is never said.
    alpha
        Chance of ever calling a mismatch when there is none.

    Raises
    ------
    ValueError
        If the numbers of counts and weights differ, one is negative, fewer than two arms have weight, or
        a parameter is out of range.

    >>> sample_ratio([5000, 5300], [1, 1]).verdict, sample_ratio([5000, 5600], [1, 1]).verdict
    ('not enough evidence', 'mismatch')
    """
    return sample_ratio_of_segments([(counts, weights)], scale=scale, minimum_effect=minimum_effect, alpha=alpha)


def sample_ratio_of_segments(
    segments: Sequence[Segment], *, scale: float = 10_000, minimum_effect: float = 0.0, alpha: float = 0.01
) -> SampleRatio:
    """
    Test units against weights that have changed: the test starts again at each change, and its evidence adds up.

    Given the units before a change, those after it are independent of them, so e-values multiply. `expected` is what
    the weights promised of all the units that came, and `intervals` are of the same average of shares.
    """
    check_alpha(alpha)
    if not 0 <= minimum_effect < 1:
        raise ValueError(f"minimum effect is {minimum_effect}: it is a relative deviation, from 0 to less than 1")
    parts = [_Part.of(counts, weights, scale) for counts, weights in segments]
    if not parts or len({len(part.shares) for part in parts}) > 1:
        raise ValueError(f"{len(parts)} segments: there must be one or more, and all must list the same arms")
    units, strays = np.sum([part.units for part in parts], axis=0), np.sum([part.strays for part in parts], axis=0)
    total = float(units.sum())
    promised = np.sum([part.units.sum() * part.shares for part in parts], axis=0)
    expected = promised / total if total else parts[-1].shares
    log_e = math.fsum(part.log_e(minimum_effect) for part in parts)
    budget = math.fsum(part.regret() for part in parts) - math.log(alpha)
    intervals = tuple(_average_interval(arm, parts, budget) for arm in range(len(expected)))
    return SampleRatio(
        counts=tuple(int(count) for count in units + strays),
        shares=tuple((units / max(total, 1.0)).tolist()),
        expected=tuple(expected.tolist()),
        log_e=log_e,
        p=p_of(log_e),
        intervals=intervals,
        verdict=_verdict(bool(strays.any()) or log_e >= -math.log(alpha), intervals, expected, minimum_effect),
        worst=_worst(units, promised, strays),
        strays=tuple(np.flatnonzero(strays).tolist()),
    )


def mismatched_slices(slices: Mapping[Slice, SampleRatio], alpha: float) -> tuple[Slice, ...]:
    """
    Slices of the traffic (a country, a platform) that mismatch, when many are looked at, at one alpha for all.

    At most a share alpha of those named matches in truth, on average, however the slices overlap (e-BH); slices
    with units in arms without weight are named whatever the numbers.
    """
    found = e_bh([ratio.log_e for ratio in slices.values()], alpha)
    return tuple(key for (key, ratio), named in zip(slices.items(), found, strict=True) if named or ratio.strays)


def chi_square(counts: Sequence[int], weights: Sequence[float]) -> tuple[float, int, float]:
    """
    Pearson's test at one planned look: (statistic, degrees of freedom, p); for reports, not for watching.

    Arms of weight 0 are left out, as they would add degrees of freedom and no information. (0, arms - 1, 1)
    without units.

    >>> round(chi_square([5000, 5100, 4900], [1, 1, 1])[2], 6)
    0.135335
    """
    units, _, shares = _promise(counts, weights)
    degrees = int((shares > 0).sum()) - 1
    if not units.any():
        return 0.0, degrees, 1.0
    expected = units.sum() * shares[shares > 0]
    statistic = float(((units[shares > 0] - expected) ** 2 / expected).sum())
    return statistic, degrees, float(special.chdtrc(degrees, statistic))


def crossovers(crossed: int, units: int, *, tolerance: float, scale: float = 10_000, alpha: float = 0.01) -> Crossovers:
    """
    Test whether more units than tolerable were seen in more than one arm, always valid.

    Count a unit once it can cross no more, as when its assignment has ended: one that crosses after it was
    counted as loyal breaks the guarantee. "fail" when the whole interval is above the tolerance, "pass" when it is
    below; the evidence is against "at most the tolerance". The share is 0 without units.

    Parameters
    ----------
    tolerance
        Share of units whose crossing does no harm, more than 0 and less than 1.
    scale
        Number of units at about which the test is sharpest.
    """
    if not 0 <= crossed <= units:
        raise ValueError(f"{crossed} of {units} units crossed: these must be from 0 to the number of units")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance is {tolerance}: it is a share of units, more than 0 and less than 1")
    counts, shares = (units - crossed, crossed), (1 - tolerance, tolerance)
    interval = share_intervals(counts, shares, scale=scale, alpha=alpha)[1]
    share = crossed / units if units else 0.0
    log_e = log_bayes_factor(counts, shares, scale) if share > tolerance else -log_regret(counts, shares, scale)
    verdict: Literal["pass", "fail", "not enough evidence"] = "not enough evidence"
    if interval.low > tolerance or interval.high < tolerance:
        verdict = "fail" if interval.low > tolerance else "pass"
    return Crossovers(units, crossed, share, interval, log_e, p_of(log_e), verdict)


@dataclass(frozen=True, slots=True)
class _Part:
    """One segment: units that count in the test, units of arms without weight, promised shares; shapes (arms,)."""

    units: Floats
    strays: Floats
    shares: Floats
    scale: float

    @classmethod
    def of(cls, counts: Sequence[int], weights: Sequence[float], scale: float) -> _Part:
        return cls(*_promise(counts, weights), scale)

    def with_weight(self) -> tuple[Floats, Floats]:
        """Units and shares of the arms that are promised any."""
        return self.units[self.shares > 0], self.shares[self.shares > 0]

    def regret(self) -> float:
        units, shares = self.with_weight()
        return log_regret(units.tolist(), shares.tolist(), self.scale)

    def log_e(self, minimum_effect: float) -> float:
        """Smallest Bayes factor against shares within the minimum effect of the promised ones."""
        units, shares = self.with_weight()
        log_e = log_bayes_factor(units.tolist(), shares.tolist(), self.scale)
        if minimum_effect == 0 or not units.any():
            return log_e
        return log_e - excess(units, shares) + excess(units, _nearest(units, shares, minimum_effect))


def _promise(counts: Sequence[int], weights: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """Units of arms with weight, units of arms without, and promised shares, or what is wrong with these."""
    units, weight = np.asarray(counts, np.float64), np.asarray(weights, np.float64)
    if units.shape != weight.shape:
        raise ValueError(f"{len(units)} counts and {len(weight)} weights: give one of each an arm")
    if not ((weight >= 0) & np.isfinite(weight)).all() or (weight > 0).sum() < 2:
        raise ValueError(f"weights are {weight.tolist()}: none may be negative, and two or more must be positive")
    if not ((units >= 0) & np.isfinite(units)).all():
        raise ValueError(f"counts are {units.tolist()}: each must be 0 or more and finite")
    return np.where(weight > 0, units, 0.0), np.where(weight > 0, 0.0, units), weight / weight.sum()


def _verdict(
    mismatch: bool, intervals: Sequence[Interval], expected: Floats, minimum_effect: float
) -> Literal["match", "mismatch", "not enough evidence"]:
    """Say what follows from the evidence and from the intervals."""
    if mismatch:
        return "mismatch"
    limits = zip(intervals, expected * (1 - minimum_effect), expected * (1 + minimum_effect), strict=True)
    inside = all(low <= interval.low and interval.high <= high for interval, low, high in limits)
    return "match" if inside else "not enough evidence"


def _worst(units: Floats, promised: Floats, strays: Floats) -> int | None:
    """Arm with the most units that it should have none of, else with the largest deviation in standard units."""
    if strays.any():
        return int(strays.argmax())
    if not units.any():
        return None
    return int(np.divide((units - promised) ** 2, promised, out=np.zeros_like(promised), where=promised > 0).argmax())


def _nearest(counts: Floats, shares: Floats, minimum_effect: float) -> Floats:
    """
    Of the shares within the minimum effect, the ones that explain the counts best.

    They are the observed shares times one factor, cut off at the limits (the conditions of Kuhn and Tucker).
    """
    low, high = shares * (1 - minimum_effect), np.minimum(shares * (1 + minimum_effect), 1.0)
    seen = counts > 0
    spare = 1 - np.where(seen, high, low).sum()
    if spare >= 0:  # arms with units have all that they may, and the others share the rest
        room = (high - low)[~seen].sum()
        return np.where(seen, high, low + (high - low) * (spare / room if room else 0.0))
    observed = counts / counts.sum()

    def surplus(factor: float) -> float:
        return float(np.clip(observed * factor, low, high).sum()) - 1

    factor = optimize.brentq(surplus, 0.0, float((high[seen] / observed[seen]).max()), xtol=1e-15)
    nearest: Floats = np.clip(observed * factor, low, high)
    return nearest


def _average_interval(arm: int, parts: Sequence[_Part], budget: float) -> Interval:
    """
    Interval of an arm's share of the units, averaged over segments: the projection of their joint sequence.

    With one segment it is the inverted divergence; with more, the shares t that reach farthest for the budget have
    (t - p) / (t (1 - t)) = c in every segment, p being observed there (Lagrange), and c is searched for.
    """
    some = [part for part in parts if part.shares[arm] > 0 and part.units.any()]
    total = sum(float(part.units.sum()) for part in parts)
    if not some:
        return Interval(0.0, 1.0 if total == 0 and parts[-1].shares[arm] > 0 else 0.0)
    counts, sizes = np.array([part.units[arm] for part in some]), np.array([part.units.sum() for part in some])
    if len(some) == 1:
        odds = log_odds_interval(float(counts[0]), float(sizes[0] - counts[0]), budget)
        return Interval(*(float(special.expit(end) * sizes[0] / total) for end in (odds.low, odds.high)))
    lowest = float(sizes.sum()) - _farthest(sizes - counts, sizes, budget)
    return Interval(max(0.0, lowest) / total, _farthest(counts, sizes, budget) / total)


def _farthest(counts: Floats, sizes: Floats, budget: float) -> float:
    """Largest expected count over all segments that the observed ones allow within the budget."""
    observed, others = counts / sizes, 1 - counts / sizes

    def shares(log_c: float) -> Floats:
        """Share of the arm and of the others, shape (2, segments), each without cancellation."""
        c = math.exp(log_c)
        root = np.sqrt((1 - c) ** 2 + 4 * c * observed)
        share = 2 * observed / (1 - c + root) if c < 1 else (c - 1 + root) / (2 * c)
        return np.stack([share, 2 * others / (1 + c + root)])

    def surplus(log_c: float) -> float:
        units = np.stack([counts, sizes - counts])
        return math.fsum(excess(n, t) for n, t in zip(units.T, shares(log_c).T, strict=True)) - budget

    if surplus(_LARGEST_LOG) < 0:  # as with nothing but units of this arm
        return float(sizes.sum())
    return float(sizes @ shares(optimize.brentq(surplus, -_LARGEST_LOG, _LARGEST_LOG, xtol=1e-13))[0])
