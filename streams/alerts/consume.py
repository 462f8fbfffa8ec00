"""`streams alerts deliver`: reads the topic of alerts and delivers, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from streams.alerts.deliverer import Deliverer, Incoming
from streams.alerts.delivery import Book
from streams.alerts.encoding import decoded
from streams.alerts.making import opened
from streams.alerts.pace import Pace, WallClock
from streams.alerts.record import World
from streams.alerts.status import Desk, serving
from streams.alerts.store import AlertStore, StoreBook
from streams.config.alerting import AlertingConfig
from streams.config.kafka import KafkaConfig
from streams.core.alert.notice import Notice
from streams.errors import UsageError
from streams.runtime.kafka import KafkaUnavailable, client_settings, connected
from streams.sinks.clickhouse.store import open_store

log = logging.getLogger(__name__)

GROUP, TOPIC = "alerts-deliver", "alerts"
"""Names of the group of deliverers, and of the topic, behind the prefix."""

_POLL_MS = 200
_LAST_SECONDS = 15.0  # for what is on its way when the process is told to stop, or another one takes over


@dataclass(frozen=True)
class Sections:
    """The parts of the configuration that delivery needs."""

    kafka: KafkaConfig
    alerting: AlertingConfig


@dataclass(frozen=True)
class Terms:
    """How many seconds brokers may be away at the start, and the address and port of the status."""

    patience: float
    web: tuple[str, int]


def run_deliver(config: Sections, environ: Mapping[str, str], dsn: str, terms: Terms) -> None:
    """
    Deliver until SIGTERM or SIGINT.

    Parameters
    ----------
    config
        Where Kafka is, and where alerts go.
    environ
        Where secrets may be.
    dsn
        The store.
    terms
        How it runs.

    Raises
    ------
    UsageError
        There are no routes, a secret is missing, the store lacks tables, the topic is missing, or the port is taken.
    StreamsError
        It cannot go on; start it again.
    """
    if not config.alerting.routes:
        raise UsageError("there is nothing to deliver to: declare routes under alerting.routes")
    with open_store(dsn) as store:
        pending = store.migrate(dry_run=True)
        if pending:
            raise UsageError(f"{store.name} lacks {', '.join(pending)}; run `streams migrate` first")
        asyncio.run(_until_told(config, environ, StoreBook(AlertStore(store)), terms))


async def _until_told(config: Sections, environ: Mapping[str, str], book: StoreBook, terms: Terms) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await deliver(config, environ, book, terms, stop)


async def deliver(config: Sections, environ: Mapping[str, str], book: Book, terms: Terms, stop: asyncio.Event) -> None:
    """Deliver until told to stop. As `run_deliver`, with the record instead of a store."""
    kafka, topic = config.kafka, f"{config.kafka.prefix}.{TOPIC}"
    consumer = AIOKafkaConsumer(
        **client_settings(kafka, environ),
        group_id=f"{kafka.prefix}.{GROUP}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    desk = Desk(tuple(config.alerting.routes))
    world = World(book, WallClock(), random.random, Pace(config.alerting.give_up_after), desk.tally)
    async with (
        opened(config.alerting.routes, environ) as routes,
        connected(consumer, consumer.stop, kafka.brokers, terms.patience),
        serving(desk, terms.web),
    ):
        if topic not in await consumer.topics():
            raise UsageError(f"topic {topic} is missing; run `streams topics apply` first")
        share = Share(consumer, stop, desk)
        consumer.subscribe([topic], listener=share)
        while (part := await share.granted()) is not None:
            log.info("delivering the alerts of %s", topic)
            desk.deliverer = Deliverer(config.alerting, routes, world)
            with share:
                await desk.deliverer.run(share.read(part), partial(share.acknowledge, part), _LAST_SECONDS)


class Share(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """
    What this process has of the topic, which has one partition: all of it, or nothing while another process has it.

    Parameters
    ----------
    consumer
        A consumer in the group of deliverers.
    stop
        Set when the process is to end.
    desk
        Where others see what it does.
    """

    def __init__(self, consumer: AIOKafkaConsumer, stop: asyncio.Event, desk: Desk) -> None:
        self._consumer = consumer
        self._stop = stop
        self._desk = desk
        self._part: TopicPartition | None = None
        self._early: Mapping[TopicPartition, Sequence[ConsumerRecord]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._desk.deliverer = None
        self._idle.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - there is only one
        """Return once nothing works on the partition any more."""
        self._part, self._early = None, {}
        await self._idle.wait()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take the partition over."""
        self._part = min(assigned, default=None)

    async def granted(self) -> TopicPartition | None:
        """Return the partition once this process has it; None when it is to end."""
        while self._part is None and not self._stop.is_set():
            # Asking lets the group know that this process lives. It may be granted the partition while it asks, and
            # have records already.
            self._early = await self._fetch()
        return None if self._stop.is_set() else self._part

    async def read(self, part: TopicPartition) -> AsyncIterator[Incoming]:
        """Yield what comes, until the process is to end or loses the partition."""
        fetched, self._early = self._early, {}
        while self._part == part and not self._stop.is_set():
            for record in fetched.get(part, ()):
                yield Incoming(record.offset, _read(record.value), record.timestamp * 1_000)
            fetched = await self._fetch(part)

    async def _fetch(self, *parts: TopicPartition) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        try:
            found: Mapping[TopicPartition, Sequence[ConsumerRecord]]
            found = await self._consumer.getmany(*parts, timeout_ms=_POLL_MS)
        except KafkaError as error:
            raise KafkaUnavailable(f"the topic of alerts cannot be read: {error!r}") from error
        self._desk.asks()
        return found

    async def acknowledge(self, part: TopicPartition, last: int) -> None:
        """Commit that everything up to an offset, and this itself, need not be read again."""
        try:
            await self._consumer.commit({part: last + 1})
        except KafkaError as error:
            raise KafkaUnavailable(f"offset {last} of {part.topic} cannot be committed: {error!r}") from error


def _read(value: bytes | None) -> Notice | str:
    try:
        return decoded(value or b"")
    except ValueError as error:
        return str(error)
