"""Limits: a bucket lets through what its rate allows and no more, and a room holds no more than it has."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.gateway.limits import Limits
from streams.gateway.problems import Problem
from streams.gateway.room import Bucket, Room

STEPS = st.lists(st.tuples(st.floats(0, 10), st.integers(1, 50)), max_size=100)


class Clock:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@settings(deadline=None)
@given(STEPS, st.floats(0.5, 100))
def test_no_more_comes_through_than_the_rate_allows(steps: list[tuple[float, int]], rate: float) -> None:
    """In any time, at most what flowed in meanwhile and what was there at its start."""
    clock, burst = Clock(), 50.0
    bucket = Bucket(rate, burst, clock)
    taken = [(0.0, 0)]
    for pause, events in steps:
        clock.seconds += pause
        taken.append((clock.seconds, 0 if bucket.take(events) else events))
    for first in range(len(taken)):
        total = 0
        for when, events in taken[first:]:
            total += events
            assert total <= burst + rate * (when - taken[first][0]) + 1e-6


@settings(deadline=None)
@given(STEPS, st.floats(0.5, 100))
def test_who_waits_as_long_as_told_comes_through(steps: list[tuple[float, int]], rate: float) -> None:
    """After the seconds that were named the same events are taken, and not a moment before."""
    clock = Clock()
    bucket = Bucket(rate, 50.0, clock)
    for pause, events in steps:
        clock.seconds += pause
        wait = bucket.take(events)
        if wait > 1e-6:
            clock.seconds += wait * 0.999
            assert bucket.take(events) > 0
            clock.seconds += wait * 0.001 + 1e-9
            assert bucket.take(events) == 0


def test_a_request_always_fits_a_rested_bucket() -> None:
    """A token that may write few events a second may still write one full request at a time."""
    limits = Limits(events=1_000, events_per_second=1.0)
    bucket = Bucket(limits.events_per_second, limits.burst, Clock())

    assert bucket.take(1_000) == 0
    assert bucket.take(1) == pytest.approx(1.0)


def test_a_room_takes_so_many_requests_and_bytes() -> None:
    """One request or one byte more is refused; what a request held is free when it has been answered."""
    room = Room(Limits(requests=2, body_bytes=10, buffer_bytes=10))
    with room.request() as first, room.request() as second:
        first.add(6)
        second.add(4)
        with pytest.raises(Problem) as full:
            second.add(1)
        with pytest.raises(Problem) as busy, room.request():
            pass

        assert (room.requests, room.held) == (2, 10)
    with room.request() as third:
        third.add(10)

    assert (full.value.kind, busy.value.kind) == ("full", "busy")
    assert (room.requests, room.held) == (0, 0)


def test_limits_that_do_not_fit_together_are_refused() -> None:
    """A body that is allowed fits into what may wait."""
    with pytest.raises(UsageError, match="a body of 11 bytes does not fit into the 10 bytes that may wait"):
        Limits(body_bytes=11, buffer_bytes=10)
