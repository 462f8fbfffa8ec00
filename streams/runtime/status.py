"""
What a worker says of itself over HTTP: /health and /ready for who runs it, /metrics for Prometheus.

Numbers are read from the worker when somebody asks, so that nothing is counted twice and nothing costs until then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from streams.core.watermark import NEVER
from streams.runtime.part import Part
from streams.runtime.watchdog import Watchdog
from streams.runtime.web import Metrics, answering, counter, gauge, gauges
from streams.runtime.worker import Worker

_PARTITION = ("partition",)


class WorkerCollector(Collector):
    """The metrics of a worker; docs/operations.md says what each is for."""

    def __init__(self, worker: Worker, watchdog: Watchdog) -> None:
        self._worker = worker
        self._watchdog = watchdog

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics as they are now."""
        yield from self._of_the_process()
        yield from self._of_partitions()

    def _of_the_process(self) -> Iterator[Metric]:
        writer = self._worker.writer
        away = 0.0 if writer.state.away_since is None else self._worker.now() - writer.state.away_since
        yield gauge("streams_store_insert_seconds", "Time that the last insert took", writer.state.seconds)
        yield gauge("streams_store_away_seconds", "Since when the store does not answer; 0 while it does", away)
        yield gauge("streams_store_waiting_bytes", "Rows that have gathered for the next insert", writer.gathered)
        yield counter("streams_store_rows", "Rows stored", [((), writer.state.stored)], ())
        stalled = self._watchdog.stalled_for()
        yield gauge("streams_stalled_seconds", "Since when nothing was read although there is something", stalled)

    def _of_partitions(self) -> Iterator[Metric]:
        worker = self._worker
        lag = [((topic, str(number)), float(behind)) for (topic, number), behind in worker.lag().items()]
        yield gauges("streams_lag_records", "Records that are not read yet", lag, ("topic", "partition"))
        marks = [(number, _watermark(part)) for number, part in worker.parts.items()]
        known = [((str(number),), mark / 1e6) for number, mark in marks if mark > NEVER]
        yield gauges("streams_watermark_timestamp_seconds", "How far event time has come", known, _PARTITION)
        yield self._each("streams_checkpoint_age_seconds", "Since the last checkpoint", worker.checkpoint_age)
        yield self._each("streams_checkpoint_bytes", "Size of what a recovery would read", _checkpoint_bytes)
        yield self._each("streams_waiting_predictions", "Predictions held for their labels", _waiting)
        skipped = [((str(number),), float(part.skipped)) for number, part in worker.parts.items()]
        yield counter("streams_records_skipped", "Records deleted before they were read", skipped, _PARTITION)
        names = ("read", "rejected", "predictions", "outcomes", "joined", "labelling", "orphan", "duplicate", "expired")
        counts = {number: part.joining.upstream.tallies() for number, part in worker.parts.items()}
        for name in names:
            values = [((str(number),), float(tally[name])) for number, tally in counts.items()]
            yield counter(f"streams_events_{name}", f"Events: {name}, see docs/semantics.md", values, _PARTITION)
        shares = [
            ((str(n),), tally["labelling"] / tally["outcomes"]) for n, tally in counts.items() if tally["outcomes"]
        ]
        yield gauges("streams_join_hit_ratio", "Outcomes that labelled a prediction, of all", shares, _PARTITION)

    def _each(self, name: str, text: str, value: Callable[[Part], float]) -> Metric:
        return gauges(name, text, [((str(n),), value(part)) for n, part in self._worker.parts.items()], _PARTITION)


@asynccontextmanager
async def serving(worker: Worker, watchdog: Watchdog, address: tuple[str, int]) -> AsyncIterator[int]:
    """
    Answer HTTP while the block runs; yields the port, a free one where 0 was asked for.

    Raises
    ------
    UsageError
        The address cannot be listened on.
    """
    answers = _Answers(worker, watchdog)
    routes = [
        web.get("/health", answers.health),
        web.get("/ready", answers.ready),
        web.get("/metrics", Metrics(WorkerCollector(worker, watchdog)).answer),
    ]
    async with answering(routes, address) as port:
        yield port


class _Answers:
    """What is said at each path."""

    def __init__(self, worker: Worker, watchdog: Watchdog) -> None:
        self._worker = worker
        self._watchdog = watchdog

    async def health(self, _: web.Request) -> web.Response:
        """Healthy as long as something moves, or there is nothing to do."""
        stalled = self._watchdog.stalled_for()
        healthy = stalled < self._watchdog.patience
        return web.json_response({"healthy": healthy, "stalled_seconds": stalled}, status=200 if healthy else 503)

    async def ready(self, _: web.Request) -> web.Response:
        """Ready once partitions are held; a worker that is given none has nothing to be ready for, and is not."""
        held = sorted(self._worker.parts)
        answer = {"ready": bool(held), "partitions": held, "settled": self._worker.settled()}
        return web.json_response(answer, status=200 if held else 503)


def _watermark(part: Part) -> int:
    return part.joining.upstream.watermarks.value()


def _checkpoint_bytes(part: Part) -> float:
    return float(part.joining.size + part.windowing.size)


def _waiting(part: Part) -> float:
    return float(part.joining.upstream.held())
