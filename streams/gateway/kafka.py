"""
Kafka as the log of a gateway: messages to the topics and partitions in which `streams emit` would put them.

The producer is idempotent and repeats by itself what a broker did not answer. What brokers refuse is told, and a new
producer follows, for the old one's numbering has a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pyarrow as pa
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.config.kafka import KafkaConfig
from streams.errors import UsageError
from streams.gateway.judging import Message
from streams.runtime.kafka import (
    FIRST_BACKOFF,
    LAST_BACKOFF,
    KafkaUnavailable,
    client_settings,
    connected,
    partitions_of,
)
from streams.runtime.topics import EVENT_TOPICS, administrating, describe, wanted

log = logging.getLogger(__name__)

_OPTIONS: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "compression_type": "zstd",
    "max_batch_size": 2 << 20,  # an event has 1 MiB and some, a topic takes batches of 4 MiB
}

Part = tuple[str, int]


class KafkaLog:
    """
    The topics of events.

    Parameters
    ----------
    kafka : KafkaConfig
        Brokers, and the prefix of the topics.
    environ : Mapping
        Where secrets may be.
    partitions : int
        How many each of the topics has.
    patience : float
        Seconds after which a broker that does not answer is called away; it is tried for ever all the same.
    """

    def __init__(self, kafka: KafkaConfig, environ: Mapping[str, str], partitions: int, patience: float) -> None:
        self._kafka = kafka
        self._settings = client_settings(kafka, environ)
        self._partitions = partitions
        self._patience = patience
        self._stack = AsyncExitStack()
        self._producer: AIOKafkaProducer | None = None

    async def append(self, messages: Sequence[Message]) -> list[str | None]:
        """Write messages; for each None once all replicas in sync have it, or why the brokers refused it."""
        pause = FIRST_BACKOFF
        while True:
            try:
                return await self._deliver(await self._connected(), messages)
            except (KafkaError, KafkaUnavailable) as error:
                log.warning("events wait: %s", error)
                await self.close()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_BACKOFF)

    async def close(self) -> None:
        """Disconnect; the next messages connect again."""
        self._producer = None
        await self._stack.aclose()

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(**self._settings, **_OPTIONS)
            connecting = connected(producer, producer.stop, self._kafka.brokers, self._patience)
            await self._stack.enter_async_context(connecting)
            self._producer = producer
        return self._producer

    async def _deliver(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> list[str | None]:
        became: list[str | None] = [None] * len(messages)
        sent = []
        for (topic, partition), batch, rows in self._batches(producer, messages):
            sent.append((await producer.send_batch(batch, topic, partition=partition), rows))
        await asyncio.wait([delivery for delivery, _ in sent])
        for delivery, rows in sent:
            if (error := delivery.exception()) is not None:
                became = [str(error) if row in rows else was for row, was in enumerate(became)]
        if any(became):
            log.error("Kafka refused %d events: %s", len(became) - became.count(None), next(filter(None, became)))
            await self.close()
        return became

    def _batches(
        self, producer: AIOKafkaProducer, messages: Sequence[Message]
    ) -> list[tuple[Part, BatchBuilder, set[int]]]:
        """Put messages into batches, in their order; a partition has more than one where they do not fit one."""
        made: list[tuple[Part, BatchBuilder, set[int]]] = []
        filling: dict[Part, int] = {}
        numbers = partitions_of(pa.array([message.key for message in messages], pa.binary()), self._partitions)
        for row, (message, number) in enumerate(zip(messages, numbers.tolist(), strict=True)):
            part = f"{self._kafka.prefix}.{EVENT_TOPICS[message.kind]}", number
            if part not in filling or not _fits(made[filling[part]][1], message):
                filling[part] = len(made)
                made.append((part, producer.create_batch(), set()))
                _fits(made[-1][1], message)
            made[filling[part]][2].add(row)
        for _, batch, _ in made:
            batch.close()
        return made


def _fits(batch: BatchBuilder, message: Message) -> bool:
    """Append a message, if there is room; the first always has some."""
    return batch.append(timestamp=None, key=message.key, value=message.value) is not None


@asynccontextmanager
async def open_log(kafka: KafkaConfig, environ: Mapping[str, str], patience: float) -> AsyncIterator[KafkaLog]:
    """
    Wait for a broker, and look whether the topics are there.

    Raises
    ------
    UsageError
        Some are missing, or they have not equally many partitions.
    KafkaUnavailable
        No broker answered within `patience` seconds.
    """
    opened = KafkaLog(kafka, environ, await _partitions(kafka, environ, patience), patience)
    try:
        yield opened
    finally:
        await opened.close()


async def _partitions(kafka: KafkaConfig, environ: Mapping[str, str], patience: float) -> int:
    names = [f"{kafka.prefix}.{topic}" for topic in dict.fromkeys(EVENT_TOPICS.values())]
    async with administrating(kafka, environ, patience) as admin:
        have = {one.name: one.partitions for one in await describe(admin, wanted(kafka)) if one.name in names}
    if missing := [name for name in names if name not in have]:
        raise UsageError(f"there is no topic {', '.join(missing)}; create what is missing with `streams topics apply`")
    if len(set(have.values())) > 1:
        raise UsageError(f"topics that are joined must have equally many partitions, these have not: {have}")
    return have[names[0]]
