"""
Panes: exact sums by cohort and pane of event time, which windows and groups are made of.

A *cell* is what one cohort did in one pane. Cells only ever add; a correction adds the negative. Sums are kept by
slots, so that a block costs what it touches, however many cells there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from streams.core.columns import Columns, Floats, Ints, Mask
from streams.core.exact import Exact

_PANE_BITS = 38  # panes last a second or more, so the year 9000 is pane 2.2e11 at most
_BIN_BITS = 24
_PARTS = 3  # floats that make up an exact sum


def cohort_of(keys: Ints) -> Ints:
    """Cohort numbers of cell keys."""
    return keys >> _PANE_BITS


def pane_of(keys: Ints) -> Ints:
    """Return the number of the pane of cell keys: how many panes of its length come before it."""
    return keys & ((1 << _PANE_BITS) - 1)


class Slots:
    """Numbers for 64-bit keys: stable while the key is held, and given again when it is dropped."""

    def __init__(self) -> None:
        self.keys: Ints = np.empty(0, np.int64)
        self.slots: Ints = np.empty(0, np.int64)
        self._free: Ints = np.empty(0, np.int64)
        self.size = 0

    def resolve(self, keys: Ints) -> Ints:
        """Return the slots of distinct sorted keys, giving new ones where needed."""
        place = np.searchsorted(self.keys, keys)
        known = np.zeros(len(keys), np.bool_)
        inside = place < len(self.keys)
        known[inside] = self.keys[place[inside]] == keys[inside]
        out = np.empty(len(keys), np.int64)
        out[known] = self.slots[place[known]]
        missing = ~known
        if missing.any():
            out[missing] = self._allot(int(missing.sum()))
            self.keys = np.insert(self.keys, place[missing], keys[missing])
            self.slots = np.insert(self.slots, place[missing], out[missing])
        return out

    def drop(self, gone: Mask) -> Ints:
        """Forget the keys where the mask (over `keys`) is true; return their slots."""
        freed = self.slots[gone]
        self.keys, self.slots = self.keys[~gone], self.slots[~gone]
        self._free = np.concatenate([self._free, freed])
        return freed

    def snapshot(self) -> Columns:
        """Keys and their slots."""
        return {"keys": self.keys, "slots": self.slots}

    def restore(self, saved: Columns) -> None:
        """Replace everything by a snapshot."""
        self.keys, self.slots = saved["keys"], saved["slots"]
        self.size = int(self.slots.max(initial=-1)) + 1
        self._free = np.setdiff1d(np.arange(self.size), self.slots)

    def _allot(self, count: int) -> Ints:
        reused, self._free = self._free[:count], self._free[count:]
        fresh = np.arange(self.size, self.size + count - len(reused))
        self.size += len(fresh)
        return np.concatenate([reused, fresh])


class SumTable:
    """Exact sums of named columns under 64-bit keys."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.index = Slots()
        self._parts = np.zeros((_PARTS, len(columns), 0))

    def __len__(self) -> int:
        return len(self.index.keys)

    def resolve(self, keys: Ints) -> Ints:
        """Return the slots of distinct sorted keys; new ones begin at zero."""
        slots = self.index.resolve(keys)
        held = self._parts.shape[2]
        if self.index.size > held:
            self._parts = np.pad(self._parts, ((0, 0), (0, 0), (0, max(1_024, 2 * self.index.size) - held)))
        return slots

    def add(self, column: str, slots: Ints, sums: Exact) -> None:
        """Add to one column of distinct slots."""
        total = self.read(column, slots) + sums
        c = self.columns.index(column)
        for part, values in enumerate((total.hi, total.lo, total.tail)):
            self._parts[part, c, slots] = values

    def merge(self, slots: Ints, parts: Floats) -> None:
        """Add the sums of another table with the same columns, shape (3, columns, slots), to distinct slots."""
        for column, (hi, lo, tail) in zip(self.columns, parts.transpose(1, 0, 2), strict=True):
            self.add(column, slots, Exact(hi, lo, tail))

    def read(self, column: str, slots: Ints) -> Exact:
        """Return one column's sums at the given slots."""
        c = self.columns.index(column)
        return Exact(*(self._parts[part, c][slots] for part in range(_PARTS)))

    def drop(self, gone: Mask) -> Ints:
        """Forget the keys where the mask (over the sorted keys) is true; return their slots, emptied."""
        freed = self.index.drop(gone)
        self._parts[:, :, freed] = 0.0
        return freed

    def snapshot(self) -> Columns:
        """All sums in the order of keys."""
        return {"key": self.index.keys, "parts": self._parts[:, :, self.index.slots]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.index = Slots()
        self._parts = np.zeros((_PARTS, len(self.columns), 0))
        slots = self.resolve(saved["key"])
        self._parts[:, :, slots] = saved["parts"]


class Panes:
    """Cells of one task: dense sums a cell, histograms a cell and bin, and which cells changed since last asked."""

    def __init__(self, pane: int, columns: tuple[str, ...], histograms: Mapping[str, tuple[str, ...]]) -> None:
        self.pane = pane
        self.cells = SumTable(columns)
        self.histograms = {name: SumTable(names) for name, names in histograms.items()}
        self._bins = {name: Slots() for name in histograms}
        self._dirty = np.zeros(0, np.bool_)

    def keys_of(self, cohorts: Ints, times: Ints) -> Ints:
        """Cell keys of events."""
        return (cohorts.astype(np.int64) << _PANE_BITS) | (times // self.pane)

    def touch(self, keys: Ints) -> Ints:
        """Return the slots of distinct sorted cell keys and note that they change."""
        slots = self.cells.resolve(keys)
        if self.cells.index.size > len(self._dirty):
            self._dirty = np.pad(self._dirty, (0, 2 * self.cells.index.size - len(self._dirty)))
        self._dirty[slots] = True
        return slots

    def entry_keys(self, name: str, slots: Ints, bins: Ints) -> Ints:
        """Histogram keys of (cell slot, bin) pairs; bins of any size are numbered as they are first seen."""
        distinct, inverse = np.unique(bins, return_inverse=True)
        return (slots << _BIN_BITS) | self._bins[name].resolve(distinct)[inverse]

    def live(self) -> tuple[Ints, Ints, Ints, Mask]:
        """All cells: (cohort, pane start in us, slot, changed since the last `settle`), in the order of keys."""
        keys, slots = self.cells.index.keys, self.cells.index.slots
        times = (keys & ((1 << _PANE_BITS) - 1)) * self.pane
        return cohort_of(keys), times, slots, self._dirty[slots]

    def entries(self, name: str) -> tuple[Ints, Ints, Ints]:
        """All entries of a histogram: (cell slot, bin, entry slot), sorted by cell slot."""
        index = self.histograms[name].index
        bins = self._bins[name]
        bin_of_number = np.empty(bins.size, np.int64)
        bin_of_number[bins.slots] = bins.keys
        return index.keys >> _BIN_BITS, bin_of_number[index.keys & ((1 << _BIN_BITS) - 1)], index.slots

    def settle(self, slots: Ints) -> None:
        """Note that the changes of these cells have been shown."""
        self._dirty[slots] = False

    def drop(self, gone: Mask) -> None:
        """Forget the cells where the mask (over `live`) is true."""
        freed = np.zeros(self.cells.index.size, np.bool_)
        freed[self.cells.drop(gone)] = True
        self._dirty[: len(freed)] &= ~freed
        for table in self.histograms.values():
            table.drop(freed[table.index.keys >> _BIN_BITS])

    def collect(self) -> dict[str, Any]:
        """Return all sums, the entries of histograms by the place of their cell, and begin anew."""
        saved = self.snapshot()
        collected = {"cells": saved["cells"]}
        collected |= {name: {part: saved[name][part] for part in ("cell", "bin", "parts")} for name in self.histograms}
        self.cells = SumTable(self.cells.columns)
        self.histograms = {name: SumTable(table.columns) for name, table in self.histograms.items()}
        self._bins = {name: Slots() for name in self.histograms}
        self._dirty = np.zeros(0, np.bool_)
        return collected

    def merge(self, collected: Mapping[str, Any], cohorts: Ints, bins: Callable[[str, Ints], Ints]) -> None:
        """
        Add what other panes of the same shape collected.

        `cohorts` gives, for each cohort number there, the number here, and `bins` the same for a histogram's bins.
        """
        keys = collected["cells"]["key"]
        keys = (cohorts[cohort_of(keys)] << _PANE_BITS) | (keys & ((1 << _PANE_BITS) - 1))
        slots = np.empty(len(keys), np.int64)
        for order in _distinct(keys):
            slots[order] = self.touch(keys[order])
            self.cells.merge(slots[order], collected["cells"]["parts"][:, :, order])
        for name, table in self.histograms.items():
            if name not in collected:  # units were not counted there, or in other bins
                continue
            there = collected[name]
            entries = self.entry_keys(name, slots[there["cell"]], bins(name, there["bin"]))
            for order in _distinct(entries):
                table.merge(table.resolve(entries[order]), there["parts"][:, :, order])

    def snapshot(self) -> dict[str, Any]:
        """Everything as arrays. Slots are given anew on restore, so histogram keys name cells by their order."""
        order = np.empty(self.cells.index.size, np.int64)
        order[self.cells.index.slots] = np.arange(len(self.cells))
        saved: dict[str, Any] = {"cells": self.cells.snapshot(), "dirty": self._dirty[self.cells.index.slots]}
        for name, table in self.histograms.items():
            cell, bins, _ = self.entries(name)
            saved[name] = table.snapshot() | {"cell": order[cell], "bin": bins}
        return saved

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.cells.restore(saved["cells"])
        slots = self.cells.index.slots
        self._dirty = np.zeros(self.cells.index.size, np.bool_)
        self._dirty[slots] = saved["dirty"]
        for name, table in self.histograms.items():
            self._bins[name] = Slots()
            if name not in saved:  # units were not counted then, or in other bins
                table.restore({"key": np.empty(0, np.int64), "parts": np.zeros((_PARTS, len(table.columns), 0))})
                continue
            keys = self.entry_keys(name, slots[saved[name]["cell"]], saved[name]["bin"])
            order = np.argsort(keys)
            table.restore({"key": keys[order], "parts": saved[name]["parts"][:, :, order]})


def _distinct(keys: Ints) -> Iterator[Ints]:
    """
    Rows in the order of their keys, so that no key comes twice in one yield; nearly always one yield holds all.

    >>> [rows.tolist() for rows in _distinct(np.array([7, 3, 7]))]
    [[1, 0], [2]]
    """
    rows = np.argsort(keys, kind="stable")
    while len(rows):
        first = np.concatenate(([True], np.diff(keys[rows]) != 0))
        yield rows[first]
        rows = rows[~first]
