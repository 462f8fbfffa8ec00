"""
Events become messages and go to the brokers: one batch a partition for those that are sent together.

To hand over is one step: before it nothing was sent, and after it the producer settles every message by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.codecs.registry import SchemaRegistry
from streams.config.kafka import KafkaConfig
from streams.core.block import EVENT_TYPES
from streams.emit.packing import Messages, Packed, encode
from streams.errors import StreamsError
from streams.runtime.topics import EVENT_TOPICS

PATIENCE = 10.0  # seconds, until what a broker does not answer is called a problem
PRODUCER: Mapping[str, Any] = MappingProxyType(
    # A round in one partition is one batch, and must fit: it has 256 KiB, or is one event of at most 1 MiB.
    {"acks": "all", "enable_idempotence": True, "compression_type": "zstd", "max_batch_size": 4 << 20}
)
Sending = tuple[str, int, BatchBuilder]
Sent = list[tuple["asyncio.Future[Any]", int]]
"""What each batch came to, and how many messages it has."""


class Sender:
    """
    Sends events with a producer.

    Parameters
    ----------
    kafka : KafkaConfig
        Brokers and prefix of the topics.
    registry : SchemaRegistry
        Schemas of the messages.
    singly : bool
        Encode one by one: where a parent has encoded many at once before it forked, the child waits for ever for
        threads of pyruhvro that only the parent has.
    """

    def __init__(self, kafka: KafkaConfig, registry: SchemaRegistry, *, singly: bool) -> None:
        self._kafka = kafka
        self._registry = registry
        self._singly = singly

    async def hand_over(self, producer: AIOKafkaProducer, events: Sequence[Packed]) -> Sent:
        """Give events to a producer: all of them, or none with an error, such as a StreamsError for a missing topic."""
        sendings = [each for found in await self._messages(producer, events) for each in _fill(producer, *found)]
        # The topics are known, and nothing is on its way: handing over does not wait, and cannot fail half way.
        return [
            (await producer.send_batch(batch, topic, partition=to), batch.record_count())
            for topic, to, batch in sendings
        ]

    async def _messages(self, producer: AIOKafkaProducer, events: Sequence[Packed]) -> list[tuple[str, Messages]]:
        """Encode events, by topic."""
        found = []
        for kind in EVENT_TYPES:
            if packed := [event.data for event in events if event.kind == kind]:
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


async def refused(sent: Sent) -> list[tuple[BaseException, int]]:
    """Wait until all is settled; returns the errors, each with how many messages it concerns."""
    if sent:
        await asyncio.wait([delivery for delivery, _ in sent])
    return [(error, count) for delivery, count in sent if (error := delivery.exception())]


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
