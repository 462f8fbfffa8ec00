"""
Samples of the labels of one model and tick, one for each slice: the rows with the smallest ranks.

Rows are sorted once there are as many new ones as are held, so that what a row costs does not grow with the slices;
before that, those that are of no use by the ranks that were held last are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from streams.core.columns import Columns, Floats, concat, empty, length, segments, take
from streams.core.groups import Slice

ROWS = {
    "slice": np.int64,
    "rank": np.float64,
    "id": np.uint64,
    "time": np.int64,
    "value": np.float64,
    "count": np.int64,
}
"""Columns of the rows: `slice` is the number of one, `count` says how often a row is there."""

_ALIKE = ("slice", "rank", "id", "time", "value")
_SLACK = 1 << 12


class Smallest:
    """
    The samples of all slices; each slice has a number, and how many rows it keeps at most.

    Up to `slack` rows are kept unsorted for a while, more where more are held.
    """

    def __init__(self, slack: int = _SLACK) -> None:
        self._slack = slack
        self._numbers: dict[Slice, int] = {}
        self._most: list[int] = []
        self._rows: Columns = empty(ROWS)
        self._limits: Floats = np.array([np.inf])  # by slice, and one for those that came since
        self._waiting: list[Columns] = []
        self._count = 0

    def number(self, slice_: Slice, most: Callable[[Slice], int]) -> int:
        """Return the number of a slice, -1 if it keeps no rows; `most` says of a new one how many it keeps."""
        number = self._numbers.get(slice_)
        if number is None:
            kept = most(slice_)
            number = self._numbers[slice_] = len(self._most) if kept else -1
            self._most += [kept] if kept else []
        return number

    @property
    def slices(self) -> Mapping[Slice, int]:
        """The slices that keep rows, in the order of their numbers, with how many each keeps at most."""
        return {slice_: self._most[number] for slice_, number in self._numbers.items() if number >= 0}

    def add(self, rows: Columns) -> None:
        """Add rows."""
        limits = self._limits[np.minimum(rows["slice"], len(self._limits) - 1)]
        rows = take(rows, rows["rank"] <= limits)
        if not length(rows):
            return
        self._waiting.append(rows)
        self._count += length(rows)
        if self._count > self._slack + length(self._rows):
            self.rows()

    def rows(self) -> Columns:
        """Return the rows that are kept, sorted by slice and rank; those that say the same are one."""
        if not self._waiting:
            return self._rows
        rows = _added_up(concat([self._rows, *self._waiting]))
        self._waiting, self._count = [], 0
        starts, sizes = segments(rows["slice"])
        most = np.array(self._most, np.int64)[rows["slice"][starts]]
        place = np.arange(length(rows)) - np.repeat(starts, sizes)
        self._rows = take(rows, place < np.repeat(most, sizes))
        full = sizes >= most
        self._limits = np.full(len(self._most) + 1, np.inf)
        self._limits[rows["slice"][starts[full]]] = rows["rank"][(starts + most - 1)[full]]
        return self._rows


def _added_up(rows: Columns) -> Columns:
    """Add up rows that say the same; return them sorted by slice and rank."""
    rows = take(rows, np.lexsort([rows[name] for name in reversed(_ALIKE)]))
    changed = np.zeros(length(rows), np.bool_)
    for name in _ALIKE:
        changed[1:] |= rows[name][1:] != rows[name][:-1]
    starts, _ = segments(np.cumsum(changed))
    return take(rows, starts) | {"count": np.add.reduceat(rows["count"], starts)}
