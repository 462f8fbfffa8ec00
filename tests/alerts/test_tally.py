"""`Tally`: what is counted of deliveries, and how long they took."""

from __future__ import annotations

import asyncio

from streams.alerts.answer import Answer, Refused, TryAgain
from streams.alerts.deliverer import Deliverer
from streams.alerts.record import World
from streams.alerts.server import Standing
from streams.alerts.tally import BUCKETS, Delays, Tally
from streams.config.alerting import AlertingConfig
from streams.core.alert.notice import Notice
from tests.alerts.making import HOUR, NOON, SECOND, Book, Clock, Down, Recorder, alerting, numbered, stream, world

NIGHT = {"from": "22:00", "until": "07:00"}


class Looker(Recorder):
    """A route that notes how it and the others stand whenever something is sent to it."""

    deliverer: Deliverer

    def __init__(self, name: str, answers: list[Answer]) -> None:
        super().__init__(name, answers)
        self.seen: list[dict[str, Standing]] = []
        self.unrecorded: list[int] = []

    async def send(self, notice: Notice) -> Answer:
        self.seen.append(self.deliverer.standing())
        self.unrecorded.append(self.deliverer.unrecorded)
        return await super().send(notice)


def delivered(notices: list[Notice | str], section: AlertingConfig, routes: list[Recorder], around: World) -> Deliverer:
    """Deliver everything."""

    async def acknowledge(_: int) -> None:
        await asyncio.sleep(0)

    async def run() -> Deliverer:
        deliverer = Deliverer(section, {one.name: one for one in routes}, around)
        for one in routes:
            if isinstance(one, Looker):
                one.deliverer = deliverer
        async with asyncio.timeout(20):
            await deliverer.run(stream(notices), acknowledge)
        return deliverer

    return asyncio.run(run())


def test_outcomes_are_counted_by_route() -> None:
    """Every notice is counted once for each of its routes, with what came of it; what has no route for none."""
    chat, oncall, around = Recorder("chat", [Refused("400")]), Down("oncall"), world(Book(), give_up_after=HOUR)
    section = alerting({"teams": ["pricing"], "routes": ["chat", "oncall"]}, routes=("chat", "oncall"), default=[])
    delivered([numbered(1), numbered(2), numbered(3, team="none"), "no notice"], section, [chat, oncall], around)

    assert around.tally.outcomes == {
        ("chat", "refused"): 1,
        ("chat", "sent"): 1,
        ("oncall", "failed"): 2,
        ("", "unrouted"): 1,
        ("", "unreadable"): 1,
    }


def test_attempts_are_counted_each() -> None:
    """What is tried three times counts three, what is silenced or unrouted none."""
    chat, around = Recorder("chat", [TryAgain("500"), TryAgain("500")]), world(Book())
    delivered([numbered(1), "no notice"], alerting(), [chat], around)

    assert around.tally.attempts == {"chat": 3}


def test_seconds_run_from_being_written_to_being_sent() -> None:
    """What a route asks for counts, and so does how long the notice was on its topic before it was read."""
    around = world(Book(), Clock(NOON + 7 * SECOND))
    delivered([numbered(1)], alerting(), [Recorder("chat", [TryAgain("429", 90.0)])], around)

    assert around.tally.delays["chat"].total == 97.0
    assert dict(around.tally.delays["chat"].cumulative())["60.0"] == 0
    assert dict(around.tally.delays["chat"].cumulative())["300.0"] == 1


def test_quiet_hours_are_no_delay() -> None:
    """What is held back until the morning is timed from then."""
    around = world(Book(), Clock(NOON + 11 * HOUR))
    delivered([numbered(1, severity="warning")], alerting(quiet={"chat": NIGHT}), [Recorder("chat")], around)

    assert around.tally.delays["chat"].total == 0.0


def test_a_clock_that_is_behind_makes_no_negative_delay() -> None:
    """A notice that was written by a clock ahead of this one took no time."""
    tally = Tally()
    tally.sent("chat", NOON + SECOND, NOON)

    assert tally.delays["chat"].total == 0.0
    assert dict(tally.delays["chat"].cumulative())["0.1"] == 1


def test_delays_are_in_their_buckets() -> None:
    """A bound belongs to its bucket, and what is above the last is in the one without bound."""
    delays = Delays()
    for seconds in (*BUCKETS, BUCKETS[-1] + 1):
        delays.add(seconds)

    assert [count for _, count in delays.cumulative()] == list(range(1, len(BUCKETS) + 2))
    assert [bound for bound, _ in delays.cumulative()] == [*map(str, BUCKETS), "+Inf"]
    assert delays.total == sum(BUCKETS) + BUCKETS[-1] + 1


def test_a_route_that_fails_stands_so() -> None:
    """While every attempt fails it says since when, how much waits, and for how long; after a success no more."""
    chat = Looker("chat", [TryAgain("429", 90.0), TryAgain("429", 30.0)])
    deliverer = delivered([numbered(number) for number in range(3)], alerting(), [chat], world(Book(), Clock(NOON)))
    at_the_third = chat.seen[2]["chat"]
    at_the_last = chat.seen[-1]["chat"]

    assert at_the_third == Standing(waiting=3, held=0, oldest=120 * SECOND, failing=120 * SECOND)
    assert (at_the_last.waiting, at_the_last.failing) == (1, 0)
    assert deliverer.standing() == {"chat": Standing(0, 0, 0, 0)}


def test_what_is_held_is_no_backlog() -> None:
    """Notices that wait for the end of quiet hours are told apart from those that could be sent."""
    chat = Looker("chat", [])
    section = alerting(quiet={"chat": NIGHT})
    mild = [numbered(number, severity="warning") for number in (1, 2)]
    delivered([*mild, numbered(3)], section, [chat], world(Book(), Clock(NOON + 11 * HOUR)))

    assert chat.seen[0]["chat"] == Standing(waiting=1, held=2, oldest=11 * HOUR, failing=0)


def test_outcomes_that_wait_for_the_store_are_told() -> None:
    """While the store is away they gather; once it is back there are none."""
    chat, book = Looker("chat", [TryAgain("500", 60.0)]), Book(away=3)
    deliverer = delivered(["no notice", numbered(1)], alerting(), [chat], world(book))

    assert max(chat.unrecorded) == 1
    assert deliverer.unrecorded == 0
