"""
Differential privacy of counts: whole noise that hides any one unit, and the budget that its releases use up.

A *unit* is whoever is to be hidden, such as a user. Two worlds that differ in all that one unit did are to give nearly
the same releases: no event's probability differs by more than a factor exp(epsilon) (Dwork, McSherry, Nissim & Smith,
TCC 2006, definition 1).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Noise:
    """
    The Laplace mechanism on whole numbers: noise with P(k) proportional to exp(-|k| epsilon / bound).

    Counts to which a unit adds at most `bound`, over all that are released together, keep it `epsilon`-private with
    independent noise in each (Dwork et al. 2006, proposition 1; on whole numbers Ghosh, Roughgarden & Sundararajan,
    STOC 2009, 2.1). Whole noise has none of the low bits by which noise in floating point gives counts away (Mironov,
    CCS 2012).
    """

    bound: int
    epsilon: float

    def __post_init__(self) -> None:
        if self.bound < 1:
            raise ValueError(f"bound={self.bound}: a unit must be able to add 1 at least to a count")
        if not 1e-6 <= self.epsilon <= 100:
            raise ValueError(f"epsilon={self.epsilon}: must be from 1e-6 to 100; common are 0.01 to 1 a release")

    @property
    def scale(self) -> float:
        """Scale of the noise, bound / epsilon."""
        return self.bound / self.epsilon

    @property
    def variance(self) -> float:
        """
        Variance of the noise, 2 a / (1 - a)^2 with a = exp(-epsilon / bound): of two geometric variables.

        >>> round(Noise(1, 0.1).variance, 3)
        199.833
        """
        return 2 * math.exp(-1 / self.scale) / math.expm1(-1 / self.scale) ** 2

    def of(self, first: float, second: float) -> int:
        """
        Noise made of two uniform numbers in [0, 1), by inversion: the difference of two geometric variables.

        >>> Noise(1, 0.5).of(0.9, 0.1)
        4
        """
        return _geometric(first, self.scale) - _geometric(second, self.scale)


class Budget:
    """
    What each unit has used up of its epsilon a day, by basic composition: the epsilons of its releases add up.

    Only releases that a unit took part in cost it anything (Dwork & Roth 2014, theorem 3.16; a unit that is left out
    for its own spending, whatever others do, adds nothing to the releases after that).
    """

    def __init__(self, of_release: float, of_day: float) -> None:
        if not 0 < of_release <= of_day:
            raise ValueError(f"a release costs {of_release} of a day's {of_day}: it must be more than 0, and not more")
        self.releases = math.floor(of_day / of_release * (1 + 1e-12))  # 0.3 has three times 0.1 in it
        self._spent: dict[int, Counter[str]] = {}

    def spend(self, unit: str, day: int) -> bool:
        """Let a unit take part in one more release of a day, and say so; not if its budget is spent."""
        of_day = self._spent.setdefault(day, Counter())
        if of_day[unit] >= self.releases:
            return False
        of_day[unit] += 1
        return True

    def spent(self, unit: str, day: int) -> int:
        """How many releases of a day a unit took part in."""
        return self._spent.get(day, Counter())[unit]

    def forget(self, day: int) -> None:
        """Forget the days before this one, of which nothing will be released any more."""
        self._spent = {kept: units for kept, units in self._spent.items() if kept >= day}


def _geometric(uniform: float, scale: float) -> int:
    """Smallest k >= 0 with 1 - exp(-(k + 1) / scale) > uniform (Devroye 1986, X.2)."""
    if not 0 <= uniform < 1:
        raise ValueError(f"uniform={uniform}: must be from 0 to 1, without 1")
    return math.floor(-math.log1p(-uniform) * scale)
