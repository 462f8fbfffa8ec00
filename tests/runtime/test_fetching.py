"""Blocks out of what aiokafka has fetched: the same records, in blocks, as it would give one by one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.fetching import _drain

PART = TopicPartition("topic", 0)
Written = tuple[int, bytes | None, list[tuple[str, bytes | None]]]
"""How many offsets are left out before a record, as compaction leaves them out, its value and its headers."""

RECORDS = st.tuples(st.integers(0, 2), st.none() | st.binary(max_size=20), st.just([]) | st.just([("end", b"9")]))
BATCHES = st.lists(st.lists(RECORDS, min_size=1, max_size=5), min_size=1, max_size=5)


class Positions:
    """Where an assignment has come to, as aiokafka keeps it."""

    def __init__(self, position: int) -> None:
        self.active, self.paused, self.position = True, False, position

    def state_value(self, _: TopicPartition) -> Positions:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


class Fetcher:
    """What `_drain` sees of a fetcher in which one fetch of one partition has come."""

    def __init__(self, data: bytes, position: int) -> None:
        self._subscriptions = SimpleNamespace(is_assigned=lambda _: True)
        self._wait_consume_future, self.at = None, Positions(position)
        self._records: dict[TopicPartition, Any] = {}
        self.come(data, position)

    def come(self, data: bytes, position: int) -> None:
        records = PartitionRecords(PART, MemoryRecords(data), [], position, None, None, True, 0)
        self._records[PART] = FetchResult(PART, assignment=self.at, partition_records=records, backoff=0)

    def _notify(self, _: object) -> None:
        """Nobody waits."""


def written(batches: list[list[Written]]) -> tuple[bytes, list[int]]:
    """Encode batches as a broker would send them; returns the bytes, and the offsets of the records."""
    data, offsets, at = b"", [], 0
    for batch in batches:
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
        base, delta = at, -1
        for skipped, value, headers in batch:
            delta += 1 + skipped
            builder.append(delta, 1_000 + base + delta, b"key", value, headers)
            offsets.append(base + delta)
        at = base + delta + 1
        encoded = bytes(builder.build())
        data += base.to_bytes(8, "big") + encoded[8:]  # the broker says where a batch begins; no checksum covers it
    return data, offsets


@given(batches=BATCHES, most=st.integers(1, 12), skipped=st.integers(0, 10))
def test_blocks_have_the_records_that_were_written(batches: list[list[Written]], most: int, skipped: int) -> None:
    """From the position on: their values, offsets and, where there is no value, headers; a block ends with a batch."""
    data, offsets = written(batches)
    position = min(skipped, offsets[-1])
    fetcher: Any = Fetcher(data, position)
    found, sizes = [], []
    while fetcher._records:
        blocks = _drain(fetcher, {PART}, most)
        if PART in blocks:
            block = blocks[PART]
            rows = zip(block.offsets.tolist(), block.values, strict=True)
            found += [(at, value, block.headers[at] if value is None else None) for at, value in rows]
            sizes.append(len(block))
            assert block.timestamp == 1_000 + found[-1][0]
            assert fetcher.at.position > found[-1][0]

    said = [(value, headers if value is None else None) for batch in batches for _, value, headers in batch]
    expected = [(at, *one) for at, one in zip(offsets, said, strict=True) if at >= position]
    assert found == expected
    assert all(size <= most + 4 for size in sizes)


def test_a_damaged_batch_is_fetched_again() -> None:
    """Nothing of the block that it was to be in is taken, so that the next fetch begins where that block did."""
    data, offsets = written([[(0, b"a", [])], [(0, b"b", [])]])
    fetcher: Any = Fetcher(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], 0)

    with pytest.raises(CorruptRecordException, match=r"a batch of .*topic.* is damaged"):
        _drain(fetcher, {PART}, 10)
    assert (_drain(fetcher, {PART}, 10), fetcher._records, fetcher.at.position) == ({}, {}, 0)

    fetcher.come(data, 0)
    assert _drain(fetcher, {PART}, 10)[PART].offsets.tolist() == offsets


def test_what_no_longer_belongs_here_is_not_taken() -> None:
    """Records of before a seek are dropped, those of other partitions are left."""
    data, _ = written([[(0, b"a", [])]])
    fetcher: Any = Fetcher(data, 0)
    assert _drain(fetcher, set(), 10) == {}
    assert PART in fetcher._records

    fetcher.at.position = 7
    assert _drain(fetcher, {PART}, 10) == {}
    assert not fetcher._records
