"""
Seconds from claiming a partition to going on with it, by how many predictions wait, on a real Kafka.

The state is put into an upstream directly, in steps, with a checkpoint after each as a worker would write it; then a
worker takes the partition over.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from deploy.cluster import ROOT
from deploy.kafka.kafka import Broker
from streams.config import Config, load_config
from streams.core.groups import CohortName
from streams.runtime.kafka import at_brokers
from streams.runtime.log import Log, open_log
from streams.runtime.part import Part
from streams.runtime.topics import apply_topics
from streams.runtime.worker import Pace, Worker
from streams.sinks.writer import Writer

CONFIG = ROOT / "benchmarks" / "latency.yaml"
STEP = 500_000
START = 1_700_000_000_000_000
COUNTRIES, DEVICES = 20, 5


def fill(part: Part, rows: int, rng: np.random.Generator) -> None:
    """Put predictions into the join as if they had been read, and label a tenth of those that were there before."""
    upstream = part.joining.upstream
    names = [_cohort(number) for number in range(COUNTRIES * DEVICES)]
    cohorts = np.array([upstream.catalog.groups.adopt(name) for name in names], np.int32)
    columns = {name: np.zeros(rows, dtype) for name, dtype in upstream.catalog.shape.dtypes().items()}
    for name in ("key", "check", "id"):
        columns[name] = rng.integers(0, 2**63, rows, np.uint64) * np.uint64(2)
    columns["time"] += START + np.arange(rows)
    columns["cohort"] = rng.choice(cohorts, rows)
    columns["weight"] += 1.0
    columns["score"] = rng.random(rows)
    predictions = upstream.stores()["predictions"]
    labelled = rng.choice(len(predictions), len(predictions) // 10) if len(predictions) else np.empty(0, np.int64)
    predictions.put(labelled, {"label": np.full(len(labelled), 7, np.uint64)})
    predictions.insert(columns)
    part.joining.positions[part.joining.inputs[0]] += rows


def _cohort(number: int) -> CohortName:
    country, device = f"c{number % COUNTRIES}", f"d{number // COUNTRIES}"
    return CohortName("ranker", f"v{number % 2}", [(), (country,), (country, device)], [START] * 3)


def _worker(config: Config, log: Log) -> Worker:
    class NoStore:
        def insert(self, table: str, batch: object) -> None:
            """Take the accounts."""

    return Worker(config, log, Writer(NoStore()), "benchmark", Pace())


async def measure(config: Config, rows: int) -> tuple[float, float, float]:
    """Return seconds a checkpoint took at the end, seconds of the recovery, and MB that it read."""
    rng = np.random.default_rng(1)
    async with open_log(config.kafka, os.environ, 120.0) as log:
        first = _worker(config, log)
        await first.assigned(frozenset({0}))
        saving = 0.0
        for _ in range(0, rows, STEP):
            fill(first.parts[0], STEP, rng)
            started = time.perf_counter()
            await first.tick()
            saving = time.perf_counter() - started
        second = _worker(config, log)
        started = time.perf_counter()
        await second.assigned(frozenset({0}))
        seconds = time.perf_counter() - started
        part = second.parts[0]
        if part.joining.upstream.held() != rows:
            raise SystemExit(f"{part.joining.upstream.held():,} predictions were recovered, expected {rows:,}")
        return saving, seconds, part.joining.size / 1e6


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    given = parser.parse_args()
    print(f"{'waiting':>12} {'last checkpoint':>16} {'read':>10} {'recovery':>10} {'peak memory':>12}")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as directory, Broker(Path(directory)) as broker:
            config = load_config(CONFIG)
            kafka = at_brokers(config.kafka, broker.bootstrap).model_copy(update={"partitions": 1})
            apply_topics(kafka, os.environ, 60.0)
            config = config.model_copy(update={"kafka": kafka})
            saving, seconds, size = asyncio.run(measure(config, rows))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{rows:>12,} {saving:>14.2f} s {size:>7,.0f} MB {seconds:>8.1f} s {peak:>8,.0f} MiB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
