"""What limits are kept with: a bucket for each token, and one room for all requests, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.gateway.limits import Limits
from streams.gateway.problems import Problem

RETRY_SECONDS = 5.0
"""After how long to ask again where nobody knows how long it takes."""


class Bucket:
    """
    A bucket of tokens: `rate` a second flow in, at most `burst` are there, each event takes one.

    Parameters
    ----------
    rate, burst : float
        Events a second, and events at once.
    clock : Callable
        Returns seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._filled_at = clock()

    def take(self, events: int) -> float:
        """Take one for each event and return 0.0; or take none, and return the seconds until they will be there."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if events <= self._level:
            self._level -= events
            return 0.0
        return (events - self._level) / self._rate


class Room:
    """What all requests share: how many there may be at a time, and how many bytes they may hold."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.held = 0

    @contextmanager
    def request(self) -> Iterator[Hold]:
        """Answer a request within the block. Raises `Problem` if there are too many."""
        if self.requests >= self._limits.requests:
            raise Problem("busy", f"{self.requests} requests are being answered; send it again", wait=1.0)
        self.requests += 1
        hold = Hold(self, self._limits.buffer_bytes)
        try:
            yield hold
        finally:
            self.requests -= 1
            self.held -= hold.size


class Hold:
    """The bytes that one request holds, until it is answered."""

    def __init__(self, room: Room, most: int) -> None:
        self._room = room
        self._most = most
        self.size = 0

    def add(self, size: int) -> None:
        """Hold more bytes. Raises `Problem` if there is no room."""
        if self._room.held + size > self._most:
            raise Problem(
                "full",
                f"{self._room.held} bytes are read or wait for Kafka, at most {self._most} may; nothing of this "
                "request was taken, send it again",
                wait=RETRY_SECONDS,
            )
        self._room.held += size
        self.size += size
