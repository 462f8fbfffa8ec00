"""Events a second of `streams replay` from Parquet into a new store, by how many events there are."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.growth.alone import alone, peak
from benchmarks.growth.results import Row
from benchmarks.peers.contestants import CONFIG
from benchmarks.peers.workload import make_workload
from streams.codecs.write import to_batch
from streams.config import load_config
from streams.runtime.replay import open_files, replay
from streams.sinks.clickhouse.store import open_store

PREDICTIONS = (50_000, 500_000, 5_000_000)  # each with its outcome, but for one in twenty


def measure(*, quick: bool) -> list[Row]:
    """Measure each size in a process of its own; the files are written by another."""
    rows = []
    for predictions in PREDICTIONS[:1] if quick else PREDICTIONS:
        with tempfile.TemporaryDirectory() as name:
            alone(write_files, Path(name), predictions)
            rows.append(alone(measure_one, Path(name)))
    return rows


def write_files(directory: Path, predictions: int) -> None:
    """Write the events that the contestants read, as columns of the codecs, a file for each type."""
    work = make_workload(predictions)
    for arrivals in (work.predictions, work.outcomes):
        table = pa.Table.from_batches([to_batch(arrivals.kind, arrivals.table)])
        pq.write_table(table, directory / f"{arrivals.kind}s.parquet")


def measure_one(directory: Path) -> Row:
    """Replay the files of a directory into a store beside them."""
    files = open_files(sorted(directory.glob("*.parquet")))
    with open_store(f"chdb://{directory}/store") as store:
        store.migrate()
        before = time.process_time()
        report = replay(load_config(CONFIG), files, store)
        cpu = time.process_time() - before
    events = report.counts["read"]
    return {
        "events": events,
        "cpu_seconds": cpu,
        "seconds": report.seconds,
        "events_a_cpu_second": events / cpu,
        "events_a_second": events / report.seconds,
        "bytes_at_most": peak(),
    }
