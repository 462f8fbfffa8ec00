"""A gateway from start to end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvloop

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config.models import Config
from streams.core.catalog import Catalog
from streams.emit.events import now as now_us
from streams.errors import UsageError
from streams.gateway.door import Door
from streams.gateway.kafka import open_log
from streams.gateway.limits import Limits
from streams.gateway.openapi import document
from streams.gateway.sending import Log, Sender
from streams.gateway.serving import serving
from streams.gateway.tokens import Tokens, load_tokens

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What a gateway is told when it is started: where it listens, its file of tokens, limits, Kafka's patience (s)."""

    address: tuple[str, int]
    tokens: Path
    limits: Limits
    patience: float


def parse_address(text: str) -> tuple[str, int]:
    """
    Return address and port. Raises `UsageError` for what is none.

    >>> parse_address("127.0.0.1:8080")
    ('127.0.0.1', 8080)
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"--listen {text}: write an address and a port, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def run_gateway(config: Config, environ: Mapping[str, str], settings: Settings) -> None:
    """
    Take events until SIGTERM or SIGINT, then answer those who are in.

    Raises
    ------
    UsageError
        The file of tokens has problems, topics are missing, or the address cannot be used.
    KafkaUnavailable
        No broker answered when it started. Later it waits for them.
    """
    tokens = load_tokens(settings.tokens, config.models)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, environ, settings, tokens))


async def _serve(config: Config, environ: Mapping[str, str], settings: Settings, tokens: Tokens) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        open_log(config.kafka, environ, settings.patience) as kafka_log,
        gateway(config, tokens, settings.limits, kafka_log, settings.address) as (port, sending),
    ):
        log.info("POST /v1/events on http://%s:%d; tokens: %s", settings.address[0], port, ", ".join(_names(tokens)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        stopping.cancel()


@asynccontextmanager
async def gateway(
    config: Config,
    tokens: Tokens,
    limits: Limits,
    messages: Log,
    address: tuple[str, int],
    now: Callable[[], int] = now_us,
) -> AsyncIterator[tuple[int, asyncio.Task[None]]]:
    """
    Take events for a log while the block runs.

    Yields the port, and the task that sends: it never ends well, only with what went wrong. `now` is the time, in us,
    that events may not be too far ahead of.
    """
    catalog = Catalog(config)
    registry = SchemaRegistry.load(default_schema_dir())
    sender = Sender(messages)
    door = Door(tokens, limits, lambda: catalog.rules(now()), registry, sender, document(registry, limits))
    sending = asyncio.create_task(sender.run())
    try:
        async with serving(door.application(), limits, address) as port:
            yield port, sending
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


def _names(tokens: Tokens) -> list[str]:
    return [token.name for token in tokens]
