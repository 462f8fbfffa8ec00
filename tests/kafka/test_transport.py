"""Blocks from a real broker: each record once and in order, from where the work says, and never too many."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

import streams.runtime.app
from deploy.kafka.kafka import Broker
from streams.config.kafka import KafkaConfig
from streams.runtime.app import Brokers, Fetch, Limits, Options, WorkerApp, make_app, serve
from streams.runtime.transport import BlockConsumer
from tests.kafka.conftest import MakeTopic

Part = tuple[str, int]
SECONDS = 60.0


class Ledger:
    """Work that writes down what it is told; it starts at offset 0, or where it was, and insists on the next offset."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = tuple(topics)
        self.calls: list[tuple[str, frozenset[int]]] = []
        self.next: dict[Part, int] = defaultdict(int)
        self.records: dict[Part, list[tuple[int, bytes]]] = defaultdict(list)
        self.brokers: Brokers
        self._changed = asyncio.Event()

    async def start(self, brokers: Brokers) -> None:
        self.brokers = brokers

    async def assigned(self, partitions: frozenset[int]) -> dict[Part, int]:
        self._note("assigned", partitions)
        return {(topic, number): self.next[topic, number] for topic in self.topics for number in partitions}

    async def revoked(self, partitions: frozenset[int]) -> None:
        self._note("revoked", partitions)

    async def take(self, fetch: Fetch) -> None:
        part = fetch.topic, fetch.partition
        offsets = fetch.records.offsets.tolist()
        expected = list(range(self.next[part], self.next[part] + len(offsets)))
        assert offsets == expected, f"{part}: {offsets[:3]} ... came, not {expected[:3]} ..."
        self.next[part] += len(offsets)
        self.records[part] += zip(offsets, cast("list[bytes]", fetch.records.values), strict=True)
        self._changed.set()

    async def stop(self) -> None:
        self._note("stop", frozenset())

    def _note(self, call: str, partitions: frozenset[int]) -> None:
        self.calls.append((call, partitions))
        self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Return once this is so, after any call."""
        while not reached():
            self._changed.clear()
            await self._changed.wait()

    async def until_read(self, count: int) -> None:
        """Return once so many records were taken."""
        await self.until(lambda: sum(map(len, self.records.values())) >= count)


@asynccontextmanager
async def serving(broker: Broker, work: Ledger, **options: Any) -> AsyncIterator[None]:
    """Run a worker meanwhile, and have it stop at the end; what it raises cancels what is inside."""
    stop, chosen = asyncio.Event(), {"name": work.topics[0], "session_timeout": 6.0, **options}
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(serve(KafkaConfig(brokers=(broker.bootstrap,)), {}, work, Options(**chosen), stop))
        yield
        stop.set()


async def send(broker: Broker, topic: str, partition: int, values: list[bytes]) -> None:
    """Send in batches, and return when all are acknowledged."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, compression_type="lz4") as producer:
        left = list(reversed(values))
        while left:
            batch = producer.create_batch()
            while left and batch.append(key=None, value=left[-1], timestamp=None) is not None:
                left.pop()
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))


async def committed(broker: Broker, group: str, parts: Iterable[Part]) -> dict[Part, int | None]:
    """Offsets that the group has committed."""
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False
    ) as consumer:
        return {part: await consumer.committed(TopicPartition(*part)) for part in parts}


def test_every_record_comes_once_and_in_order(broker: Broker, make_topic: MakeTopic) -> None:
    """Of 100,000 records in 4 partitions of 4 topics each is in one block, and blocks follow each other."""
    topics = [make_topic(4) for _ in range(4)]
    values = [b"%06d" % number for number in range(6_250)]
    expected = {(topic, number): list(enumerate(values)) for topic in topics for number in range(4)}

    async def read() -> Ledger:
        for topic, number in expected:
            await send(broker, topic, number, values)
        work = Ledger(topics)
        async with serving(broker, work):
            await work.until_read(100_000)
        return work

    work = asyncio.run(read())
    assert work.records == expected
    every = frozenset(range(4))
    assert work.calls == [("assigned", every), ("revoked", every), ("stop", frozenset())]


def test_nothing_is_committed_unless_the_work_says_so(
    broker: Broker, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust's timers fire, the partitions are revoked and the app stops: what stands is what the work committed."""
    monkeypatch.setenv("BROKER_COMMIT_INTERVAL", "0.01")
    topics = [make_topic(), make_topic()]
    parts = [(topic, 0) for topic in topics]

    async def read(work: Ledger, *, commits: dict[Part, int]) -> dict[Part, int | None]:
        async with serving(broker, work):
            await work.until_read(20)
            if commits:
                await work.brokers.commit(commits)
        return await committed(broker, topics[0], parts)

    for topic in topics:
        asyncio.run(send(broker, topic, 0, [b"value"] * 10))
    assert asyncio.run(read(Ledger(topics), commits={})) == dict.fromkeys(parts)
    assert asyncio.run(read(Ledger(topics), commits={parts[0]: 7})) == {parts[0]: 7, parts[1]: None}


def test_reading_starts_where_the_work_says(broker: Broker, make_topic: MakeTopic) -> None:
    """Not at the offset that the group has committed, and neither at the beginning nor at the end."""
    topics = [make_topic(), make_topic()]
    for topic in topics:
        asyncio.run(send(broker, topic, 0, [b"%d" % number for number in range(10)]))

    async def read(start: dict[Part, int]) -> Ledger:
        work = Ledger(topics)
        work.next.update(start)
        async with serving(broker, work):
            await work.until_read(20 - sum(start.values()))
            await work.brokers.commit({(topics[0], 0): 10, (topics[1], 0): 1})
        return work

    asyncio.run(read({(topic, 0): 0 for topic in topics}))
    work = asyncio.run(read({(topics[0], 0): 4, (topics[1], 0): 9}))
    assert {part: [offset for offset, _ in found] for part, found in work.records.items()} == {
        (topics[0], 0): [4, 5, 6, 7, 8, 9],
        (topics[1], 0): [9],
    }


def test_the_broker_tells_where_partitions_end(broker: Broker, make_topic: MakeTopic) -> None:
    """The ends known from fetching are the next offsets to be written."""
    topics = [make_topic(), make_topic()]
    asyncio.run(send(broker, topics[0], 0, [b"value"] * 10))

    async def end() -> int:
        work = Ledger(topics)
        async with serving(broker, work):
            await work.until_read(10)
            return work.brokers.known_ends()[topics[0], 0]

    assert asyncio.run(end()) == 10


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> list[WorkerApp]:
    """Return the list of the apps that are made in this test, to look at."""
    made: list[WorkerApp] = []

    def make(*arguments: Any) -> WorkerApp:
        made.append(make_app(*arguments))
        return made[-1]

    monkeypatch.setattr(streams.runtime.app, "make_app", make)
    return made


def test_partitions_are_not_given_away_while_a_block_is_in_hand(
    broker: Broker, make_topic: MakeTopic, apps: list[WorkerApp]
) -> None:
    """The group waits for it, even where both stages have one."""
    topics = [make_topic(2), make_topic(2)]

    class Busy(Ledger):
        busy = 0

        async def take(self, fetch: Fetch) -> None:
            self.busy += 1
            self._changed.set()
            while not apps[0].rebalancing:  # noqa: ASYNC110 - Faust has no event for it
                await asyncio.sleep(0.01)
            for _ in range(20):  # turns in which the partitions could be taken away
                await asyncio.sleep(0.01)
            await super().take(fetch)
            self.busy -= 1

        def _note(self, call: str, partitions: frozenset[int]) -> None:
            assert not self.busy, f"{call} came while {self.busy} blocks were in hand"
            super()._note(call, partitions)

    async def run() -> Ledger:
        first, second = Busy(topics), Ledger(topics)
        for topic in topics:
            await send(broker, topic, 0, [b"value"])
        async with serving(broker, first, session_timeout=3.0):
            await first.until(lambda: first.busy == 2)
            async with serving(broker, second, session_timeout=3.0):
                await second.until(lambda: bool(second.calls))
        return first

    work = asyncio.run(run())
    assert work.calls[1] == ("revoked", frozenset({0, 1}))
    assert sum(work.next.values()) == 2


def test_a_block_in_hand_holds_back_its_topic_and_no_other(
    broker: Broker, make_topic: MakeTopic, apps: list[WorkerApp]
) -> None:
    """While one stage is slow, two blocks of its topic wait at most; the other stage goes on, and nothing is lost."""
    slow, quick = topics = [make_topic(), make_topic()]
    most = 0

    class Slow(Ledger):
        def __init__(self) -> None:
            super().__init__(topics)
            self.proceed = asyncio.Event()

        async def take(self, fetch: Fetch) -> None:
            if fetch.topic == slow:
                await self.proceed.wait()
            await super().take(fetch)

    async def read() -> Ledger:
        nonlocal most
        await send(broker, slow, 0, [b"value"] * 5_000)
        work = Slow()
        async with serving(broker, work, limits=Limits(block_records=100, blocks=2)):
            for count in range(1, 51):
                await send(broker, quick, 0, [b"value"])
                await work.until_read(count)
                most = max(most, cast("BlockConsumer", apps[0].consumer)._blocks[slow])
            work.proceed.set()
            await work.until_read(5_050)
        return work

    work = asyncio.run(read())
    assert most == 2
    assert [offset for offset, _ in work.records[slow, 0]] == list(range(5_000))


def test_a_broker_that_was_killed_and_comes_back_is_read_on(broker: Broker, make_topic: MakeTopic) -> None:
    """The same run goes on: nothing is missing, and nothing comes twice without a new assignment."""
    topics = [make_topic(2), make_topic(2)]

    async def read() -> Ledger:
        work = Ledger(topics)
        for number in range(2):
            await send(broker, topics[0], number, [b"before"] * 100)
        async with serving(broker, work):
            await work.until_read(200)
            broker.kill()
            await asyncio.to_thread(broker.restart)
            for number in range(2):
                await send(broker, topics[0], number, [b"after"] * 100)
            await work.until_read(400)
        return work

    records = asyncio.run(read()).records
    expected = list(enumerate([b"before"] * 100 + [b"after"] * 100))
    assert records == {(topics[0], 0): expected, (topics[0], 1): expected}
