"""A worker from start to end: its store, its log, its place in the group, its watchdog and what it says of itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import uvloop

from streams.config.models import Config
from streams.errors import UsageError
from streams.runtime.app import Options, serve
from streams.runtime.log import open_log
from streams.runtime.status import serving
from streams.runtime.watchdog import Watchdog
from streams.runtime.worker import Pace, Worker
from streams.sinks.clickhouse.retry import Retry
from streams.sinks.clickhouse.store import Store, open_store
from streams.sinks.writer import Writer

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


def parse_web(text: str) -> tuple[str, int]:
    """
    Return address and port. Raises `UsageError` for what is none.

    >>> parse_web("127.0.0.1:8080")
    ('127.0.0.1', 8080)
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"--web {text}: write an address and a port, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


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
    with open_store(settings.store, retry=_AT_START) as store:
        _check_tables(store)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(config, environ, settings, store))


def _check_tables(store: Store) -> None:
    pending = store.migrate(dry_run=True)
    if pending:
        raise UsageError(f"{store.name} lacks {', '.join(pending)}; run `streams migrate` first")


async def _work(config: Config, environ: Mapping[str, str], settings: Settings, store: Store) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    who = f"{settings.instance or socket.gethostname()} {os.getpid()}"
    pace = Pace(idle=config.idle_timeout / 1e6)
    options = Options(
        f"{config.kafka.prefix}.{GROUP}",
        instance=settings.instance,
        session_timeout=settings.session_timeout,
        patience=settings.patience,
    )
    async with open_log(config.kafka, environ, settings.patience) as log:
        worker = Worker(config, log, Writer(store), who, pace)
        watchdog = Watchdog(worker, settings.stall_timeout)
        async with serving(worker, watchdog, settings.web):
            working = asyncio.create_task(serve(config.kafka, environ, worker, options, stop))
            watching = asyncio.create_task(watchdog.watch())
            try:
                done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
                for ended in done:
                    ended.result()
            finally:
                watching.cancel()
                if not working.done():
                    stop.set()
                    await asyncio.wait({working})
