"""How often a call to the store is repeated, and with what pauses between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from streams.errors import StoreUnavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Retry:
    """
    Repeat a call while the store is unavailable, with pauses that double.

    `attempts` calls at most; pauses in seconds: `first_pause`, twice that, ... up to `longest_pause`. Four
    attempts at 0.5 s give a server 3.5 s to come back before the caller is told.
    """

    attempts: int = 4
    first_pause: float = 0.5
    longest_pause: float = 8.0
    sleep: Callable[[float], None] = time.sleep

    def call(self, action: Callable[[], T]) -> T:
        """
        Return what `action` returns.

        Raises
        ------
        StoreUnavailable
            The last attempt's, when none succeeded. Any other error ends the attempts at once.
        """
        for attempt in range(self.attempts - 1):
            try:
                return action()
            except StoreUnavailable:
                self.sleep(min(self.first_pause * 2**attempt, self.longest_pause))
        return action()


ONCE = Retry(attempts=1)
"""For the embedded engine: nothing is between it and us, so what failed would fail again."""
