"""
Production beside an offline evaluation: whether a metric differs by more than the errors of both.

The two were measured on different observations, so that their errors are independent, and the limits of a difference
follow from those of its parts: distances from each value to its limits are squared and added (MOVER, Zou & Donner
2008, eq. 4; for two shares with Wilson's limits that is Newcombe's method 10, 1998). Many differences are looked at
together: Holm's step-down test holds however they depend on each other, as they do, since many share one offline value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special

from streams.core.judge.evidence import Interval, check_alpha
from streams.core.judge.many import holm
from streams.core.metric.interval import Z, wilson

Answer = Literal["differs", "agrees", "not enough evidence"]

_EDGE = 1e-9
_FARTHEST = 37.0  # standard errors: the normal tail beyond is 1e-300


@dataclass(frozen=True, slots=True)
class Measured:
    """
    A value with its limits at 95 %, in the metric's own unit, and how they move with the level.

    Attributes
    ----------
    value, low, high
        The estimate and its interval; infinite limits where nothing is known.
    size
        Of a share: the number of observations at which Wilson's interval says as much. None: at other levels the
        limits move away from the value in proportion to the normal quantile.
    """

    value: float
    low: float
    high: float
    size: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.low <= self.value <= self.high):
            raise ValueError(
                f"{self.value} is not between its limits {self.low} and {self.high}: an estimate lies in its interval"
            )

    @classmethod
    def share(cls, value: float, n: float) -> Measured:
        """Return a share of n observations; n may be an effective number."""
        if not (0 <= value <= 1 and n > 0):
            raise ValueError(f"a share of {value} among {n}: it must be from 0 to 1, of more than 0 observations")
        low, high = _wilson(value, n, Z)
        return cls(value, low, high, n)

    @classmethod
    def share_within(cls, value: float, low: float, high: float) -> Measured:
        """
        Return a share that is known by its limits at 95 %.

        Wilson's limit l solves (value - l)² = z² l (1 - l) / n, which tells n; where the two limits tell two sizes,
        the smaller counts. Limits within 1e-9 of 0 and 1 tell nothing.
        """
        told = [Z**2 * limit * (1 - limit) / (value - limit) ** 2 for limit in (low, high) if _tells(value, limit)]
        return cls(value, low, high, min(told) if told else None)

    def distances(self, z: float) -> tuple[float, float]:
        """How far the limits at z standard errors are below and above the value."""
        if self.size is None:
            return (self.value - self.low) * z / Z, (self.high - self.value) * z / Z
        low, high = _wilson(self.value, self.size, z)
        return self.value - low, high - self.value


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric as measured in production and offline; `margin` is the largest difference that does not matter."""

    production: Measured
    offline: Measured
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise ValueError(f"the margin is {self.margin}: it must be above 0, and finite")


@dataclass(frozen=True, slots=True)
class Beside:
    """
    What is known of a difference, production minus offline.

    Attributes
    ----------
    difference, interval
        In the metric's unit. All intervals of one comparison hold together, with probability 1 - alpha.
    p, p_adjusted
        Against no difference: of this pair alone, and Holm's for all pairs that were compared together.
    answer
        "agrees" if the whole interval is within the margin; else "differs" if `p_adjusted` is at most alpha.
    """

    difference: float
    interval: Interval
    p: float
    p_adjusted: float
    answer: Answer


def compare(pairs: Sequence[Pair], alpha: float = 0.05) -> tuple[Beside, ...]:
    """
    Compare all pairs together: with probability 1 - alpha none is said to differ that does not.

    As surely, none is said to agree that differs by its margin or more.

    >>> production, offline = Measured.share(0.90, 2_000), Measured.share(0.93, 20_000)
    >>> compare([Pair(production, offline)])[0].answer
    'differs'
    """
    check_alpha(alpha)
    if not pairs:
        return ()
    p = [p_value(pair) for pair in pairs]
    adjusted = holm(p, alpha)
    z = -float(special.ndtri(alpha / len(pairs) / 2))
    found = []
    for pair, own, together, differs in zip(pairs, p, adjusted.p, adjusted.reject, strict=True):
        interval = difference(pair, z)
        within = pair.margin is not None and -pair.margin < interval.low and interval.high < pair.margin
        answer: Answer = "agrees" if within else "differs" if differs else "not enough evidence"
        found.append(Beside(pair.production.value - pair.offline.value, interval, own, together, answer))
    return tuple(found)


def difference(pair: Pair, z: float) -> Interval:
    """Limits of production minus offline at z standard errors (Zou & Donner 2008, eq. 4)."""
    below, above = _reach(pair, z)
    middle = pair.production.value - pair.offline.value
    return Interval(middle - below, middle + above)


def p_value(pair: Pair) -> float:
    """Two-sided p-value: the level at which the interval of the difference begins to include 0."""
    middle = pair.production.value - pair.offline.value
    side = 0 if middle > 0 else 1

    def beyond(z: float) -> float:
        return abs(middle) - _reach(pair, z)[side]

    if middle == 0 or beyond(Z * 1e-9) <= 0:
        return 1.0
    if beyond(_FARTHEST) >= 0:
        return 2 * float(special.ndtr(-_FARTHEST))
    return 2 * float(special.ndtr(-optimize.brentq(beyond, Z * 1e-9, _FARTHEST, xtol=1e-12)))


def _reach(pair: Pair, z: float) -> tuple[float, float]:
    """How far the limits of the difference are below and above it."""
    (below, above), (offline_below, offline_above) = pair.production.distances(z), pair.offline.distances(z)
    return math.hypot(below, offline_above), math.hypot(above, offline_below)


def _wilson(value: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's limits at z: they depend on n and z only through n / z², so that another level is another size."""
    low, high = wilson(np.array(value), np.array(n * (Z / z) ** 2))
    return float(low), float(high)


def _tells(value: float, limit: float) -> bool:
    """Whether a limit is far enough from 0, 1 and the value to tell more than how it was rounded."""
    return _EDGE < limit < 1 - _EDGE and limit != value
