"""
The watchdog: ends a worker of which a partition does not move although there is something to read.

Whatever the cause, a process that starts again from its checkpoint is better than one that waits for ever. A store that
is away is no such cause: then waiting is right, and starting again would not help.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from streams.errors import StreamsError
from streams.runtime.worker import Worker


class Stalled(StreamsError):
    """Nothing was read for too long although there was something to read; start again."""


@dataclass
class Watchdog:
    """Watches each partition of a worker; `patience` is how many seconds one may stand still."""

    worker: Worker
    patience: float
    _moved: dict[int, tuple[int, float]] = field(default_factory=dict)

    def look(self) -> None:
        """Note which partitions have moved, or have no need to."""
        lag, away = self.worker.lag(), self.worker.writer.state.away_since is not None
        behind = {number for (_, number), records in lag.items() if records}
        now, before = self.worker.now(), self._moved
        self._moved = {}
        for number in self.worker.held():
            read = self.worker.read(number)
            stands = number in before and before[number][0] == read and number in behind and not away
            self._moved[number] = before[number] if stands else (read, now)

    def stalled_for(self) -> float:
        """Seconds for which the partition that has stood still for longest has not moved."""
        self.look()
        return max((self.worker.now() - since for _, since in self._moved.values()), default=0.0)

    async def watch(self, every: float = 1.0) -> None:
        """
        Look again and again.

        Raises
        ------
        Stalled
            Nothing has moved for `patience` seconds.
        """
        while self.stalled_for() < self.patience:  # noqa: ASYNC110 - no event says that nothing happened
            await asyncio.sleep(every)
        behind = {f"{topic}[{number}]": records for (topic, number), records in self.worker.lag().items() if records}
        raise Stalled(
            f"nothing was read for {self.patience:g} s, and there is something to read: {behind}; start again"
        )
