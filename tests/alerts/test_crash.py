"""A kill at any instant between the topic and the record loses no notice, and changes no key."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import cache

from streams.alerts.answer import Refused, TryAgain
from streams.alerts.deliverer import Deliverer
from streams.core.alert.notice import Notice
from tests.alerts.killing import Life
from tests.alerts.making import Book, Clock, Recorder, alerting, numbered, stream, world

NOTICES: list[Notice | str] = [
    numbered(1),
    numbered(2, severity="warning"),
    numbered(1, revision=2, status="updated"),
    "this is no notice",
    numbered(1, revision=3, status="resolved"),
]
SECTION = alerting({"severities": "warning", "routes": ["mail"], "continue": True}, {"routes": ["chat", "oncall"]},
                   routes=("chat", "oncall", "mail"))  # fmt: skip
EXPECTED = {(notice.dedup_key, notice.revision, route) for notice in NOTICES if not isinstance(notice, str)
            for route in ("chat", "oncall")}  # fmt: skip
MAILED = (numbered(2).dedup_key, 1, "mail")
UNREADABLE = ("", 0, "")
ENDLESS = 10**9


@dataclass
class Outside:
    """What outlives the process: the other sides, the store, and the group's offset."""

    book: Book = field(default_factory=lambda: Book(away=1))
    chat: Recorder = field(default_factory=lambda: Recorder("chat"))
    oncall: Recorder = field(default_factory=lambda: Recorder("oncall", [TryAgain("reset"), TryAgain("429", 3.0)]))
    mail: Recorder = field(default_factory=lambda: Recorder("mail", [Refused("550 no such address")] * 9))
    committed: int = -1
    lived: int = 0

    async def acknowledge(self, position: int) -> None:
        await asyncio.sleep(0)
        self.committed = position
        await asyncio.sleep(0)

    def live(self, steps: int) -> bool:
        """Deliver from the offset on, for so many steps; return whether everything was done."""
        routes = {route.name: route for route in (self.chat, self.oncall, self.mail)}
        start = self.committed + 1
        deliverer = Deliverer(SECTION, routes, world(self.book, Clock()))
        life = Life(steps)
        is_done = life.run(deliverer.run(stream(NOTICES[start:], start), self.acknowledge))
        self.lived = steps - life.left
        return is_done

    def recorded(self) -> set[tuple[str, int, str]]:
        return set(self.book.deliveries)


@cache
def steps_of_a_life() -> int:
    """Count the steps of a life that comes to its end."""
    outside = Outside()
    assert outside.live(ENDLESS)
    return outside.lived


def settled_up_to(position: int) -> set[tuple[str, int, str]]:
    """Return what must be on record when a position is acknowledged."""
    read = [one for one in NOTICES[: position + 1] if not isinstance(one, str)]
    due = {(one.dedup_key, one.revision, route) for one in read for route in ("chat", "oncall")}
    return due | ({MAILED} if position >= 1 else set()) | ({UNREADABLE} if position >= 3 else set())


def check_all_is_well(outside: Outside) -> None:
    """Everything arrived at least once, unchanged and in order, everything is on record, and all is acknowledged."""
    notices = [one for one in NOTICES if not isinstance(one, str)]
    for route in (outside.chat, outside.oncall):
        assert {(one.dedup_key, one.revision) for one in route.arrived} == {
            (one.dedup_key, one.revision) for one in notices
        }
        assert all(one in notices for one in route.arrived)
        firsts = list(dict.fromkeys(one.revision for one in route.arrived if one.dedup_key == numbered(1).dedup_key))
        assert firsts == [1, 2, 3]
    assert outside.recorded() == EXPECTED | {MAILED, UNREADABLE}
    assert {outside.book.deliveries[one].outcome for one in EXPECTED} == {"sent"}
    assert outside.book.deliveries[MAILED].outcome == "refused"
    assert outside.committed == len(NOTICES) - 1


def test_a_life_has_many_instants() -> None:
    """There are enough steps between which the process can die, for the tests below to mean something."""
    assert 60 < steps_of_a_life() < 1_000
    outside = Outside()
    assert outside.live(steps_of_a_life())
    check_all_is_well(outside)


def test_a_kill_at_any_instant_loses_nothing() -> None:
    """Killed before any one of its steps, the process goes on where it was: nothing acknowledged was not on record."""
    for steps in range(steps_of_a_life()):
        outside = Outside()
        assert not outside.live(steps)
        assert outside.recorded() >= settled_up_to(outside.committed)
        assert outside.live(ENDLESS)
        check_all_is_well(outside)


def test_many_kills_in_a_row_lose_nothing() -> None:
    """A process that is killed again and again comes to its end some day, with the same result."""
    draw = random.Random(6)
    for _ in range(100):
        outside = Outside()
        while not outside.live(draw.randrange(2 * steps_of_a_life())):
            assert outside.recorded() >= settled_up_to(outside.committed)
        check_all_is_well(outside)
