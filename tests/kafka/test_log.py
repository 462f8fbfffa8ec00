"""The log in a real Kafka: what an append has confirmed is there for every later reader, in its order."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from deploy.kafka.kafka import Broker
from streams.config import parse_config
from streams.config.kafka import KafkaConfig
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.log import KafkaLog, open_log
from streams.runtime.topics import CHECKPOINTS, CLAIMS, SUMMARIES, apply_topics

SECONDS = 90.0


@pytest.fixture
def kafka(broker: Broker) -> KafkaConfig:
    """Lay out the topics under a prefix of their own."""
    models = {"m": {"task": "none"}}
    settings = {"brokers": [broker.bootstrap], "prefix": f"t{uuid.uuid4().hex}", "partitions": 2, "replication": 1}
    config = parse_config(json.dumps({"models": models, "kafka": settings}), "the test's configuration").kafka
    apply_topics(config, {}, 60.0)
    return config


@asynccontextmanager
async def opened(kafka: KafkaConfig, patience: float = 30.0) -> AsyncIterator[KafkaLog]:
    async with asyncio.timeout(SECONDS), open_log(kafka, {}, patience) as log:
        yield log


def test_records_lie_in_the_order_of_their_appends(kafka: KafkaConfig) -> None:
    """Each append gives the offset of its last record, the end is the offset after that, partitions are apart."""

    async def run() -> None:
        async with opened(kafka) as log:
            offsets = [await log.append(CLAIMS, 0, [(b"0", b"%d" % number)]) for number in range(20)]
            many = await log.append(CLAIMS, 1, [(b"%d" % (number % 3), b"%d" % number) for number in range(5_000)])

            assert (offsets, many) == ([*range(20)], 4_999)
            assert [await log.end(CLAIMS, number) for number in (0, 1)] == [20, 5_000]
            assert await log.read(CLAIMS, 0) == {b"0": b"19"}
            assert await log.read(CLAIMS, 1) == {b"0": b"4998", b"1": b"4999", b"2": b"4997"}

    asyncio.run(run())


def test_a_partition_without_records_reads_as_nothing(kafka: KafkaConfig) -> None:
    """Its end is 0, and reading it does not wait for records."""

    async def run() -> None:
        async with opened(kafka) as log:
            assert (await log.read(CHECKPOINTS, 1), await log.end(CHECKPOINTS, 1)) == ({}, 0)

    asyncio.run(run())


def test_a_key_without_value_is_gone_until_it_comes_again(kafka: KafkaConfig) -> None:
    """A tombstone takes its key out, of the same append or an earlier one, and reading goes on to the very end."""

    async def run() -> None:
        async with opened(kafka) as log:
            await log.append(CHECKPOINTS, 0, [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", None)])
            await log.append(CHECKPOINTS, 0, [(b"b", None), (b"a", b"2"), (b"d", None)])

            assert await log.read(CHECKPOINTS, 0) == {b"a": b"2", b"c": b"1"}
            await log.append(CHECKPOINTS, 0, [(b"a", None), (b"c", None)])
            assert await log.read(CHECKPOINTS, 0) == {}
            assert await log.end(CHECKPOINTS, 0) == 9

    asyncio.run(run())


def test_one_sees_what_another_has_appended(kafka: KafkaConfig) -> None:
    """As soon as the append has returned, the other's end and reading have it: claims rest on this."""

    async def run() -> None:
        async with opened(kafka) as one, opened(kafka) as other:
            for number in range(50):
                offset = await one.append(CLAIMS, 0, [(b"0", b"%d" % number)])
                assert await other.end(CLAIMS, 0) == offset + 1
            assert await other.read(CLAIMS, 0) == {b"0": b"49"}

    asyncio.run(run())


def test_what_is_confirmed_survives_a_kill_of_the_broker(kafka: KafkaConfig, broker: Broker) -> None:
    """SIGKILL while appends are on their way, and a restart: each append is there, once and in order."""

    async def run() -> None:
        async with opened(kafka) as log:
            under_way = asyncio.Event()

            async def append(number: int) -> int:
                if number == 60:
                    under_way.set()
                return await log.append(CHECKPOINTS, 0, [(b"%d" % number, b"x" * 1_000)])

            async def append_all() -> list[int]:
                return [await append(number) for number in range(200)]

            appending = asyncio.create_task(append_all())
            await under_way.wait()
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.restart)
            confirmed = await appending
            end = await log.end(CHECKPOINTS, 0)
            held = await log.read(CHECKPOINTS, 0)

            assert (confirmed, end) == ([*range(200)], 200)
            assert sorted(held) == sorted(b"%d" % number for number in range(200))

    asyncio.run(run())


def test_a_broker_that_stays_away_is_an_error_where_it_is_asked(kafka: KafkaConfig, broker: Broker) -> None:
    """Asking for the end and reading end within their patience, and say what could not be done."""

    async def run() -> None:
        async with opened(kafka, patience=2.0) as log:
            await asyncio.to_thread(broker.kill)
            try:
                with pytest.raises(KafkaUnavailable, match="did not tell where"):
                    await log.end(CHECKPOINTS, 0)
                with pytest.raises(KafkaUnavailable):
                    await log.read(CHECKPOINTS, 0)
            finally:
                await asyncio.to_thread(broker.restart)

    asyncio.run(run())


def test_fifty_megabytes_are_read_back(kafka: KafkaConfig) -> None:
    """In records as large as the log takes, of bytes that do not compress, byte by byte as they were written."""

    async def run() -> None:
        rng = Random(1)
        records = [(b"%d" % number, rng.randbytes(KafkaLog.record_bytes)) for number in range(50)]
        async with opened(kafka) as log:
            for first in range(0, 50, 10):
                await log.append(SUMMARIES, 0, records[first : first + 10])

            assert await log.read(SUMMARIES, 0) == dict(records)

    asyncio.run(run())
