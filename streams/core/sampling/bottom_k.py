"""
A sample of a bounded number of rows or bytes, of which every row still has its exact probability.

Of rows with numbers u and probabilities p those with the smallest u / p are kept, as many as fit. The first that does
not fit gives the threshold t: what is kept is u < t p, so that each row has the probability t p given the other rows'
numbers. That is sequential Poisson sampling (Ohlsson 1998, "Sequential Poisson sampling") with the weights of priority
sampling (Duffield, Lund & Thorup 2007, "Priority sampling for estimation of arbitrary subset sums"). Probabilities
may be used as if t had been fixed beforehand, because t stays where it is when the number of a kept row is made
smaller (Ting 2022, "Adaptive threshold sampling", section on substitutability); this is so for bytes as for rows.

A threshold only falls as rows are added, so what is beyond it can be let go of at once, and the sample of several
parts follows from their samples: in whatever blocks, order and partitions rows come, the same are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from streams.core.columns import Array, Columns, Floats, Ints, concat, empty, length, ordered, take

_BELOW = 1 - 2.0**-50  # keeps the row at the threshold out when u is compared with t p, which is rounded
_SPARE = 1_000  # rows beyond twice those that fit that may wait for being let go of


class Kept(NamedTuple):
    """Rows that are kept: by what the caller refers to them, in ascending order, and the probability of each."""

    reference: Ints
    probability: Floats


class BottomK:
    """
    Rows of the smallest u / p, at most `rows` and of at most `size` bytes together; None where that is no matter.

    One row is always kept, however many bytes it has, since nothing else could stand for the others.
    """

    def __init__(self, rows: int | None = None, size: int | None = None) -> None:
        self._rows = _bound("rows", rows)
        self._size = _bound("size", size)
        self._threshold = np.inf
        self._fitted = 0
        self._held = empty(
            {"scaled": np.float64, "uniform": np.float64, "probability": np.float64}
            | {"size": np.int64, "reference": np.int64}
        )

    def __len__(self) -> int:
        """How many rows are kept as of now."""
        self._fit()
        return length(self._held)

    def add(self, uniform: Floats, probability: Floats, size: Ints, reference: Ints) -> None:
        """
        Take in rows.

        Parameters
        ----------
        uniform, probability
            The number of each, and the probability that policies give it; a row whose number is not below that is
            not kept. Rows of one request have the same number, and should have the same probability.
        size
            Bytes of each.
        reference
            What the caller knows each by, no two the same.
        """
        some = uniform < probability
        uniform, probability = uniform[some], probability[some]
        scaled = uniform / probability
        rows: Columns = {"scaled": scaled, "uniform": uniform, "probability": probability}
        rows |= {"size": size[some], "reference": reference[some]}
        self._held = concat([self._held, take(rows, scaled < self._threshold)])
        if length(self._held) > 2 * self._fitted + _SPARE:
            self._fit()

    @property
    def share(self) -> float:
        """By what probabilities are multiplied: a row is kept if its number is below its probability times this."""
        self._fit()
        return min(1.0, self._threshold * _BELOW)

    def merge(self, other: Self) -> None:
        """Take in the rows of another part, which has the same bounds and none of the same rows."""
        self._threshold = min(self._threshold, other._threshold)
        self._held = concat([self._held, other._held])
        self._fit()

    def kept(self) -> Kept:
        """Return what is kept, with the probability that each row has joint with the one it came with."""
        probability = self.share * self._held["probability"]
        some = self._held["uniform"] < probability
        reference, probability = self._held["reference"][some], probability[some]
        order = ordered(reference)
        return Kept(reference[order], probability[order])

    def references(self) -> Ints:
        """By what the caller refers to the rows that may yet be kept."""
        self._fit()
        return np.sort(self._held["reference"])

    def forget(self, references: Ints) -> None:
        """Take out rows. The threshold stays, and with it the probabilities of the others."""
        self._fit()
        self._held = take(self._held, ~np.isin(self._held["reference"], references))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays; the same for the same rows, however they came."""
        self._fit()
        return {"threshold": float(self._threshold), "held": dict(self._held)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; bounds are this one's."""
        self._threshold = saved["threshold"]
        self._held = dict(saved["held"])
        self._fit()

    def _fit(self) -> None:
        """Let go of what does not fit."""
        self._held = _sorted(take(self._held, self._held["scaled"] < self._threshold))
        over = self._over(self._held)
        if over.any():
            self._threshold = float(self._held["scaled"][np.argmax(over)])
            self._held = take(self._held, self._held["scaled"] < self._threshold)
        self._fitted = length(self._held)

    def _over(self, rows: Columns) -> Array:
        """From which row on, in the order of u / p, they are too many; the first one never is."""
        over = np.arange(length(rows)) >= self._rows
        over |= np.cumsum(rows["size"]) > self._size
        over[:1] = False
        return over


def _sorted(rows: Columns) -> Columns:
    return take(rows, np.lexsort((rows["reference"], rows["scaled"])))


def _bound(name: str, most: int | None) -> float:
    if most is None:
        return np.inf
    if most < 1:
        raise ValueError(f"{name} is {most}: a sample that nothing fits into stands for nothing, so give at least 1")
    return most
