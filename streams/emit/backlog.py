"""
What waits to be sent, within bounds, and the account of every event that was given to an emitter.

At any moment: emitted = confirmed + queued + dropped as `failed`. Every other drop happened before an event was taken.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from streams.emit.packing import Packed

DropReason = Literal[
    "full",  # as many events or bytes waited as may
    "invalid",  # no message can hold it: a field of a wrong type, a time without a timezone, no id
    "too_large",  # it is over about 1 MiB, or a map of it has more than 1,000 keys
    "closed",  # the emitter had been closed
    "failed",  # taken, and then refused by the brokers or still unconfirmed when closing had no more time
]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)

ROUND_EVENTS = 4_000
ROUND_BYTES = 256 << 10


@dataclass(frozen=True)
class Stats:
    """
    The account of an emitter.

    `emitted` were taken; of these `confirmed` are with the brokers, `queued` wait or are on their way, and
    `dropped["failed"]` were given up. The other reasons in `dropped` count what was not taken. `refusal` is why the
    last invalid or too large event was so, `problem` what keeps events from being delivered now.
    """

    emitted: int
    confirmed: int
    queued: int
    dropped: Mapping[DropReason, int]
    refusal: str | None = None
    problem: str | None = None


class Backlog:
    """
    A queue that is never longer than it may be; any thread adds, one takes and settles.

    Parameters
    ----------
    max_events, max_bytes : int
        What may wait, packed, until it is confirmed. What comes when it is full is dropped.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.problem: str | None = None
        self._max_events = max_events
        self._max_bytes = max_bytes
        # It may be taken twice by a thread: a signal's handler may emit while its thread does.
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._waiting: deque[Packed] = deque()
        self._emitted = self._confirmed = self._queued = self._queued_bytes = 0
        self._dropped: Counter[DropReason] = Counter()
        self._refusal: str | None = None
        self._is_closed = False

    def add(self, packed: Packed) -> bool:
        """Take an event if there is room."""
        size = len(packed.data)
        with self._lock:
            if self._is_closed:
                self._dropped["closed"] += 1
                return False
            if self._queued >= self._max_events or self._queued_bytes + size > self._max_bytes:
                self._dropped["full"] += 1
                return False
            self._waiting.append(packed)
            self._emitted += 1
            self._queued += 1
            self._queued_bytes += size
            return True

    def refuse(self, reason: DropReason, detail: str) -> None:
        """Count an event that cannot be taken."""
        with self._lock:
            self._dropped[reason] += 1
            self._refusal = detail

    def waits(self) -> bool:
        """Whether something can be taken."""
        return bool(self._waiting)

    def take(self) -> list[Packed]:
        """Remove the next events to be sent, as many as make a round; they stay queued until they are settled."""
        taken: list[Packed] = []
        size = 0
        # Without the lock, which emitting waits for: nobody else takes, and a deque is safe by itself.
        while self._waiting and len(taken) < ROUND_EVENTS:
            size += len(self._waiting[0].data)
            if taken and size > ROUND_BYTES:
                break
            taken.append(self._waiting.popleft())
        return taken

    def settle(self, events: list[Packed], failed: int) -> None:
        """Account for events that were sent, all but `failed` of which were confirmed."""
        with self._settled:
            self._confirmed += len(events) - failed
            self._dropped["failed"] += failed
            self._queued -= len(events)
            self._queued_bytes -= sum(len(event.data) for event in events)
            self._settled.notify_all()

    def abandon(self) -> None:
        """Give up what is queued, and take nothing any more."""
        with self._settled:
            self._is_closed = True
            self._waiting.clear()
            self._dropped["failed"] += self._queued
            self._queued = self._queued_bytes = 0
            self._settled.notify_all()

    def close(self) -> None:
        """Take nothing any more."""
        with self._lock:
            self._is_closed = True

    def wait(self, timeout: float) -> bool:
        """Wait until what was taken before this call is settled, in the order of which events are."""
        with self._settled:
            before = self._emitted
            return self._settled.wait_for(lambda: self._confirmed + self._dropped["failed"] >= before, timeout)

    def stats(self) -> Stats:
        """Return the account as it is now."""
        with self._lock:
            dropped = MappingProxyType({reason: self._dropped[reason] for reason in DROP_REASONS})
            return Stats(self._emitted, self._confirmed, self._queued, dropped, self._refusal, self.problem)
