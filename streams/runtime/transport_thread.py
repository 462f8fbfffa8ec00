"""
The thread that aiokafka runs in, as Faust has it: fetching, seeking, committing, and what the coordinator complains of.

Methods whose names begin with an underscore run in that thread, the others in the app's loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode.threads import WorkerThread

from streams.errors import StreamsError
from streams.runtime.fetching import fetch_blocks
from streams.runtime.records import Records

Offsets = Mapping[tuple[str, int], int]
log = logging.getLogger(__name__)

# A block costs some milliseconds however small it is: a broker gathers this much for a fetch, but for so long at most.
_FETCH_MIN_BYTES, _FETCH_MAX_WAIT_MS = 512 << 10, 250
_FETCH_MAX_BYTES = 8 << 20  # of a partition: some tens of thousands of records, which share what a block costs
_COMMIT_SECONDS = 5.0  # a commit is advice to people and tools; it is given up rather than waited for
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """
    How the consumer reads and how it belongs to its group.

    Attributes
    ----------
    block_records : int
        When a block has so many records, no further batch of its partition is added to it.
    blocks : int
        While this many blocks of a topic wait or are worked on, no more of that topic are fetched.
    session_timeout : float
        Seconds without a sign of life after which the group gives a worker's partitions to others.
    """

    block_records: int = 100_000
    blocks: int = 2
    session_timeout: float = 60.0


class _DaemonThread(WorkerThread):
    """A thread that does not keep the process alive: once the work has ended, nothing in it matters any more."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True


class BlockThread(AIOKafkaConsumerThread):
    """
    Faust's thread around aiokafka's consumer.

    Parameters
    ----------
    consumer : Consumer
        The consumer that it works for.
    client : Mapping[str, Any]
        Settings that every client of aiokafka takes.
    limits : Limits
        How to read.
    fail : Callable[[BaseException], None]
        Is called, in the app's loop, with what ends the run.
    """

    Worker = _DaemonThread

    def __init__(
        self,
        consumer: Consumer,
        client: Mapping[str, Any],
        limits: Limits,
        fail: Callable[[BaseException], None],
        **kwargs: Any,
    ) -> None:
        self.client, self.limits, self.fail = client, limits, fail
        self.generation = 0
        super().__init__(consumer, **kwargs)

    def _create_worker_consumer(self, _transport: Transport) -> AIOKafkaConsumer:
        """
        Create the client: Faust's own waits for 1.5 s in fetches, and deals partitions out without regard to numbers.

        Ranges keep partitions of one number together where topics have equally many. So does what Faust takes for
        tables; but of 4 partitions it gives 2, 2 and 0 to three workers, where the third came last.
        """
        conf = self.app.conf
        return AIOKafkaConsumer(
            **self.client,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id or None,
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention has deleted what the work asks for
            max_poll_records=self.limits.block_records,
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1e3),
            fetch_min_bytes=_FETCH_MIN_BYTES,
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
            max_partition_fetch_bytes=_FETCH_MAX_BYTES,
            session_timeout_ms=int(conf.broker_session_timeout * 1e3),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1e3),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1e3),
        )

    async def on_thread_started(self) -> None:
        """Start watching the coordinator, once the client is there."""
        await super().on_thread_started()
        self.add_future(self._watch())

    async def on_thread_stop(self) -> None:
        """Close the client; without a broker it lets a cancellation of its own out, and Faust would wait a minute."""
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    async def _watch(self) -> None:
        """Report what the group coordinator has against this member; Faust never asks, and would wait for ever."""
        while not self.should_stop:
            await self.sleep(_WATCH_SECONDS)
            try:
                self._ensure_consumer()._coordinator.check_errors()  # noqa: SLF001 - aiokafka asks in its own getmany
            except KafkaError as error:
                problem = StreamsError(f"Kafka does not let this worker into group {self.app.conf.id}: {error!r}")
                self.parent_loop.call_soon_threadsafe(self.fail, problem)

    async def fetch(self, parts: set[TP], seconds: float) -> tuple[int, Mapping[TP, Records]]:
        """Fetch records of some partitions, and the generation that they belong to, waiting so long for the first."""
        fetched: tuple[int, Mapping[TP, Records]] = await self.call_thread(self._fetch, parts, seconds)
        return fetched

    async def _fetch(self, parts: set[TP], seconds: float) -> tuple[int, Mapping[TP, Records]]:
        if not self.consumer.flow_active:
            return self.generation, {}
        records = await fetch_blocks(self._ensure_consumer(), parts, seconds, self.limits.block_records)
        return self.generation, records  # nothing else ran between the records and this

    async def begin(self, offsets: Offsets) -> int:
        """Seek to offsets, and return the number of the generation that starts with them."""
        return int(await self.call_thread(self._begin, offsets))

    async def _begin(self, offsets: Offsets) -> int:
        # Without an await: a fetch that is under way gets either the old generation, or records from these offsets.
        for (topic, partition), offset in offsets.items():
            self._ensure_consumer().seek(TopicPartition(topic, partition), offset)
        self.generation += 1
        return self.generation

    async def commit_offsets(self, offsets: Offsets) -> None:
        """Commit what is still held. Faust's own would crash the app where a broker does not answer."""
        await self.call_thread(self._commit_offsets, offsets)

    async def _commit_offsets(self, offsets: Offsets) -> None:
        parts = {TopicPartition(*part): OffsetAndMetadata(offset, "") for part, offset in offsets.items()}
        held = self._ensure_consumer().assignment() & parts.keys()
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._ensure_consumer().commit({part: parts[part] for part in held})
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets were not committed, which loses nothing: %s", error or "no answer in time")
