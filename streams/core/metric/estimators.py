"""
The two estimators that most metrics are: weighted shares and weighted means of a population.

Observations are taken as drawn with replacement with unequal probabilities, so that a ratio of sums has the
variance n/(n-1) * sum((w e)^2) / (sum w)^2, where e is the observation's residual (Saerndal, Swensson & Wretman
1992, 5.5). Counts decide whether a population is empty: they are whole numbers, and corrections leave none behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from streams.core.exact import Exact
from streams.core.metric.base import Estimate, Floats, Ints, Totals
from streams.core.metric.interval import divide, wilson


@dataclass(frozen=True, slots=True)
class Population:
    """Size of a population in R windows: observations, sum of their weights and of the squares of their weights."""

    n: Floats
    weight: Floats
    square: Floats

    def __add__(self, other: Population) -> Population:
        return Population(self.n + other.n, self.weight + other.weight, self.square + other.square)

    def __sub__(self, other: Population) -> Population:
        return Population(self.n - other.n, self.weight - other.weight, self.square - other.square)

    @property
    def n_effective(self) -> Floats:
        """Effective size (sum w)^2 / sum w^2 (Kish 1965), 0 where the population is empty."""
        empty = self.n <= 0
        return np.where(empty, 0.0, divide(self.weight**2, np.where(empty, 1.0, self.square)))

    @property
    def replacement(self) -> Floats:
        """The factor n / (n - 1), NaN for fewer than two observations."""
        return divide(self.n, self.n - 1)


def powers(*variables: str) -> tuple[str, ...]:
    """
    Columns that `population` reads.

    >>> powers("tp")
    ('0:tp', '1:tp', '2:tp')
    """
    return tuple(f"{power}:{variable}" for variable in variables for power in range(3))


def population(totals: Totals, *variables: str) -> Population:
    """Return the population that the indicator variables, which exclude each other, make up together."""
    n, weight, square = (_exact(totals, power, variables).value() for power in range(3))
    filled = n > 0
    return Population(np.where(filled, n, 0.0), np.where(filled, weight, 0.0), np.where(filled, square, 0.0))


def share_interval(hits: Population, among: Population) -> tuple[Floats, Floats, Floats]:
    """
    Weighted share of hits and its limits (share, low, high), NaN where `among` is empty.

    Wilson's interval at Kish's effective size, or at p (1 - p) / variance where that is smaller: Kish's size
    supposes that weights and hits are unrelated, and its interval is too short when hits carry the large weights.
    """
    share = np.clip(divide(hits.weight, among.weight), 0.0, 1.0)
    spread = hits.square * (1 - share) ** 2 + np.maximum(among.square - hits.square, 0.0) * share**2
    inside = share * (1 - share) > 1e-12  # at 0 and 1 the spread is zero but for rounding
    matched = np.where(inside, divide(share * (1 - share) * among.weight**2, spread), np.nan)
    return share, *wilson(share, np.fmin(among.n_effective, matched))


def proportion(hits: Population, among: Population) -> Estimate:
    """Estimate the weighted share of hits among a population."""
    share, low, high = share_interval(hits, among)
    return Estimate(share, low, high, among.n, among.n_effective)


def mean(totals: Totals, variable: str, squared: str, *among: str) -> tuple[Floats, Floats, Population]:
    """
    Weighted mean of a variable, the mean's variance, and the population it is of.

    Parameters
    ----------
    variable, squared
        Names of the variable and of its square; reads columns 1 and 2 of the first and 2 of the second.
    among
        The indicator variables that make up the population.
    """
    members = population(totals, *among)
    weights = _exact(totals, 1, among)
    average = totals.sums[f"1:{variable}"] / where(members.n > 0, weights)
    shift = totals.sums[f"2:{variable}"]
    spread = totals.sums[f"2:{squared}"] - average * (shift + shift - average * _exact(totals, 2, among))
    variance = members.replacement * divide(np.maximum(spread.value(), 0.0), members.weight**2)
    return average.value(), variance, members


def group_sums(groups: Ints, values: Floats, size: int) -> Floats:
    """Sum values by group, numbered 0 .. size-1; each sum depends on its own values only, in their order."""
    return np.bincount(groups, values, size).astype(np.float64)


def where(condition: npt.NDArray[np.bool_], values: Exact) -> Exact:
    """Keep the sums where the condition holds and put NaN elsewhere, for what they would divide."""
    return Exact(*(np.where(condition, part, np.nan) for part in (values.hi, values.lo, values.tail)))


def _exact(totals: Totals, power: int, variables: tuple[str, ...]) -> Exact:
    return reduce(Exact.__add__, (totals.sums[f"{power}:{variable}"] for variable in variables))
