"""
The courier: a thread of its own that delivers what waits, and begins anew after whatever goes wrong.

Events go in rounds, one at a time, each one batch a partition: so they are settled in the order in which they were
emitted, and while a round is on its way the next one grows. The producer is idempotent and repeats by itself what a
broker did not answer; only what brokers refuse is lost, and then a new producer follows, for the old one's numbering
has a gap.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.codecs.registry import SchemaRegistry
from streams.config.kafka import KafkaConfig
from streams.core.block import EVENT_TYPES
from streams.emit.backlog import Backlog, Stats
from streams.emit.packing import Messages, Packed, encode
from streams.errors import StreamsError
from streams.runtime.kafka import FIRST_BACKOFF, LAST_BACKOFF, connected
from streams.runtime.topics import EVENT_TOPICS

LINGER = 0.01  # seconds between the first event of an idle time and its round: it fills, and waking costs the caller
PATIENCE = 10.0  # seconds, until what a broker does not answer is called a problem
_PRODUCER: Mapping[str, Any] = MappingProxyType(
    # A round in one partition is one batch, and must fit: it has 256 KiB, or is one event of at most 1 MiB.
    {"acks": "all", "enable_idempotence": True, "compression_type": "zstd", "max_batch_size": 4 << 20}
)
_LOGGER = logging.getLogger("streams.emit")

Sending = tuple[str, int, BatchBuilder]


class Courier:
    """
    Delivers a backlog.

    Parameters
    ----------
    kafka : KafkaConfig
        Brokers and prefix of the topics.
    settings : Mapping
        Those of aiokafka's clients.
    registry : SchemaRegistry
        Schemas of the messages.
    report_seconds : float
        How often drops are logged, if there are any.
    backlog : Backlog
        Where events wait.
    singly : bool
        Encode one by one: where a parent has encoded many at once before it forked, the child waits for ever for
        threads of pyruhvro that only the parent has.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        settings: Mapping[str, Any],
        registry: SchemaRegistry,
        report_seconds: float,
        backlog: Backlog,
        *,
        singly: bool,
    ) -> None:
        self._backlog = backlog
        self._singly = singly
        self._kafka = kafka
        self._settings = settings
        self._registry = registry
        self._report_seconds = report_seconds
        self._reported: Mapping[Any, int] = Counter()
        self._round: list[Packed] = []  # taken, and not yet handed to a producer
        self._sleeps = False
        self._stops = False
        self._until = 0.0
        self._awake, self._stopping = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="streams-emit", daemon=True)

    def start(self) -> Self:
        """Begin. Raises RuntimeError where no thread can be started."""
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            raise
        return self

    def wake(self) -> None:
        """Have what waits delivered; costs nothing while the courier is at work."""
        if self._sleeps:
            self._sleeps = False
            self._call(self._awake)

    def stop(self, timeout: float) -> None:
        """Deliver what waits for at most `timeout` seconds, give up the rest, and wait until the thread has ended."""
        self._until = time.monotonic() + timeout
        self._stops = True
        self._call(self._awake)
        self._call(self._stopping)
        self._thread.join(timeout + PATIENCE)
        if self._thread.is_alive():  # held up by something outside of us; the account is closed all the same
            self._backlog.abandon()

    def _call(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nothing is left to be told
            self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        delivering = asyncio.create_task(self._deliver())
        reporting = asyncio.create_task(self._report_regularly())
        await self._stopping.wait()
        await asyncio.wait({delivering}, timeout=max(0.0, self._until - time.monotonic()))
        self._backlog.abandon()
        delivering.cancel()
        reporting.cancel()
        await asyncio.wait({delivering, reporting})
        self._report()

    async def _deliver(self) -> None:
        """Deliver until the emitter is closed and nothing waits."""
        pause = FIRST_BACKOFF
        while self._backlog.waits() or self._round or not self._stops:
            before = self._backlog.stats().confirmed
            # Whatever happens in there must not end the thread: it is told, and tried again.
            (problem,) = await asyncio.gather(self._session(), return_exceptions=True)
            if problem is None:
                continue
            self._backlog.problem = str(problem) or type(problem).__name__
            pause = FIRST_BACKOFF if self._backlog.stats().confirmed > before else min(2 * pause, LAST_BACKOFF)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        """Deliver with one producer; raises what it ends with."""
        producer = AIOKafkaProducer(**self._settings, **_PRODUCER)
        async with connected(producer, producer.stop, self._kafka.brokers, PATIENCE):
            while await self._something_waits():
                await self._deliver_round(producer)

    async def _something_waits(self) -> bool:
        """Wait for events; False once the emitter is closed and none is left."""
        while not (self._round or self._backlog.waits()):
            if self._stops:
                return False
            self._awake.clear()
            self._sleeps = True  # before looking again: who adds an event looks at this afterwards
            if not self._backlog.waits():
                await self._awake.wait()
            self._sleeps = False
            if not self._stops:
                await asyncio.sleep(LINGER)
        return True

    async def _deliver_round(self, producer: AIOKafkaProducer) -> None:
        """Send the next events and wait until each is settled. Raises StreamsError if some were refused."""
        self._round = self._round or self._backlog.take()
        sendings = [each for found in await self._messages(producer) for each in _fill(producer, *found)]
        # The topics are known, and nothing is on its way: handing over does not wait, and cannot fail half way.
        sent = [(await producer.send_batch(batch, topic, partition=to), batch) for topic, to, batch in sendings]
        events, self._round = self._round, []
        await asyncio.wait([delivery for delivery, _ in sent])
        refused = [(error, batch.record_count()) for delivery, batch in sent if (error := delivery.exception())]
        self._backlog.settle(events, sum(count for _, count in refused))
        if refused:
            raise StreamsError(f"the brokers refused a delivery: {refused[0][0]}")
        self._backlog.problem = None

    async def _messages(self, producer: AIOKafkaProducer) -> list[tuple[str, Messages]]:
        """Encode the round, by topic."""
        found = []
        for kind in EVENT_TYPES:
            if packed := [event.data for event in self._round if event.kind == kind]:
                topic = f"{self._kafka.prefix}.{EVENT_TOPICS[kind]}"
                partitions = await self._partitions(producer, topic)
                found.append((topic, encode(kind, packed, partitions, self._registry, self._singly)))
        return found

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> int:
        try:
            async with asyncio.timeout(PATIENCE):
                return len(await producer.partitions_for(topic))
        except TimeoutError:
            where = ", ".join(self._kafka.brokers)
            raise StreamsError(f"no broker at {where} knows topic {topic}; do `streams topics apply`") from None

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._report_seconds)
            self._report()

    def _report(self) -> None:
        """Log what was dropped since the last report, in one line."""
        stats = self._backlog.stats()
        drops = {reason: count - self._reported[reason] for reason, count in stats.dropped.items()}
        self._reported = stats.dropped
        if any(drops.values()):
            _LOGGER.warning("%s", _drops_in_words(drops, stats))


def _fill(producer: AIOKafkaProducer, topic: str, messages: Messages) -> list[Sending]:
    """Put messages into one batch a partition, in their order."""
    batches: dict[int, BatchBuilder] = {}
    for row, to in enumerate(messages.partitions.tolist()):
        batch = batches.get(to) or batches.setdefault(to, producer.create_batch())
        if batch.append(timestamp=None, key=messages.keys[row], value=messages.values[row]) is None:
            raise StreamsError(f"a round of {len(messages.keys)} messages does not fit a batch for {topic}")
    for batch in batches.values():
        batch.close()
    return [(topic, to, batch) for to, batch in batches.items()]


def _drops_in_words(drops: Mapping[Any, int], stats: Stats) -> str:
    words = ", ".join(f"{count:,} {reason}" for reason, count in drops.items() if count)
    text = f"dropped {sum(drops.values()):,} events: {words}; {stats.queued:,} wait"
    if drops["invalid"] or drops["too_large"]:
        text += f"; last refused: {stats.refusal}"
    return text + (f"; not delivering: {stats.problem}" if stats.problem else "")
