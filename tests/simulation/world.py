"""
A world of workers without a broker: a seed decides what is fetched when, who dies, who sleeps, and what is lost.

The log keeps what it has acknowledged and may keep what it has not; it may take the first records of an append and not
the last, and those of a worker that is dead may arrive when another one has taken over. The group forgets, delivers
again, and takes workers for dead that are not. Time is the loop's own and passes only when nobody has anything to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from streams.config import Config
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.packing import decode
from streams.runtime.topics import CHECKPOINTS, SUMMARIES
from streams.runtime.transport import Fetch
from streams.runtime.worker import Pace, Worker
from streams.sinks.writer import Writer
from tests.simulation.edge import Died, Edge
from tests.simulation.outside import Kafka, Tables


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
        self._ticking: asyncio.Task[None] | None = None
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

    def begin_tick(self) -> None:
        """Let the clock tick, unless the tick before is not over: there is one clock."""
        if self._ticking is None or self._ticking.done():
            self._ticking = self.begin(self.worker.tick)

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
