"""
Watched columns of one model: what their distribution was while it was learned, and how far each tick is from it.

A column becomes one number a tick, its distance freed of the noise of small samples, which detectors then watch like
any other signal.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.detect.column_sums import Entries, slice_of
from streams.core.detect.grid import MISSING, value_of
from streams.core.detect.moved import moved
from streams.core.detect.reference import LEAST_ROWS, ColumnKind, Reference, Verdict
from streams.core.detect.standardized import standardized
from streams.core.detect.texts import Names
from streams.core.detect.watched_columns import is_numeric
from streams.core.groups import Slice

_Place = tuple[int, int]  # the number of a column, and a bin of it


@dataclass(frozen=True)
class Distance:
    """
    How far a column of a slice is from its reference in a tick: 0 without drift, whatever the sizes.

    With its standard error without drift, and how many effective rows it rests on.
    """

    slice: Slice
    column: str
    value: float
    error: float
    n: float


class ColumnWatch:
    """
    The columns of one model, by slice.

    Parameters
    ----------
    columns
        Names of the columns with their numbers among the sums.
    ticks
        From how many ticks with data a slice is learned: from more if they have fewer rows than a reference needs.
    numeric_outcome
        Whether the truth is a number.
    centers
        What is taken from each value of a column.
    """

    def __init__(
        self,
        columns: Mapping[str, int],
        ticks: int,
        *,
        numeric_outcome: bool = False,
        centers: Mapping[str, float] | None = None,
    ) -> None:
        self._columns, self._ticks, self._numeric_outcome = columns, ticks, numeric_outcome
        self._centers = centers or {}
        self._learning: dict[Slice, list[Entries]] = {}
        self._references: dict[Slice, list[Reference]] = {}
        self._names = _Names()
        self._ended = False  # whether learning has ended somewhere since names were forgotten
        self._cells: Mapping[Slice, Entries] = {}

    def look(self, cells: Mapping[Slice, Entries], names: Names | None = None) -> Iterator[Distance]:
        """Learn from the cells of a tick, or compare them with what was learned; `names` are those of categories."""
        self._cells = cells
        self._names.see(names or {}, learned=cells.keys() <= self._references.keys())
        for slice_, entries in sorted(cells.items()) if self._columns else ():
            known = self._references.get(slice_)
            if known is None:
                self._learn(slice_, entries)
            else:
                yield from self._compare(slice_, entries, known)
        self._forget()

    def _learn(self, slice_: Slice, entries: Entries) -> None:
        learned = self._learning.setdefault(slice_, [])
        learned.append(entries)
        if len(learned) >= self._ticks and _rows(learned) >= LEAST_ROWS:
            self._end(slice_)

    def _end(self, slice_: Slice) -> None:
        learned = self._learning.pop(slice_)
        self._references[slice_] = [self._reference(name, learned) for name in self._columns]
        self._ended = True

    def settle(self, least: int) -> None:
        """End learning, before all ticks had data, for the slices of which so many had, and rows enough to judge."""
        for slice_, (ticks, rows) in self.learned().items():
            if ticks >= least and rows >= LEAST_ROWS:
                self._end(slice_)
        self._forget()

    def learned(self) -> dict[Slice, tuple[int, float]]:
        """How many ticks had data so far, and effective rows, by slice that is still learned from."""
        return {one: (len(some), _rows(some)) for one, some in self._learning.items()}

    def verdicts(self, slice_: Slice) -> dict[str, Verdict]:
        """Whether the references of a slice, by column, can judge, and what they cannot see; none before it learned."""
        known = self._references.get(slice_)
        return {} if known is None else dict(zip(self._columns, [one.verdict() for one in known], strict=True))

    def adopt(self, other: ColumnWatch, names: Collection[tuple[Slice, str]]) -> None:
        """
        Take the references of some columns from another watch; of a slice that has none yet, those of all.

        With them comes what their categories are called.
        """
        places = set[_Place]()
        for slice_, theirs in other._references.items():
            if not any((slice_, name) in names for name in self._columns):
                continue
            mine = self._references.get(slice_, theirs)
            chosen = [theirs[at] if (slice_, name) in names else mine[at] for at, name in enumerate(self._columns)]
            self._references[slice_] = chosen
            self._learning.pop(slice_, None)
            pairs = zip(self._columns, chosen, theirs, strict=True)
            places |= {place for name, one, their in pairs if one is their for place in self._places(name, one)}
        self._names.adopt(other._names, places)
        self._ended = True
        self._forget()

    def moved(self, slice_: Slice, name: str) -> tuple[str, ...]:
        """Say what moved in a column that was compared in the last tick, in words."""
        reference = self._references[slice_][list(self._columns).index(name)]
        entries = self._cells[slice_]
        bins, weights = self._histogram(name, entries)
        names = self._names.of(self._called(name))
        return moved(reference, bins, weights, entries.size()[1], names, self._centers.get(name, 0.0))

    def _forget(self) -> None:
        """Once learning has ended everywhere, forget what categories are called that no reference tells of."""
        if self._ended and not self._learning:
            held = [pair for known in self._references.values() for pair in zip(self._columns, known, strict=True)]
            self._names.keep({place for name, one in held for place in self._places(name, one)})
            self._ended = False

    def _places(self, name: str, reference: Reference) -> Iterator[_Place]:
        """Yield where the names of categories are that have a bin of their own in a column's reference."""
        for bin_ in reference.starts.tolist() if reference.kind == "categorical" else ():
            yield self._called(name), bin_

    def _called(self, name: str) -> int:
        """Return the number of the column that has the names of a column's categories: outcomes are labels, too."""
        return self._columns["label" if name == "outcome" and "label" in self._columns else name]

    def _reference(self, name: str, learned: Sequence[Entries]) -> Reference:
        parts = [self._histogram(name, entries) for entries in learned]
        bins, weights = (np.concatenate([part[place] for part in parts]) for place in range(2))
        return Reference.from_histogram(self._kind(name), bins, weights, _rows(learned) if len(bins) else 0.0)

    def _histogram(self, name: str, entries: Entries) -> tuple[Ints, Floats]:
        """A column's histogram; what is not there is missing, but for outcomes, which are of other predictions."""
        bins, weights = entries.of(self._columns[name])
        weights = np.maximum(weights, 0.0)  # corrections of labels that came in earlier ticks
        if name == "outcome":
            return bins, weights
        missing = max(entries.size()[0] - float(weights.sum()), 0.0)
        return np.append(bins, MISSING), np.append(weights, missing)

    def _compare(self, slice_: Slice, entries: Entries, known: Sequence[Reference]) -> Iterator[Distance]:
        weight, n = entries.size()
        if weight <= 0:
            return
        counts, sizes = [], []
        for name, reference in zip(self._columns, known, strict=True):
            bins, weights = self._histogram(name, entries)
            counts.append(reference.rebin(bins, weights))
            sizes.append(n * float(weights.sum()) / weight if name == "outcome" else n)
        able = np.array([reference.verdict().judges for reference in known], np.bool_) & (np.array(sizes) > 0)
        shares = np.stack([reference.shares for reference in known])
        learned = np.array([reference.n for reference in known])
        found = standardized(np.stack(counts)[able], np.array(sizes)[able], shares[able], learned[able])
        names, held = list(self._columns), np.flatnonzero(able).tolist()
        for place, value, error in zip(held, found.distance.tolist(), found.standard_error.tolist(), strict=True):
            yield Distance(slice_, names[place], value, error, sizes[place])

    def _kind(self, name: str) -> ColumnKind:
        numeric = self._numeric_outcome if name == "outcome" else is_numeric(name)
        return "numeric" if numeric else "categorical"

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {
            "learning": [
                [list(slice_), [[one.column, one.bin, one.weight] for one in learned]]
                for slice_, learned in self._learning.items()
            ],
            "references": [
                [list(slice_), [one.snapshot() for one in known]] for slice_, known in self._references.items()
            ],
            "names": self._names.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self._learning = {slice_of(one): [Entries(*parts) for parts in learned] for one, learned in saved["learning"]}
        self._references = {
            slice_of(one): [Reference.restore(part) for part in known] for one, known in saved["references"]
        }
        self._names.restore(saved["names"])
        self._ended = True


class _Names:
    """What categories are called: those of the ticks that are learned from, then those of the last tick as well."""

    def __init__(self) -> None:
        self._learned: dict[_Place, str] = {}
        self._now: Names = {}

    def see(self, names: Names, *, learned: bool) -> None:
        """See the names of a tick; those that are learned from are kept."""
        self._now = names
        for place, text in () if learned else names.items():
            self._learned[place] = min(text, self._learned.get(place, text))

    def keep(self, places: Collection[_Place]) -> None:
        """Keep some of those that were learned."""
        self._learned = {place: text for place, text in self._learned.items() if place in places}

    def adopt(self, other: _Names, places: Collection[_Place]) -> None:
        """Take over some of those that another has learned."""
        self._learned |= {place: text for place, text in other._learned.items() if place in places}

    def of(self, column: int) -> dict[int, str]:
        """Return the names in a column, by bin."""
        return {bin_: text for (of, bin_), text in {**self._now, **self._learned}.items() if of == column}

    def snapshot(self) -> list[Any]:
        """Everything but what was in the last tick, as plain data."""
        return [[column, bin_, text] for (column, bin_), text in self._learned.items()]

    def restore(self, saved: Sequence[Any]) -> None:
        """Replace everything by a snapshot."""
        self._learned, self._now = {(column, bin_): text for column, bin_, text in saved}, {}


def _rows(cells: Sequence[Entries]) -> float:
    """How many effective rows there are in some cells."""
    return sum(entries.size()[1] for entries in cells)


def mean_log(entries: Entries, column: int) -> tuple[float, float, float]:
    """Mean of the logarithms of a column's positive numbers, its standard error, and their weight; NaN without any."""
    bins, weights = entries.of(column)
    weights = np.maximum(weights, 0.0)
    total = float(weights.sum())
    if total <= 0:
        return math.nan, math.nan, 0.0
    logs = np.log1p(np.maximum(value_of(bins), 0.0))
    mean = float(weights @ logs) / total
    variance = float(weights @ (logs - mean) ** 2) / total
    return mean, math.sqrt(variance / total), total
