"""Events that wait until all that came before them in event time is known."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from streams.core.columns import Columns, Mask, concat, length, take
from streams.core.watermark import NEVER


class Waiting:
    """
    Rows that each have a `time`, us, and wait for it; `nothing` has their columns without a row.

    >>> waiting = Waiting({"time": np.empty(0, np.int64)})
    >>> waiting.add({"time": np.array([3, 1, 2])})
    >>> waiting.due(3)["time"].tolist(), len(waiting), waiting.latest()
    ([1, 2], 1, 3)
    """

    def __init__(self, nothing: Columns) -> None:
        self._nothing = nothing
        self._parts: list[tuple[int, int, Columns]] = []  # a heap: the earliest time of each part, and its number
        self._number = 0
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, part: Columns) -> None:
        """Let rows wait."""
        if length(part):
            self._number += 1
            self._rows += length(part)
            heappush(self._parts, (int(part["time"].min()), self._number, part))

    def due(self, before: int) -> Columns:
        """Take out the rows earlier than this, in no particular order."""
        due = [self._nothing]
        while self._parts and self._parts[0][0] < before:
            _, _, part = heappop(self._parts)
            self._rows -= length(part)
            early: Mask = part["time"] < before
            due.append(take(part, early))
            self.add(take(part, ~early))
        return concat(due)

    def rows(self) -> Columns:
        """Everything that waits."""
        return concat([self._nothing, *(part for _, _, part in self._parts)])

    def clear(self) -> None:
        """Let go of everything."""
        self._parts, self._rows = [], 0

    def latest(self) -> int:
        """The largest time; `NEVER` where nothing waits."""
        return max((int(part["time"].max()) for _, _, part in self._parts), default=NEVER)

    def crowded(self, most: int) -> int:
        """Return the time before which half of the rows lie if more than `most` wait, `NEVER` if not."""
        if self._rows <= most:
            return NEVER
        times = np.concatenate([part["time"] for _, _, part in self._parts])
        return int(np.partition(times, len(times) // 2)[len(times) // 2]) + 1
