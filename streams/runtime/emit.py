"""
Emit: event files to the topics, as a service would have written them, every event once.

The producer is idempotent, so retries repeat nothing, not even when the broker crashes and starts again.

A record's key is its request's id, so that the default partitioner brings all events of a request to partitions of
the same number; its timestamp is the broker's; its value is Avro in Confluent framing. Batches are filled here,
a partition at a time, which is some times faster than handing over records one by one, and needs no linger: each is
sent when it is full or the files have ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.codecs.files import EventFile
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import END_HEADER
from streams.codecs.write import encode_messages
from streams.config.kafka import KafkaConfig
from streams.core.block import Batch, Block, EventType
from streams.core.flatten import key_of
from streams.errors import StreamsError, UsageError
from streams.runtime.kafka import KafkaUnavailable, client_settings, connected, partitions_of
from streams.runtime.topics import EVENT_TOPICS, INPUTS, administrating, describe, wanted

BATCH_BYTES = 256 << 10
MAX_UNCONFIRMED = 64  # batches; bounds what is in memory while a broker is slow
SHOWN_REASONS = 5

Progress = Callable[[int, int | None], None]


@dataclass
class EmitReport:
    """
    Confirmed events by topic, records that were not sent with the first reasons why, and the seconds it took.

    `latest` is the largest event time (us) of what was sent.
    """

    counts: dict[str, int]
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0
    latest: int = 0

    @property
    def confirmed(self) -> int:
        """Events that the brokers have, over all topics."""
        return sum(self.counts.values())

    def refuse(self, source: str, position: int, why: str) -> None:
        """Count a record that is not sent."""
        self.rejected += 1
        if len(self.reasons) < SHOWN_REASONS:
            self.reasons.append(f"{source}, record {position}: {why}")


@dataclass(frozen=True)
class Records:
    """Encoded events of one type, shape (n,) each: `partitions` as numbers."""

    keys: list[bytes]
    values: list[bytes]
    partitions: npt.NDArray[np.int64]


def emit(
    sources: Sequence[EventFile],
    kafka: KafkaConfig,
    environ: Mapping[str, str],
    timeout: float = 30.0,
    progress: Progress | None = None,
    *,
    end: bool = False,
) -> EmitReport:
    """
    Publish every event of the files and wait until the brokers have confirmed each.

    With `end` say behind them, in every partition, that nothing more will come: what waits for more is then settled.

    A record that its file's codec rejects, or that has no id or no time to be sent with, is counted and not sent.
    `timeout` seconds are how long no broker may answer, at the start and in the midst.

    Raises
    ------
    UsageError
        The topics are missing or differ in their partitions.
    KafkaUnavailable
        No broker answered for too long; says how many events were confirmed.
    StreamsError
        The brokers refused a delivery; says how many events were confirmed.
    """
    started = time.perf_counter()
    report = asyncio.run(_emit(sources, kafka, environ, timeout, progress, end=end))
    report.seconds = time.perf_counter() - started
    return report


async def _emit(
    sources: Sequence[EventFile],
    kafka: KafkaConfig,
    environ: Mapping[str, str],
    patience: float,
    progress: Progress | None,
    *,
    end: bool,
) -> EmitReport:
    partitions = await input_partitions(kafka, environ, patience)
    registry = SchemaRegistry.load(default_schema_dir())
    report = EmitReport({f"{kafka.prefix}.{topic}": 0 for topic in INPUTS})
    options = {"acks": "all", "enable_idempotence": True, "compression_type": "zstd", "max_batch_size": BATCH_BYTES}
    request_ms = int(patience * 1_000)
    producer = AIOKafkaProducer(**client_settings(kafka, environ), **options, request_timeout_ms=request_ms)
    async with connected(producer, producer.stop, kafka.brokers, patience):
        delivery = _Delivery(producer, report, patience, progress)
        try:
            for source in sources:
                for block in source:
                    await _send_block(delivery, block, partitions, kafka.prefix, registry)
            await delivery.finish()
            if end:
                await _end_inputs(producer, kafka.prefix, partitions, report.latest)
        except (TimeoutError, KafkaTimeoutError):
            where = ", ".join(kafka.brokers)
            raise KafkaUnavailable(f"no broker at {where} answered for {patience:g} s; {delivery.so_far()}") from None
        except KafkaError as error:
            raise StreamsError(f"a delivery failed: {error}; {delivery.so_far()}") from error
    return report


async def _end_inputs(producer: AIOKafkaProducer, prefix: str, partitions: int, latest: int) -> None:
    """Write the record that ends an input into each partition, and wait until all are confirmed."""
    headers = [(END_HEADER, str(latest).encode())]
    parts = [(f"{prefix}.{topic}", partition) for topic in INPUTS for partition in range(partitions)]
    sent = [await producer.send(topic, None, b"end", partition=part, headers=headers) for topic, part in parts]
    await asyncio.gather(*sent)


async def input_partitions(kafka: KafkaConfig, environ: Mapping[str, str], patience: float) -> int:
    """Return how many partitions each input has; they must be there, and have equally many. Raises `UsageError`."""
    names = [f"{kafka.prefix}.{topic}" for topic in INPUTS]
    want = [topic for topic in wanted(kafka) if topic.name in names]
    async with administrating(kafka, environ, patience) as admin:
        found = {topic.name: topic.partitions for topic in await describe(admin, want)}
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(f"there is no topic {', '.join(missing)}; create what is missing with `streams topics apply`")
    if len(set(found.values())) > 1:
        raise UsageError(f"topics that are joined must have equally many partitions, these have not: {found}")
    return found[names[0]]


async def _send_block(
    delivery: _Delivery, block: Block, partitions: int, prefix: str, registry: SchemaRegistry
) -> None:
    for reject in block.rejects:
        delivery.report.refuse(reject.source, reject.position, f"{reject.reason}: {reject.detail}")
    for batch in block.batches:
        records = records_of(batch, partitions, registry, delivery.report)
        await delivery.send(f"{prefix}.{EVENT_TOPICS[batch.kind]}", records)


def records_of(batch: Batch, partitions: int, registry: SchemaRegistry, report: EmitReport) -> Records:
    """Encode a batch, but for what no message can hold, which the report counts."""
    keys = keys_of(batch)
    table = batch.table
    if (unfit := _unfit(batch, keys, registry)).any():
        for row in np.flatnonzero(unfit).tolist():
            report.refuse(batch.source, int(batch.positions[row]), _why(batch, keys, registry, row))
        table, keys = table.filter(pa.array(~unfit)), keys.filter(pa.array(~unfit))
    if len(keys):
        report.latest = max(report.latest, pc.max(table["event_time"]).as_py())
    values = encode_messages(batch.kind, table, registry) if len(keys) else []
    return Records(keys.to_pylist(), values, partitions_of(keys, partitions))


def keys_of(batch: Batch) -> pa.BinaryArray:
    """Keys of a batch, in UTF-8, as `streams.core.flatten.key_of` has them; null where a record has none."""
    return key_of(batch.kind, batch.table).cast(pa.binary())


def _unfit(batch: Batch, keys: pa.BinaryArray, registry: SchemaRegistry) -> npt.NDArray[np.bool_]:
    """Mask of the rows without a key, or with a null where the schema has none."""
    required = (batch.table[name].is_null() for name in _required(batch.kind, registry))
    mask: npt.NDArray[np.bool_] = np.any([np.asarray(nulls) for nulls in (keys.is_null(), *required)], axis=0)
    return mask


def _required(kind: EventType, registry: SchemaRegistry) -> list[str]:
    fields: list[dict[str, Any]] = registry.current[kind]["fields"]
    return [each["name"] for each in fields if "default" not in each]


def _why(batch: Batch, keys: pa.BinaryArray, registry: SchemaRegistry, row: int) -> str:
    """Say why a row cannot be a message."""
    if not keys[row].is_valid:
        ids = "no summary_id" if batch.kind == "summary" else "neither request_id nor prediction_id"
        return f"missing_id: the {batch.kind} has {ids}"
    absent = [name for name in _required(batch.kind, registry) if not batch.table[name][row].is_valid]
    return f"the {batch.kind} needs {', '.join(absent)}, absent here"


class _Delivery:
    """Batches that are being filled, and those that are on their way."""

    def __init__(
        self, producer: AIOKafkaProducer, report: EmitReport, patience: float, progress: Progress | None
    ) -> None:
        self.report = report
        self._producer = producer
        self._patience = patience
        self._progress = progress
        self._filling: dict[tuple[str, int], BatchBuilder] = {}
        self._unconfirmed: dict[asyncio.Future[Any], tuple[str, int]] = {}

    async def send(self, topic: str, records: Records) -> None:
        """Put records into batches by partition, in their order, and send those that are full."""
        order = np.argsort(records.partitions, kind="stable")
        ends = np.cumsum(np.bincount(records.partitions)).tolist()
        for partition, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            await self._fill(topic, partition, records, order[start:end].tolist())

    async def _fill(self, topic: str, partition: int, records: Records, rows: list[int]) -> None:
        keys, values = records.keys, records.values
        batch = self._filling.get((topic, partition)) or self._producer.create_batch()
        for row in rows:
            while batch.append(timestamp=None, key=keys[row], value=values[row]) is None:
                await self._submit(topic, partition, batch)
                batch = self._producer.create_batch()
        self._filling[topic, partition] = batch

    async def _submit(self, topic: str, partition: int, batch: BatchBuilder) -> None:
        if len(self._unconfirmed) >= MAX_UNCONFIRMED:
            await self._confirm()
        batch.close()
        events = batch.record_count()
        self._unconfirmed[await self._producer.send_batch(batch, topic, partition=partition)] = topic, events

    async def finish(self) -> None:
        """Send what is left, and wait until everything is confirmed."""
        for (topic, partition), batch in self._filling.items():
            if batch.record_count():
                await self._submit(topic, partition, batch)
        while self._unconfirmed:
            await self._confirm()

    async def _confirm(self) -> None:
        """Wait for a batch. Raises TimeoutError if none comes in time, and KafkaError for one that failed."""
        done, _ = await asyncio.wait(self._unconfirmed, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise TimeoutError
        failures = self._count()
        if self._progress is not None:
            self._progress(self.report.confirmed, None)
        for failure in failures:
            raise failure

    def _count(self) -> list[BaseException]:
        """Take those that are done from the unconfirmed, and return what went wrong with them."""
        failures = []
        for delivered in [each for each in self._unconfirmed if each.done()]:
            topic, events = self._unconfirmed.pop(delivered)
            if (failure := delivered.exception()) is None:
                self.report.counts[topic] += events
            else:
                failures.append(failure)
        return failures

    def so_far(self) -> str:
        """Say how many events are surely there, and what to do about the others."""
        self._count()
        waiting = sum(events for _, events in self._unconfirmed.values())
        return (
            f"{self.report.confirmed:,} events were confirmed, {waiting:,} were on their way and may have arrived; "
            "emit the files again: events that come twice are counted once"
        )
