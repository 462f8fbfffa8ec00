"""
Sums that merge: count, mean and squared deviations of one variable, or of several with their cross products.

Sums of squares are never kept: the variance of 1e9 + (4, 7, 13, 16) from them is -170.7, and the truth is 30.
Deviations from the mean merge without that loss (Chan, Golub & LeVeque 1983, eq. 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDING = 2.0**-40  # of the sum of squares: what the rounding of many terms may have taken from it


@dataclass(frozen=True, slots=True)
class Moments:
    """
    Count, mean and sum of squared deviations from the mean (M2) of one variable.

    >>> Moments.of([1.0, 2.0]).merged(Moments.of([3.0, 6.0])) == Moments.of([1.0, 2.0, 3.0, 6.0])
    True
    """

    n: int
    mean: float
    m2: float

    def __post_init__(self) -> None:
        if not (self.n >= 0 and math.isfinite(self.mean) and 0 <= self.m2 < math.inf):
            raise ValueError(
                f"moments of n={self.n}, mean={self.mean}, m2={self.m2}: n and m2 must not be negative, all finite"
            )

    @classmethod
    def of(cls, values: Sequence[float] | Floats) -> Moments:
        """Return the moments of values; of none, zeros."""
        array = np.asarray(values, np.float64)
        if not array.size:
            return cls(0, 0.0, 0.0)
        mean = float(array.mean())
        deviations = array - mean
        return cls(array.size, mean, float(deviations @ deviations))

    @classmethod
    def of_mean_sd(cls, mean: float, sd: float, n: int) -> Moments:
        """
        Return the moments that a mean, a standard deviation (with n - 1) and a count stand for.

        Raises
        ------
        ValueError
            If the standard deviation is negative, or n is below 2, for which there is none.
        """
        if not sd >= 0:
            raise ValueError(f"the standard deviation is {sd}: it cannot be negative")
        if not n >= 2:
            raise ValueError(f"n is {n}: a standard deviation needs at least 2 observations")
        return cls(n, mean, sd * sd * (n - 1))

    @classmethod
    def of_sums(cls, n: int, total: float, squares: float) -> Moments:
        """
        Return the moments of plain sums: n, sum of x, sum of x squared.

        Exact for the numbers given. But digits that the sum of squares lost when it was made do not come back: prefer
        `of` and `merged` wherever the values are at hand.

        Raises
        ------
        ValueError
            If no numbers have such sums.
        """
        return JointMoments.of_sums(n, (total,), ((squares,),)).of_one(0)

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        n = self.n + other.n
        if not n:
            return self
        apart = other.mean - self.mean
        share = other.n / n
        return Moments(n, self.mean + apart * share, self.m2 + other.m2 + apart * apart * self.n * share)

    @property
    def variance(self) -> float:
        """Unbiased variance, M2 / (n - 1); a ValueError below two observations."""
        if self.n < 2:
            raise ValueError(f"n is {self.n}: a variance needs at least 2 observations")
        return self.m2 / (self.n - 1)

    @property
    def sd(self) -> float:
        """Standard deviation, the root of the unbiased variance."""
        return math.sqrt(self.variance)

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.variance / self.n)


@dataclass(frozen=True, slots=True)
class JointMoments:
    """
    Count, means and sums of products of deviations of k variables measured on the same units.

    Attributes
    ----------
    n
        Units.
    mean
        The k means.
    products
        The k by k sums of products of deviations: (n - 1) times the covariances.
    """

    n: int
    mean: tuple[float, ...]
    products: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, *columns: Sequence[float] | Floats) -> JointMoments:
        """
        Return the moments of columns, one a variable, one row a unit.

        Raises
        ------
        ValueError
            If the columns differ in length, or have no rows.
        """
        lengths = {len(column) for column in columns}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(f"columns of lengths {sorted(lengths)}: give one value a unit in every column")
        table = np.asarray(columns, np.float64)
        mean = table.mean(axis=1)
        deviations = table - mean[:, None]
        return cls(table.shape[1], tuple(mean.tolist()), _square(deviations @ deviations.T))

    @classmethod
    def of_sums(cls, n: int, totals: Sequence[float], products: Sequence[Sequence[float]]) -> JointMoments:
        """
        Return the moments of plain sums: n, sums of each x_i, and sums of x_i x_j as a k by k matrix.

        Exact for the numbers given; see `Moments.of_sums` for what is lost before.

        Raises
        ------
        ValueError
            If no numbers have such sums.
        """
        if n < 1:
            raise ValueError(f"n is {n}: sums need at least 1 unit")
        sums = [Fraction(total) for total in totals]
        left = [[float(Fraction(products[i][j]) - a * b / n) for j, b in enumerate(sums)] for i, a in enumerate(sums)]
        for i, row in enumerate(left):
            if row[i] < -_ROUNDING * products[i][i]:
                raise ValueError(f"sum of squares {products[i][i]} is too small for the sum {totals[i]} of {n} numbers")
            row[i] = max(row[i], 0.0)
        return cls(n, tuple(float(total / n) for total in sums), tuple(map(tuple, left)))

    def merged(self, other: JointMoments) -> JointMoments:
        """Return the moments of both sets of units together."""
        n = self.n + other.n
        apart = np.subtract(other.mean, self.mean)
        share = other.n / n
        products = np.add(self.products, other.products) + np.outer(apart, apart) * self.n * share
        return JointMoments(n, tuple((np.asarray(self.mean) + apart * share).tolist()), _square(products))

    def of_one(self, variable: int) -> Moments:
        """Return the moments of one variable by itself."""
        return Moments(self.n, self.mean[variable], self.products[variable][variable])

    def linear(self, weights: Sequence[float]) -> Moments:
        """Return the moments of the weighted sum of the variables, without the units' values."""
        by = np.asarray(weights, np.float64)
        m2 = float(by @ np.asarray(self.products) @ by)
        return Moments(self.n, float(by @ np.asarray(self.mean)), max(m2, 0.0))


def _square(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
