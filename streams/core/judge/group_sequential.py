"""
A planned number of looks: the error rate is spent bit by bit, and each look gets the bound that spends its bit.

Sharper than an always-valid method when the largest sample can be named: it waits for nothing beyond that. Looks may
come whenever they like, if their times do not depend on the data.

The z statistics of successive looks are one Brownian path seen at the times of their information: the sum
S = z sqrt(information) has independent normal increments. The density of S among paths that have crossed no bound so
far is carried from look to look by numerical integration (Armitage, McPherson & Rowe 1969), and each new bound is where
exactly the spent probability crosses (Lan & DeMets 1983). Only ratios of information matter: units, events or 1 / SE².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from streams.core.judge.evidence import Alternative, Interval, check_alpha

Floats = npt.NDArray[np.float64]
Spending = Literal["power", "obrien-fleming", "pocock"]

FARTHEST = 8.0
"""No bound is larger: beyond 8 standard errors lies a probability of 6e-16."""

LEAST_NEW_INFORMATION = 1e-5
"""Of what is planned: a look with no more than this since the last is no look of its own."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANEL = 4.0  # width of a panel of 16 nodes, in standard deviations of the narrower step
_REACH = 9.0  # standard deviations beyond which a normal density is nothing


def power_spending(fraction: float, alpha: float, phi: float = 2.0) -> float:
    """Error spent by a fraction of the information: alpha t**phi (Kim & DeMets 1987); spends evenly at phi = 1."""
    return alpha * float(fraction**phi)


def obrien_fleming_spending(fraction: float, alpha: float) -> float:
    """Error spent so that bounds fall like O'Brien & Fleming's: 2 - 2 Phi(z / sqrt(t)) (Lan & DeMets 1983)."""
    return 2 * float(special.ndtr(special.ndtri(alpha / 2) / math.sqrt(fraction)))


def pocock_spending(fraction: float, alpha: float) -> float:
    """Error spent so that bounds stay level, like Pocock's: alpha ln(1 + (e - 1) t) (Lan & DeMets 1983)."""
    return alpha * math.log1p((math.e - 1) * fraction)


@dataclass(frozen=True, slots=True)
class Design:
    """
    What is decided before there are data.

    Attributes
    ----------
    planned
        The information at which the experiment is to end.
    alpha
        The chance of ever crossing without an effect, both sides together. Two-sided, each side spends half: that
        both could be crossed in turn is not made use of.
    alternative
        Which effects shall be found.
    spending, phi
        How alpha is spent; `phi` belongs to "power".

    Raises
    ------
    ValueError
        If `planned` or `phi` is not positive and finite, or alpha not strictly between 0 and 1.
    """

    planned: float
    alpha: float = 0.05
    alternative: Alternative = "two-sided"
    spending: Spending = "power"
    phi: float = 2.0

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not (0 < self.planned < math.inf and 0 < self.phi < math.inf):
            raise ValueError(f"planned {self.planned}, phi {self.phi}: both must be positive and finite")

    def spent(self, information: float) -> float:
        """Return the error that one side may have spent by then: all of it from `planned` on."""
        alpha = self.alpha / 2 if self.alternative == "two-sided" else self.alpha
        fraction = min(information / self.planned, 1.0)
        if self.spending == "obrien-fleming":
            return obrien_fleming_spending(fraction, alpha)
        return (
            pocock_spending(fraction, alpha) if self.spending == "pocock" else power_spending(fraction, alpha, self.phi)
        )


@dataclass(frozen=True, slots=True)
class _Paths:
    """Values of S at one look, and the probability at each, of the paths that have crossed no bound before."""

    at: Floats
    mass: Floats
    information: float


_START = _Paths(np.zeros(1), np.ones(1), 0.0)


@dataclass(frozen=True, slots=True)
class Looks:
    """
    The looks so far and their bounds: all that has to be stored between looks.

    >>> looks = Looks(Design(planned=1000)).at(200).at(400)
    >>> [round(bound, 4) for bound in looks.bounds], looks.crossed(2.8)
    ([3.0902, 2.7141], True)
    """

    design: Design
    information: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()
    paths: _Paths | None = field(default=None, repr=False, compare=False)
    """The look before the last; found again from the others where it is not given."""

    def at(self, information: float) -> Looks:
        """
        Return the state with one more look.

        A look with hardly any new information changes nothing: the last bound holds. The first look at or beyond the
        planned information spends all that is left, with its true correlation to the looks before; those after it
        have nothing to spend, and the largest bound.

        Raises
        ------
        ValueError
            If the information is not positive and finite, or less than at the last look.
        """
        last = self.information[-1] if self.information else 0.0
        if not 0 < information < math.inf or information < last:
            raise ValueError(f"information {information} after {last}: it must be positive, finite and never fall")
        if self.information and information - last <= LEAST_NEW_INFORMATION * self.design.planned:
            return self
        to_spend = self.design.spent(information) - (self.design.spent(last) if last else 0.0)
        paths = _continuing(self, information) if to_spend > 0 else self.paths
        bound = _bound(paths, information, to_spend) if to_spend > 0 and paths else FARTHEST
        return replace(
            self, information=(*self.information, float(information)), bounds=(*self.bounds, bound), paths=paths
        )

    @property
    def bound(self) -> float:
        """The bound of the last look, in standard errors; a ValueError before the first."""
        if not self.bounds:
            raise ValueError("there has been no look yet: call `at` with the information first")
        return self.bounds[-1]

    def crossed(self, z: float) -> bool:
        """Say whether the z statistic of the last look crosses its bound."""
        towards = {"two-sided": abs(z), "greater": z, "less": -z}[self.design.alternative]
        return towards > self.bound

    def interval(self, estimate: float, error: float) -> Interval:
        """
        Repeated confidence interval of the last look (Jennison & Turnbull 1989): estimate +- bound * error.

        All looks' intervals cover the truth together with probability 1 - alpha, whether or not one stops. It excludes
        0 when the bound is crossed. One-sided, it is open to the side in question; with an error of 0 it is everything.
        """
        if not error:
            return Interval.everything()
        half = self.bound * error
        low = -math.inf if self.design.alternative == "less" else estimate - half
        high = math.inf if self.design.alternative == "greater" else estimate + half
        return Interval(low, high)


def bounds(design: Design, information: Sequence[float]) -> tuple[float, ...]:
    """Return the bounds of looks at these informations; one that brings nothing new repeats the bound before it."""
    looks, found = Looks(design), []
    for each in information:
        looks = looks.at(each)
        found.append(looks.bound)
    return tuple(found)


def crossing_probability(
    information: Sequence[float], bounds: Sequence[float], alternative: Alternative = "two-sided"
) -> float:
    """
    Chance that the z statistic crosses any of the bounds, if there is no effect.

    Raises
    ------
    ValueError
        If information is not positive and growing, or not as long as the bounds.
    """
    if len(information) != len(bounds) or any(b <= a for a, b in pairwise((0.0, *information))):
        raise ValueError(f"{len(bounds)} bounds for information {list(information)}: one each, positive and growing")
    paths = _START
    for i, (now, bound) in enumerate(zip(information, bounds, strict=True)):
        ahead = information[i + 1] if i + 1 < len(information) else 2 * now
        paths = _step(paths, now, (-bound if alternative == "two-sided" else -FARTHEST, bound), ahead)
    return 1 - float(paths.mass.sum())


def peeking_rate(looks: int, z: float) -> float:
    """
    Chance that a fixed-sample z test errs at any of so many looks at equal distances.

    >>> round(peeking_rate(20, 1.96), 3)
    0.248
    """
    return crossing_probability(range(1, looks + 1), [z] * looks)


def _continuing(looks: Looks, ahead: float) -> _Paths:
    """Paths at the last look that crossed no bound, on nodes fine enough for a step to `ahead`."""
    paths, since = (looks.paths, len(looks.bounds) - 1) if looks.paths else (_START, 0)
    following = (*looks.information, ahead)[1:]
    for now, bound, then in list(zip(looks.information, looks.bounds, following, strict=True))[since:]:
        paths = _step(paths, now, (-FARTHEST, bound), then)
    return paths


def _bound(paths: _Paths, information: float, to_spend: float) -> float:
    """Return the bound, in standard errors, that paths cross at this look with probability `to_spend`."""
    sd = math.sqrt(information - paths.information)

    def excess(bound: float) -> float:
        over = special.ndtr((paths.at - bound * math.sqrt(information)) / sd)
        return float(paths.mass @ over) - to_spend

    return FARTHEST if excess(FARTHEST) >= 0 else float(optimize.brentq(excess, -FARTHEST, FARTHEST, xtol=1e-13))


def _step(paths: _Paths, now: float, between: tuple[float, float], ahead: float) -> _Paths:
    """Carry paths to the information `now` and keep those between two bounds; `ahead` is where they go next."""
    sd = math.sqrt(now - paths.information)
    low, high = (bound * math.sqrt(now) for bound in between)
    panels = max(1, math.ceil((high - low) / (_PANEL * min(sd, math.sqrt(ahead - now)))))
    half = (high - low) / panels / 2
    centres = low + half * np.arange(1, 2 * panels, 2)
    at = centres[:, None] + half * _NODES
    mass = np.stack([half * _WEIGHTS * _density(paths, row, sd) for row in at])
    return _Paths(at.ravel(), mass.ravel(), now)


def _density(paths: _Paths, at: Floats, sd: float) -> Floats:
    """Density of S one step of this standard deviation later; only paths within reach are summed."""
    first, last = np.searchsorted(paths.at, (at[0] - _REACH * sd, at[-1] + _REACH * sd))
    apart = (at[:, None] - paths.at[first:last]) / sd
    kernel: Floats = np.exp(-0.5 * apart * apart) @ paths.mass[first:last]
    return kernel / (sd * math.sqrt(2 * math.pi))
