"""What stands in a topic, read from its start to its end."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.config.kafka import KafkaConfig
from streams.core.block import EventType
from streams.runtime.topics import EVENT_TOPICS


def read(kafka: KafkaConfig, kind: EventType) -> list[ConsumerRecord]:
    """Read a topic from its start to where it ends now."""
    parts = [TopicPartition(f"{kafka.prefix}.{EVENT_TOPICS[kind]}", number) for number in range(kafka.partitions)]

    async def consume() -> list[ConsumerRecord]:
        found: list[ConsumerRecord] = []
        async with asyncio.timeout(30), AIOKafkaConsumer(bootstrap_servers=list(kafka.brokers)) as consumer:
            consumer.assign(parts)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(parts)
            while [part for part in parts if await consumer.position(part) < ends[part]]:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    found += records
        return found

    return asyncio.run(consume())
