"""
What waits to be sent, within bounds, and the account of every event that was given to an emitter.

At any moment: emitted + inherited = confirmed + queued + dropped as `failed` and `evicted`. Every other drop happened
before an event was taken.
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
    "evicted",  # taken and on disk, and then removed as the oldest, because the spool was full or the disk damaged it
]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)

ROUND_EVENTS = 4_000
ROUND_BYTES = 256 << 10


@dataclass(frozen=True)
class Stats:
    """
    The account of an emitter.

    `emitted` were taken, and `inherited` were found in the spool, left by processes that had ended. Of both,
    `confirmed` are with the brokers, `queued` wait or are on their way, and the dropped as `failed` or `evicted` were
    given up. The other reasons in `dropped` count what was not taken. `refusal` is why the last invalid or too large
    event was so, `problem` what keeps events from being delivered, or from the spool, now.
    """

    emitted: int
    confirmed: int
    queued: int
    dropped: Mapping[DropReason, int]
    refusal: str | None = None
    problem: str | None = None
    inherited: int = 0


@dataclass(frozen=True)
class Round:
    """Events that are sent together; `upto` says how many had been taken with the last of them, 0 if from disk."""

    events: list[Packed]
    upto: int = 0


class Backlog:
    """
    A queue that is never longer than it may be; any thread adds, one takes and settles.

    Parameters
    ----------
    max_events, max_bytes : int
        What may wait in memory, packed, until it is confirmed or on disk. What comes when it is full is dropped.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.problem: str | None = None  # why events are not delivered
        self.disk_problem: str | None = None  # why they do not get onto the disk
        self._max_events = max_events
        self._max_bytes = max_bytes
        # It may be taken twice by a thread: a signal's handler may emit while its thread does.
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._waiting: deque[Packed] = deque()
        self._held = self._held_bytes = 0  # in memory: waiting, or on the way from there
        self._emitted = self._inherited = self._confirmed = self._queued = 0
        self._taken = self._safe = 0  # of those emitted, in their order: removed from `_waiting`; settled or on disk
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
            if self._held >= self._max_events or self._held_bytes + size > self._max_bytes:
                self._dropped["full"] += 1
                return False
            self._waiting.append(packed)
            self._emitted += 1
            self._queued += 1
            self._held += 1
            self._held_bytes += size
            return True

    def refuse(self, reason: DropReason, detail: str) -> None:
        """Count an event that cannot be taken."""
        with self._lock:
            self._dropped[reason] += 1
            self._refusal = detail

    def waits(self) -> bool:
        """Whether something can be taken."""
        return bool(self._waiting)

    def take(self) -> Round:
        """Remove the next events to be sent, as many as make a round; they stay queued until they are settled."""
        taken: list[Packed] = []
        size = 0
        # Without the lock, which emitting waits for: nobody else takes, and a deque is safe by itself.
        while self._waiting and len(taken) < ROUND_EVENTS:
            size += len(self._waiting[0].data)
            if taken and size > ROUND_BYTES:
                break
            taken.append(self._waiting.popleft())
        self._taken += len(taken)
        return Round(taken, self._taken)

    def put_back(self, round_: Round) -> None:
        """Undo the last `take`."""
        self._waiting.extendleft(reversed(round_.events))
        self._taken -= len(round_.events)

    def stored(self, round_: Round) -> None:
        """Free the memory of events that are on disk, where they stay queued."""
        with self._lock:
            self._free(round_)

    def synced(self) -> bool:
        """Know that what was stored survives a loss of power; False, and not known, while events go past the disk."""
        with self._settled:
            if self._held > len(self._waiting):
                return False
            self._safe = self._taken
            self._settled.notify_all()
            return True

    def settle(self, round_: Round, failed: int) -> None:
        """Account for events that were sent, all but `failed` of which were confirmed."""
        with self._settled:
            self._confirmed += len(round_.events) - failed
            self._dropped["failed"] += failed
            self._queued -= len(round_.events)
            self._safe = max(self._safe, round_.upto)
            if round_.upto:
                self._free(round_)
            self._look()

    def _free(self, round_: Round) -> None:
        self._held -= len(round_.events)
        self._held_bytes -= sum(len(event.data) for event in round_.events)

    def _look(self) -> None:
        """Tell who waits; with nothing queued, everything is settled."""
        if not self._queued:
            self._safe = self._emitted
        self._settled.notify_all()

    def inherit(self, events: int) -> None:
        """Account for events that were found on disk."""
        with self._lock:
            self._inherited += events
            self._queued += events

    def evict(self, events: int) -> None:
        """Account for events that are no longer on disk, and were not sent."""
        with self._settled:
            self._dropped["evicted"] += events
            self._queued -= events
            self._look()

    def abandon(self) -> None:
        """Give up what is in memory, and take nothing any more. What is on disk stays queued."""
        with self._settled:
            self._is_closed = True
            self._waiting.clear()
            self._dropped["failed"] += self._held
            self._queued -= self._held
            self._held = self._held_bytes = 0
            self._look()

    def close(self) -> None:
        """Take nothing any more."""
        with self._lock:
            self._is_closed = True

    def wait(self, timeout: float) -> bool:
        """Wait until what was taken before this call, in the order of which events are, is settled or on disk."""
        with self._settled:
            before = self._emitted
            return self._settled.wait_for(lambda: self._safe >= before, timeout)

    def stats(self) -> Stats:
        """Return the account as it is now."""
        with self._lock:
            dropped = MappingProxyType({reason: self._dropped[reason] for reason in DROP_REASONS})
            problem = "; ".join(problem for problem in (self.problem, self.disk_problem) if problem) or None
            return Stats(self._emitted, self._confirmed, self._queued, dropped, self._refusal, problem, self._inherited)
