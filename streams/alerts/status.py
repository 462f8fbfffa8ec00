"""
What the deliverer says of itself over HTTP: /health and /ready for who runs it, /metrics for Prometheus.

Numbers are read when somebody asks; docs/operations.md says what each is for. Labels are names of routes and outcomes,
which the configuration and the program declare, and nothing that a notice brings.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import get_args

from aiohttp import web
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.alerts.deliverer import Deliverer
from streams.alerts.delivery import Outcome
from streams.alerts.server import Standing
from streams.alerts.tally import Delays, Tally
from streams.runtime.web import Metrics, answering, counter, gauge, gauges

SILENT_SECONDS = 120.0
"""A deliverer that has not asked its topic for so long stands still; it asks several times a second."""

_ROUTE = ("route",)
_NOBODY: tuple[Outcome, ...] = ("unrouted", "unreadable")


@dataclass
class Desk:
    """
    Where the deliverer works, as others see it.

    Attributes
    ----------
    routes
        Names of the routes.
    tally
        What delivery has come to.
    deliverer
        What works on the topic; None while another process does.
    """

    routes: tuple[str, ...]
    tally: Tally = field(default_factory=Tally)
    deliverer: Deliverer | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._asked = self.clock()

    def asks(self) -> None:
        """Note that the topic was asked for more."""
        self._asked = self.clock()

    def silent_for(self) -> float:
        """Seconds since the topic was last asked for more."""
        return self.clock() - self._asked

    def standing(self) -> dict[str, Standing]:
        """Return how each route stands; nothing while another process works."""
        return {} if self.deliverer is None else self.deliverer.standing()


class DeliveryCollector(Collector):
    """The metrics of a deliverer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics as they are now."""
        yield from self._of_the_past()
        yield from self._of_now()

    def _of_the_past(self) -> Iterator[Metric]:
        desk, tally = self._desk, self._desk.tally
        possible = [
            (route, outcome) for route in desk.routes for outcome in get_args(Outcome) if outcome not in _NOBODY
        ]
        possible += [("", outcome) for outcome in _NOBODY]
        outcomes = [(at, float(tally.outcomes[at])) for at in possible]
        yield counter("streams_deliveries", "Notices of which it is known what came", outcomes, ("route", "outcome"))
        attempts = [((route,), float(tally.attempts[route])) for route in desk.routes]
        yield counter("streams_delivery_attempts", "How often a notice was sent", attempts, _ROUTE)
        seconds = HistogramMetricFamily("streams_delivery_seconds", "From being written to being sent", labels=_ROUTE)
        for route in desk.routes:
            delays = tally.delays.get(route, Delays())
            seconds.add_metric([route], list(delays.cumulative()), delays.total)
        yield seconds

    def _of_now(self) -> Iterator[Metric]:
        deliverer = self._desk.deliverer
        yield gauge("streams_delivery_active", "Whether this process has the topic", float(deliverer is not None))
        unrecorded = 0 if deliverer is None else deliverer.unrecorded
        yield gauge("streams_delivery_unrecorded", "Outcomes that are not on record yet", float(unrecorded))
        routes = self._desk.standing().items()
        for name, text, value in _OF_A_ROUTE:
            yield gauges(name, text, [((route,), value(standing)) for route, standing in routes], _ROUTE)


_OF_A_ROUTE: Iterable[tuple[str, str, Callable[[Standing], float]]] = (
    ("streams_delivery_waiting", "Notices that could be sent now", lambda one: float(one.waiting)),
    ("streams_delivery_held", "Notices that wait for the end of quiet hours", lambda one: float(one.held)),
    ("streams_delivery_oldest_seconds", "Since when the oldest could be sent", lambda one: one.oldest / 1e6),
    ("streams_delivery_failing_seconds", "Since when every attempt fails", lambda one: one.failing / 1e6),
)


@asynccontextmanager
async def serving(desk: Desk, address: tuple[str, int]) -> AsyncIterator[int]:
    """
    Answer HTTP while the block runs; yields the port, a free one where 0 was asked for.

    Raises
    ------
    UsageError
        The address cannot be listened on.
    """

    async def health(_: web.Request) -> web.Response:
        """Healthy as long as the topic is asked for more, whatever becomes of the routes."""
        silent = desk.silent_for()
        healthy = silent < SILENT_SECONDS
        return web.json_response({"healthy": healthy, "silent_seconds": silent}, status=200 if healthy else 503)

    async def ready(_: web.Request) -> web.Response:
        """Ready once it has the topic; one that stands by is not."""
        active = desk.deliverer is not None
        return web.json_response({"ready": active}, status=200 if active else 503)

    metrics = Metrics(DeliveryCollector(desk))
    routes = [web.get("/health", health), web.get("/ready", ready), web.get("/metrics", metrics.answer)]
    async with answering(routes, address) as port:
        yield port
