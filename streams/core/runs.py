"""
Waiting rows in sorted runs, found by key at any size: the store under the join.

Rows live in runs sorted by a 64-bit key, merged when a run is at least half its elder, so that there are about
log2(rows / block) runs and a row is copied as often (O'Neil et al. 1996, the log-structured merge tree).
Looking up a block of keys is one binary search a run. Columns may be changed in place.

Each row remembers in one byte whether it is new or changed since `changed` was last asked, so that a checkpoint
writes what is new, and `between` gives the rows of a range of keys, so that it writes the old ones again bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from streams.core.columns import Array, Columns, Hashes, Ints, Mask, concat, empty, length, take

KEY = "key"
_CHANGED = " changed"  # beside the columns that were asked for, so no name of theirs


class Runs:
    """
    Rows with a `key` column (uint64) and any others, as given by `dtypes`.

    >>> runs = Runs({"key": np.uint64, "time": np.int64})
    >>> runs.insert({"key": np.array([7, 3], np.uint64), "time": np.array([70, 30])})
    >>> query, at = runs.find(np.array([3, 5, 7], np.uint64))
    >>> query.tolist(), runs.gather("time", at).tolist()
    ([0, 2], [30, 70])
    """

    def __init__(self, dtypes: Mapping[str, npt.DTypeLike | tuple[npt.DTypeLike, int]]) -> None:
        self._empty = empty(dtypes)
        self._runs: list[Columns] = []

    def __len__(self) -> int:
        return sum(map(length, self._runs))

    def insert(self, rows: Columns) -> None:
        """Add rows, in any order; keys may repeat. Ends the validity of earlier places (`at`)."""
        if not length(rows):
            return
        run = _sort({name: rows[name].astype(column.dtype, copy=False) for name, column in self._empty.items()})
        run[_CHANGED] = np.ones(length(run), np.bool_)
        while self._runs and 2 * length(run) >= length(self._runs[-1]):
            run = _sort(concat([self._runs.pop(), run]), "stable")  # two sorted halves: timsort merges them
        self._runs.append(run)

    def find(self, keys: Hashes) -> tuple[Ints, Ints]:
        """
        Return all pairs (query, at): row `at` of the store has the key `keys[query]`.

        Pairs come in no particular order; `at` stays valid until rows are inserted or removed.
        """
        order = np.argsort(keys)
        asked = keys[order]
        queries, places, base = [], [], 0
        for run in self._runs:
            query, row = _find_sorted(run[KEY], asked)
            queries.append(order[query])
            places.append(row + base)
            base += length(run)
        if not queries:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(queries), np.concatenate(places)

    def gather(self, name: str, at: Ints) -> Array:
        """Return one column's values at the given places."""
        out = np.empty((len(at), *self._empty[name].shape[1:]), self._empty[name].dtype)
        for run, here, rows in self._split(at):
            out[here] = run[name][rows]
        return out

    def take(self, at: Ints) -> Columns:
        """Return whole rows at the given places."""
        return {name: self.gather(name, at) for name in self._empty}

    def put(self, name: str, at: Ints, values: Array) -> None:
        """Overwrite one column at the given places, in place."""
        for run, here, rows in self._split(at):
            run[name][rows] = values[here]
            run[_CHANGED][rows] = True

    def column(self, name: str) -> Array:
        """Return one column of all rows, in the order of places."""
        return np.concatenate([run[name] for run in self._runs]) if self._runs else self._empty[name]

    def remove(self, gone: Mask) -> Columns:
        """Take out the rows where the mask (over all places) is true, and return them."""
        removed, kept, base = [self._empty], [], 0
        for run in self._runs:
            here = gone[base : base + length(run)]
            base += length(run)
            if not here.any():
                kept.append(run)
                continue
            removed.append(self._plain(take(run, here)))
            kept.append(take(run, ~here))
        self._runs = [run for run in kept if length(run)]
        return concat(removed)

    def changed(self) -> Columns:
        """Return the rows that are new or changed since this was last called, in no particular order."""
        parts = [self._empty]
        for run in self._runs:
            parts.append(self._plain(take(run, np.flatnonzero(run[_CHANGED]))))
            run[_CHANGED][:] = False
        return concat(parts)

    def between(self, first: int, last: int) -> Columns:
        """Return the rows with first <= key <= last, sorted by key."""
        parts = [self._empty]
        for run in self._runs:
            start = np.searchsorted(run[KEY], np.uint64(first), side="left")
            end = np.searchsorted(run[KEY], np.uint64(last), side="right")
            parts.append({name: run[name][start:end] for name in self._empty})
        return _sort(concat(parts), "stable")

    def snapshot(self) -> Columns:
        """Return all rows, sorted by key."""
        return self.between(0, int(np.iinfo(np.uint64).max))

    def restore(self, rows: Columns) -> None:
        """Replace everything by rows, none of them changed; a copy of them is kept."""
        held = {name: rows[name].astype(column.dtype) for name, column in self._empty.items()}
        held[_CHANGED] = np.zeros(length(rows), np.bool_)
        if length(rows) and (held[KEY][1:] < held[KEY][:-1]).any():
            held = _sort(held, "stable")
        self._runs = [held] if length(rows) else []

    def _plain(self, rows: Columns) -> Columns:
        return {name: rows[name] for name in self._empty}

    def _split(self, at: Ints) -> list[tuple[Columns, slice | Mask, Ints]]:
        """Cut places by run: (run, which of the places lie in it, their rows there)."""
        if len(self._runs) == 1:
            return [(self._runs[0], slice(None), at)]
        parts: list[tuple[Columns, slice | Mask, Ints]] = []
        base = 0
        for run in self._runs:
            here = (at >= base) & (at < base + length(run))
            if here.any():
                parts.append((run, here, at[here] - base))
            base += length(run)
        return parts


def _sort(rows: Columns, kind: Literal["quicksort", "stable"] = "quicksort") -> Columns:
    return take(rows, np.argsort(rows[KEY], kind=kind))


def _find_sorted(keys: Hashes, asked: Hashes) -> tuple[Ints, Ints]:
    """Pairs (index into `asked`, index into `keys`) of equal values; both arrays are sorted."""
    first = np.searchsorted(keys, asked, side="left")
    inside = first < len(keys)
    hit = np.flatnonzero(inside)[keys[first[inside]] == asked[inside]]
    first = first[hit]
    count = np.searchsorted(keys, asked[hit], side="right") - first
    query = np.repeat(hit, count)
    within = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
    return query, np.repeat(first, count) + within
