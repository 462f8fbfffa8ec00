"""
Rates that aim at a number of events an hour in each slice, learned from the past only.

The rate of an hour is the target over the count that is expected, and expected is the largest of the counts of
the hours before it, each halved once for every hour that lies between. So a rate follows rising traffic within an hour,
and when traffic falls it doubles at most once an hour. A slice begins at a given rate, as if that had been right
before; for its first hour nothing better is known, and its count may be that of a part of an hour.

As no count of the hour itself is looked at, whether an event is kept does not depend on how many others came; as only
whole hours of event time are, it does not depend on blocks either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from streams.core.columns import Floats, Hashes, Ints, segments

REMEMBERED = 24
"""Hours whose counts are expected again; of an earlier one less than 1 in 10 million events would be."""


class Counts(NamedTuple):
    """How many events each slice had; slices in ascending order."""

    slices: Hashes
    many: Ints


class _Table(NamedTuple):
    """The rate of each slice; slices in ascending order."""

    slices: Hashes
    rates: Floats


class SliceRates:
    """
    The rates of one policy's slices, and the counts that they follow from.

    What is held is two numbers for each slice and hour, of about a day; it grows with the number of slices.
    """

    def __init__(self, per_hour: float, start: float = 0.1, lag: int = 0) -> None:
        """
        Begin without a past.

        Parameters
        ----------
        per_hour
            How many events of each slice are aimed at in an hour, above 0.
        start
            The rate of slices that have no past, above 0 and at most 1.
        lag
            Hours that come before an hour and are left out, since their counts may not be complete when its first
            event comes: the disorder of events, in hours and rounded up. With it, rates do not depend on the order.
        """
        if not (per_hour > 0 and 0 < start <= 1 and lag >= 0):
            raise ValueError(
                f"per_hour={per_hour}, start={start}, lag={lag}: the target must be above 0, "
                "the first rate above 0 and at most 1, and the lag not below 0"
            )
        self._per_hour, self._start, self._lag = per_hour, start, lag
        self._counts: dict[int, Counts] = {}
        self._tables: dict[int, _Table] = {}

    def see(self, hours: Ints, slices: Hashes, many: Ints | None = None) -> None:
        """
        Count events.

        Parameters
        ----------
        hours
            The hour of each since 1970, as a whole number; those beyond memory are left out.
        slices
            The slice of each, as a hash.
        many
            How many each stands for, where it is not 1.
        """
        many = np.ones(len(hours), np.int64) if many is None else many
        order = np.argsort(hours, kind="stable")
        for first, length in zip(*segments(hours[order]), strict=True):
            rows = order[first : first + length]
            self._count(int(hours[rows[0]]), slices[rows], many[rows])
        self._forget()

    def rates(self, hours: Ints, slices: Hashes) -> Floats:
        """Return the rate of each slice in each hour."""
        found = np.full(len(hours), self._start)
        order = np.argsort(hours, kind="stable")
        for first, length in zip(*segments(hours[order]), strict=True):
            rows = order[first : first + length]
            table = self._table(int(hours[rows[0]]))
            if len(table.slices):
                at = np.minimum(np.searchsorted(table.slices, slices[rows]), len(table.slices) - 1)
                found[rows] = np.where(table.slices[at] == slices[rows], table.rates[at], self._start)
        return found

    def merge(self, other: Self) -> None:
        """Add what another part has counted."""
        for hour, (slices, many) in other._counts.items():
            self._count(hour, slices, many)
        self._forget()

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {"counts": {hour: counts._asdict() for hour, counts in sorted(self._counts.items())}}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; target, first rate and lag are this one's."""
        self._counts = {hour: Counts(counts["slices"], counts["many"]) for hour, counts in saved["counts"].items()}
        self._tables = {}

    def _count(self, hour: int, slices: Hashes, many: Ints) -> None:
        before = self._counts.get(hour, Counts(np.empty(0, np.uint64), np.empty(0, np.int64)))
        both, place = np.unique(np.concatenate([before.slices, slices]), return_inverse=True)
        total = np.zeros(len(both), np.int64)
        np.add.at(total, place, np.concatenate([before.many, many]))
        self._counts[hour] = Counts(both, total)
        self._tables = {later: table for later, table in self._tables.items() if later - self._lag <= hour}

    def _forget(self) -> None:
        """Forget the hours that no rate follows from any more, where events come at most `lag` hours late."""
        oldest = max(self._counts, default=0) - 2 * (self._lag + 1) - REMEMBERED
        self._counts = {hour: counts for hour, counts in self._counts.items() if hour >= oldest}
        self._tables = {hour: table for hour, table in self._tables.items() if hour >= oldest}

    def _table(self, hour: int) -> _Table:
        if hour not in self._tables:
            self._tables[hour] = self._learned(hour)
        return self._tables[hour]

    def _learned(self, hour: int) -> _Table:
        """Rates of an hour, from the counts before it."""
        last = hour - 1 - self._lag
        past = [(2.0 ** -(last - one), self._counts[one]) for one in self._remembered(last)]
        if not past:
            return _Table(np.empty(0, np.uint64), np.empty(0))
        slices, first, place = np.unique(
            np.concatenate([counts.slices for _, counts in past]), return_index=True, return_inverse=True
        )
        scale = np.concatenate([np.full(len(counts.many), scale) for scale, counts in past])
        expected = self._per_hour / self._start * scale[first] / 2  # what the hour before its first would have had
        np.maximum.at(expected, place, scale * np.concatenate([counts.many for _, counts in past]))
        return _Table(slices, np.minimum(1.0, self._per_hour / expected))

    def _remembered(self, last: int) -> list[int]:
        return sorted(hour for hour in self._counts if last - REMEMBERED < hour <= last)
