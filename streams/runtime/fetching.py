"""
Blocks out of aiokafka: what it has fetched, a block for each partition.

aiokafka makes a `ConsumerRecord` of every record, which costs several times what reading it does. So its batches are
read here, whose records its compiled code unpacks: `fetch_blocks` does for blocks what aiokafka's `fetched_records`
does for records, and rests on the source of exactly one version (see `tests/runtime/test_transport.py`).
"""
# ruff: noqa: SLF001 - what is read is the fetcher's own

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatch

from streams.runtime.records import Headers, Records


async def fetch_blocks(
    consumer: AIOKafkaConsumer, parts: set[TopicPartition], seconds: float, most: int
) -> Mapping[TopicPartition, Records]:
    """
    Return a block for each of these partitions that something was fetched of, waiting so long for the first.

    A block to which a batch would be added when it has `most` records is ended instead.

    Raises
    ------
    ConsumerStoppedError
        The consumer is closed.
    KafkaError
        What the brokers do not allow, or sent damaged.
    """
    fetcher, until = consumer._fetcher, time.monotonic() + seconds
    if consumer._closed or fetcher._closed:
        raise ConsumerStoppedError
    with fetcher._subscriptions.fetch_context():
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            found = _drain(fetcher, parts, most)
            if found or not await _came(fetcher, until - time.monotonic()):
                return found


async def _came(fetcher: Fetcher, seconds: float) -> bool:
    """Wait so long for something to be fetched; says whether it was."""
    if seconds <= 0:
        return False
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=seconds)
    if fetcher._closed or not done:
        waiter.cancel()
        return False
    waiter.result()  # raises what the brokers do not allow
    return True


def _drain(fetcher: Fetcher, parts: set[TopicPartition], most: int) -> dict[TopicPartition, Records]:
    """Take a block of each partition that something was fetched of; raise what a fetch failed with."""
    found: dict[TopicPartition, Records] = {}
    for part in list(fetcher._records):
        result = fetcher._records[part]
        if part not in parts:
            if not fetcher._subscriptions.is_assigned(part):
                del fetcher._records[part]
        elif isinstance(result, FetchResult):
            records = _take(part, result, most)
            if not result.has_more():
                _forget(fetcher, part)
            if records is not None:
                found[part] = records
        elif not found:  # first what there is; the error is raised the next time
            _forget(fetcher, part)
            _raise(result)
    return found


def _forget(fetcher: Fetcher, part: TopicPartition) -> None:
    """Let a partition be fetched again."""
    del fetcher._records[part]
    fetcher._notify(fetcher._wait_consume_future)


def _raise(failed: FetchError) -> None:
    failed.check_raise()


def _take(part: TopicPartition, result: FetchResult, most: int) -> Records | None:
    """Take the next batches of a fetch, until there are `most` records or more; None if there is no record."""
    if not result.has_more() or not result.check_assignment(part):
        return None
    fetched, taken = result._partition_records, _Taken()
    while len(taken.values) < most and fetched._records.has_next():
        batch = fetched._records.next_batch()
        if not batch.validate_crc():
            result._partition_records = None  # it is fetched again, from where the last block ended
            raise CorruptRecordException(f"a batch of {part} is damaged: its checksum is another")
        if not batch.is_control_batch:
            taken.add(batch)
        fetched.next_fetch_offset = max(fetched.next_fetch_offset, batch.next_offset)
    first = result._assignment.state_value(part).position
    result._update_position()
    if not fetched._records.has_next():
        result._partition_records = None  # which says that there is no more
    return taken.since(first)


class _Taken:
    """Records of batches so far. No object of a record is kept: thousands of them have Python look for garbage."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self._offsets: list[int] = []
        self._headers: dict[int, Headers] = {}
        self._timestamp = 0

    def add(self, batch: DefaultRecordBatch) -> None:
        """Take the records of a batch."""
        note = self._offsets.append
        self.values += [
            value if (value := record.value) is not None else self._without_value(record)
            for record in batch
            if note(record.offset) is None
        ]
        self._timestamp = batch.max_timestamp

    def _without_value(self, record: DefaultRecord) -> bytes | None:
        self._headers[record.offset] = record.headers
        return None

    def since(self, first: int) -> Records | None:
        """Return the records from an offset on, since a fetch begins with the batch that has it; None for none."""
        offsets = np.array(self._offsets, np.int64)
        records = Records(self.values, offsets, self._timestamp, self._headers).since(first)
        return records if len(records) else None
