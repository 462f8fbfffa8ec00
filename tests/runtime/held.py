"""A worker that holds partition 0 of topics in memory, with a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from streams.errors import StoreUnavailable
from streams.runtime.topics import SUMMARIES
from streams.runtime.transport import Fetch
from streams.runtime.worker import Pace, Worker
from streams.sinks.clickhouse.rows import TableName
from streams.sinks.writer import Writer
from tests.runtime.parts import Bench
from tests.simulation.outside import Tables


@dataclass
class Shelf:
    """A store in memory, which may be away."""

    tables: Tables = field(default_factory=Tables)
    away: bool = False

    def insert(self, table: TableName, batch: pa.Table) -> None:
        if self.away:
            raise StoreUnavailable("the store is away, as the test has it")
        self.tables.insert(table, batch)


class Held:
    """The worker, the bench with its topics, its store, and what it told its group."""

    def __init__(self, bench: Bench | None = None) -> None:
        self.bench, self.shelf = bench or Bench(), Shelf()
        self.seconds = 1_000.0
        self.committed: dict[tuple[str, int], int] = {}
        self.failure: BaseException | None = None
        writer = Writer(self.shelf, run=at_once)
        self.worker = Worker(self.bench.config, self.bench.log, writer, "w", Pace(), lambda: self.seconds)
        self.worker.attach(self)

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.committed |= offsets

    def known_ends(self) -> Mapping[tuple[str, int], int]:
        ends = {(topic, 0): self.bench.log.kafka.end(topic, 0) for topic in self.worker.inputs}
        return ends | {(self.worker.topics[-1], 0): self.bench.log.kafka.end(SUMMARIES, 0)}

    def fail(self, error: BaseException) -> None:
        self.failure = error

    async def deliver(self) -> None:
        """Have the worker take what is there and not read yet, a block of each topic."""
        for topic in self.worker.topics:
            position = self.worker._next(topic, 0)
            name = SUMMARIES if topic == self.worker.topics[-1] else topic
            records = self.bench.log.kafka.fetch(name, 0, position, 1_000)
            if records:
                await self.worker.take(Fetch(topic, 0, 1, records))


async def at_once(call: Callable[[], None]) -> None:
    call()
