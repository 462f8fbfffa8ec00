"""`deliver` on a real broker: what is on the topic arrives, is committed once it is on record, and is shared safely."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.kafka.kafka import Broker
from streams.alerts.consume import GROUP, TOPIC, Sections, Terms, deliver
from streams.alerts.encoding import encoded
from streams.config.alerting import AlertingConfig
from streams.config.kafka import KafkaConfig
from streams.errors import UsageError
from tests.alerts.making import CANARY, Book, numbered
from tests.alerts.servers import HttpServer
from tests.kafka.conftest import require_kafka

ENVIRON = {"S": CANARY}


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run a broker for the tests of this file."""
    require_kafka()
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


class Stage:
    """A topic of alerts, a server that takes them, and deliverers between the two."""

    def __init__(self, broker: Broker, server: HttpServer) -> None:
        self.kafka = KafkaConfig(brokers=(broker.bootstrap,), prefix=f"t{uuid.uuid4().hex}")
        self.topic = f"{self.kafka.prefix}.{TOPIC}"
        self.server = server
        self.book = Book()

    async def make_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=list(self.kafka.brokers))
        await admin.start()
        await admin.create_topics([NewTopic(self.topic, 1, 1)])
        await admin.close()

    async def say(self, *records: bytes) -> None:
        async with AIOKafkaProducer(bootstrap_servers=list(self.kafka.brokers)) as producer:
            for record in records:
                await producer.send_and_wait(self.topic, record, partition=0)

    def start(self) -> tuple[asyncio.Task[None], asyncio.Event]:
        """Start a deliverer; return it, and what ends it."""
        hook = {"kind": "webhook", "url": self.server.url, "secret_env": "S"}
        section = AlertingConfig.model_validate({"routes": {"hook": hook}, "default": "hook"})
        stop = asyncio.Event()
        work = deliver(Sections(self.kafka, section), ENVIRON, self.book, Terms(30.0, ("127.0.0.1", 0)), stop)
        return asyncio.create_task(work), stop

    async def arrived(self, number: int) -> None:
        while len(self.server.taken) < number:
            self.server.came.clear()
            await self.server.came.wait()

    async def committed(self) -> int | None:
        """Return where the next deliverer would begin."""
        async with AIOKafkaConsumer(
            bootstrap_servers=list(self.kafka.brokers), group_id=f"{self.kafka.prefix}.{GROUP}"
        ) as consumer:
            offset: int | None = await consumer.committed(TopicPartition(self.topic, 0))
            return offset


def on_stage(broker: Broker, play: Callable[[Stage], Awaitable[None]]) -> None:
    """Let something happen, in at most a minute."""

    async def run() -> None:
        server = HttpServer([])
        async with asyncio.timeout(60), server.running():
            await play(Stage(broker, server))

    asyncio.run(run())


def test_what_is_on_the_topic_arrives_once(broker: Broker) -> None:
    """Notices, and between them a record that is none; the next deliverer goes on where the last one ended."""

    async def play(stage: Stage) -> None:
        await stage.make_topic()
        await stage.say(encoded(numbered(0)), b"this is no notice", encoded(numbered(1)))
        for arrivals in (2, 3):
            working, stop = stage.start()
            await stage.arrived(arrivals)
            stop.set()
            await working
            assert await stage.committed() == arrivals + 1
            await stage.say(encoded(numbered(arrivals)))
        assert [taken.body for taken in stage.server.taken] == [encoded(numbered(number)) for number in range(3)]
        assert stage.book.outcomes_of("sent") == 3
        assert stage.book.outcomes_of("unreadable") == 1

    on_stage(broker, play)


def test_a_second_deliverer_takes_over(broker: Broker) -> None:
    """One of two works; when it ends, the other goes on, and nothing is sent twice."""

    async def play(stage: Stage) -> None:
        await stage.make_topic()
        await stage.say(encoded(numbered(0)))
        first, stop_first = stage.start()
        await stage.arrived(1)
        second, stop_second = stage.start()
        await stage.say(encoded(numbered(1)))
        await stage.arrived(2)
        stop_first.set()
        await first
        await stage.say(encoded(numbered(2)))
        await stage.arrived(3)
        stop_second.set()
        await second
        assert [taken.body for taken in stage.server.taken] == [encoded(numbered(number)) for number in range(3)]

    on_stage(broker, play)


def test_without_a_topic_it_says_what_to_do(broker: Broker) -> None:
    """A topic that is missing is not waited for."""

    async def play(stage: Stage) -> None:
        working, _ = stage.start()
        with pytest.raises(UsageError, match=r"\.alerts is missing; run `streams topics apply` first"):
            await working

    on_stage(broker, play)
