"""`streams gateway`: events over HTTP."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import rich_click as click

from streams.gateway.limits import Limits

F = TypeVar("F", bound=Callable[..., object])

_path = click.Path(path_type=Path)


def _limit(name: str, least: float, default: float, text: str) -> Callable[[F], F]:
    kind = click.IntRange(int(least)) if isinstance(default, int) else click.FloatRange(least)
    return click.option(name, type=kind, default=default, show_default=True, help=text)


@click.command(short_help="Take events over HTTP and write them to Kafka.")
@click.option("--config", "config_path", required=True, type=_path, help="The configuration, a YAML file.")
@click.option("--token-file", required=True, type=_path, help="Names, hashes and models of tokens.")
@click.option("--brokers", default=None, help="host:port[,host:port], instead of kafka.brokers.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, help="Where it answers.")
@_limit("--max-bytes", 1, Limits.body_bytes, "Of a body.")
@_limit("--max-events", 1, Limits.events, "Of a request.")
@_limit("--rate", 1.0, Limits.events_per_second, "Events/s of a token.")
@_limit("--max-requests", 1, Limits.requests, "At a time.")
@_limit("--timeout", 0.1, Limits.confirm_seconds, "Of Kafka, s.")
@_limit("--read-timeout", 0.1, Limits.read_seconds, "Of clients, s.")
def gateway(  # noqa: PLR0913, PLR0917 - an option each
    config_path: Path,
    token_file: Path,
    brokers: str | None,
    listen: str,
    max_bytes: int,
    max_events: int,
    rate: float,
    max_requests: int,
    timeout: float,
    read_timeout: float,
) -> None:
    """Take events over HTTP and write them to Kafka, until told to stop."""
    from streams.config import load_config  # noqa: PLC0415 - so that --help is quick
    from streams.gateway.run import Settings, parse_address, run_gateway  # noqa: PLC0415
    from streams.runtime.kafka import at_brokers  # noqa: PLC0415

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = load_config(config_path)
    config = config.model_copy(update={"kafka": at_brokers(config.kafka, brokers)})
    limits = Limits(
        body_bytes=max_bytes,
        events=max_events,
        events_per_second=rate,
        requests=max_requests,
        buffer_bytes=max(Limits.buffer_bytes, max_bytes),
        connections=4 * max_requests,
        read_seconds=read_timeout,
        confirm_seconds=timeout,
    )
    run_gateway(config, os.environ, Settings(parse_address(listen), token_file, limits, timeout))
