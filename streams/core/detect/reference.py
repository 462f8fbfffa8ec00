"""
The reference: what a column looked like when all was well, in at most 20 bins against which ticks are compared.

Numbers get bins with about equal shares of the reference's numbers, and one each for those below and above all of
them. Categories get a bin each if they are frequent, the others share some by their hash, and one is for those that
the reference never had. What is missing and what is not a number have bins of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from streams.core.columns import Floats, Ints, Mask
from streams.core.detect.grid import CATEGORIES, HIGHEST, LOWEST, MISSING, NOT_A_NUMBER, edges, merged

ColumnKind = Literal["numeric", "categorical"]

BINS = 20
"""Every reference has this many, so that those of many columns can be stacked; some may be unused."""

LEAST_ROWS = 100
"""Equally weighted rows below which a reference tells too little."""

FREQUENT = 0.05
"""
Share from which on a category has a bin of its own, where there are too many for all to have one.

Of many rare categories, the most frequent in the reference are so partly by chance, and would seem to drift back: these
are put together by their hash, which does not depend on what the reference saw.
"""

GONE = MISSING
"""Bin of what is missing."""

NAN, BELOW, ABOVE = NOT_A_NUMBER, 2, BINS - 1
"""Bins of what is not a number, and of what is outside the reference's range; the numbers are between these."""

NEW = 1
"""Bin of categories that the reference never had; the known ones follow."""

_FIRST, _FIRST_KNOWN = 3, 2  # of the bins of numbers and of categories
_ONCE = 1.5  # rows: a category with less weight than that was seen once
_MOSTLY = 0.5


@dataclass(frozen=True)
class Verdict:
    """Whether a reference can judge a column, and why not, or what it cannot see; `why` is empty if all is well."""

    judges: bool
    why: str = ""

    def __str__(self) -> str:
        if self.judges:
            return f"judges, but {self.why}" if self.why else "judges"
        return f"cannot judge: {self.why}"


@dataclass(frozen=True, eq=False)
class Reference:
    """
    A column's reference. Make it with `from_histogram`.

    Attributes
    ----------
    kind
        What the column holds.
    grid, weights
        Its histogram on the grid: the bins in order, and their weights.
    n
        How many equally weighted rows tell as much.
    starts
        Numeric: the first grid bin of each bin of numbers. Categorical: the categories with a bin of their own, the
        most frequent first.
    """

    kind: ColumnKind
    grid: Ints
    weights: Floats
    n: float
    starts: Ints

    @classmethod
    def from_histogram(cls, kind: ColumnKind, grid: Ints, weights: Floats, n: float) -> Reference:
        """
        Make a reference of a column's histogram.

        Parameters
        ----------
        grid, weights
            Bins from `bins_of` or `category_bins` with their weights; several entries of one bin are added.
        n
            How many equally weighted rows tell as much: their number, if all weights are 1.

        Raises
        ------
        ValueError
            If a bin is none of its kind, a weight or `n` is negative or not finite.
        """
        _check(kind, grid)
        if not 0 <= n < np.inf:
            raise ValueError(f"n is {n}: a number of rows is 0 or more and finite")
        grid, weights = merged(grid, weights)
        starts = _equal_shares(grid, weights) if kind == "numeric" else _frequent(grid, weights, n)
        return cls(kind, grid, weights, float(n) if len(grid) else 0.0, starts)

    def place(self, grid: Ints) -> Ints:
        """Bin, 0 to `BINS` - 1, of each bin of the grid."""
        return self._numeric(grid) if self.kind == "numeric" else self._categorical(grid)

    def rebin(self, grid: Ints, weights: Floats) -> Floats:
        """
        Sum a histogram's weights by bin, shape (BINS,).

        Raises
        ------
        ValueError
            If a bin is none of this kind.
        """
        _check(self.kind, grid)
        sums: Floats = np.bincount(self.place(grid), weights, minlength=BINS).astype(np.float64)
        return sums

    @cached_property
    def shares(self) -> Floats:
        """
        Share of each bin that a tick should have, shape (BINS,): the reference's own, but for new categories.

        Of these it had none, yet more rows would have shown some: about as many as there were categories seen once
        (Good, Biometrika 40, 1953). Their share is taken from the bins where those are.
        """
        if not len(self.grid):
            return np.zeros(BINS)
        shares: Floats = self.rebin(self.grid, self.weights) / self.weights.sum()
        if self.kind == "categorical":
            once = self.rebin(self.grid, self.weights * self._once()) / self.weights.sum()
            shares = np.maximum(shares - once, 0.0)
            shares[NEW] = once.sum()
        return shares

    def verdict(self, kind: ColumnKind | None = None) -> Verdict:
        """Say whether this can judge a column, of the given kind if that is known."""
        if kind not in (None, self.kind):
            return Verdict(judges=False, why=f"the reference is {self.kind}, the column is {kind}")
        fault = self._fault()
        return Verdict(judges=False, why=fault) if fault else Verdict(judges=True, why=self._limit())

    @property
    def blindness(self) -> float:
        """Chance that a new category shares the bin of a known one, and so is not seen to be new."""
        return float((self.grid > MISSING).sum()) / CATEGORIES if self.kind == "categorical" else 0.0

    def labels(self, names: Mapping[int, str] | None = None) -> tuple[str, ...]:
        """What each bin holds, in words; `names` of categories by their bin on the grid. Empty for unused ones."""
        if self.kind == "categorical":
            known = names or {}
            words = ["missing", "new", *(known.get(bin_, f"category {bin_}") for bin_ in self.starts.tolist())]
            return (*words, *(f"others, group {group + 1}" for group in range(BINS - len(words))))
        words = [""] * BINS
        words[GONE], words[NAN], words[ABOVE] = "missing", "not a number", "any number"
        if len(self.starts):
            near = edges(self.starts)[0]
            top = edges(self.grid[-1:])[1][0]
            ends = zip(near, [*near[1:], top], strict=True)
            words[_FIRST : _FIRST + len(near)] = [f"{low:.4g} to {high:.4g}" for low, high in ends]
            words[BELOW], words[ABOVE] = f"below {near[0]:.4g}", f"above {top:.4g}"
        return tuple(words)

    def snapshot(self) -> dict[str, Any]:
        """Return all there is to keep, as plain data."""
        return {"kind": self.kind, "grid": self.grid.copy(), "weights": self.weights.copy(), "n": self.n}

    @classmethod
    def restore(cls, saved: Mapping[str, Any]) -> Reference:
        """Make the reference again that `snapshot` was taken of."""
        return cls.from_histogram(saved["kind"], saved["grid"], saved["weights"], saved["n"])

    def _numeric(self, grid: Ints) -> Ints:
        last = self.grid[-1] if len(self.starts) else NOT_A_NUMBER
        bins = BELOW + np.searchsorted(self.starts, grid, side="right")
        return np.where(grid < LOWEST, grid, np.where(grid > last, ABOVE, bins)).astype(np.int64)

    def _categorical(self, grid: Ints) -> Ints:
        own = len(self.starts)
        others = _FIRST_KNOWN + own + grid % (BINS - _FIRST_KNOWN - own)
        bins = np.where(np.isin(grid, self.grid), others, NEW)
        order = np.argsort(self.starts)
        if own:
            place = np.minimum(np.searchsorted(self.starts[order], grid), own - 1)
            bins = np.where(self.starts[order][place] == grid, _FIRST_KNOWN + order[place], bins)
        return np.where(grid == MISSING, GONE, bins).astype(np.int64)

    def _fault(self) -> str:
        """Say why this cannot judge anything."""
        if not self.n:
            return "the reference has no rows"
        if self.n < LEAST_ROWS:
            return f"the reference has {self.n:.4g} effective rows, it needs {LEAST_ROWS}"
        if self.kind == "categorical" and self.shares[NEW] > _MOSTLY:
            seen = f"{self.shares[NEW]:.0%} of the reference are categories seen once"
            return f"{seen}, as in an identifier: most of what comes is new"
        return ""

    def _limit(self) -> str:
        """Say what this cannot see."""
        if len(self.grid) == 1:
            only = self.labels()[int(self.place(self.grid)[0])]
            return f"all of the reference is in one bin ({only}): only what is not is seen"
        if self.blindness > _MOSTLY:
            return f"{self.blindness:.0%} of new categories look like known ones"
        return ""

    def _once(self) -> Mask:
        """Mask of the categories that were seen once."""
        return (self.grid > MISSING) & ~_repeated(self.weights, self.n)


def _check(kind: ColumnKind, grid: Ints) -> None:
    highest = HIGHEST if kind == "numeric" else CATEGORIES
    if len(grid) and not MISSING <= np.min(grid) <= np.max(grid) <= highest:
        raise ValueError(f"bins go from {np.min(grid)} to {np.max(grid)}: {kind} ones are {MISSING} to {highest}")


def _equal_shares(grid: Ints, weights: Floats) -> Ints:
    """First grid bins of as many groups of about equal weight as there is room for, a heavy bin being one by itself."""
    numbers, weights = grid[grid >= LOWEST], weights[grid >= LOWEST]
    if not len(numbers):
        return numbers
    middle = (np.cumsum(weights) - weights / 2) / weights.sum()
    _, first = np.unique(np.floor(middle * (ABOVE - _FIRST)), return_index=True)
    return numbers[first]


def _frequent(grid: Ints, weights: Floats, n: float) -> Ints:
    """Categories that get a bin of their own, the most frequent first, if one bin is left for the others."""
    there = grid > MISSING
    some = there & _repeated(weights, n)
    if some.sum() > BINS - _FIRST_KNOWN - 1:
        some = there & (weights >= FREQUENT * weights[there].sum())
    order = np.argsort(-weights[some], kind="stable")[: BINS - _FIRST_KNOWN - 1]
    return grid[some][order]


def _repeated(weights: Floats, n: float) -> Mask:
    """Mask of the bins with more weight than one of n rows has."""
    repeated: Mask = weights * n >= _ONCE * weights.sum()
    return repeated
