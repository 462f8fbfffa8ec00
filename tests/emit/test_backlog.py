"""The backlog: its bounds hold, and its account adds up, whatever is done to it in whatever order."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.emit.backlog import ROUND_BYTES, ROUND_EVENTS, Backlog, Round, Stats
from streams.emit.packing import Packed

MAX_EVENTS, MAX_BYTES = 5, 100


def event(size: int, fill: int = 0) -> Packed:
    return Packed("outcome", bytes([fill]) * size)


def adds_up(stats: Stats) -> bool:
    given_up = stats.dropped["failed"] + stats.dropped["evicted"]
    return stats.emitted + stats.inherited == stats.confirmed + stats.queued + given_up


class Account(RuleBasedStateMachine):
    """Adds, takes, stores, settles and closes in any order, and keeps lists of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog(MAX_EVENTS, MAX_BYTES)
        self.waiting: list[Packed] = []
        self.sent = Round([])
        self.on_disk: list[Packed] = []
        self.settled = self.failed = self.evicted = self.not_taken = self.inherited = 0
        self.is_closed = False

    @rule(size=st.integers(0, 60))
    def add(self, size: int) -> None:
        new = event(size, len(self.waiting))
        held = [*self.waiting, *self.sent.events]
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
        if not self.sent.events:
            taken, self.waiting = self.waiting, []
            self.sent = self.backlog.take()

            assert self.sent.events == taken

    @rule()
    def put_back(self) -> None:
        self.backlog.put_back(self.sent)
        self.waiting = [*self.sent.events, *self.waiting]
        self.sent = Round([])

    @rule()
    def store(self) -> None:
        self.backlog.stored(self.sent)
        self.on_disk += self.sent.events
        self.sent = Round([])

    @rule(events=st.integers(0, 5))
    def inherit(self, events: int) -> None:
        self.backlog.inherit(events)
        self.on_disk += [event(1)] * events
        self.inherited += events

    @rule(share=st.floats(0, 1))
    def evict(self, share: float) -> None:
        events = int(share * len(self.on_disk))
        self.backlog.evict(events)
        self.on_disk = self.on_disk[events:]
        self.evicted += events

    @rule(share=st.floats(0, 1))
    def settle(self, share: float) -> None:
        failed = int(share * len(self.sent.events))
        self.backlog.settle(self.sent, failed)
        self.settled += len(self.sent.events)
        self.failed += failed
        self.sent = Round([])

    @rule(share=st.floats(0, 1))
    def settle_from_disk(self, share: float) -> None:
        taken = Round(self.on_disk[: int(share * len(self.on_disk))])
        self.on_disk = self.on_disk[len(taken.events) :]
        self.backlog.settle(taken, 0)
        self.settled += len(taken.events)

    @rule()
    def close(self) -> None:
        self.backlog.close()
        self.is_closed = True

    @rule()
    def abandon(self) -> None:
        self.backlog.abandon()
        given_up = len(self.waiting) + len(self.sent.events)
        self.settled += given_up
        self.failed += given_up
        self.waiting, self.sent, self.is_closed = [], Round([]), True

    @invariant()
    def is_right(self) -> None:
        stats = self.backlog.stats()
        queued = len(self.waiting) + len(self.sent.events) + len(self.on_disk)

        assert adds_up(stats)
        assert (stats.queued, stats.inherited) == (queued, self.inherited)
        assert stats.emitted + stats.inherited == queued + self.settled + self.evicted
        assert (stats.dropped["failed"], stats.confirmed) == (self.failed, self.settled - self.failed)
        assert sum(stats.dropped.values()) == self.failed + self.evicted + self.not_taken
        assert queued or self.backlog.wait(0)
        assert self.on_disk or self.inherited or self.backlog.wait(0) == (queued == 0)


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_round_is_bounded_but_for_one_event() -> None:
    """No round has more events or bytes than a batch takes; a larger event goes alone."""
    backlog = Backlog(10 * ROUND_EVENTS, 10 * ROUND_BYTES)
    for size in [ROUND_BYTES + 1, *([1] * (ROUND_EVENTS + 1)), ROUND_BYTES - 2, 1, 1, 1]:
        assert backlog.add(event(size))
    rounds = [backlog.take().events for _ in range(4)]

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


def test_what_is_on_disk_is_waited_for_no_longer() -> None:
    """Events that are stored are settled for who waits once they are safe, if none went past the disk before them."""
    backlog = Backlog(10, 1_000)
    backlog.add(event(1))
    past = backlog.take()
    backlog.add(event(1))
    backlog.stored(backlog.take())

    assert not backlog.synced()
    assert not backlog.wait(0)
    backlog.settle(past, 0)
    assert not backlog.wait(0)
    assert backlog.synced()
    assert backlog.wait(0)
    assert backlog.stats().queued == 1


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
        backlog.settle(taken := backlog.take(), len(taken.events) // 3)
        looks.append(backlog.stats())
    last = backlog.stats()

    assert all(adds_up(stats) and 0 <= stats.queued <= 50 for stats in looks)
    assert last.emitted + last.dropped["full"] == 20_000
    assert last.queued == 0
