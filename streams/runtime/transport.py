"""
Faust's transport for blocks: one message is all records of one topic-partition from one fetch.

Faust spends about 60 µs on every message that it sees, and acknowledges messages in ways that lose records. So it is
shown few messages, and acknowledges none: it keeps the membership in the group, the assignment of partitions, the
agents and the web server. Where reading starts is what the work says at each assignment, and offsets are committed
only when the work says so.

Two threads take part. Faust runs aiokafka in one of its own (`BlockThread`); everything else (`BlockConsumer`, the
agents, the work) is in the loop that the app was started in.

What is overridden rests on the source of exactly one version of Faust: `tests/runtime/test_transport.py` notices when
that source changes, and names what to read again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiokafka import TopicPartition
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP, ConsumerMessage
from yarl import URL

from streams.errors import StreamsError
from streams.runtime.records import Records
from streams.runtime.transport_thread import BlockThread, Limits, Offsets

_POLL_SECONDS = 0.01  # while some topics are full: how soon one that has room again is asked for


@dataclass(frozen=True, slots=True)
class Fetch:
    """
    All records of one topic-partition from one fetch, in the order of their offsets; never empty.

    Attributes
    ----------
    topic : str
        Full name of the topic.
    partition : int
        Number of the partition.
    generation : int
        Counts the assignments of this process; a block of an earlier one is dropped, not processed.
    records : Records
        What was read.
    """

    topic: str
    partition: int
    generation: int
    records: Records


class Holder(Protocol):
    """Who takes over the partitions that this process is assigned, and lets go of them. Errors go to `fail`."""

    async def take_over(self) -> None:
        """Begin with the partitions of `BlockConsumer.pending`, by calling `BlockConsumer.begin`."""

    async def let_go(self) -> None:
        """Return once nothing works on a partition any more."""

    def fail(self, error: BaseException) -> None:
        """End the run with this error."""


class BlockConsumer(Consumer):
    """
    Faust's consumer, with its own start, its own limits, and without acknowledgements.

    Attributes
    ----------
    pending : frozenset[TP] | None
        What is assigned, while nobody has taken it over; None otherwise.
    generation : int | None
        That of the blocks which may be processed; None between two assignments.
    """

    _thread: BlockThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pending: frozenset[TP] | None = None
        self.generation: int | None = None
        self._resuming = False
        self._begun, self._room = asyncio.Event(), asyncio.Event()
        self._blocks: Counter[str] = Counter()
        self._held: frozenset[TP] = frozenset()
        self._taking_over: asyncio.Task[None] | None = None

    def _new_consumer_thread(self) -> BlockThread:
        blocks = cast("BlockTransport", self.transport)
        self.blocks_of_a_topic, self.holder = blocks.limits.blocks, blocks.holder
        return BlockThread(self, blocks.client, blocks.limits, blocks.holder.fail, loop=self.loop, beacon=self.beacon)

    # What comes and goes with an assignment. Faust calls, in this order: on_partitions_revoked, on_partitions_assigned,
    # perform_seek, resume_flow; another revocation may come between any two of them.

    def suspend(self) -> None:
        """Fetch no more, and let no block that was fetched be processed."""
        self.pending = self.generation = None
        self._resuming = False
        self._begun.clear()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait for the block in hand and for the work to let go, before the group gives the partitions away."""
        if self.app.should_stop:  # the app has let go of all; Faust would close aiokafka, in the wrong thread
            return
        self.suspend()
        await super().on_partitions_revoked(revoked)
        await self.holder.let_go()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """As Faust does it, unless the app stops: then Faust would close aiokafka, in the wrong thread."""
        if not self.app.should_stop:
            await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Seek nowhere: not to committed offsets, and not to the work's either, which may take longer to find."""
        self._resuming = True

    def resume_flow(self) -> None:
        """
        Have the partitions taken over. Faust has just emptied its queues, for the last time in this assignment.

        It is a task of its own: there are no heartbeats while `on_partitions_assigned` runs, and Faust ends its wait
        for `perform_seek` after a timeout, for good.
        """
        super().resume_flow()
        if self._resuming:
            self._resuming = False
            self.pending = frozenset(TP(*part) for part in self.assignment())
            self._taking_over = asyncio.create_task(self.holder.take_over())

    async def begin(self, offsets: Offsets) -> None:
        """Read what is pending, from these offsets on. Raises `StreamsError` if they are not those of what is held."""
        if self.app.should_stop:  # what is held was let go of meanwhile
            return
        held = self.pending or frozenset()
        if held != offsets.keys():
            wrong = sorted(held ^ offsets.keys())
            raise StreamsError(f"offsets to start from and partitions held differ in {wrong}; this is an error of ours")
        generation = await self._thread.begin(offsets)
        if self.pending is None:  # revoked meanwhile
            return
        self._held, self.pending, self.generation = held, None, generation
        self._blocks.clear()
        self._read_offset.update({TP(*part): offset or None for part, offset in offsets.items()})
        self._committed_offset.update({TP(*part): offset or None for part, offset in offsets.items()})
        self._begun.set()

    # Fetching.

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's
        """Yield each block of one fetch as one message, whose offset is that of the last record."""
        await self.wait(self._begun.wait())
        wanted = {part for part in self._held if self._blocks[part.topic] < self.blocks_of_a_topic}
        if not wanted:  # Faust would sleep for a second
            self._room.clear()
            await self.wait(self._room.wait())
            return
        seconds = timeout if len(wanted) == len(self._held) else _POLL_SECONDS
        generation, fetched = await self._thread.fetch(wanted, seconds)
        for part, records in fetched.items():
            if generation != self.generation:
                return
            self._blocks[part.topic] += 1
            yield TP(*part), self._message(Fetch(part.topic, part.partition, generation, records))

    def _message(self, fetch: Fetch) -> ConsumerMessage:
        last = int(fetch.records.offsets[-1])
        return ConsumerMessage(
            *(fetch.topic, fetch.partition, last, fetch.records.timestamp / 1e3, 0),
            headers=None,
            key=None,
            value=cast("Any", fetch),
            checksum=None,
            tp=TP(fetch.topic, fetch.partition),
            generation_id=self.app.consumer_generation_id,
        )

    def taken(self, fetch: Fetch) -> None:
        """Make room for another block of this topic."""
        if fetch.generation == self.generation:
            self._blocks[fetch.topic] -= 1
            self._room.set()

    # What Faust would do about offsets on timers, errors, revocation and shutdown.

    async def commit(self, *_: Any, **__: Any) -> bool:
        """Commit nothing: every commit that Faust thinks of comes through here."""
        return False

    async def verify_all_partitions_active(self) -> None:
        """Verify nothing: Faust takes a consumer that acknowledges nothing, or does slow work, for one that hangs."""

    # What the work asks for.

    async def commit_offsets(self, offsets: Offsets) -> None:
        """Commit the next offsets to read, for tools that show how far a group is; nothing is read from there."""
        await self._thread.commit_offsets(offsets)

    def known_ends(self) -> dict[tuple[str, int], int]:
        """Where the held partitions ended at their last fetch; without those not fetched from yet."""
        if self.generation is None:
            return {}
        ends = {part: self.highwater(TopicPartition(*part)) for part in self._held}
        return {(part.topic, part.partition): end for part, end in ends.items() if end is not None}


class BlockTransport(Transport):
    """
    Transport of an app whose messages are blocks.

    Parameters
    ----------
    urls : list[URL]
        Faust's form of the brokers' addresses.
    app : AppT
        The app it is for.
    client : Mapping[str, Any]
        Settings that every client of aiokafka takes.
    limits : Limits
        How to read.
    holder : Holder
        Who takes over partitions.
    """

    Consumer = BlockConsumer

    def __init__(self, urls: list[URL], app: Any, client: Mapping[str, Any], limits: Limits, holder: Holder) -> None:
        super().__init__(urls, app)
        self.client, self.limits, self.holder = client, limits, holder
