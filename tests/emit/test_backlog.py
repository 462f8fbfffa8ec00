"""The backlog: its bounds hold, and its account adds up, whatever is done to it in whatever order."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.emit.backlog import ROUND_BYTES, ROUND_EVENTS, Backlog, Stats
from streams.emit.packing import Packed

MAX_EVENTS, MAX_BYTES = 5, 100


def event(size: int, fill: int = 0) -> Packed:
    return Packed("outcome", bytes([fill]) * size)


def adds_up(stats: Stats) -> bool:
    return stats.emitted == stats.confirmed + stats.queued + stats.dropped["failed"]


class Account(RuleBasedStateMachine):
    """Adds, takes, settles and closes in any order, and keeps lists of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog(MAX_EVENTS, MAX_BYTES)
        self.waiting: list[Packed] = []
        self.sent: list[Packed] = []
        self.settled = self.failed = self.not_taken = 0
        self.is_closed = False

    @rule(size=st.integers(0, 60))
    def add(self, size: int) -> None:
        new = event(size, len(self.waiting))
        held = [*self.waiting, *self.sent]
        fits = len(held) < MAX_EVENTS and sum(len(one.data) for one in held) + size <= MAX_BYTES

        assert self.backlog.add(new) == (fits and not self.is_closed)
        if fits and not self.is_closed:
            self.waiting.append(new)
        else:
            self.not_taken += 1

    @rule()
    def refuse(self) -> None:
        self.backlog.refuse("invalid", "why")
        self.not_taken += 1

    @rule()
    def take(self) -> None:
        if not self.sent:
            self.sent, self.waiting = self.waiting, []

            assert self.backlog.take() == self.sent

    @rule(share=st.floats(0, 1))
    def settle(self, share: float) -> None:
        failed = int(share * len(self.sent))
        self.backlog.settle(self.sent, failed)
        self.settled += len(self.sent)
        self.failed += failed
        self.sent = []

    @rule()
    def close(self) -> None:
        self.backlog.close()
        self.is_closed = True

    @rule()
    def abandon(self) -> None:
        self.backlog.abandon()
        given_up = len(self.waiting) + len(self.sent)
        self.settled += given_up
        self.failed += given_up
        self.waiting, self.sent, self.is_closed = [], [], True

    @invariant()
    def is_right(self) -> None:
        stats = self.backlog.stats()
        queued = len(self.waiting) + len(self.sent)

        assert adds_up(stats)
        assert (stats.queued, stats.emitted) == (queued, queued + self.settled)
        assert (stats.dropped["failed"], stats.confirmed) == (self.failed, self.settled - self.failed)
        assert sum(stats.dropped.values()) == self.failed + self.not_taken
        assert self.backlog.wait(0) == (queued == 0)


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_round_is_bounded_but_for_one_event() -> None:
    """No round has more events or bytes than a batch takes; a larger event goes alone."""
    backlog = Backlog(10 * ROUND_EVENTS, 10 * ROUND_BYTES)
    for size in [ROUND_BYTES + 1, *([1] * (ROUND_EVENTS + 1)), ROUND_BYTES - 2, 1, 1, 1]:
        assert backlog.add(event(size))
    rounds = [backlog.take() for _ in range(4)]

    assert [len(taken) for taken in rounds] == [1, ROUND_EVENTS, 3, 2]
    assert not backlog.waits()


def test_waiting_is_for_what_came_before() -> None:
    """What is added while somebody waits does not make the wait longer."""
    backlog = Backlog(10, 1_000)
    backlog.add(event(1))
    before = backlog.take()
    done: list[bool] = []
    waiter = threading.Thread(target=lambda: done.append(backlog.wait(60)))
    waiter.start()
    while not backlog._settled._waiters:  # type: ignore[attr-defined]
        pass
    backlog.add(event(1))
    backlog.settle(before, 0)
    waiter.join(60)

    assert done == [True]
    assert not backlog.wait(0)


def test_threads_that_add_at_once_are_all_counted() -> None:
    """Ten threads and one that settles: every event is accounted for, and no bound is broken at any look."""
    backlog = Backlog(50, 10_000)
    looks: list[Stats] = []

    def add() -> None:
        for _ in range(2_000):
            backlog.add(event(3))

    threads = [threading.Thread(target=add) for _ in range(10)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or backlog.waits():
        backlog.settle(taken := backlog.take(), len(taken) // 3)
        looks.append(backlog.stats())
    last = backlog.stats()

    assert all(adds_up(stats) and 0 <= stats.queued <= 50 for stats in looks)
    assert last.emitted + last.dropped["full"] == 20_000
    assert last.queued == 0
