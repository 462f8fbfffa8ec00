"""A worker from start to end: its store, its log, its place in the group, its watchdog and what it says of itself."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop

from streams.config.kafka import KafkaConfig
from streams.config.models import Config
from streams.errors import StoreUnavailable, UsageError
from streams.privacy import with_secret
from streams.runtime.app import Options, serve
from streams.runtime.log import open_log
from streams.runtime.status import serving
from streams.runtime.topics import REJECTED, TOPICS, administrating, describe, plan, wanted
from streams.runtime.watchdog import Watchdog
from streams.runtime.worker import Pace, Worker
from streams.sinks.clickhouse.retry import ONCE, Retry
from streams.sinks.clickhouse.store import Store, open_store
from streams.sinks.writer import Writer

log = logging.getLogger(__name__)

GROUP = "worker"
_AT_START = Retry(attempts=9)  # a minute: the store may be starting as well


@dataclass(frozen=True)
class Settings:
    """
    What a worker is told when it is started.

    `store` is a DSN, `instance` its name among the workers (None: that of a new member each time), `web` the address
    and port of its status. Times are in seconds: `session_timeout` and `stall_timeout` as the command line says,
    `patience` how long brokers may be away.
    """

    store: str
    instance: str | None
    web: tuple[str, int]
    session_timeout: float
    stall_timeout: float
    patience: float


def run_worker(config: Config, environ: Mapping[str, str], settings: Settings) -> None:
    """
    Work until SIGTERM or SIGINT.

    Raises
    ------
    UsageError
        The store lacks tables, topics are missing, or something else has to be mended first.
    StreamsError
        It cannot go on; start it again.
    """
    config = with_secret(config, environ)
    with _leaving_when_told():
        store = _AT_START.call(lambda: _opened(settings.store))
    with store:
        _check_tables(store)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(config, environ, settings, store))


def _opened(dsn: str) -> Store:
    """Open the store, whose calls are then tried once each: the writer repeats them, and says that it waits."""
    try:
        return open_store(dsn, retry=ONCE)
    except StoreUnavailable as error:
        log.warning("%s; it is waited for", error)
        raise


@contextmanager
def _leaving_when_told() -> Iterator[None]:
    """Leave at once on SIGTERM: nothing is held yet. Without a handler the first process of a container ignores it."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: object) -> None:  # noqa: ARG001 - what a handler is called with
    raise SystemExit(0)


def _check_tables(store: Store) -> None:
    pending = store.migrate(dry_run=True)
    if pending:
        raise UsageError(f"{store.name} lacks {', '.join(pending)}; run `streams migrate` first")


async def _work(config: Config, environ: Mapping[str, str], settings: Settings, store: Store) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if not await _comes_first(_check_topics(config.kafka, environ, settings.patience), stop):
        return
    who = settings.instance or f"{socket.gethostname()}, process {os.getpid()}"
    pace = Pace(idle=config.idle_timeout / 1e6)
    options = Options(
        f"{config.kafka.prefix}.{GROUP}",
        instance=settings.instance,
        session_timeout=settings.session_timeout,
        patience=settings.patience,
    )
    async with open_log(config.kafka, environ, settings.patience) as kafka_log:
        worker = Worker(config, kafka_log, Writer(store), who, pace)
        watchdog = Watchdog(worker, settings.stall_timeout)
        async with serving(worker, watchdog, settings.web):
            working = asyncio.create_task(serve(config.kafka, environ, worker, options, stop))
            await _watched(working, watchdog, stop)


async def _comes_first(waiting: Coroutine[object, object, None], stop: asyncio.Event) -> bool:
    """Wait, and raise what waiting raises; False if the worker is told to stop before that."""
    ends = asyncio.create_task(waiting), asyncio.create_task(stop.wait())
    done, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.wait(ends)
    if ends[0] in done:
        ends[0].result()
    return ends[0] in done


async def _check_topics(kafka: KafkaConfig, environ: Mapping[str, str], patience: float) -> None:
    """
    Wait for a broker; hold all topics that a worker works with against the configuration.

    Whose partitions are others than configured would be worked on wrongly: a key's events and sums would not meet.

    Raises
    ------
    UsageError
        Some are missing, or have another number of partitions.
    KafkaUnavailable
        No broker answered.
    """
    log.info("looking for Kafka at %s, for at most %g s", ", ".join(kafka.brokers), patience)
    want = wanted(kafka, [topic for topic in TOPICS if topic.partitions == "shared" or topic.name == REJECTED])
    async with administrating(kafka, environ, patience) as admin:
        have = await describe(admin, want)
    missing = [topic.name for topic in want if topic.name not in {one.name for one in have}]
    if missing:
        raise UsageError(f"topics {', '.join(missing)} do not exist; create them with `streams topics apply`")
    partitions = {topic.name: topic.partitions for topic in have}
    differences = plan(have, want)
    wrong = [f"{d.topic.name} {d.detail}" for d in differences if partitions[d.topic.name] != d.topic.partitions]
    if wrong:
        raise UsageError("; ".join(wrong))
    for difference in differences:
        log.warning("%s; `streams topics plan` says the same", difference)


async def _watched(working: asyncio.Task[None], watchdog: Watchdog, stop: asyncio.Event) -> None:
    """Return when the work has ended; what ends it first, itself or the watchdog, is raised."""
    watching = asyncio.create_task(watchdog.watch())
    try:
        done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        watching.cancel()
        stop.set()
        await asyncio.wait({working, watching})
        if not working.cancelled() and (error := working.exception()) is not None:
            log.debug("the work ended with %r", error)
