"""
The watchdog: ends a worker that does not move although there is something to read.

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
    """Watches a worker; `patience` is how many seconds it may stand still."""

    worker: Worker
    patience: float
    _read: int = -1
    _since: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._since = self.worker.now()

    def look(self) -> None:
        """Note whether anything has moved, or has no need to."""
        read, waiting = self.worker.positions_read(), sum(self.worker.lag().values())
        if read != self._read or not waiting or self.worker.writer.state.away_since is not None:
            self._read, self._since = read, self.worker.now()

    def stalled_for(self) -> float:
        """Seconds for which nothing has moved."""
        self.look()
        return self.worker.now() - self._since

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
