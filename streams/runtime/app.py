"""
The shell of `streams worker`: a Faust app with two agents, each of which does nothing but hand blocks to the work.

`serve` runs it in the current loop until it is told to stop, or until something fails: then it raises what failed.
Whatever goes wrong in the work ends the run. Nothing is restarted inside the process, since nobody could say what of
the state is still right; whoever runs the process starts it again, and the work reads from where it last saved.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import faust
import uvloop
from aiokafka.errors import KafkaConnectionError
from faust.app.base import BootStrategy
from faust.types import StreamT
from yarl import URL

from streams.config.kafka import KafkaConfig
from streams.errors import UsageError
from streams.runtime.kafka import KafkaUnavailable, client_settings
from streams.runtime.topics import administrating
from streams.runtime.transport import BlockTransport, Fetch
from streams.runtime.transport_custody import STAGES, Brokers, Custody, Work
from streams.runtime.transport_thread import Limits

__all__ = ["Brokers", "Fetch", "Limits", "Options", "Work", "WorkerApp", "make_app", "run_app", "serve"]
log = logging.getLogger(__name__)

_DAY = 86_400.0
_START_SECONDS = 3.0  # for Faust to start, where it is told to stop before it has
_STOP_SECONDS = 4.0  # for Faust and aiokafka to end, once the work has


@dataclass(frozen=True)
class Options:
    """
    How a worker takes part.

    Attributes
    ----------
    name : str
        Name of the consumer group; its workers share the partitions.
    instance : str | None
        Name of this worker in the group, of its own and the same after a restart: a worker that restarts within
        `session_timeout` gets its partitions back without disturbing the others. None: it is a new member each time.
    web : tuple[str, int] | None
        Address and port of Faust's web server; None for no server.
    session_timeout : float
        Seconds without a sign of life after which the group gives a worker's partitions to others.
    patience : float
        Seconds that a broker is waited for at the start.
    grace : float
        Seconds that the block in hand and the work's last checkpoint may take together, once told to stop.
    limits : Limits
        How much is read ahead.
    """

    name: str
    instance: str | None = None
    web: tuple[str, int] | None = None
    session_timeout: float = 60.0
    patience: float = 60.0
    grace: float = 5.0
    limits: Limits = field(default_factory=Limits)


class _NoProducer(BootStrategy):
    """Start no producer: Faust's cannot confirm what it sent, so the work has its own."""

    enable_kafka_producer = False


class WorkerApp(faust.App):
    """
    A Faust app that keeps nothing itself.

    Attributes
    ----------
    custody : Custody
        What its agents hand blocks to.
    """

    BootStrategy = _NoProducer
    custody: Custody

    async def on_first_start(self) -> None:
        """Create no directories: they would be for tables, and there are none."""


class _AsItIs(faust.Schema[Any, Any]):
    """The value of a message is a block already, and there is no key."""

    def loads_key(self, *_: Any, **__: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - its name is theirs
        return message.value


def make_app(kafka: KafkaConfig, environ: Mapping[str, str], work: Work, options: Options) -> WorkerApp:
    """Make the app, in the loop that it will run in. Raises `UsageError` where a secret or certificate is missing."""
    app = WorkerApp(
        options.name,
        broker=[URL(f"aiokafka://{address}") for address in kafka.brokers],
        autodiscover=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        reply_create_topic=False,
        consumer_group_instance_id=options.instance or "",
        broker_session_timeout=options.session_timeout,
        broker_heartbeat_interval=min(3.0, options.session_timeout / 4),
        broker_rebalance_timeout=max(60.0, options.session_timeout),
        broker_max_poll_interval=_DAY,  # a store that is slow is no reason to give partitions to others
        stream_wait_empty=False,
        stream_buffer_maxsize=1_000_000,  # never full: the consumer counts blocks itself
        web_enabled=options.web is not None,
        **_web(options.web),
    )
    app.custody = Custody(work)
    app.custody.attach(app)
    app.transport = BlockTransport(
        app.conf.broker_consumer, app, client_settings(kafka, environ), options.limits, app.custody
    )
    for stage, topics in zip(STAGES, (work.topics[:-1], work.topics[-1:]), strict=True):
        _add_agent(app, stage, topics)
    return app


def _web(web: tuple[str, int] | None) -> dict[str, Any]:
    return {} if web is None else {"web_host": web[0], "web_bind": web[0], "web_port": web[1]}


def _add_agent(app: WorkerApp, stage: str, topics: tuple[str, ...]) -> None:
    async def hand_over(blocks: StreamT[Fetch]) -> None:
        async for fetch in blocks:
            await app.custody.take(stage, fetch)

    app.agent(app.topic(*topics, schema=_AsItIs(), acks=False), name=stage)(hand_over)


async def serve(
    kafka: KafkaConfig, environ: Mapping[str, str], work: Work, options: Options, stop: asyncio.Event
) -> None:
    """
    Take part in the group until `stop` is set; then finish the blocks in hand, and leave.

    Raises
    ------
    KafkaUnavailable
        No broker answered within `options.patience` seconds.
    UsageError
        A topic is missing, or has another number of partitions than the others.
    StreamsError
        The group does not take this worker, or the work did not end in time.
    Exception
        Whatever the work raised.
    """
    await check_topics(kafka, environ, work.topics, options.patience)
    app = make_app(kafka, environ, work, options)
    failed = app.custody.failed
    await work.start(app.custody)
    started = asyncio.Event()
    running, stopping = asyncio.create_task(_run(app, started)), asyncio.create_task(stop.wait())
    ends: set[asyncio.Future[Any]] = {running, stopping, failed}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await _wait_for_start(started, running)
        if not failed.done():
            await app.custody.finish(options.grace)
    finally:
        stopping.cancel()
        await _end(app, running)
    if failed.done():
        raise failed.result()


async def _wait_for_start(started: asyncio.Event, running: asyncio.Task[None]) -> None:
    """Wait until the app has started or given up: Faust does not end what is told to stop while it starts."""
    starting = asyncio.create_task(started.wait())
    await asyncio.wait({starting, running}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()


async def _run(app: WorkerApp, started: asyncio.Event) -> None:
    try:
        await app.start()
        started.set()
    except KafkaConnectionError as error:
        app.custody.fail(KafkaUnavailable(f"Kafka was there and went away while the worker started: {error}"))
    await app.wait_until_stopped()
    if app.crash_reason is not None:
        app.custody.fail(app.crash_reason)


async def _end(app: WorkerApp, running: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await app.stop()
            await running
    except TimeoutError:
        log.warning("Kafka's client did not end within %g s and was left behind", _STOP_SECONDS)


async def check_topics(
    kafka: KafkaConfig, environ: Mapping[str, str], topics: tuple[str, ...], patience: float
) -> None:
    """Wait for a broker, and check that the topics are there with equally many partitions; create none."""
    log.info("looking for Kafka at %s, for at most %g s", ", ".join(kafka.brokers), patience)
    async with administrating(kafka, environ, patience) as admin:
        there = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    missing = [topic for topic in topics if topic not in there]
    if missing:
        raise UsageError(f"topics {', '.join(missing)} do not exist; create them with `streams topics apply`")
    if len({there[topic] for topic in topics}) != 1:
        counts = ", ".join(f"{topic}: {there[topic]}" for topic in topics)
        raise UsageError(f"topics that are worked on together need equally many partitions, and have {counts}")


def run_app(kafka: KafkaConfig, environ: Mapping[str, str], work: Work, options: Options) -> None:
    """Serve in a loop of its own until SIGTERM or SIGINT. Raises what `serve` raises."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signalled(kafka, environ, work, options))


async def _until_signalled(kafka: KafkaConfig, environ: Mapping[str, str], work: Work, options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(kafka, environ, work, options, stop)
