"""A stage for workers in processes of their own: topics of its own, a store, and events whose sums are known."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from deploy.clickhouse.relay import Relay, relay
from deploy.cluster import STREAMS, WorkerProcess
from deploy.kafka.kafka import free_port
from streams.config import Config, load_config
from streams.runtime.accounts import read_counts
from streams.runtime.emit import EmitReport, emit
from streams.runtime.replay import open_files
from streams.runtime.topics import apply_topics
from streams.sinks.clickhouse.store import open_store, read_store

PATIENCE = 40.0  # seconds that a condition is waited for; none takes nearly as long
PARTITIONS = 2
DAY = "2026-11-20"
CONFIG = """
kafka: {{brokers: ["{broker}"], prefix: "{prefix}", partitions: {partitions}}}
disorder: 1h
samples: 0.0
models:
  fraud: {{task: binary, positive: "1", threshold: {threshold}, label_horizon: 1d, windows: [1d],
          slices: [[], [country]], metrics: [accuracy], max_groups: 20}}
  mood: {{task: binary, positive: "1", label_horizon: 1d, windows: [1d], metrics: [accuracy]}}
"""

Event = Mapping[str, Any]
Sent = tuple[str, int, bytes | None, Sequence[tuple[str, bytes]]]
"""A record as it is: topic behind the prefix, partition, value, headers."""


def prediction(model: str, number: int, country: str = "DE", minute: int | None = None) -> Event:
    """Return a prediction with a score of 0.9 for even numbers, of 0.1 for odd ones."""
    place = number % 600 if minute is None else minute
    return {
        "type": "prediction",
        "request_id": f"{model}-{number}",
        "prediction_id": f"{model}-{number}",
        "event_time": f"{DAY}T{place // 60:02}:{place % 60:02}:00Z",
        "model": model,
        "version": "1",
        "score": 0.1 if number % 2 else 0.9,
        "attributes": {"country": country},
    }


def outcome(model: str, number: int) -> Event:
    """Return the outcome of a prediction: 1 in one of four, so that three of four answers are right."""
    label = "0" if number % 4 else "1"
    return {
        "type": "outcome",
        "request_id": f"{model}-{number}",
        "event_time": f"{DAY}T{10 + number % 60 // 6:02}:30:00Z",
        "label": label,
    }


def pairs(model: str, count: int, first: int = 0) -> list[Event]:
    """Return predictions, and their outcomes behind them; a multiple of four has an accuracy of 0.75."""
    numbers = range(first, first + count)
    return [*(prediction(model, n) for n in numbers), *(outcome(model, n) for n in numbers)]


@dataclass
class Stage:
    """Where workers of a test play; `store` is a relay, in which faults can be put."""

    directory: Path
    path: Path
    store: Relay
    workers: list[WorkerProcess] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """The configuration as it is now in its file."""
        return load_config(self.path)

    def apply(self) -> None:
        """Create what is missing of the topics."""
        apply_topics(self.config.kafka, self.environ, PATIENCE)

    @staticmethod
    def write(events: Sequence[Event], file: Path) -> Path:
        """Write events into a file, a line each."""
        file.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
        return file

    def emit(self, events: Sequence[Event], *, end: bool = False) -> EmitReport:
        """Send events, and say behind them that nothing follows, if it is so."""
        file = self.write(events, self.directory / "events.jsonl")
        return emit(open_files([file]), self.config.kafka, self.environ, PATIENCE, end=end)

    def send(self, records: Sequence[Sent]) -> None:
        """Send records as they are, whatever they hold."""
        asyncio.run(self._send(records))

    async def _send(self, records: Sequence[Sent]) -> None:
        kafka = self.config.kafka
        async with AIOKafkaProducer(bootstrap_servers=list(kafka.brokers), max_request_size=4 << 20) as producer:
            for topic, partition, value, headers in records:
                await producer.send_and_wait(f"{kafka.prefix}.{topic}", value, b"key", partition, headers=list(headers))

    def delete(self, *topics: str) -> None:
        """Delete topics."""
        asyncio.run(self._delete([f"{self.config.kafka.prefix}.{name}" for name in topics]))

    async def _delete(self, names: list[str]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=list(self.config.kafka.brokers))
        await admin.start()
        try:
            await admin.delete_topics(names)
            while {topic["topic"] for topic in await admin.describe_topics()} & set(names):
                pass
        finally:
            await admin.close()

    def start(self, *options: str, program: Sequence[str] = (str(STREAMS),), name: str | None = None) -> WorkerProcess:
        """Start a worker; `program` is what runs the command line."""
        number, port = len(self.workers), free_port()
        given = ["--config", str(self.path), "--web", f"127.0.0.1:{port}", "--session-timeout", "6", *options]
        given += ["--instance", name or f"worker-{number}"] if name != "" else []
        environ = {"STREAMS_STORE": self.store.dsn, **self.environ}
        log = self.directory / f"worker-{number}.log"
        worker = WorkerProcess(f"worker-{number}", [*program, "worker", *given], log, environ, port=port)
        self.workers.append(worker)
        worker.start()
        return worker

    def streams(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it said."""
        command = [str(STREAMS), *arguments]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, env={**os.environ, **self.environ}
        )
        return done.returncode, done.stdout + done.stderr

    def settle(self, worker: WorkerProcess) -> None:
        """Wait until a worker has stored everything that follows from what was emitted to the end."""
        wait(lambda: worker.status().get("settled") is True, "settled", worker)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the store."""
        with read_store(self.store.dsn) as store:
            rows: list[dict[str, Any]] = store.query(sql).to_pylist()
            return rows

    def counts(self) -> dict[str, int]:
        """What became of every event."""
        with read_store(self.store.dsn) as store:
            return read_counts(store.query)

    def quality(self) -> dict[tuple[str, str], tuple[float | None, float]]:
        """Value and observations of the accuracy, by model and country; of the whole the country is empty."""
        rows = self.query("SELECT model, slice['country'] AS country, value, n FROM quality WHERE metric = 'accuracy'")
        return {(row["model"], row["country"]): (row["value"], row["n"]) for row in rows}


@contextmanager
def stage(directory: Path, broker: str, **settings: object) -> Iterator[Stage]:
    """Set up a store with its tables and a configuration; the workers that were started are killed at the end."""
    path = directory / "config.yaml"
    configure(path, broker, **settings)
    with relay(directory / "store") as store:
        with open_store(store.dsn) as opened:
            opened.migrate()
        running = Stage(directory, path, store)
        try:
            yield running
        finally:
            for worker in running.workers:
                if worker.running is not None:
                    worker.running.kill()
                    worker.running.wait()


def configure(path: Path, broker: str, **settings: object) -> None:
    """Write a configuration; the prefix is that of the directory."""
    given = {"prefix": path.parent.name, "partitions": PARTITIONS, "threshold": 0.5} | settings
    path.write_text(CONFIG.format(broker=broker, **given), encoding="utf-8")


def wait(condition: Callable[[], bool], what: str, worker: WorkerProcess | None = None) -> None:
    """Wait for a condition; a worker that ends meanwhile, and one that it takes too long for, fail the test."""
    until = time.monotonic() + PATIENCE
    while not condition():
        said = "" if worker is None else worker.last_lines()
        assert worker is None or worker.alive(), f"the worker ended before it was so: {what}\n{said}"
        assert time.monotonic() < until, f"not within {PATIENCE:g} s: {what}\n{said}"
        time.sleep(0.05)


def code_of(worker: WorkerProcess) -> int:
    """Wait until a worker has ended by itself; return its exit code."""
    assert worker.running is not None
    return worker.running.wait(PATIENCE)


def says(worker: WorkerProcess, text: str) -> bool:
    """Whether a text stands in what a worker has written."""
    return text in worker.log.read_text(encoding="utf-8", errors="replace")


def metric(worker: WorkerProcess, name: str) -> float:
    """Sum of a metric over its labels, as /metrics has it now; NaN while nothing answers there."""
    try:
        lines = worker.metrics().splitlines()
    except OSError:
        return math.nan
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def python(code: str) -> tuple[str, ...]:
    """Return the program that runs code before the command line."""
    return (sys.executable, "-c", f"{code}\nfrom streams.cli import main; main()")
