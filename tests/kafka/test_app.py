"""`serve` on a real broker: workers share partitions, one that dies is followed by another, errors end the run."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import streams.runtime.transport
from deploy.kafka.kafka import HOST, Broker, free_port
from streams.config.kafka import KafkaConfig
from streams.errors import StreamsError, UsageError
from streams.runtime.app import Fetch, Options, run_app, serve
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.transport_thread import BlockThread
from tests.kafka.conftest import MakeTopic
from tests.kafka.test_transport import Ledger, Part, committed, send, serving

ROOT = Path(__file__).parent.parent.parent
EVERY = frozenset(range(3))
VALUES = [b"%d" % number for number in range(100)]


class Telling(Ledger):
    """Work of a process of its own: says on standard output what it is told, and commits what it has taken."""

    def _note(self, call: str, partitions: frozenset[int]) -> None:
        print(json.dumps([call, sorted(partitions)]), flush=True)  # noqa: T201 - read by the test

    async def take(self, fetch: Fetch) -> None:
        await super().take(fetch)
        await self.brokers.commit({(fetch.topic, fetch.partition): fetch.records.next})
        self._note("took", frozenset({fetch.partition}))


def member(address: str, topics: list[str], instance: str | None) -> None:
    """Run a worker until it is told to stop; the main function of another process."""
    run_app(KafkaConfig(brokers=(address,)), {}, Telling(topics), options(topics, instance))


def options(topics: list[str], instance: str | None = None) -> Options:
    return Options(topics[0], instance, session_timeout=3.0, patience=30.0)


class Process:
    """A worker in a process of its own, whose calls can be waited for."""

    def __init__(self, broker: Broker, topics: list[str], instance: str | None) -> None:
        code = f"from tests.kafka.test_app import member; member({broker.bootstrap!r}, {topics!r}, {instance!r})"
        self.process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603

    async def told(self, call: str) -> list[int]:
        """Wait for the next call of this name, and return its partitions."""
        while True:
            line = await asyncio.to_thread(self.process.stdout.readline)  # type: ignore[union-attr]
            if not line:
                pytest.fail(f"the worker ended with {self.process.wait()} before it was told {call!r}")
            said, partitions = json.loads(line)
            if said == call:
                return list(partitions)

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 30)


@contextmanager
def process(broker: Broker, topics: list[str], instance: str | None = None) -> Iterator[Process]:
    worker = Process(broker, topics, instance)
    with worker.process:
        try:
            yield worker
        finally:
            worker.process.kill()


@pytest.fixture
def topics(broker: Broker, make_topic: MakeTopic) -> list[str]:
    """Create four topics of three partitions, with 100 records in each: dealt out one by one, numbers would part."""
    names = [make_topic(3) for _ in range(4)]

    async def fill() -> None:
        for topic in names:
            for number in EVERY:
                await send(broker, topic, number, VALUES)

    asyncio.run(fill())
    return names


def test_two_workers_hold_the_same_partitions_of_all_topics_and_one_follows_the_other(
    broker: Broker, topics: list[str]
) -> None:
    """One is killed: the other gets all, and reads again from what its work says, not from what the dead committed."""

    async def read() -> tuple[Ledger, list[int]]:
        work = Ledger(topics)
        async with serving(broker, work, session_timeout=3.0):
            await work.until_read(1_200)
            with process(broker, topics) as other:
                theirs = await other.told("assigned")
                await work.until(lambda: work.calls[-1] == ("assigned", EVERY - set(theirs)))
                for part in [(topic, number) for topic in topics for number in theirs]:
                    work.next[part] = 95
                await send(broker, topics[0], theirs[0], [b"took"])
                await other.told("took")
                await other.end(signal.SIGKILL)
                await work.until(lambda: work.calls[-1] == ("assigned", EVERY))
            await work.until_read(1_200 + len(theirs) * 4 * 5 + 1)
        return work, theirs

    work, theirs = asyncio.run(read())
    assert 1 <= len(theirs) <= 2
    assert [call for call, _ in work.calls] == [*["assigned", "revoked"] * 3, "stop"]
    again: dict[Part, list[int]] = {(topic, number): [95, 96, 97, 98, 99] for topic in topics for number in theirs}
    again[topics[0], theirs[0]].append(100)
    for part, records in work.records.items():
        assert [offset for offset, _ in records] == [*range(100), *again.get(part, [])]


def test_a_block_that_was_read_before_a_rebalance_is_dropped(
    broker: Broker, topics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch whose answer is late by one assignment: its records come again, from where the work says."""

    class Late(BlockThread):
        async def _fetch(self, *arguments: Any) -> Any:
            generation, records = await super()._fetch(*arguments)
            while records and generation == self.generation == 1:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
            return generation, records

    async def run() -> tuple[Ledger, set[Part]]:
        work = Ledger(topics)
        async with serving(broker, work, session_timeout=3.0):
            await work.until(lambda: bool(work.calls))
            with process(broker, topics) as other:
                theirs = await other.told("assigned")
                ours = {(topic, number) for topic in topics for number in EVERY - set(theirs)}
                await work.until(lambda: all(work.next[part] == 100 for part in ours))
        return work, ours

    monkeypatch.setattr(streams.runtime.transport, "BlockThread", Late)
    work, ours = asyncio.run(run())
    assert work.records.keys() == ours


def test_a_worker_that_is_told_to_end_finishes_and_gives_its_partitions_away(broker: Broker, topics: list[str]) -> None:
    """SIGTERM: the work is told to let go and to stop, the exit code is 0, and another worker need not wait."""

    async def run() -> tuple[list[int], int, dict[Part, int | None]]:
        parts = [(topic, number) for topic in topics for number in EVERY]
        with process(broker, topics) as worker:
            await worker.told("took")
            ended = asyncio.create_task(worker.end(signal.SIGTERM))
            let_go = await worker.told("revoked")
            await worker.told("stop")
            return let_go, await ended, await committed(broker, topics[0], parts)

    let_go, code, offsets = asyncio.run(run())
    assert (let_go, code) == (sorted(EVERY), 0)
    assert any(offsets.values())


def test_a_static_member_comes_back_without_disturbing_the_others(broker: Broker, topics: list[str]) -> None:
    """It stops and starts again within its session: it has the same partitions, and the other noticed nothing."""

    async def run() -> tuple[Ledger, list[list[int]]]:
        work = Ledger(topics)
        async with serving(broker, work, instance="one", session_timeout=30.0):
            await work.until_read(1_200)
            held = []
            for _ in range(2):
                with process(broker, topics, "two") as other:
                    held.append(await other.told("assigned"))
                    await work.until(lambda: work.calls[-1][0] == "assigned")
                    assert await other.end(signal.SIGTERM) == 0
            return work, held

    work, held = asyncio.run(run())
    assert held[0] == held[1]
    assert work.calls[1:4] == [
        ("revoked", EVERY),
        ("assigned", EVERY - set(held[0])),
        ("revoked", EVERY - set(held[0])),
    ]
    assert len(work.calls) == 5  # with the stop


class Cursed(BaseException):
    """What a library in Rust raises when it panics is no `Exception` either."""


@pytest.mark.parametrize("error", [ValueError("no"), Cursed("no")])
@pytest.mark.parametrize("call", ["assigned", "take", "take of the last topic", "revoked", "stop"])
def test_an_error_of_the_work_ends_the_run(
    broker: Broker, make_topic: MakeTopic, call: str, error: BaseException
) -> None:
    """With that error, with no call after it, and with nothing committed."""
    topics = [make_topic(), make_topic()]

    class Failing(Ledger):
        stopped: asyncio.Event

        def _note(self, called: str, partitions: frozenset[int]) -> None:
            super()._note(called, partitions)
            if called == call:
                raise error

        async def take(self, fetch: Fetch) -> None:
            await super().take(fetch)
            self._note("take of the last topic" if fetch.topic == topics[-1] else "take", frozenset())
            self.stopped.set()

    async def run() -> Ledger:
        await send(broker, topics["last" in call], 0, [b"value"] * 3)
        work = Failing(topics)
        work.stopped = stop = asyncio.Event()
        with pytest.raises(type(error), match="no") as raised:
            await asyncio.wait_for(serve(KafkaConfig(brokers=(broker.bootstrap,)), {}, work, options(topics), stop), 30)
        assert raised.value is error
        assert await committed(broker, topics[0], [(topic, 0) for topic in topics]) == {(t, 0): None for t in topics}
        return work

    assert asyncio.run(run()).calls[-1][0] == call


def test_work_may_end_the_run_between_its_calls(broker: Broker, make_topic: MakeTopic) -> None:
    """What goes wrong in a timer of its own ends the run as well."""
    topics = [make_topic(), make_topic()]
    error = ValueError("no")

    class Ticking(Ledger):
        async def assigned(self, partitions: frozenset[int]) -> dict[Part, int]:
            asyncio.get_running_loop().call_soon(self.brokers.fail, error)
            return await super().assigned(partitions)

    work = Ticking(topics)
    with pytest.raises(ValueError, match="no") as raised:
        asyncio.run(serve(KafkaConfig(brokers=(broker.bootstrap,)), {}, work, options(topics), asyncio.Event()))
    assert raised.value is error
    assert [call for call, _ in work.calls] == ["assigned"]


def test_work_that_does_not_end_is_left(broker: Broker, make_topic: MakeTopic) -> None:
    """A block in hand that takes longer than the grace: no checkpoint is made of what it may have left half done."""
    topics = [make_topic(), make_topic()]

    class Hanging(Ledger):
        stopped: asyncio.Event

        async def take(self, _fetch: Fetch) -> None:
            self.stopped.set()
            await asyncio.Event().wait()

    async def run() -> Ledger:
        await send(broker, topics[0], 0, [b"value"])
        work = Hanging(topics)
        work.stopped = stop = asyncio.Event()
        chosen = Options(topics[0], session_timeout=3.0, grace=0.2)
        with pytest.raises(StreamsError, match=r"did not end within 0.2 s"):
            await asyncio.wait_for(serve(KafkaConfig(brokers=(broker.bootstrap,)), {}, work, chosen, stop), 30)
        return work

    assert [call for call, _ in asyncio.run(run()).calls] == ["assigned"]


def serve_once(address: str, topics: list[str]) -> None:
    chosen = Options("group", patience=1.0)
    asyncio.run(serve(KafkaConfig(brokers=(address,)), {}, Ledger(topics), chosen, asyncio.Event()))


def test_topics_that_are_missing_are_named_and_not_created(broker: Broker, make_topic: MakeTopic) -> None:
    """A second try says the same."""
    for _ in range(2):
        with pytest.raises(UsageError, match=r"topics absent\.one, absent\.two do not exist.*streams topics apply"):
            serve_once(broker.bootstrap, ["absent.one", make_topic(), "absent.two"])


def test_topics_of_unequal_partitions_are_refused(broker: Broker, make_topic: MakeTopic) -> None:
    """What belongs together would be in different workers."""
    with pytest.raises(UsageError, match=r"equally many partitions, and have t-\w+: 2, t-\w+: 3"):
        serve_once(broker.bootstrap, [make_topic(2), make_topic(3)])


def test_a_broker_that_does_not_come_is_waited_for_and_named() -> None:
    """Only so long as one is patient."""
    port = free_port()
    with pytest.raises(KafkaUnavailable, match=rf"no broker answered at {HOST}:{port} within 1 s"):
        serve_once(f"{HOST}:{port}", ["topic"])


def test_a_broker_that_comes_late_is_waited_for(broker: Broker, topics: list[str]) -> None:
    """A worker that starts while the broker is down works once that is up."""

    async def run() -> Ledger:
        work = Ledger(topics)
        broker.kill()
        async with serving(broker, work):
            await asyncio.to_thread(broker.restart)
            await work.until_read(1_200)
        return work

    assert set(map(len, asyncio.run(run()).records.values())) == {100}


def test_workers_that_come_and_go_lose_and_repeat_nothing(broker: Broker, make_topic: MakeTopic) -> None:
    """Three times a second worker joins and leaves under load; what one has saved is where the next one starts."""
    topics = [make_topic(3), make_topic(3)]
    count = 3_000

    async def visit(first: Ledger) -> None:
        second = Ledger(topics)
        second.next, second.records = first.next, first.records
        async with serving(broker, second, session_timeout=3.0):
            await second.until(lambda: bool(second.calls))

    async def run() -> Ledger:
        first, sent = Ledger(topics), asyncio.Event()

        async def produce() -> None:
            for batch in range(count // 50):
                await send(broker, topics[batch % 2], batch % 3, VALUES[:50])
            sent.set()

        async with serving(broker, first, session_timeout=3.0), asyncio.TaskGroup() as group:
            group.create_task(produce())
            for _ in range(3):
                await visit(first)
                await first.until(lambda: first.calls[-1:] == [("assigned", EVERY)])
            await sent.wait()
            await first.until_read(count)
        return first

    records = asyncio.run(run()).records
    assert sum(map(len, records.values())) == count
    assert all([offset for offset, _ in found] == list(range(len(found))) for found in records.values())
