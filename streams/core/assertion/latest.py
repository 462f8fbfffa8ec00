"""
What came last of each key, in event time: what an event is compared with.

A row a key is kept, with its time. `forget` lets go of rows that are too old to be compared with, some time after they
are: whoever asks must look at the time that comes with an answer. Of more than `MOST_KEPT` it lets go of the oldest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.core.columns import Array, Columns, Hashes, Ints, Mask, ordered, segments, take
from streams.core.ids import mix
from streams.core.runs import KEY, Runs

MOST_KEPT = 1 << 22

_FEW = 1 << 10  # rows that are not worth being looked through


class Latest:
    """
    The last row of each key; `dtypes` are those of its columns beside `key` and `time`.

    >>> latest = Latest({"score": np.float64})
    >>> events = {"time": np.array([1, 2, 3]), "score": np.array([0.1, 0.2, 0.3])}
    >>> known, before = latest.follow(np.array([7, 8, 7], np.uint64), events)
    >>> known.tolist(), before["score"].tolist()
    ([False, False, True], [0.0, 0.0, 0.1])
    """

    def __init__(self, dtypes: Mapping[str, npt.DTypeLike]) -> None:
        self._dtypes = {"time": np.int64, **dtypes}
        self._rows = Runs({KEY: np.uint64, **self._dtypes})
        self._worth = _FEW

    def __len__(self) -> int:
        return len(self._rows)

    def follow(self, keys: Hashes, events: Columns, others: Mask | None = None) -> tuple[Mask, Columns]:
        """
        For each event, in the order of time, find the one before it of its key; then keep the last ones.

        Parameters
        ----------
        keys
            Hashes of what the events belong to.
        events
            Their columns.
        others
            Which of two sides each event is of: if given, the one before is the last of the other side.

        Returns
        -------
        known
            Mask of the events that have one before them.
        before
            The columns of that one, 0 where there is none.
        """
        order = ordered(keys)
        here = take({name: events[name] for name in self._dtypes}, order)
        own = asked = keys[order]
        first, many = segments(own)
        place = _last(len(order), None if others is None else others[order])
        if others is not None:
            own, asked = _sided(own, others[order]), _sided(own, ~others[order])
        inside = place >= np.repeat(first, many)
        before = {name: column[np.maximum(place, 0)] for name, column in here.items()}
        known, kept = self.find(asked[~inside])
        for name, column in before.items():
            column[~inside] = kept[name]
        inside[~inside] = known
        self._keep_last(own, here)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return inside[back], take(before, back)

    def find(self, keys: Hashes) -> tuple[Mask, Columns]:
        """Return which keys have a row, and their rows, 0 where there is none."""
        query, at = self._rows.find(keys)
        known = np.zeros(len(keys), np.bool_)
        known[query] = True
        rows = {name: np.zeros(len(keys), dtype) for name, dtype in self._dtypes.items()}
        for name, column in self._rows.take(at, self._dtypes).items():
            rows[name][query] = column
        return known, rows

    def put(self, keys: Hashes, columns: Columns) -> None:
        """Replace the rows of these keys, none of which is given twice."""
        query, at = self._rows.find(keys)
        new = np.ones(len(keys), np.bool_)
        new[query] = False
        self._rows.put(at, take(columns, query))
        self._rows.insert(take({KEY: keys, **columns}, new))

    def forget(self, before: int) -> None:
        """Let go of rows earlier than this, us, once there are twice as many as the last time, or too many."""
        if len(self._rows) < self._worth:
            return
        self._rows.remove(self._rows.where(lambda rows: rows["time"] < before))
        if len(self._rows) > MOST_KEPT:
            self._keep_newest(MOST_KEPT // 2)
        self._worth = _worth(len(self._rows))

    def snapshot(self) -> Columns:
        """All rows, sorted by key."""
        return self._rows.snapshot()

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace all rows by those of a snapshot."""
        self._rows.restore(dict(saved))
        self._worth = _worth(len(self._rows))

    def _keep_newest(self, most: int) -> None:
        """Let go of the oldest rows, and of all that are as old as these, so that at most so many are kept."""
        times = self._rows.gather("time", np.arange(len(self._rows)))
        oldest = np.partition(times, len(times) - most - 1)[len(times) - most - 1]
        self._rows.remove(times <= oldest)

    def _keep_last(self, keys: Hashes, rows: Columns) -> None:
        """Keep the last row of each key; rows of one key stand in the order of time."""
        order = ordered(keys)
        first, many = segments(keys[order])
        last = order[first + many - 1]
        self.put(keys[last], take(rows, last))


def _worth(kept: int) -> int:
    """How many rows are worth being looked through, where so many were kept the last time."""
    return max(_FEW, min(2 * kept, MOST_KEPT + 1))


def _last(rows: int, others: Mask | None) -> Ints:
    """Place of the row before each, or of the last one before it that is of the other side; -1 where there is none."""
    at = np.arange(rows)
    if others is None:
        return at - 1
    own, other = (np.maximum.accumulate(np.where(side, at, -1)) for side in (~others, others))
    place: Ints = np.where(others, own, other)
    return place


def _sided(keys: Hashes, others: Mask) -> Hashes:
    """Tell the keys of one side from those of the other."""
    return mix(keys, others.astype(np.uint64))


def in_time(events: Columns) -> Columns:
    """Sort events by their times, those of one time by their ids, whatever order they come in."""
    order: Array = np.argsort(events["time"], kind="stable")
    times = events["time"][order]
    again = np.zeros(len(order), np.bool_)
    again[1:] = times[1:] == times[:-1]
    again[:-1] |= again[1:]
    some = order[again]
    order[again] = some[np.lexsort((events["id"][some], events["time"][some]))]
    return take(events, order)
