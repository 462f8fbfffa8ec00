"""The broker that tests and demos run on is a real Kafka: it keeps, compacts and refuses as one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import InvalidConfigurationError, UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition

from deploy.kafka.kafka import FREE_PORTS, Broker, BrokerError, available, fetch, free_port
from tests.kafka.conftest import MakeTopic, require_kafka

Pairs = list[tuple[bytes, bytes]]
PAIRS: Pairs = [(b"%d" % (i % 7), b"value %d" % i) for i in range(2_000)]
COMPACTED = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.0", "segment.ms": "100"}


async def send(broker: Broker, topic: str, pairs: Pairs) -> None:
    """Send in one idempotent producer, compressed; return when all are acknowledged."""
    options = {"acks": "all", "enable_idempotence": True, "compression_type": "lz4"}
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **options) as producer:
        acknowledged = [await producer.send(topic, value, key=key) for key, value in pairs]
        await asyncio.gather(*acknowledged)


async def read(broker: Broker, topic: str, partitions: int = 1) -> Pairs:
    """Read a topic from its start to where it ends now."""
    found: Pairs = []
    parts = [TopicPartition(topic, number) for number in range(partitions)]
    async with asyncio.timeout(30), AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        consumer.assign(parts)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(parts)
        while [part for part in parts if await consumer.position(part) < ends[part]]:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found += [(record.key, record.value) for record in records]
    return found


def test_what_is_sent_is_read_once_and_in_the_order_of_its_key(broker: Broker, make_topic: MakeTopic) -> None:
    """Idempotent, acknowledged, lz4: each record is there once, and those of one key are in the order sent."""
    topic = make_topic(4)
    asyncio.run(send(broker, topic, PAIRS))
    found = asyncio.run(read(broker, topic, 4))

    assert Counter(found) == Counter(PAIRS)
    assert sorted(found, key=lambda pair: pair[0]) == sorted(PAIRS, key=lambda pair: pair[0])


def test_a_group_goes_on_where_it_committed(broker: Broker, make_topic: MakeTopic) -> None:
    """A second member of a group, which comes after the first has left, reads what the first had not committed."""
    topic = make_topic()
    asyncio.run(send(broker, topic, PAIRS[:10]))

    async def take(most: int) -> list[bytes]:
        options = {"group_id": topic, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        async with asyncio.timeout(30), AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap, **options) as group:
            taken = [(await group.getone()).value for _ in range(most)]
            await group.commit()
            return taken

    assert [*asyncio.run(take(4)), *asyncio.run(take(6))] == [value for _, value in PAIRS[:10]]


def test_records_survive_a_kill(broker: Broker, make_topic: MakeTopic) -> None:
    """What was acknowledged before a SIGKILL is there after the restart, at the same address."""
    topic = make_topic()
    asyncio.run(send(broker, topic, PAIRS))
    address = broker.bootstrap
    broker.kill()
    alive = broker.running
    broker.restart()

    assert not alive
    assert broker.bootstrap == address
    assert asyncio.run(read(broker, topic)) == PAIRS


def test_a_compacted_topic_keeps_the_newest_value_of_a_key(broker: Broker, make_topic: MakeTopic) -> None:
    """The older value of a key goes; segments end as records come, and only those that have ended are compacted."""
    topic = make_topic(1, COMPACTED)
    asyncio.run(send(broker, topic, [(b"a", b"old"), (b"a", b"new")]))

    async def compacted() -> list[bytes]:
        async with asyncio.timeout(60):
            while True:
                await send(broker, topic, [(b"other", b"")])
                values = [value for key, value in await read(broker, topic) if key == b"a"]
                if len(values) == 1:
                    return values

    assert asyncio.run(compacted()) == [b"new"]


def test_a_topic_with_an_unknown_policy_is_refused(make_topic: MakeTopic) -> None:
    """The broker judges the settings of a topic: it does not create one that it cannot keep."""
    with pytest.raises(InvalidConfigurationError, match="shrink"):
        make_topic(1, {"cleanup.policy": "shrink"})


def test_a_topic_that_does_not_exist_is_refused(broker: Broker) -> None:
    """Sending to a topic that nobody created fails, and does not create it."""

    async def topics_after_sending() -> list[str]:
        options = {"request_timeout_ms": 500, "retry_backoff_ms": 50}
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **options) as producer:
            with pytest.raises(UnknownTopicOrPartitionError):
                await producer.send_and_wait("absent", b"value")
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            return list(await admin.list_topics())
        finally:
            await admin.close()

    assert "absent" not in asyncio.run(topics_after_sending())


def test_a_broker_that_runs_is_not_started_again(broker: Broker) -> None:
    """A second start is an error, and leaves the first process as it is."""
    with pytest.raises(BrokerError, match="runs already"):
        broker.start()

    assert broker.running


def test_a_taken_port_is_named(broker: Broker, tmp_path: Path) -> None:
    """A broker whose port something else listens on does not start, and says which port it is."""
    with pytest.raises(BrokerError, match=f"port {broker.port} of 127.0.0.1 is taken"):
        Broker(tmp_path, broker.port).start()


def test_a_free_port_is_none_that_is_taken_soon() -> None:
    """Two listeners of one broker never get the same port."""
    left = set(FREE_PORTS[:200])
    assert free_port(*(port for port in FREE_PORTS if port not in left)) in left


def test_data_in_use_is_not_shared(broker: Broker, make_topic: MakeTopic) -> None:
    """A second broker on the same data does not start, and the first goes on."""
    topic = make_topic()
    with pytest.raises(BrokerError, match="is in use by another broker"):
        Broker(broker.data).start()
    asyncio.run(send(broker, topic, PAIRS[:1]))

    assert asyncio.run(read(broker, topic)) == PAIRS[:1]


def test_a_broker_that_ends_while_it_starts_tells_why(tmp_path: Path) -> None:
    """The data of another node are refused by Kafka; the error holds what it wrote."""
    require_kafka()
    other = tmp_path / "records" / "meta.properties"
    other.parent.mkdir()
    other.write_text("version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\nnode.id=2\n", encoding="utf-8")
    broker = Broker(tmp_path)
    with pytest.raises(BrokerError, match=r"(?s)ended while it started.*Stored node id 2"):
        broker.start()

    assert not broker.running


def fake(program: Path, said: str, code: int = 0) -> None:
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "no mvn is in PATH"),
        ('openjdk version "11.0.2" 2019-01-15', "java is Java 11"),
        ('java version "1.8.0_202"', "java is Java 8"),
        ("Unable to locate a Java Runtime.", "does not tell its version: 'Unable to locate a Java Runtime.'"),
        (None, "no java is in JAVA_HOME or PATH"),
    ],
)
def test_what_a_machine_lacks_is_named(
    said: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka needs Java 17 and, until the jars are there, Maven; what is missing is said in words."""
    monkeypatch.setattr("deploy.kafka.kafka.CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if said is not None:
        fake(tmp_path / "java", said)

    assert reason in str(available())


def test_a_fetch_that_fails_tells_why_and_is_not_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Maven wrote is in the error, and the next fetch tries again."""
    monkeypatch.setattr("deploy.kafka.kafka.CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    fake(tmp_path / "mvn", "Unknown host", 1)

    for _ in range(2):
        with pytest.raises(BrokerError, match=r"(?s)could not fetch Apache Kafka 4\..*Unknown host"):
            fetch()


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_skip_is_an_error_where_ci_has_the_tools(ci: str, outcome: str, tmp_path: Path) -> None:
    """On a machine whose Java is too old the tests are skipped, but in CI, which has the tools, they fail."""
    fake(tmp_path / "java", 'openjdk version "11.0.2"')
    fake(tmp_path / "mvn", "")
    here = Path(__file__)
    test = f"{here}::{test_a_broker_that_runs_is_not_started_again.__name__}"
    environment = {**os.environ, "CI": ci, "PATH": str(tmp_path), "JAVA_HOME": ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", test]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here.parents[2], env=environment)  # noqa: S603

    assert outcome in done.stdout
    assert "java is Java 11" in done.stdout
