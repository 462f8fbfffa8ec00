"""
A world of workers without a broker: a seed decides what is fetched when, who dies, who sleeps, and what is lost.

Everything that a worker can wait for goes through its `Edge`: there it may be held up for some turns of the loop,
frozen until the others have gone on without it, or end before or after what it asked for was done. So the seed
chooses any point between two awaits. The log keeps what it has acknowledged and may keep what it has not; it may take
the first records of an append and not the last; the group forgets, delivers again, and takes workers for dead that
are not. Time is the loop's own and passes only when nobody has anything to do.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa
from aiokafka.structs import ConsumerRecord

from streams.config import Config
from streams.errors import StoreUnavailable
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.log import Record
from streams.runtime.packing import decode
from streams.runtime.topics import CHECKPOINTS, SUMMARIES
from streams.runtime.transport import Fetch
from streams.runtime.worker import Pace, Worker
from streams.sinks.clickhouse.rows import TableName
from streams.sinks.writer import Writer


class Died(BaseException):
    """The worker has been killed: nothing in it goes on."""


class VirtualTime(selectors.SelectSelector):
    """A selector that never waits: when there is nothing to do, the time of the next timer has come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody: a deadlock")
        self.now += timeout
        return []


def virtual_loop() -> asyncio.AbstractEventLoop:
    """Return a loop in virtual time, in which the same seed always gives the same order of everything."""
    selector = VirtualTime()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    return loop


@dataclass
class Kafka:
    """What the brokers have: every record ever appended, by (topic, partition)."""

    records: dict[tuple[str, int], list[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]]] = field(
        default_factory=dict
    )

    def append(
        self,
        topic: str,
        partition: int,
        record: tuple[bytes | None, bytes | None],
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        held = self.records.setdefault((topic, partition), [])
        held.append((*record, headers))
        return len(held) - 1

    def end(self, topic: str, partition: int) -> int:
        return len(self.records.get((topic, partition), ()))

    def newest(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """What compaction would leave."""
        held: dict[bytes, bytes] = {}
        for key, value, _ in self.records.get((topic, partition), ()):
            if value is None:
                held.pop(key or b"", None)
            else:
                held[key or b""] = value
        return held

    def fetch(self, topic: str, partition: int, offset: int, most: int) -> list[ConsumerRecord]:
        part = self.records.get((topic, partition), [])[offset : offset + most]
        return [
            ConsumerRecord(topic, partition, offset + i, FAR_FUTURE_MS, 1, key, value, None, 0, 0, headers)
            for i, (key, value, headers) in enumerate(part)
        ]


FAR_FUTURE_MS = 4_000_000_000_000


@dataclass
class Tables:
    """What the store has: every row ever inserted, by table, in order."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def insert(self, table: TableName, batch: pa.Table) -> None:
        self.rows.setdefault(table, []).extend(batch.to_pylist())

    def newest(self, table: str, key: Sequence[str]) -> list[dict[str, Any]]:
        """What FINAL would show: of each key the highest revision, the last inserted where equal or without."""
        held: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows.get(table, ()):
            place = tuple(row[name] for name in key)
            before = held.get(place)
            if before is None or "revision" not in row or table == "orphans" or row["revision"] >= before["revision"]:
                held[place] = row
        return list(held.values())


@dataclass
class Edge:
    """One worker's way to the outside: its log, its store, its group; and where its fate meets it."""

    kafka: Kafka
    tables: Tables
    rng: Random
    faults: float
    dead: bool = False
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.awake.set()
        self.record_bytes = self.rng.choice((300, 5_000, 1 << 20))

    async def point(self) -> None:
        """Wait for some turns; end here if killed meanwhile."""
        for _ in range(self.rng.choice((0, 1, 1, 2, 5))):
            await asyncio.sleep(0)
        await self.awake.wait()
        if self.dead:
            raise Died

    def strikes(self) -> bool:
        return self.rng.random() < self.faults

    # The log.

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        await self.point()
        lost_from = self.rng.randint(0, len(records)) if self.strikes() else len(records)
        offset = -1
        for record in records[:lost_from]:
            offset = self.kafka.append(topic, partition, record)
            if self.rng.random() < 0.1:
                await self.point()
        await self.point()
        if lost_from < len(records) or self.strikes():
            raise KafkaUnavailable("not confirmed, as the seed has it")
        return offset

    async def read(self, topic: str, partition: int) -> dict[bytes, bytes]:
        await self.point()
        held = self.kafka.newest(topic, partition)
        await self.point()
        return held

    async def end(self, topic: str, partition: int) -> int:
        await self.point()
        end = self.kafka.end(topic, partition)
        await self.point()
        return end

    # The store.

    def insert(self, table: TableName, batch: pa.Table) -> None:
        if self.dead:
            raise Died
        before = self.strikes()
        if not before:
            self.tables.insert(table, batch)
        if before or self.strikes():
            raise StoreUnavailable("away, or the answer was lost, as the seed has it")

    async def run(self, blocking: Callable[[], None]) -> None:
        await self.point()
        blocking()
        await self.point()

    # The group.

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        await self.point()
        self.committed |= offsets

    def known_ends(self) -> Mapping[tuple[str, int], int]:
        return {part: len(records) for part, records in self.kafka.records.items()}

    def fail(self, error: BaseException) -> None:
        self.failure = error


class Member:
    """A worker in the world: what it holds, how far it has been given records, and what it is doing now."""

    def __init__(self, world: World, name: str, faults: float) -> None:
        self.edge = Edge(world.kafka, world.tables, world.rng, faults)
        self.world = world
        writer = Writer(self.edge, max_bytes=world.rng.choice((1, 1 << 20)), run=self.edge.run)
        self.worker = Worker(world.config, self.edge, writer, name, Pace(idle=1e12), world.clock)
        self.worker.attach(self.edge)
        self.reading: dict[tuple[str, int], int] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.held: frozenset[int] = frozenset()
        self.frozen = False
        self.mood = "steady"
        self._stages = {stage: asyncio.Lock() for stage in ("join", "window")}

    def begin(self, action: Callable[[], Any]) -> asyncio.Task[None]:
        """Do something in the worker, while the world goes on."""

        async def guarded() -> None:
            try:
                await action()
            except (Died, KafkaUnavailable):
                self.edge.dead = True
            except Exception as error:  # noqa: BLE001 - shown at the end of the run
                self.world.errors.append(error)

        task = asyncio.get_running_loop().create_task(guarded())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def rebalance(self, partitions: frozenset[int]) -> None:
        """Let go of everything and take over what is assigned, as the group has every member do."""
        self.reading = {}
        async with self._stages["join"], self._stages["window"]:
            if self.held:
                await self.worker.revoked(self.held)
            self.held = partitions
            self.reading = dict(await self.worker.assigned(partitions)) if partitions else {}

    async def deliver(self, stage: str) -> None:
        """Give the worker the next block of some topic-partition of a stage, if there is one."""
        async with self._stages[stage]:
            parts = sorted(part for part in self.reading if part[0].endswith(SUMMARIES) == (stage == "window"))
            if not parts:
                return
            topic, partition = self.world.rng.choice(parts)
            offset = self.reading[topic, partition]
            name = SUMMARIES if stage == "window" else topic
            records = self.world.kafka.fetch(name, partition, offset, self.world.rng.choice((1, 1, 3, 50)))
            if records:
                self.reading[topic, partition] = offset + len(records)
                await self.worker.take(Fetch(topic, partition, 0, records))

    def behind(self) -> bool:
        """Whether there is something to read that it has not been given."""
        parts = [((SUMMARIES if t.endswith(SUMMARIES) else t), p, o) for (t, p), o in self.reading.items()]
        return any(offset < self.world.kafka.end(topic, partition) for topic, partition, offset in parts)


@dataclass
class World:
    """Kafka, a store, and the members of a group that share `partitions`."""

    config: Config
    partitions: int
    rng: Random
    kafka: Kafka = field(default_factory=Kafka)
    tables: Tables = field(default_factory=Tables)
    members: list[Member] = field(default_factory=list)
    made: int = 0
    errors: list[Exception] = field(default_factory=list)
    seconds: float = 0.0

    def clock(self) -> float:
        """Seconds that pass whenever somebody looks at them."""
        self.seconds += 10.0
        return self.seconds

    def add(self, faults: float) -> Member:
        self.made += 1
        member = Member(self, f"worker-{self.made}", faults)
        self.members.append(member)
        return member

    async def rebalance(self) -> None:
        """Share the partitions among those who answer; the frozen ones do not hear of it."""
        hearing = [member for member in self.members if not member.frozen and not member.edge.dead]
        self.members = [member for member in self.members if not member.edge.dead]
        shares: list[set[int]] = [set() for _ in hearing]
        for partition in range(self.partitions if hearing else 0):
            self.rng.choice(shares).add(partition)
        # Those who hear of it take part at once, in the order that the loop has it; each ends its work in hand first.
        for member in hearing:
            member.reading = {}
        joined = [
            member.begin(partial(member.rebalance, frozenset(share)))
            for member, share in zip(hearing, shares, strict=True)
        ]
        if joined:
            await asyncio.wait(joined)

    def check_commits(self) -> None:
        """No member has told the group more than its checkpoints have: checked against the newest manifests."""
        ends = self.checkpointed()
        for member in self.members:
            for part, offset in member.edge.committed.items():
                assert offset <= ends.get(part, 0), (part, offset, ends)

    def checkpointed(self) -> dict[tuple[str, int], int]:
        """Furthest offsets that any manifest ever had, for each topic and partition."""
        ends: dict[tuple[str, int], int] = {}
        for (topic, partition), records in self.kafka.records.items():
            manifests = [v for key, v, _ in records if topic == CHECKPOINTS and (key or b"").endswith(b"manifest")]
            for state in (decode(value, "manifest")["state"] or {} for value in manifests if value is not None):
                positions = state.get("positions") or {self.summaries: int(state.get("key", "/0").split("/")[-1])}
                for name, offset in positions.items():
                    ends[name, partition] = max(ends.get((name, partition), 0), offset)
        return ends

    @property
    def summaries(self) -> str:
        return f"{self.config.kafka.prefix}.{SUMMARIES}"
