"""
Histograms of watched columns: sums of weights by cell, column and bin.

A cell is a slice in a tick. Weights are summed as whole numbers, of a millionth each, so that sums do not depend on the
order in which events came: detectors compare ticks by rank, and a difference in the last bit could change one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.detect.watched_columns import Values
from streams.core.groups import Slice

ROWS = 0
"""Column that holds the size of a cell: bin 0 its weight, bin 1 the squares of weights, bin 2 its rows."""

Cell = tuple[int, Slice]
"""Number of a tick, and a slice."""

UNIT = float(1 << 20)
"""Weights are whole numbers of one over this."""

_BIN_BITS, _COLUMN_BITS = 24, 16
_BIN_OFFSET = 1 << (_BIN_BITS - 1)
_SLACK = 1 << 16  # rows that are kept unsorted for a while
_SPARSE = 8  # places for each entry from which on it is not worth while to have a sum for each


@dataclass(frozen=True)
class Entries:
    """Entries of one cell, sorted by column and bin: `column`, `bin` and `weight` aligned."""

    column: Ints
    bin: Ints
    weight: Floats

    def of(self, column: int) -> tuple[Ints, Floats]:
        """Return the bins of one column and their weights; without any, both are empty."""
        low, high = np.searchsorted(self.column, (column, column + 1))
        return self.bin[low:high], self.weight[low:high]

    def size(self) -> tuple[float, float]:
        """Return the weight of the cell and its effective number of rows (Kish 1965)."""
        bins, sums = self.of(ROWS)
        held = dict(zip(bins.tolist(), sums.tolist(), strict=True))
        weight, squares = held.get(0, 0.0), held.get(1, 0.0)
        return weight, weight * weight / squares if squares > 0 else 0.0


NOTHING = Entries(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class ColumnSums:
    """The histograms of all cells that are still summed up."""

    def __init__(self) -> None:
        self._numbers: dict[Cell, int] = {}
        self._keys: Ints = np.empty(0, np.int64)
        self._weights: Ints = np.empty(0, np.int64)
        self._added: list[tuple[Ints, Ints]] = []
        self._waiting = 0

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def cell(self, tick: int, slice_: Slice) -> int:
        """Return the number of a cell."""
        return self._numbers.setdefault((tick, slice_), len(self._numbers))

    def add(self, cells: Ints, columns: Ints, bins: Ints, weights: Floats) -> None:
        """Add a weight a row to its cell, column and bin."""
        self._add(_keys(cells, columns, bins), _whole(weights))

    def tally(self, cells: Ints, weights: Floats, values: Values) -> None:
        """Add the values of rows, of which each has a cell (-1: none) and a weight."""
        row, place = values.row, values.place
        inside = cells >= 0
        if not inside.all():
            held = inside[row]
            row, place = row[held], place[held]
        each, local = np.unique(cells[inside], return_inverse=True)
        size = len(values.column)
        if len(each) * size > _SPARSE * len(place):
            self.add(cells[row], values.column[place], values.bin[place], weights[row])
            return
        numbers = np.zeros(len(cells), np.int64)
        numbers[inside] = local * size
        where = place if len(each) == 1 else numbers[row] + place
        found, sums = _counted(where, len(each) * size, _whole(weights), row)
        cell, place = np.divmod(found, size)
        self._add(_keys(each[cell], values.column[place], values.bin[place]), sums)

    def size(self, cells: Ints, weights: Floats, signs: Floats) -> None:
        """Add rows to the size of their cells."""
        for place, values in enumerate((weights * signs, weights * weights * signs, signs)):
            self.add(cells, np.full(len(cells), ROWS), np.full(len(cells), place), values)

    def collect(self) -> dict[str, Any]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        collected = self.snapshot()
        self._numbers, self._added, self._waiting = {}, [], 0
        self._keys, self._weights = self._keys[:0], self._weights[:0]
        return collected

    def merge(self, collected: Mapping[str, Any]) -> None:
        """Add what was collected elsewhere."""
        here = np.array([self.cell(tick, slice_of(names)) for tick, names in collected["cells"]], np.int64)
        if len(collected["key"]):
            self._add(with_cell(collected["key"], here[cell_of(collected["key"])]), collected["weight"])

    def take(self, before: int) -> dict[int, dict[Slice, Entries]]:
        """Take out the ticks before this one: by tick and slice."""
        self._settle()
        due = {cell: number for cell, number in self._numbers.items() if cell[0] < before}
        if not due:
            return {}
        owner = cell_of(self._keys)
        found: dict[int, dict[Slice, Entries]] = {}
        for (tick, slice_), number in due.items():
            low, high = np.searchsorted(owner, (number, number + 1))
            found.setdefault(tick, {})[slice_] = _entries(self._keys[low:high], self._weights[low:high])
        self._keep({cell: number for cell, number in self._numbers.items() if cell[0] >= before}, owner)
        return found

    def count_in(self, counted: Callable[[Slice], Slice]) -> None:
        """Add the cells of slices to those of the slices in which they count, of the same tick."""
        moved = {
            number: (tick, other) for (tick, one), number in self._numbers.items() if (other := counted(one)) != one
        }
        if not moved:
            return
        self._settle()
        here = np.arange(len(self._numbers))
        for number, (tick, other) in moved.items():
            here[number] = self.cell(tick, other)
        keys, self._keys = with_cell(self._keys, here[cell_of(self._keys)]), self._keys[:0]
        weights, self._weights = self._weights, self._weights[:0]
        self._add(keys, weights)
        self.drop(lambda _, one: counted(one) != one)

    def drop(self, gone: Callable[[int, Slice], bool]) -> None:
        """Forget the cells of which this is true, by their tick and slice."""
        kept = {cell: number for cell, number in self._numbers.items() if not gone(*cell)}
        if len(kept) < len(self._numbers):
            self._settle()
            self._keep(kept, cell_of(self._keys))

    def entries(self) -> tuple[Mapping[Cell, int], Ints, Ints, Ints, Floats]:
        """Return the numbers of all cells, and every entry: the number of its cell, its column, bin and weight."""
        self._settle()
        of = _entries(self._keys, self._weights)
        return self._numbers, cell_of(self._keys), of.column, of.bin, of.weight

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        self._settle()
        cells = [[tick, [one.model, list(one.attributes), list(one.values)]] for tick, one in self._numbers]
        return {"cells": cells, "key": self._keys.copy(), "weight": self._weights.copy()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.collect()
        self.merge(saved)

    def _add(self, keys: Ints, weights: Ints) -> None:
        self._added.append((keys, weights))
        self._waiting += len(keys)
        if self._waiting > _SLACK + len(self._keys):
            self._settle()

    def _settle(self) -> None:
        """Add up what was added, one entry a key."""
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._added)])
        weights = np.concatenate([self._weights, *(weights for _, weights in self._added)])
        self._added, self._waiting = [], 0
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1) != 0)
        sums = np.add.reduceat(weights[order], first) if len(first) else weights
        self._keys, self._weights = keys[first][sums != 0], sums[sums != 0]

    def _keep(self, kept: Mapping[Cell, int], owner: Ints) -> None:
        """Keep some cells, numbered anew."""
        numbers = np.full(len(self._numbers), -1)
        numbers[list(kept.values())] = np.arange(len(kept))
        held = numbers[owner] >= 0
        keys = with_cell(self._keys[held], numbers[owner[held]])
        order = np.argsort(keys)
        self._keys, self._weights = keys[order], self._weights[held][order]
        self._numbers = {cell: place for place, cell in enumerate(kept)}


def cell_of(keys: Ints) -> Ints:
    """Return the number of the cell of each key."""
    return keys >> (_COLUMN_BITS + _BIN_BITS)


def with_cell(keys: Ints, cells: Ints) -> Ints:
    """Return keys of the same columns and bins, in other cells."""
    return (cells << (_COLUMN_BITS + _BIN_BITS)) | (keys & ((1 << (_COLUMN_BITS + _BIN_BITS)) - 1))


def _keys(cells: Ints, columns: Ints, bins: Ints) -> Ints:
    return (((cells << _COLUMN_BITS) | columns) << _BIN_BITS) | (bins + _BIN_OFFSET)


def _whole(weights: Floats) -> Ints:
    """Weights as whole numbers of a millionth each."""
    return np.rint(weights * UNIT).astype(np.int64)


def _counted(where: Ints, size: int, weights: Ints, row: Ints) -> tuple[Ints, Ints]:
    """Return the places that have a weight, and the sum of each; `row` says by entry whose weight it has."""
    if len(weights) and (weights == weights[0]).all():
        sums = np.bincount(where, minlength=size) * weights[0]
    else:
        sums = np.zeros(size, np.int64)
        np.add.at(sums, where, weights[row])
    found = np.flatnonzero(sums)
    return found, sums[found]


def _entries(keys: Ints, weights: Ints) -> Entries:
    rest = keys & ((1 << (_COLUMN_BITS + _BIN_BITS)) - 1)
    return Entries(rest >> _BIN_BITS, (rest & ((1 << _BIN_BITS) - 1)) - _BIN_OFFSET, weights / UNIT)


def slice_of(names: Sequence[Any]) -> Slice:
    """Return a slice from its model, attributes and values as plain data."""
    model, attributes, values = names
    return Slice(model, tuple(attributes), tuple(values))
