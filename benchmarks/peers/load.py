"""Bring the events to the topics, and read results from them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import numpy as np
import pyarrow as pa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.peers.workload import Answer, Arrivals
from streams.codecs.wire import END_HEADER
from streams.runtime.kafka import partitions_of
from streams.runtime.topics import CHECKPOINTS, CLAIMS, REJECTED, SUMMARIES

BATCH_BYTES = 256 << 10
KEPT = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}  # the events' times are long past


async def make_topics(brokers: str, partitions: dict[str, int], settings: Mapping[str, str] = KEPT) -> None:
    """Create topics with so many partitions each; as they are by default, they keep what is in them."""
    async with administrating(brokers) as admin:
        topics = [NewTopic(name, count, 1, topic_configs=dict(settings)) for name, count in partitions.items()]
        await admin.create_topics(topics)


async def reset_topics(brokers: str, prefix: str) -> None:
    """Delete what workers wrote to topics, not the events."""
    async with administrating(brokers) as admin:
        ours = {f"{prefix}.{name}" for name in (SUMMARIES, CLAIMS, CHECKPOINTS, REJECTED)}
        await admin.delete_topics(sorted(ours & set(await admin.list_topics())))
        while ours & set(await admin.list_topics()):  # noqa: ASYNC110 - the broker tells nobody when it is done
            await asyncio.sleep(0.1)


@asynccontextmanager
async def administrating(brokers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Have a client for topics while the block runs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def send(brokers: str, topic: str, arrivals: Arrivals, partitions: int) -> None:
    """Send events in their order, keyed by their request and stamped with their arrival."""
    keys = arrivals.table.column("request_id").cast(pa.binary())
    places = partitions_of(keys, partitions)
    values, times = arrivals.messages(), (arrivals.times // 1_000).tolist()
    async with AIOKafkaProducer(
        bootstrap_servers=brokers, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES
    ) as producer:
        for partition in range(partitions):
            sending, batch = [], producer.create_batch()
            for row in np.flatnonzero(places == partition).tolist():
                record = {"timestamp": times[row], "key": keys[row].as_py(), "value": values[row]}
                if batch.append(**record) is None:
                    sending.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(**record)
            sending.append(await producer.send_batch(batch, topic, partition=partition))
            for sent in sending:
                await sent


async def end(brokers: str, topics: Iterable[str], latest: int) -> None:
    """Say behind all events that nothing more will come; `latest` is the largest event time (us)."""
    async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
        for topic in topics:
            said = [(END_HEADER, str(latest).encode())]
            await producer.send_and_wait(topic, None, key=b"end", partition=0, headers=said)


async def read_results(brokers: str, topic: str) -> Answer:
    """Read what a contestant has written: the newest record of each key stands."""
    part = TopicPartition(topic, 0)
    found: dict[bytes, bytes] = {}
    async with AIOKafkaConsumer(bootstrap_servers=brokers, max_partition_fetch_bytes=8 << 20) as consumer:
        consumer.assign([part])
        await consumer.seek_to_beginning()
        end = (await consumer.end_offsets([part]))[part]
        while await consumer.position(part) < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found |= {record.key: record.value for record in records}
    return {_cell(key): _sums(value) for key, value in found.items()}


def _cell(key: bytes) -> tuple[int, str, str]:
    minute, version, country = key.decode().split("|")
    return int(minute), version, country


def _sums(value: bytes) -> tuple[int, int, float]:
    sums = json.loads(value)
    return sums["n"], sums["right"], sums["score"]
