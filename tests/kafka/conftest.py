"""One real broker for the tests of a process, and topics of their own for each."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator, Mapping

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from deploy.kafka.kafka import Broker, available, java, maven

MakeTopic = Callable[..., str]


def require_kafka() -> None:
    """Skip where a machine cannot run Kafka; fail where CI has a JDK and Maven and still cannot."""
    reason = available()
    if reason is None:
        return
    if os.environ.get("CI") == "true" and java() and maven():
        pytest.fail(f"CI cannot run Kafka: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run one broker for all tests of this process; a test that kills it starts it again."""
    require_kafka()
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def make_topic(broker: Broker) -> MakeTopic:
    """Create a topic with a name of its own, from code that is not async: `make_topic(partitions, config)`."""

    def make(partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        topic = NewTopic(f"t-{uuid.uuid4().hex}", partitions, 1, topic_configs=dict(config or {}))
        asyncio.run(_create(broker.bootstrap, topic))
        return str(topic.name)

    return make


async def _create(bootstrap: str, topic: NewTopic) -> None:
    """Create the topic, and return once each of its partitions has a leader: the broker learns of it a little later."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(30):
            created = await admin.create_topics([topic])
            for name, code, message in created.topic_errors:
                if code:
                    raise for_code(code)(f"topic {name} was not created: {message}")
            while not await _is_led(admin, topic):
                pass
    finally:
        await admin.close()


async def _is_led(admin: AIOKafkaAdminClient, topic: NewTopic) -> bool:
    (found,) = await admin.describe_topics([topic.name])
    led = [partition["partition"] for partition in found["partitions"] if partition["leader"] >= 0]
    return len(led) == int(topic.num_partitions)
