"""
Seconds from produce to visible in the store, at a steady rate, and the worker's memory meanwhile.

A broker, a store and a worker run beside the producer. The producer sends predictions and, some seconds later, their
outcomes, all with the time at which they are sent. A reader asks the store again and again how many of each it knows
of: the k-th event counts as visible when k are. So what is reported includes the reader's own interval.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from aiokafka import AIOKafkaProducer

from deploy.cluster import ROOT, Cluster, cluster
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import encode_messages, to_batch
from streams.core.block import EventType
from streams.runtime.kafka import partitions_of
from streams.runtime.topics import EVENT_TOPICS
from streams.sinks.clickhouse.store import Store, read_store

CONFIG = ROOT / "benchmarks" / "latency.yaml"
STEP_SECONDS = 0.05
READ_SECONDS = 0.25
WARM_SECONDS = 120.0  # until what is held is steady; shorter runs leave out a third
LABEL_SECONDS, LAST_LABEL_SECONDS = 5.0, 45.0  # median and most, below the horizon
QUERY = """
SELECT sumIf(n, metric = 'count') AS predictions, sumIf(n, metric = 'accuracy') AS outcomes
FROM windows FINAL WHERE model = 'ranker' AND slice = map() AND metric IN ('count', 'accuracy')
"""
COUNTRIES, DEVICES = 20, 5
KINDS: tuple[EventType, ...] = ("prediction", "outcome")


@dataclass
class Curve:
    """How many there were when: seconds and numbers, both rising."""

    seconds: list[float] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)

    def note(self, number: float) -> None:
        """Note how many there are now."""
        self.seconds.append(time.monotonic())
        self.numbers.append(number)

    def when(self, numbers: np.ndarray) -> np.ndarray:
        """First second at which there were at least so many; infinite where there never were."""
        place = np.searchsorted(np.maximum.accumulate(self.numbers), numbers, side="left")
        return np.append(self.seconds, np.inf)[place]


class Producer:
    """Sends events at a steady rate."""

    def __init__(self, brokers: str, rate: float, partitions: int) -> None:
        self.sent = {kind: Curve() for kind in KINDS}
        self.reached = {(kind, partition): Curve() for kind in KINDS for partition in range(partitions)}
        """Event time, us, that was sent to each partition of each kind."""
        self._brokers, self._partitions = brokers, partitions
        self._each_step = round(rate / 2 * STEP_SECONDS)
        self._rng = np.random.default_rng(7)
        self._registry = SchemaRegistry.load(default_schema_dir())
        self._due: list[tuple[float, str, str]] = []
        self._made = 0

    async def run(self, seconds: float) -> None:
        """Send for so long; each step's events are confirmed while the next are made."""
        options = {"acks": "all", "enable_idempotence": True, "compression_type": "lz4", "linger_ms": 5}
        async with AIOKafkaProducer(bootstrap_servers=self._brokers, **options) as producer:
            start = time.monotonic()
            for step in range(round(seconds / STEP_SECONDS)):
                await asyncio.sleep(max(0.0, start + step * STEP_SECONDS - time.monotonic()))
                await self._send(producer, "prediction", self._predictions())
                if outcomes := self._outcomes():
                    await self._send(producer, "outcome", outcomes)

    def _predictions(self) -> list[dict[str, object]]:
        now = time.time_ns() // 1_000
        size = self._each_step
        score = self._rng.random(size)
        label = np.where(self._rng.random(size) < score, "1", "0")
        delay = np.minimum(LABEL_SECONDS * self._rng.lognormal(0.0, 0.5, size), LAST_LABEL_SECONDS)
        due = time.monotonic() + delay
        ids = [f"r{self._made + i}" for i in range(size)]
        self._made += size
        self._due += zip(due.tolist(), ids, label.tolist(), strict=True)
        places = self._rng.integers(0, COUNTRIES * DEVICES, size).tolist()
        return [
            {
                "request_id": name,
                "prediction_id": name,
                "event_time": now,
                "model": "ranker",
                "version": f"v{place % 2}",
                "score": chance,
                "attributes": {"country": f"c{place % COUNTRIES}", "device": f"d{place // COUNTRIES}"},
            }
            for name, chance, place in zip(ids, score.tolist(), places, strict=True)
        ]

    def _outcomes(self) -> list[dict[str, object]]:
        now, clock = time.time_ns() // 1_000, time.monotonic()
        ready = [(name, label) for due, name, label in self._due if due <= clock]
        self._due = [each for each in self._due if each[0] > clock]
        return [{"request_id": name, "event_time": now, "label": label} for name, label in ready]

    async def _send(self, producer: AIOKafkaProducer, kind: EventType, events: list[dict[str, object]]) -> None:
        values = encode_messages(kind, to_batch(kind, events), self._registry)
        keys = pa.array([str(event["request_id"]).encode() for event in events], pa.binary())
        parts = partitions_of(keys, self._partitions)
        held = self.sent[kind].numbers[-1] if self.sent[kind].numbers else 0
        self.sent[kind].note(held + len(events))
        for partition in np.unique(parts).tolist():
            self.reached[kind, partition].note(int(str(events[0]["event_time"])))  # one time for all of a step
            batch = producer.create_batch()
            for row in np.flatnonzero(parts == partition).tolist():
                if batch.append(timestamp=None, key=keys[row].as_py(), value=values[row]) is None:
                    await producer.send_batch(batch, f"telemetry.{EVENT_TOPICS[kind]}", partition=partition)
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=keys[row].as_py(), value=values[row])
            await producer.send_batch(batch, f"telemetry.{EVENT_TOPICS[kind]}", partition=partition)


class Reader(threading.Thread):
    """Asks the store again and again, and the system how much memory the worker has."""

    def __init__(self, store: Store, worker: int) -> None:
        super().__init__(daemon=True)
        self.seen = {kind: Curve() for kind in KINDS}
        self.memory = Curve()
        self.done = threading.Event()
        self._store, self._worker = store, worker

    def run(self) -> None:
        """Ask until told that it is done."""
        while not self.done.wait(READ_SECONDS):
            (row,) = self._store.query(QUERY).to_pylist()
            for kind in KINDS:
                self.seen[kind].note(row[f"{kind}s"])
            self.memory.note(resident(self._worker))


def resident(process: int) -> float:
    """Resident memory of a process, MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else 0.0


def measure(running: Cluster, rate: float, seconds: float) -> tuple[Producer, Reader]:
    """Run everything for so long, and a little longer for the last events to become visible."""
    worker = running.add_worker()
    running.wait_until(lambda: bool(worker.status().get("ready")), 60, "the worker is ready")
    producer = Producer(running.brokers, rate, running.partitions())
    with read_store(running.dsn) as store:
        reader = Reader(store, worker.running.pid if worker.running else 0)
        reader.start()
        asyncio.run(producer.run(seconds))
        time.sleep(10)
        reader.done.set()
        reader.join()
    return producer, reader


def report(producer: Producer, reader: Reader, seconds: float) -> None:
    """Print latencies by kind, and the memory after the warming up and at the end."""
    warm = min(WARM_SECONDS, seconds / 3)
    for kind in KINDS:
        sent, seen = producer.sent[kind], reader.seen[kind]
        numbers, at = np.array(sent.numbers), np.array(sent.seconds)
        late = (seen.when(numbers) - at)[at > at[0] + warm]
        p50, p99, most = np.quantile(late, (0.5, 0.99, 1.0), method="higher")
        print(
            f"{kind + 's':12} {numbers[-1] / seconds:10,.0f} /s   p50 {p50:.2f} s   p99 {p99:.2f} s   max {most:.2f} s"
        )
    at, memory = np.array(reader.memory.seconds), np.array(reader.memory.numbers)
    steady = (at > at[0] + warm) & (at < at[0] + seconds)
    minutes = (at[steady] - at[steady][0]) / 60
    slope = np.polyfit(minutes, memory[steady], 1)[0]
    first, last = (np.median(part) for part in (memory[steady][:100], memory[steady][-100:]))
    print(f"worker's memory: {first:.0f} MiB after {warm:.0f} s, {last:.0f} MiB at the end, {slope:+.1f} MiB a minute")


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=20_000.0, help="events per second")
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    directory = ROOT / ".streams" / "latency"
    shutil.rmtree(directory, ignore_errors=True)
    print(f"{given.rate:,.0f} events/s for {given.seconds:.0f} s on {os.cpu_count()} cores, broker and store included")
    with cluster(directory, CONFIG) as running:
        report(*measure(running, given.rate, given.seconds), given.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
