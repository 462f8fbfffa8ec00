"""
One worker's way to the outside: its log, its store and its group, and where its fate meets it.

Everything that a worker can wait for goes through its `Edge`: there it may be held up for some turns of the loop,
frozen until the others have gone on without it, or end before or after what it asked for was done. So the seed
chooses any point between two awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import pyarrow as pa

from streams.errors import StoreUnavailable
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.log import Record
from streams.sinks.clickhouse.rows import TableName
from tests.simulation.outside import Kafka, Tables


class Died(BaseException):
    """The worker has been killed: nothing in it goes on."""


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
        self.outages = self.rng.choice((self.faults, 0.3))  # a store that is away ends nobody: it may be away often

    async def point(self) -> None:
        """Wait for some turns; end here if killed meanwhile."""
        for _ in range(self.rng.choice((0, 1, 1, 2, 5))):
            await asyncio.sleep(0)
        await self.awake.wait()
        if self.dead:
            raise Died

    def calm(self) -> None:
        """Let nothing go wrong from now on, and wake up."""
        self.faults = self.outages = 0.0
        self.awake.set()

    def strikes(self) -> bool:
        return self.rng.random() < self.faults

    # The log.

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        if self.dead:
            raise Died
        left = list(records)
        try:
            return await self._append(topic, partition, left)
        except (Died, KafkaUnavailable):
            if self.rng.random() < 0.5:
                self.kafka.arrive_late(topic, partition, left, self.rng.choice((1, 10, 100)))
            raise

    async def _append(self, topic: str, partition: int, left: list[Record]) -> int:
        """Append records, taking from `left` those that are there."""
        await self.point()
        lost = len(left) - self.rng.randint(0, len(left)) if self.strikes() else 0
        offset = -1
        while len(left) > lost:
            offset = self.kafka.append(topic, partition, left.pop(0))
            if self.rng.random() < 0.2:
                await self.point()
        await self.point()
        if left or self.strikes():
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
        before, after = (self.rng.random() < self.outages for _ in range(2))
        if not before:
            self.tables.insert(table, batch)
        if before or after:
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
