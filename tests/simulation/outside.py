"""What lies outside of the workers of a simulation: time, the brokers' records, and the store's rows."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streams.runtime.log import Record
from streams.runtime.records import Records
from streams.sinks.clickhouse.rows import TableName


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
    on_their_way: set[asyncio.Task[None]] = field(default_factory=set)

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

    def arrive_late(self, topic: str, partition: int, records: Sequence[Record], turns: int) -> None:
        """Append what was on its way when its worker gave up or died, some turns of the loop later."""

        async def arrive() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            for record in records:
                self.append(topic, partition, record)

        task = asyncio.get_running_loop().create_task(arrive())
        self.on_their_way.add(task)
        task.add_done_callback(self.on_their_way.discard)

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

    def fetch(self, topic: str, partition: int, offset: int, most: int) -> Records:
        part = self.records.get((topic, partition), [])[offset : offset + most]
        offsets = offset + np.arange(len(part))
        headers = {offset + i: headers for i, (_, value, headers) in enumerate(part) if value is None}
        return Records([value for _, value, _ in part], offsets, FAR_FUTURE_MS, headers)


FAR_FUTURE_MS = 4_000_000_000_000


@dataclass
class Tables:
    """What the store has: every row ever inserted, by table, in order."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def insert(self, table: TableName, batch: pa.Table) -> None:
        self.rows.setdefault(table, []).extend(batch.to_pylist())

    def newest(self, table: str, key: Sequence[str]) -> list[dict[str, Any]]:
        """
        What FINAL would show: of each key the highest revision, the last inserted where equal or without.

        Samples have their chance in place of a revision.
        """
        rank = "inclusion_probability" if table == "samples" else "revision"
        held: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows.get(table, ()):
            place = tuple(row[name] for name in key)
            before = held.get(place)
            if before is None or rank not in row or table == "orphans" or row[rank] >= before[rank]:
                held[place] = row
        return list(held.values())
