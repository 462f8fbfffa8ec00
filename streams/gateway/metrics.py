"""What a gateway tells Prometheus; docs/gateway.md says what each number is for."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.core.block import EventType
from streams.gateway.judging import Message
from streams.gateway.room import Room
from streams.gateway.sending import Sender

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one gateway. Labels are few: names from the file of tokens, statuses, types and reasons."""

    def __init__(self, room: Room, sender: Sender) -> None:
        self._registry = to = CollectorRegistry()
        ProcessCollector(registry=to)
        to.register(_Now(room, sender))
        self._requests = Counter("streams_gateway_requests", "Answers, by status", ["status"], registry=to)
        self._taken = Counter("streams_gateway_events", "Events that Kafka confirmed", ["token", "type"], registry=to)
        self._refused = Counter("streams_gateway_events_refused", "Events not taken", ["token", "reason"], registry=to)
        text = "From the last byte of a body to Kafka's confirmation"
        self.seconds = Histogram("streams_gateway_confirm_seconds", text, buckets=_BUCKETS, registry=to)

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._requests.labels(str(status)).inc()

    def taken(self, token: str, messages: Iterable[Message]) -> Counts[EventType]:
        """Count events that Kafka has, and return how many there are of each type."""
        counts = Counts(message.kind for message in messages)
        for kind, count in counts.items():
            self._taken.labels(token, kind).inc(count)
        return counts

    def refused(self, token: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Count events that something is wrong with."""
        for reason, count in Counts(str(event["reason"]) for event in events).items():
            self._refused.labels(token, reason).inc(count)

    def held_back(self, token: str, reason: str, count: int) -> None:
        """Count events that nothing is wrong with, and that were not taken all the same."""
        self._refused.labels(token, reason).inc(count)

    def text(self) -> bytes:
        """Return all numbers as they are now, as Prometheus reads them."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What is so at the moment, read when somebody asks."""

    def __init__(self, room: Room, sender: Sender) -> None:
        self._room = room
        self._sender = sender

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges."""
        yield _gauge("streams_gateway_waiting_events", "Events that wait for Kafka", self._sender.events)
        yield _gauge("streams_gateway_held_bytes", "Bytes of bodies that are read or wait for Kafka", self._room.held)
        yield _gauge("streams_gateway_open_requests", "Requests that are being answered", self._room.requests)


def _gauge(name: str, text: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, text)
    metric.add_metric((), value)
    return metric
