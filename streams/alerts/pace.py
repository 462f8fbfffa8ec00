"""Time: how long to wait before trying again, and a clock that tests can replace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

SECOND = 1_000_000


@dataclass(frozen=True)
class Pace:
    """
    How a route that does not answer is tried again; us.

    Attributes
    ----------
    give_up_after
        For how long a notice is tried.
    first, longest
        The longest first pause, and the longest of all.
    remember
        For how long it is trusted what people said of alerts, before they are asked again.
    """

    give_up_after: int
    first: int = SECOND
    longest: int = 60 * SECOND
    remember: int = 5 * SECOND

    def pause(self, failures: int, chance: Callable[[], float], asked: float | None) -> int:
        """
        Return how long to wait after so many failures in a row, us.

        Full jitter: any time between nothing and a bound that doubles (Brooker, "Exponential Backoff and Jitter", AWS
        Architecture Blog 2015), so that those who failed together do not come back together. Never less than what the
        other side asked for, in seconds.

        Parameters
        ----------
        failures
            How often it failed, 1 or more.
        chance
            Draws from [0, 1).
        asked
            Seconds that the other side asked for; None where it did not.
        """
        bound = min(self.first << min(failures - 1, 40), self.longest)
        return max(int(chance() * bound), int((asked or 0.0) * SECOND))


class Clock(Protocol):
    """What the deliverer knows of time."""

    def now(self) -> int:
        """Return the time, us since 1970."""

    async def wait(self, event: asyncio.Event, duration: int | None) -> None:
        """Return when the event is set or so many microseconds have passed; None: only when it is set."""


class WallClock:
    """The clock of this machine."""

    def now(self) -> int:
        """Return the time, us since 1970."""
        return time.time_ns() // 1_000

    async def wait(self, event: asyncio.Event, duration: int | None) -> None:
        """Return when the event is set or so many microseconds have passed."""
        try:
            async with asyncio.timeout(None if duration is None else duration / SECOND):
                await event.wait()
        except TimeoutError:
            return
