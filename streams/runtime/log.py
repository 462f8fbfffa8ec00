"""
The log: what the worker writes to Kafka and reads back itself, in topics that nobody else writes.

`Log` is all that checkpoints need of it: append and be sure, read what is there, and where a partition ends. That a
record which was appended is there for every later reader is what their promises rest on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.config.kafka import KafkaConfig
from streams.runtime.kafka import KafkaUnavailable, client_settings, connected

_BATCH_BYTES = 1 << 20
_FETCH_BYTES = 16 << 20
_LINGER_MS = 2

Record = tuple[bytes, bytes | None]
"""Key and value; a value of None takes the key out, once the topic is compacted."""


class Log(Protocol):
    """
    Partitions of records with keys, of which the last of each key stays.

    A value should have no more than `record_bytes`.
    """

    record_bytes: int

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        """Append records in their order; return the offset of the last when all are there to stay."""

    async def read(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """Return the last value of each key, of all records that were there when this was called."""

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have."""


class KafkaLog:
    """The log in Kafka, made by `open_log`: an idempotent producer, and a consumer in no group for each reading."""

    record_bytes = 1 << 20

    def __init__(self, kafka: KafkaConfig, settings: Mapping[str, Any], clients: Clients, patience: float) -> None:
        self._kafka = kafka
        self._settings = settings
        self._clients = clients
        self._patience = patience

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        """
        Append records in their order; return the offset of the last when the brokers have them all.

        Raises
        ------
        KafkaUnavailable
            They were not confirmed in time. Some or all may be there.
        """
        name, producer = self._name(topic), self._clients.producer
        try:
            async with asyncio.timeout(self._patience):  # an idempotent producer would try for ever
                sent = [await producer.send(name, value, key, partition=partition) for key, value in records]
                confirmed = await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            records_of = f"{len(records)} records for {name}, partition {partition}"
            waited = f"within {self._patience:g} s"
            raise KafkaUnavailable(f"{records_of}, were not confirmed {waited}: {error!r}") from error
        return int(confirmed[-1].offset)

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have. Raises `KafkaUnavailable`."""
        part = TopicPartition(self._name(topic), partition)
        try:
            async with asyncio.timeout(self._patience):
                return int((await self._clients.asker.end_offsets([part]))[part])
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"the brokers did not tell where {part} ends: {error!r}") from error

    async def read(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """Return the last value of each key, up to where the partition ends now. Raises `KafkaUnavailable`."""
        part = TopicPartition(self._name(topic), partition)
        limits = {"fetch_max_bytes": _FETCH_BYTES, "max_partition_fetch_bytes": _FETCH_BYTES}
        consumer = AIOKafkaConsumer(**self._settings, enable_auto_commit=False, **limits)
        held: dict[bytes, bytes] = {}
        async with connected(consumer, consumer.stop, self._kafka.brokers, self._patience):
            consumer.assign([part])
            await consumer.seek_to_beginning(part)
            end = (await consumer.end_offsets([part]))[part]
            while await consumer.position(part) < end:
                for record in await self._fetch(consumer, part):
                    _apply(held, record.key, record.value)
        return held

    async def _fetch(self, consumer: AIOKafkaConsumer, part: TopicPartition) -> list[Any]:
        fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(part, timeout_ms=int(self._patience * 1_000))
        if not fetched:
            raise KafkaUnavailable(f"{part} could not be read to its end: no broker answered for {self._patience:g} s")
        return fetched[part]

    def _name(self, topic: str) -> str:
        return f"{self._kafka.prefix}.{topic}"


@dataclass(frozen=True)
class Clients:
    """The connections that stay open: what writes, and what asks for offsets."""

    producer: AIOKafkaProducer
    asker: AIOKafkaConsumer


@asynccontextmanager
async def open_log(kafka: KafkaConfig, environ: Mapping[str, str], patience: float) -> AsyncIterator[KafkaLog]:
    """
    Connect; `patience` is the seconds that the brokers may be away before an append or a reading fails.

    Raises
    ------
    KafkaUnavailable
        No broker answered.
    """
    settings = client_settings(kafka, environ)
    producer = AIOKafkaProducer(
        **settings,
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        max_request_size=4 * KafkaLog.record_bytes,
        linger_ms=_LINGER_MS,
        request_timeout_ms=int(patience * 1_000),
    )
    asker = AIOKafkaConsumer(**settings)
    async with (
        connected(producer, producer.stop, kafka.brokers, patience),
        connected(asker, asker.stop, kafka.brokers, patience),
    ):
        yield KafkaLog(kafka, settings, Clients(producer, asker), patience)


def _apply(held: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        held.pop(key, None)
    else:
        held[key] = value
