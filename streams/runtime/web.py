"""What a process says of itself over HTTP: the server, and metrics that are read from it when somebody asks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from streams.errors import UsageError

log = logging.getLogger(__name__)

Value = tuple[tuple[str, ...], float]


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return gauges(name, text, [((), value)], ())


def gauges(name: str, text: str, values: Iterable[Value], labels: tuple[str, ...]) -> Metric:
    """Return a gauge with a value for each combination of labels."""
    metric = GaugeMetricFamily(name, text, labels=labels)
    for at, value in values:
        metric.add_metric(at, value)
    return metric


def counter(name: str, text: str, values: Iterable[Value], labels: tuple[str, ...]) -> Metric:
    """Return a counter with a value for each combination of labels."""
    metric = CounterMetricFamily(name, text, labels=labels)
    for at, value in values:
        metric.add_metric(at, value)
    return metric


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


class Metrics:
    """The metrics of some collectors, and those of the process."""

    def __init__(self, *collectors: Collector) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        for collector in collectors:
            self._registry.register(collector)

    async def answer(self, _: web.Request) -> web.Response:
        """All metrics, as Prometheus reads them."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def answering(routes: Iterable[web.RouteDef], address: tuple[str, int]) -> AsyncIterator[int]:
    """
    Answer HTTP while the block runs; yields the port, a free one where 0 was asked for.

    Raises
    ------
    UsageError
        The address cannot be listened on.
    """
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, address)
        port = int(runner.addresses[0][1])
        log.info("health, readiness and metrics on http://%s:%d", address[0], port)
        yield port
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: tuple[str, int]) -> None:
    try:
        await web.TCPSite(runner, *address).start()
    except OSError as error:
        raise UsageError(
            f"--web {address[0]}:{address[1]} cannot be used: {error.strerror or error}; name another address or port"
        ) from error
