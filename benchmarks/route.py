"""
Seconds from the proof of an alert to its route, at a steady rate: a worker, a deliverer and a receiver of webhooks.

Beside the model of the benchmark of latency there are canaries, each with a limit on its accuracy that it breaks for a
tick, twice, in turn. An alert is proven when the watermark passes the end of its tick: at the latest when each
partition of predictions and outcomes has been sent an event that is so late. From then until the receiver has it takes
reading, joining, summing up, judging, storing, announcing and delivering.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.canaries import ROUNDS, SECRET, CanaryProducer, Plan, configured
from benchmarks.latency import Curve
from benchmarks.machine import Machine
from deploy.cluster import ROOT, STREAMS, Cluster, WorkerProcess, cluster
from deploy.kafka.kafka import free_port
from streams.config import load_config
from streams.sinks.clickhouse.store import read_store

CONFIG = ROOT / "benchmarks" / "route.yaml"
RESULTS = ROOT / "benchmarks" / "route.json"

MOST_SECONDS = 5.0  # that the 99th percentile may be
QUERY = "SELECT dedup_key, sequence, model, status FROM alerts FINAL"

Told = tuple[str, int]
"""Key and revision of a notice."""


@dataclass(frozen=True)
class Arrival:
    """A notice and when it arrived: seconds, monotonic and since 1970."""

    monotonic: float
    wall: float
    notice: dict[str, Any]


class Receiver:
    """Takes webhooks, and notes when each notice came for the first time."""

    def __init__(self) -> None:
        self.arrived: dict[Told, Arrival] = {}
        self.repeated = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes) -> None:
        """Note a notice; the first time counts."""
        arrival = Arrival(time.monotonic(), time.time(), json.loads(body))
        told = arrival.notice["dedup_key"], arrival.notice["revision"]
        self.repeated += told in self.arrived
        self.arrived.setdefault(told, arrival)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler


def start_deliverer(running: Cluster) -> WorkerProcess:
    """Start `streams alerts deliver`, which ends with the cluster."""
    port = free_port()
    options = ["--config", str(running.config), "--brokers", running.brokers, "--web", f"127.0.0.1:{port}"]
    environ = {"STREAMS_STORE": running.dsn, SECRET: "not-so-secret"}
    command = [str(STREAMS), "alerts", "deliver", *options]
    deliverer = WorkerProcess("deliver", command, running.directory / "deliver.log", environ, port=port)
    deliverer.start()
    running.others.append(deliverer)
    return deliverer


@dataclass
class Run:
    """What was seen: the producer, notices as they arrived and as they were announced, and others' share."""

    producer: CanaryProducer
    arrived: dict[Told, Arrival]
    announced: dict[Told, float]
    others: float


def measure(running: Cluster, receiver: Receiver, plan: Plan, rate: float) -> Run:
    """Run everything until all alerts, and that they are over, have arrived."""
    worker, deliverer = running.add_worker(), start_deliverer(running)
    running.wait_until(lambda: all(one.status().get("ready") for one in (worker, deliverer)), 60, "both are ready")
    producer, machine = CanaryProducer(running.brokers, rate, running.partitions(), plan), Machine()
    asyncio.run(producer.run(plan.seconds))
    others, expected = machine.others(), ROUNDS * len(plan.canaries)
    with read_store(running.dsn) as store:

        def all_have_arrived() -> bool:
            rows = store.query(QUERY).to_pylist()
            told = [row["status"] for row in rows if row["model"].startswith("canary-")]
            stored = {(row["dedup_key"], row["sequence"]) for row in rows}
            return min(map(told.count, ("firing", "resolved"))) >= expected and stored <= receiver.arrived.keys()

        running.wait_until(all_have_arrived, 60, "every alert has arrived")
    arrived = dict(receiver.arrived)
    return Run(producer, arrived, asyncio.run(announced(running.brokers)), others)


async def announced(brokers: str) -> dict[Told, float]:
    """Read when each notice was written to the topic of alerts, seconds since 1970."""
    part = TopicPartition("telemetry.alerts", 0)
    found: dict[Told, float] = {}
    async with AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False) as consumer:
        consumer.assign([part])
        await consumer.seek_to_beginning(part)
        end = (await consumer.end_offsets([part]))[part]
        while await consumer.position(part) < end:
            for record in (await consumer.getmany(part, timeout_ms=1_000)).get(part, ()):
                notice = json.loads(record.value)
                found[notice["dedup_key"], notice["revision"]] = record.timestamp / 1e3
    return found


@dataclass
class Delays:
    """Seconds of each alert: from its proof to its topic, from there to its route, and both."""

    to_topic: list[float] = field(default_factory=list)
    to_route: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)

    def add(self, proven: float, announced: float, arrived: float) -> None:
        """Note one alert; seconds of one clock."""
        self.to_topic.append(announced - proven)
        self.to_route.append(arrived - announced)
        self.all.append(arrived - proven)

    def table(self) -> dict[str, dict[str, float]]:
        """Return median, 99th percentile and maximum of each."""
        quantiles = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {
            name: {key: float(np.quantile(some, share, method="higher")) for key, share in quantiles.items()}
            for name, some in vars(self).items()
        }


def proof(reached: Iterable[Curve], time: int) -> float:
    """Return the second at which the last of some partitions had been sent an event at `time`, us, or after."""
    return max(float(curve.when(np.array([time]))[0]) for curve in reached)


def delays(run: Run, disorder: int) -> Delays:
    """Return how long each alert took; the declared `disorder`, us, is not counted."""
    found = Delays()
    for told, one in run.arrived.items():
        proven = proof(run.producer.reached.values(), one.notice["tick"] + disorder)
        found.add(proven, run.announced[told] - one.wall + one.monotonic, one.monotonic)
    return found


def report(found: dict[str, Any]) -> None:
    """Print what was found."""
    print(f"{found['events_a_second']:,.0f} events/s were sent; others had {found['others']:.0%} of the processors")
    print(f"{found['notices']} notices arrived, {found['repeated']} of them twice")
    for name in ("to_topic", "to_route", "all"):
        print(f"{name:10}" + "".join(f"   {key} {value:.2f} s" for key, value in found[name].items()))


def run(rate: float, seconds: float) -> dict[str, Any]:
    """Run it and return what was found."""
    base = load_config(CONFIG)
    plan = Plan(base.detection.tick, round(seconds * 1e6 / base.detection.tick))
    with tempfile.TemporaryDirectory() as name, Receiver() as receiver:
        config = Path(name) / "config.yaml"
        config.write_text(configured(CONFIG.read_text(encoding="utf-8"), plan, receiver.url), encoding="utf-8")
        with cluster(Path(name), config) as running:
            seen = measure(running, receiver, plan, rate)
    sent = sum(curve.numbers[-1] for curve in seen.producer.sent.values())
    return {
        "rate": rate,
        "seconds": seconds,
        "events_a_second": sent / plan.seconds,
        "others": max(seen.others, 0.0),
        "notices": len(seen.arrived),
        "repeated": receiver.repeated,
        **delays(seen, base.disorder).table(),
    }


def main() -> int:
    """Run the command; return its exit code: 1 if the 99th percentile is above what is promised."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=20_000.0, help="events per second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--write", action="store_true", help=f"into {RESULTS.relative_to(ROOT)}, for the documents")
    given = parser.parse_args()
    print(f"{given.rate:,.0f} events/s for {given.seconds:.0f} s on {os.cpu_count()} cores, broker and store included")
    found = run(given.rate, given.seconds)
    report(found)
    if given.write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(found["all"]["p99"] > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
