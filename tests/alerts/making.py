"""Notices, and a world in which time passes only when it is told to, for the tests of delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from streams.alerts.answer import Answer, Sent, TryAgain
from streams.alerts.deliverer import Incoming
from streams.alerts.delivery import Delivery, History, Settled
from streams.alerts.muting import Muting
from streams.alerts.pace import Pace
from streams.alerts.record import World
from streams.config.alerting import AlertingConfig
from streams.core.alert.notice import Notice
from streams.errors import StoreUnavailable

SECOND = 1_000_000
HOUR = 3_600 * SECOND
NOON = 1_700_000_000 * SECOND - 1_700_000_000 * SECOND % (24 * HOUR) + 12 * HOUR
"""Twelve o'clock UTC on 14 November 2023."""

CANARY = "canary-3f8a-s3cret"
"""A secret that must be found nowhere."""

NOTICE = Notice(
    dedup_key="0123456789abcdef0123456789abcdef",
    revision=1,
    status="firing",
    reason="harm",
    tick=NOON,
    model="flights",
    rule="quality",
    kind="metric",
    watch="accuracy",
    slice=(("carrier", "EV"), ("origin", "JFK")),
    severity="page",
    team="pricing",
    state="firing",
    cause="release",
    explanation="version 7 was released then",
    title="accuracy where carrier=EV, origin=JFK fell by 0.041 (0.032 to 0.05)",
    value=0.871,
    reference=0.912,
    effect=-0.041,
    low=-0.05,
    high=-0.032,
    n=4_210.0,
    n_effective=4_100.5,
    label_coverage=0.42,
    since=NOON - 3 * HOUR,
    since_low=NOON - 4 * HOUR,
    since_high=NOON - 2 * HOUR,
    opened=NOON,
    flapping=False,
    worst_slices=((("dest", "ORD"),), (("dest", "ATL"),)),
    worst_effects=(-0.09, -0.06),
    release="version 7",
    members=3,
    worst_members=("brier rose by 0.02",),
    query="SELECT tick, value FROM signals\nWHERE model = 'flights'",
    runbook="https://wiki.example.org/runbooks/accuracy",
    called="quality",
    account="The level changed by -0.041 [-0.05, -0.032], and nothing else is known to have changed at that time.",
)


def notice(**changes: Any) -> Notice:
    """Return a notice that differs so from the usual one."""
    return replace(NOTICE, **changes)


def numbered(number: int, **changes: Any) -> Notice:
    """Return the first notice of alert `number`."""
    return notice(dedup_key=f"{number:032x}", **changes)


class Clock:
    """Time passes when everybody waits for it: to the end of the wait that asks for it."""

    def __init__(self, now: int = NOON) -> None:
        self.time = now

    def now(self) -> int:
        return self.time

    async def wait(self, event: asyncio.Event, duration: int | None) -> None:
        if duration is None:
            await event.wait()
            return
        until = self.time + duration
        for _ in range(20):  # let those go first who need no time
            await asyncio.sleep(0)
            if event.is_set():
                return
        self.time = max(self.time, until)


@dataclass
class Book:
    """A record in memory, which is away for the first `away` calls that write."""

    deliveries: dict[Settled, Delivery] = field(default_factory=dict)
    said: Muting = field(default_factory=Muting)
    away: int = 0
    calls: list[str] = field(default_factory=list)

    async def history(self, now: int) -> History:  # noqa: ARG002 - as the store has it
        self.calls.append("history")
        await asyncio.sleep(0)
        told: set[tuple[str, str]] = set()
        for one in sorted(self.deliveries.values(), key=lambda one: one.sequence):
            if one.outcome == "sent":
                (told.discard if one.status == "resolved" else told.add)((one.dedup_key, one.route))
        return History(frozenset(self.deliveries), frozenset(told))

    async def muting(self, now: int) -> Muting:  # noqa: ARG002 - as the store has it
        self.calls.append("muting")
        await asyncio.sleep(0)
        return self.said

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        self.calls.append("record")
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise StoreUnavailable("the store is away")
        self.deliveries.update({one.settled: one for one in deliveries})
        await asyncio.sleep(0)

    def outcomes(self) -> dict[tuple[int, str], str]:
        """Return the outcome by number of the alert and route."""
        return {(int(key, 16), route): one.outcome for (key, _, route), one in self.deliveries.items()}

    def outcomes_of(self, outcome: str) -> int:
        """Return how many deliveries ended so."""
        return sum(one.outcome == outcome for one in self.deliveries.values())


class Recorder:
    """A route that keeps what arrives; what it answers is given beforehand, and then it takes everything."""

    def __init__(self, name: str, answers: Iterable[Answer] = ()) -> None:
        self.name = name
        self.arrived: list[Notice] = []
        self.answers = list(answers)

    async def send(self, notice: Notice) -> Answer:
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else Sent("200")
        if isinstance(answer, Sent):
            self.arrived.append(notice)
        await asyncio.sleep(0)
        return answer


class Down(Recorder):
    """A route that never answers."""

    async def send(self, notice: Notice) -> Answer:  # noqa: ARG002 - as routes have it
        await asyncio.sleep(0)
        return TryAgain("no answer within 10 s")


def alerting(*rules: dict[str, Any], routes: Sequence[str] = ("chat",), **keys: Any) -> AlertingConfig:
    """Return a section in which everything goes to all routes, unless there are rules."""
    quiet = keys.pop("quiet", {})
    declared = {
        name: {"kind": "webhook", "url": f"http://{name}", "secret_env": "S"}
        | ({"quiet": quiet[name]} if name in quiet else {})
        for name in routes
    }
    default = keys.pop("default", list(routes))
    return AlertingConfig.model_validate({"routes": declared, "rules": list(rules), "default": default, **keys})


def world(book: Book, clock: Clock | None = None, give_up_after: int = 6 * HOUR, chance: float = 0.5) -> World:
    """Return surroundings in which every draw is `chance`."""
    return World(book, clock or Clock(), lambda: chance, Pace(give_up_after))


async def stream(notices: Iterable[Notice | str], start: int = 0) -> AsyncIterator[Incoming]:
    """Yield notices with their positions."""
    for position, one in enumerate(notices, start):
        await asyncio.sleep(0)
        yield Incoming(position, one, NOON)
