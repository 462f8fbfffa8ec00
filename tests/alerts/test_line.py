"""`Line`, `Ledger`, `Pace`: what waits for a route, which positions are done, and how long a pause is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alerts.ledger import Ledger
from streams.alerts.line import Line, Waiting
from streams.alerts.pace import Pace, WallClock
from streams.core.alert.rule import SEVERITIES
from tests.alerts.making import HOUR, SECOND, numbered

PACE = Pace(HOUR)


def waiting(position: int, alert: int, **changes: object) -> Waiting:
    return Waiting(position, numbered(alert, revision=position + 1, **changes), due=position, since=position)


def positions(line: Line) -> list[int]:
    """Send everything."""
    found = []
    while line.is_ready:
        sent = line.next()
        found.append(sent.position)
        line.remove(sent)
    return found


def filled(*alerts: tuple[int, str]) -> Line:
    """Return a line in which notices of these alerts and severities wait."""
    line = Line(99)
    for position, (alert, severity) in enumerate(alerts):
        line.add(waiting(position, alert, severity=severity), held=False)
    return line


def test_the_most_urgent_goes_first_and_then_the_oldest() -> None:
    """Pages overtake warnings, warnings what is only to be known."""
    line = filled((1, "info"), (2, "page"), (3, "warning"), (4, "page"), (5, "info"))

    assert positions(line) == [1, 3, 2, 0, 4]
    assert len(line) == 0


def test_what_failed_lets_all_others_have_their_turn() -> None:
    """While nothing can be sent, every alert is tried before one is tried again, the most urgent first."""
    line = filled((1, "warning"), (2, "page"), (2, "page"), (3, "warning"))
    tried = []
    for _ in range(6):
        tried.append(line.next().position)
        line.postpone(line.next())

    assert tried == [1, 0, 3, 1, 0, 3]


def test_when_one_could_be_sent_the_most_urgent_is_next() -> None:
    """A route that works again is told of the page, although it was tried before."""
    line = filled((1, "page"), (2, "info"), (3, "info"), (4, "info"))
    line.postpone(line.next())
    sent = line.next()
    line.remove(sent)

    assert (sent.position, line.next().position) == (1, 0)


def test_two_that_cannot_be_sent_hold_back_no_others() -> None:
    """However urgent they are, everything else is sent, one after each of their attempts."""
    line = filled((1, "page"), (2, "page"), (3, "info"), (4, "info"), (5, "info"))
    sent = []
    for _ in range(9):
        one = line.next()
        if one.notice.severity == "page":
            line.postpone(one)
        else:
            sent.append(one.position)
            line.remove(one)

    assert sent == [2, 3, 4]


@given(st.lists(st.tuples(st.sampled_from("afr"), st.integers(0, 3)), max_size=30))
def test_notices_of_one_alert_never_change_places(steps: list[tuple[str, int]]) -> None:
    """Whatever is added, fails or is sent, an alert's notices are sent in their order."""
    line, gone = Line(99), []
    for position, (step, alert) in enumerate(steps):
        if step == "a":
            line.add(waiting(position, alert, severity=SEVERITIES[alert % 3]), held=False)
        elif line.is_ready and step == "f":
            line.postpone(line.next())
        elif line.is_ready:
            sent = line.next()
            gone.append((alert_of(sent), sent.position))
            line.remove(sent)
    while line.is_ready:
        sent = line.next()
        gone.append((alert_of(sent), sent.position))
        line.remove(sent)

    for alert in range(4):
        sent_of_it = [position for of, position in gone if of == alert]
        assert sent_of_it == sorted(sent_of_it)


def alert_of(one: Waiting) -> int:
    return int(one.notice.dedup_key, 16)


def test_quiet_hours_hold_the_newest_notice_of_an_alert() -> None:
    """Of an alert one notice is held; what it replaces is said; all come out in order when the time has come."""
    line = Line(9)

    assert line.add(waiting(0, 1), held=True) == []
    assert line.add(waiting(1, 2), held=True) == []
    assert [one.position for one in line.add(waiting(2, 1), held=True)] == [0]
    assert not line.is_ready
    assert line.next_release == 1
    line.release(1)
    assert [one.position for one in line.add(waiting(3, 1), held=False)] == [2]
    assert positions(line) == [1, 3]


def test_too_many_notices_are_given_up_the_least_urgent_first() -> None:
    """Beyond what may wait, the least urgent leave, the oldest of them first; never the one that is being sent."""
    line = Line(2)
    line.add(waiting(0, 0, severity="info"), held=False)
    on_its_way = line.next()
    line.add(waiting(1, 1, severity="page"), held=False)
    line.add(waiting(2, 2, severity="warning"), held=False)
    line.add(waiting(3, 3, severity="warning"), held=True)

    assert [one.position for one in line.overflow()] == [2, 3]
    assert line.overflow() == []
    assert on_its_way.position == 0
    assert positions(line) == [1, 0]


def test_a_position_is_done_when_all_before_it_are() -> None:
    """A position with open outcomes holds back all behind it; one without outcomes is done at once."""
    ledger = Ledger()
    for position, outcomes in [(4, 2), (5, 1), (6, 0)]:
        ledger.open(position, outcomes)
    ledger.settle(5)

    assert ledger.take() is None
    ledger.settle(4)
    assert (ledger.take(), ledger.is_done) == (None, False)
    ledger.settle(4)
    assert (ledger.take(), ledger.is_done) == (6, True)
    assert ledger.take() is None


@pytest.mark.parametrize(("failures", "bound"), [(1, 1), (2, 2), (3, 4), (7, 60), (500, 60)])
def test_pauses_double_up_to_a_minute(failures: int, bound: int) -> None:
    """With chance near one the pause is nearly its bound, with zero there is none."""
    assert PACE.pause(failures, lambda: 0.0, None) == 0
    assert bound * SECOND * 0.999 <= PACE.pause(failures, lambda: 0.9999, None) < bound * SECOND


def test_a_pause_is_as_long_as_the_other_side_asks() -> None:
    """Retry-After is a lower bound."""
    assert PACE.pause(1, lambda: 0.5, 30.0) == 30 * SECOND
    assert PACE.pause(6, lambda: 0.9, 0.5) == int(0.9 * 32 * SECOND)


def test_the_clock_of_the_machine_waits_for_events_and_times() -> None:
    """A wait ends with its event, or when its time is over."""

    async def wait() -> bool:
        event, never, clock = asyncio.Event(), asyncio.Event(), WallClock()
        asyncio.get_running_loop().call_soon(event.set)
        await clock.wait(event, None)
        await clock.wait(event, HOUR)
        await clock.wait(never, 1)
        return clock.now() > 0

    assert asyncio.run(wait())
