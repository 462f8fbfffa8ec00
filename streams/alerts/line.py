"""
What waits for one route: notices that can go now, and those that quiet hours hold back, one an alert.

The most urgent goes first, and of equally urgent ones the oldest; two notices of an alert, which are equally urgent,
never change places. What could not be sent lets all others have their turn before it is tried again, unless one of
them could be sent: so a notice that the other side cannot digest holds back no others, and while nothing can be sent,
what is urgent is ready for the moment when it can.
"""

from __future__ import annotations

from dataclasses import dataclass

from streams.core.alert.notice import Notice
from streams.core.alert.rule import SEVERITIES


@dataclass(slots=True, eq=False)
class Waiting:
    """
    A notice that waits.

    Attributes
    ----------
    position, notice
        What it is.
    due
        Since when this process could send it, us: giving up counts from then.
    since
        Since when it could be sent by anybody, us: when it was written, or its quiet hours ended.
    attempts
        How often that was tried.
    """

    position: int
    notice: Notice
    due: int
    since: int
    attempts: int = 0

    @property
    def urgency(self) -> int:
        """How urgent it is; more is more."""
        return SEVERITIES.index(self.notice.severity)


class Line:
    """
    What waits for one route.

    Attributes
    ----------
    most
        How many notices may wait.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._ready: list[Waiting] = []
        self._held: dict[str, Waiting] = {}
        self._had_their_turn: set[str] = set()
        self._on_its_way: Waiting | None = None

    def __len__(self) -> int:
        return len(self._ready) + len(self._held)

    @property
    def held(self) -> int:
        """How many quiet hours hold back."""
        return len(self._held)

    @property
    def oldest(self) -> int | None:
        """Since when the oldest could be sent of those that could be sent now, us; None if there is none."""
        return min((one.since for one in self._ready), default=None)

    @property
    def is_ready(self) -> bool:
        """Whether something could be sent now."""
        return bool(self._ready)

    @property
    def next_release(self) -> int | None:
        """When the next notice comes out of quiet hours, us; None if none is held."""
        return min((one.due for one in self._held.values()), default=None)

    def add(self, waiting: Waiting, *, held: bool) -> list[Waiting]:
        """Let a notice wait; return those that need not be sent any more: held ones of the same alert."""
        earlier = self._held.pop(waiting.notice.dedup_key, None)
        if held:
            self._held[waiting.notice.dedup_key] = waiting
        else:
            self._ready.append(waiting)
        return [] if earlier is None else [earlier]

    def release(self, now: int) -> None:
        """Let go what quiet hours do not hold back any more, in the order in which it came."""
        free = sorted((one for one in self._held.values() if one.due <= now), key=lambda one: one.position)
        for one in free:
            del self._held[one.notice.dedup_key]
        self._ready += free

    def next(self) -> Waiting:
        """Return what is to be sent next, of a line that is ready; until `remove` or `postpone` it is on its way."""
        fresh = [one for one in self._ready if one.notice.dedup_key not in self._had_their_turn]
        if not fresh:
            self._had_their_turn.clear()
        self._on_its_way = max(fresh or self._ready, key=lambda one: one.urgency)  # the first of the most urgent
        return self._on_its_way

    def remove(self, waiting: Waiting) -> None:
        """Take out what needs not be sent any more."""
        self._ready.remove(waiting)
        self._had_their_turn.clear()
        self._on_its_way = None

    def postpone(self, waiting: Waiting) -> None:
        """Let the others have their turn before this one, and its alert's later notices, are tried again."""
        self._had_their_turn.add(waiting.notice.dedup_key)
        self._on_its_way = None

    def due_before(self, time: int) -> list[Waiting]:
        """Return what could have been sent since before a time, us."""
        return [one for one in self._ready if one.due <= time]

    def overflow(self) -> list[Waiting]:
        """Take out what is too much: of the least urgent notices those that have waited longest."""
        excess = len(self) - self.most
        if excess <= 0:
            return []
        waiting = [one for one in (*self._ready, *self._held.values()) if one is not self._on_its_way]
        leaving = sorted(waiting, key=lambda one: (one.urgency, one.position))[:excess]
        self._ready = [one for one in self._ready if one not in leaving]
        self._held = {key: one for key, one in self._held.items() if one not in leaving}
        return leaving
