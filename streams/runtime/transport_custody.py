"""What stands between Faust and the work: calls that do not overlap, and errors that end the run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Protocol, cast

import faust

from streams.errors import StreamsError
from streams.runtime.transport import BlockConsumer, Fetch
from streams.runtime.transport_thread import Offsets

log = logging.getLogger(__name__)

STAGES = ("join", "window")


class Brokers(Protocol):
    """What the work may ask of Kafka, as the member of the group that it is. Offsets are the next ones to read."""

    async def commit(self, offsets: Offsets) -> None:
        """Commit offsets of held partitions, for tools that watch the group. Nothing starts from them; may fail."""

    def known_ends(self) -> Mapping[tuple[str, int], int]:
        """Where the held partitions ended when they were last fetched from, without asking anybody."""

    def fail(self, error: BaseException) -> None:
        """End the run with this error: for what goes wrong outside of the calls below."""


class Work(Protocol):
    """
    What is done with blocks. Only `take` calls of the two stages overlap, no other calls; all are in one loop.

    Attributes
    ----------
    topics : tuple[str, ...]
        Full names, those of the `join` stage first; the last is that of the `window` stage. All have equally many
        partitions, and are held by number: partition 3 of one topic means partition 3 of all.
    """

    topics: tuple[str, ...]

    async def start(self, brokers: Brokers) -> None:
        """Begin: the topics are there. Called once, before all others."""

    async def assigned(self, partitions: frozenset[int]) -> Offsets:
        """Take over all partitions that are now held; return the next offset to read of each (topic, partition)."""

    async def revoked(self, partitions: frozenset[int]) -> None:
        """Let go of all partitions that were held. Some of them may come back with the next `assigned`."""

    async def take(self, fetch: Fetch) -> None:
        """Process one block. Those of a topic-partition come in order; while it runs, little more is fetched."""

    async def stop(self) -> None:
        """End after a run without failures; nothing is held any more."""


class Custody:
    """
    Stands between Faust and the work: the work's calls do not overlap, and the first error ends the run.

    Parameters
    ----------
    work : Work
        What is called.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.held: frozenset[int] = frozenset()
        self._locks = {stage: asyncio.Lock() for stage in STAGES}
        self._app: faust.App | None = None

    def attach(self, app: faust.App) -> None:
        """Learn of the app, whose consumer comes into being when it starts."""
        self._app = app

    @property
    def _consumer(self) -> BlockConsumer:
        return cast("BlockConsumer", cast("faust.App", self._app).consumer)

    def fail(self, error: BaseException) -> None:
        """Take no more blocks, and end the run with this error, unless another one has ended it already."""
        self._consumer.suspend()
        if not self.failed.done():
            self.failed.set_result(error)

    def __enter__(self) -> None:
        """Report every error from here to the end; Faust would restart its agent, or swallow the error."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if error is None or isinstance(error, asyncio.CancelledError | GeneratorExit):
            return False
        self.fail(error)
        return True

    async def take(self, stage: str, fetch: Fetch) -> None:
        """Hand over a block, unless its partition was taken away since it was read."""
        with self:
            async with self._locks[stage]:
                if fetch.generation == self._consumer.generation:
                    await self.work.take(fetch)
                    self._consumer.taken(fetch)

    async def take_over(self) -> None:
        """Have the work take over what is assigned, and start reading at the offsets that it returns."""
        with self:
            async with self._alone():
                parts = self._consumer.pending
                if not parts or self.failed.done():
                    return
                self.held = numbers_of(parts, self.work.topics)
                log.info("partitions %s are assigned to this worker", sorted(self.held))
                await self._consumer.begin(await self.work.assigned(self.held))

    async def let_go(self) -> None:
        """Wait for the blocks in hand, then have the work let go of its partitions."""
        with self:
            async with self._alone():
                if self.held and not self.failed.done():
                    log.info("partitions %s are let go of", sorted(self.held))
                    await self.work.revoked(self.held)
                self.held = frozenset()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as locks:
            for lock in self._locks.values():
                await locks.enter_async_context(lock)
            yield

    async def finish(self, grace: float) -> None:
        """
        Finish the blocks in hand, take no more, and end the work.

        Raises
        ------
        StreamsError
            It took longer than `grace` seconds.
        """
        self._consumer.suspend()
        try:
            async with asyncio.timeout(grace):
                await self.let_go()
                if not self.failed.done():
                    await self.work.stop()
        except TimeoutError:
            raise StreamsError(
                f"the work did not end within {grace:g} s and was stopped without a last checkpoint; "
                "the next start reads again what came after the one before"
            ) from None

    # What the work is given as `Brokers`.

    async def commit(self, offsets: Offsets) -> None:
        """Commit offsets of held partitions."""
        await self._consumer.commit_offsets(offsets)

    def known_ends(self) -> Mapping[tuple[str, int], int]:
        """Where the held partitions ended when they were last fetched from."""
        return self._consumer.known_ends()


def numbers_of(parts: frozenset[Any], topics: tuple[str, ...]) -> frozenset[int]:
    """
    Return the numbers of partitions, which must be the same for each topic.

    Raises
    ------
    StreamsError
        They are not: the events of a request would be in different workers.
    """
    held = {topic: frozenset(part.partition for part in parts if part.topic == topic) for topic in topics}
    if len(set(held.values())) != 1:
        listed = ", ".join(f"{topic}: {sorted(numbers)}" for topic, numbers in held.items())
        raise StreamsError(f"the group assigned unequal partitions of the topics to this worker ({listed})")
    return held[topics[0]]
