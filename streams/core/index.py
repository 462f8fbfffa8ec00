"""
Where rows are, by key: pairs of a 64-bit key and a place, in sorted runs.

A run is merged with its elder when it is at least half as large, so that there are about log2(rows / block) runs and
a pair is copied as often (O'Neil et al. 1996, the log-structured merge tree). Keys are hashes, which spread evenly: a
large run knows where each of many equal ranges of keys begins, so that finding one does not wander through memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.columns import Hashes, Ints, ordered

Places = npt.NDArray[np.int32]

_LARGE = 1 << 17  # keys of which a plain binary search no longer stays in a processor's cache
_KEYS_A_RANGE = 8
_KEY_BITS = 64


@dataclass(frozen=True)
class _Ranges:
    """Where the equal ranges of keys begin in a run, one more than there are ranges, and how many steps one takes."""

    shift: np.uint64
    starts: Places
    steps: int

    @staticmethod
    def of(keys: Hashes) -> _Ranges | None:
        """Cut a run of keys, if it is large."""
        if len(keys) < _LARGE:
            return None
        bits = (len(keys) // _KEYS_A_RANGE).bit_length() - 1
        shift = np.uint64(_KEY_BITS - bits)
        firsts = np.arange(1 << bits, dtype=np.uint64) << shift
        starts = np.append(np.searchsorted(keys, firsts), len(keys)).astype(np.int32)
        return _Ranges(shift, starts, int(np.diff(starts).max()).bit_length())


@dataclass(frozen=True)
class _Run:
    """Pairs sorted by key."""

    keys: Hashes
    places: Places
    ranges: _Ranges | None

    @staticmethod
    def of(keys: Hashes, places: Places) -> _Run:
        """Make a run of sorted keys."""
        return _Run(keys, places, _Ranges.of(keys))

    def first(self, asked: Hashes) -> Ints:
        """Place in the run of the first key that is not below each asked one; these are sorted."""
        if self.ranges is None:
            return np.searchsorted(self.keys, asked)
        cut = (asked >> self.ranges.shift).astype(np.int64)
        low = self.ranges.starts[cut].astype(np.int64)
        left = self.ranges.starts[cut + 1] - low
        last = len(self.keys) - 1
        for _ in range(self.ranges.steps):  # all binary searches side by side, so that they wait for memory together
            half = left >> 1
            middle = low + half
            below = (self.keys[np.minimum(middle, last)] < asked) & (left > 0)
            low = np.where(below, middle + 1, low)
            left = np.where(below, left - half - 1, half)
        return low

    def find(self, asked: Hashes) -> tuple[Ints, Ints]:
        """Pairs (index into `asked`, index into the run) of equal keys; those asked for are sorted."""
        first = self.first(asked)
        inside = first < len(self.keys)
        hit = np.flatnonzero(inside)[self.keys[first[inside]] == asked[inside]]
        first = first[hit]
        after = np.minimum(first + 1, len(self.keys) - 1)
        if not ((self.keys[after] == self.keys[first]) & (after > first)).any():  # one of each, as nearly always
            return hit, first
        count = np.searchsorted(self.keys, asked[hit], side="right") - first
        query = np.repeat(hit, count)
        within = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
        return query, np.repeat(first, count) + within


class KeyIndex:
    """
    Finds places by key; a key may have several.

    >>> index = KeyIndex()
    >>> index.insert(np.array([7, 3], np.uint64), first=10)
    >>> query, place = index.find(np.array([3, 5, 7], np.uint64))
    >>> query.tolist(), place.tolist()
    ([0, 2], [11, 10])
    """

    def __init__(self) -> None:
        self.runs: list[_Run] = []

    def insert(self, keys: Hashes, first: int) -> None:
        """Add keys, in any order, whose places are consecutive from the first on."""
        order = ordered(keys)
        keys, places = keys[order], (first + order).astype(np.int32)
        while self.runs and 2 * len(keys) >= len(self.runs[-1].keys):
            elder = self.runs.pop()
            keys = np.concatenate([elder.keys, keys])
            order = np.argsort(keys, kind="stable")  # two sorted halves: timsort merges them
            keys, places = keys[order], np.concatenate([elder.places, places])[order]
        self.runs.append(_Run.of(keys, places))

    def find(self, asked: Hashes) -> tuple[Ints, Ints]:
        """All pairs (index into `asked`, place) of the keys asked for, which are sorted; in no particular order."""
        found = [(query, run.places[row]) for run in self.runs for query, row in (run.find(asked),)]
        queries, places = zip(*found, strict=True) if found else ((), ())
        return np.concatenate([np.empty(0, np.int64), *queries]), np.concatenate([np.empty(0, np.int64), *places])

    def between(self, first: int, last: int) -> Ints:
        """Places of the keys with first <= key <= last, in the order of the keys."""
        keys, places = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
        for run in self.runs:
            start = np.searchsorted(run.keys, np.uint64(first), side="left")
            end = np.searchsorted(run.keys, np.uint64(last), side="right")
            keys.append(run.keys[start:end])
            places.append(run.places[start:end])
        order = np.argsort(np.concatenate(keys), kind="stable")
        return np.concatenate(places)[order].astype(np.int64)

    def move(self, new: Places) -> None:
        """Give each place a new number, which is at `new[place]`; places whose number is below 0 are forgotten."""
        moved = []
        for run in self.runs:
            places = new[run.places]
            kept = places >= 0
            if kept.any():
                moved.append(_Run.of(run.keys[kept], places[kept]))
        self.runs = moved
