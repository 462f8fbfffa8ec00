"""`Deliverer`: each notice reaches each of its routes, whatever happens to the others, and everything is on record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import pytest
from aiohttp import web

from streams.alerts.answer import Refused, TryAgain
from streams.alerts.deliverer import Deliverer
from streams.alerts.muting import Acknowledgement, Muting, Silence
from streams.alerts.pagerduty import PagerDuty
from streams.alerts.record import World
from streams.config.alerting import AlertingConfig
from streams.core.alert.notice import Notice
from tests.alerts.making import (
    CANARY,
    HOUR,
    NOON,
    SECOND,
    Book,
    Clock,
    Down,
    Recorder,
    alerting,
    numbered,
    stream,
    world,
)
from tests.alerts.servers import HttpServer, speaking

NIGHT = {"from": "22:00", "until": "07:00"}


def deliver(
    notices: Iterable[Notice | str], section: AlertingConfig, routes: Iterable[Recorder], around: World
) -> list[int]:
    """Deliver everything; return the positions that were acknowledged."""
    acknowledged: list[int] = []

    async def acknowledge(position: int) -> None:
        acknowledged.append(position)

    async def run() -> None:
        async with asyncio.timeout(20):
            await Deliverer(section, {one.name: one for one in routes}, around).run(stream(notices), acknowledge)

    asyncio.run(run())
    return acknowledged


def test_everything_arrives_and_is_on_record() -> None:
    """Every route has every notice, in order; all is on record; the last position is acknowledged."""
    routes, book = [Recorder("chat"), Recorder("oncall")], Book()
    sent = [numbered(number) for number in range(5)]
    acknowledged = deliver(sent, alerting(routes=("chat", "oncall")), routes, world(book))

    assert [route.arrived for route in routes] == [sent, sent]
    assert set(book.outcomes().values()) == {"sent"}
    assert len(book.outcomes()) == 10
    assert acknowledged[-1] == 4


def test_a_route_that_is_down_delays_no_other() -> None:
    """While one route never answers, the other has everything before the first is given up; no position is lost."""
    chat, oncall, book, clock = Down("chat"), Recorder("oncall"), Book(), Clock()
    sent = [numbered(number) for number in range(5)]
    acknowledged = deliver(sent, alerting(routes=("chat", "oncall")), [chat, oncall], world(book, clock, HOUR))
    at = {(one.route, one.outcome): one.at for one in book.deliveries.values()}

    assert oncall.arrived == sent
    assert at["oncall", "sent"] < NOON + 60 * SECOND
    assert NOON + HOUR <= at["chat", "failed"] < NOON + HOUR + 120 * SECOND
    assert acknowledged == [4]


def test_a_notice_is_tried_again_until_it_is_taken() -> None:
    """Answers that mean "not now" are followed by pauses, at least as long as asked for; attempts are counted."""
    chat = Recorder("chat", [TryAgain("500"), TryAgain("429", 90.0), TryAgain("no answer")])
    book, clock = Book(), Clock()
    deliver([numbered(1)], alerting(), [chat], world(book, clock))
    (delivery,) = book.deliveries.values()

    assert (delivery.outcome, delivery.attempts) == ("sent", 4)
    # Half of 1 s, then what was asked for, then half of 4 s.
    assert delivery.at == NOON + 500_000 + 90 * SECOND + 2 * SECOND


def test_a_notice_that_cannot_be_digested_holds_back_no_others() -> None:
    """One notice always fails; the others behind it are sent at once."""

    class Picky(Recorder):
        async def send(self, notice: Notice) -> object:  # type: ignore[override]
            return TryAgain("500 cannot") if int(notice.dedup_key, 16) == 0 else await super().send(notice)

    chat, book = Picky("chat"), Book()
    deliver([numbered(number) for number in range(4)], alerting(), [chat], world(book, give_up_after=HOUR))
    late = {number: one.at for (number, _), one in zip(book.outcomes(), book.deliveries.values(), strict=True)}

    assert book.outcomes() == {(0, "chat"): "failed", **{(number, "chat"): "sent" for number in (1, 2, 3)}}
    assert max(late[number] for number in (1, 2, 3)) < NOON + 10 * SECOND


def test_what_is_refused_is_on_record_with_the_reason() -> None:
    """A refusal is final, and says why."""
    book = Book()
    deliver([numbered(1)], alerting(), [Recorder("chat", [Refused("400 no_text")])], world(book))
    (delivery,) = book.deliveries.values()

    assert (delivery.outcome, delivery.detail, delivery.attempts) == ("refused", "400 no_text", 1)


def test_what_was_given_up_is_on_record_with_the_last_answer() -> None:
    """After the declared time a notice has failed, and its record says what the other side said last."""
    book = Book()
    deliver([numbered(1)], alerting(), [Down("chat")], world(book, give_up_after=HOUR))
    (delivery,) = book.deliveries.values()

    assert (delivery.outcome, delivery.detail) == ("failed", "given up after 1h: no answer within 10 s")
    assert delivery.attempts > 60  # pauses are half a minute on average, and shorter at first


def test_silenced_alerts_are_not_sent_but_recorded() -> None:
    """A silence keeps back what it covers, for its time; the reason is on record."""
    silence = Silence("s1", "flights", "*", f"{1:032x}", NOON - HOUR, NOON + HOUR, "ann", "known outage")
    chat, book = Recorder("chat"), Book(said=Muting((silence,)))
    deliver([numbered(1), numbered(2)], alerting(), [chat], world(book))

    assert chat.arrived == [numbered(2)]
    assert book.outcomes() == {(1, "chat"): "silenced", (2, "chat"): "sent"}
    assert book.deliveries[f"{1:032x}", 1, "chat"].detail == "by ann: known outage"


def test_who_was_told_is_told_that_it_is_over() -> None:
    """A silence that comes while an alert is open keeps back news of it, but not its end."""
    chat, book, clock = Recorder("chat"), Book(), Clock()
    around = world(book, clock)
    deliver([numbered(1)], alerting(), [chat], around)
    book.said = Muting((Silence("s1", "*", "*", "*", NOON, NOON + HOUR, "ann", "busy"),))
    later = [numbered(1, revision=2, status="updated"), numbered(1, revision=3, status="resolved")]
    deliver([*later, numbered(2, status="resolved")], alerting(), [chat], around)

    assert [one.revision for one in chat.arrived] == [1, 3]
    assert book.outcomes()[2, "chat"] == "silenced"


def test_an_acknowledged_alert_is_not_told_again() -> None:
    """Somebody looks after it: no more news, until it is over. Who was never told still is."""
    said = Muting(acknowledgements=(Acknowledgement(f"{1:032x}", "ann", "on it", NOON),))
    chat, book = Recorder("chat"), Book()
    around = world(book)
    deliver([numbered(1)], alerting(), [chat], around)
    book.said = said
    deliver([numbered(1, revision=2, status="updated")], alerting(), [chat], around)
    deliver([numbered(1, revision=3, status="resolved")], alerting(), [chat], around)

    assert [one.revision for one in chat.arrived] == [1, 3]
    assert book.deliveries[f"{1:032x}", 2, "chat"].outcome == "acknowledged"


def test_quiet_hours_hold_back_what_is_no_page() -> None:
    """At night pages go out, and everything else in the morning: of each alert the newest."""
    clock = Clock(NOON + 11 * HOUR)
    chat, book = Recorder("chat"), Book()
    mild = [numbered(1, severity="warning", revision=revision) for revision in (1, 2)]
    deliver([*mild, numbered(2)], alerting(quiet={"chat": NIGHT}), [chat], world(book, clock))
    at = {key[:2]: one.at for key, one in book.deliveries.items()}

    assert chat.arrived == [numbered(2), mild[1]]
    assert at[f"{2:032x}", 1] == NOON + 11 * HOUR
    assert at[f"{1:032x}", 2] == NOON + 19 * HOUR
    assert book.deliveries[f"{1:032x}", 1, "chat"].outcome == "superseded"


def test_what_was_sent_before_quiet_hours_stays_sent() -> None:
    """A notice that is read again at night is not held, so that nothing that comes can take its place."""
    clock, book, section = Clock(NOON), Book(), alerting(quiet={"chat": NIGHT})
    mild = [numbered(1, severity="warning", revision=revision) for revision in (1, 2)]
    deliver(mild[:1], section, [Recorder("chat")], world(book, clock))
    clock.time = NOON + 11 * HOUR
    deliver(mild, section, [Recorder("chat")], world(book, clock))

    assert [one.outcome for one in book.deliveries.values()] == ["sent", "sent"]


def test_quiet_hours_may_hold_pages_too() -> None:
    """Only where it is declared."""
    clock = Clock(NOON + 11 * HOUR)
    chat, book = Recorder("chat"), Book()
    deliver([numbered(2)], alerting(quiet={"chat": {**NIGHT, "pages": "wait"}}), [chat], world(book, clock))

    assert next(iter(book.deliveries.values())).at == NOON + 19 * HOUR


def test_what_no_rule_is_for_is_on_record() -> None:
    """Without a route a notice goes nowhere, but not silently."""
    book = Book()
    acknowledged = deliver([numbered(1)], alerting(default=[]), [Recorder("chat")], world(book))

    assert (book.outcomes(), acknowledged) == ({(1, ""): "unrouted"}, [0])


def test_a_record_that_is_no_notice_is_on_record(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read delays nothing, and is not lost silently."""
    book = Book()
    acknowledged = deliver(["this is no notice", numbered(1)], alerting(), [Recorder("chat")], world(book))

    assert book.deliveries["", 0, ""].detail == "this is no notice"
    assert (book.outcomes_of("sent"), acknowledged[-1]) == (1, 1)
    assert "position 0: this is no notice" in caplog.text


def test_a_store_that_is_away_delays_no_alert() -> None:
    """What was sent is recorded when the store is back, and acknowledged only then."""
    chat, book, clock = Recorder("chat"), Book(away=5), Clock()
    acknowledged = deliver([numbered(1)], alerting(), [chat], world(book, clock))

    assert chat.arrived == [numbered(1)]
    assert (book.outcomes(), acknowledged) == ({(1, "chat"): "sent"}, [0])
    assert book.calls.count("record") == 6
    assert next(iter(book.deliveries.values())).at < clock.now()


def test_what_is_on_record_is_not_sent_again() -> None:
    """A notice that is read twice, in one life or in two, is sent once; each position is acknowledged."""
    chat, book = Recorder("chat"), Book()
    twice = [numbered(1), numbered(1)]

    assert deliver(twice, alerting(), [chat], world(book))[-1] == 1
    assert deliver(twice, alerting(), [chat], world(book))[-1] == 1
    assert chat.arrived == [numbered(1)]


def test_more_than_may_wait_is_given_up_on_record() -> None:
    """A route that does not answer keeps a bounded number of notices; the rest have failed, which is on record."""
    book = Book()
    sent = [numbered(number) for number in range(6)]
    deliver(sent, alerting(most_waiting=3), [Down("chat")], world(book, give_up_after=HOUR))
    details = [one.detail for one in book.deliveries.values()]

    assert set(book.outcomes().values()) == {"failed"}
    assert len(book.deliveries) == 6
    assert details.count("more than 3 notices waited") == 3


def test_what_has_no_outcome_in_time_is_not_acknowledged() -> None:
    """When the process is told to stop, what waits is left for the next one."""
    acknowledged: list[int] = []

    async def acknowledge(position: int) -> None:
        acknowledged.append(position)

    section = alerting({"severities": "page", "routes": "chat"}, routes=("chat", "oncall"), default=["oncall"])
    routes = {"chat": Down("chat"), "oncall": Recorder("oncall")}
    sent = [numbered(1, severity="info"), numbered(2), numbered(3, severity="info")]
    deliverer = Deliverer(section, routes, world(Book(), give_up_after=10**9 * HOUR))
    asyncio.run(deliverer.run(stream(sent), acknowledge, patience=0.2))

    assert acknowledged == [0]
    assert len(routes["oncall"].arrived) == 2


@pytest.mark.parametrize("status", [400, 500])
def test_secrets_are_in_no_record_and_no_log(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats what it was sent, secret and all, finds itself on record without it."""
    book = Book()

    async def acknowledge(position: int) -> None:
        pass

    async def run() -> None:
        server = HttpServer([web.Response(status=status, text=f"{CANARY} is wrong")] * 2)
        async with speaking(server, (CANARY,)) as http:
            route = PagerDuty("chat", f"{server.url}/{CANARY}", http, CANARY)
            around = world(book, give_up_after=0)
            await Deliverer(alerting(), {"chat": route}, around).run(stream([numbered(1)]), acknowledge)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())
    (delivery,) = book.deliveries.values()

    assert delivery.outcome == {400: "refused", 500: "failed"}[status]
    assert f"{status} [secret] is wrong" in delivery.detail
    assert CANARY not in repr(delivery) + caplog.text
