"""
The demo through Kafka: a broker, a store, two workers, and all flights emitted to the topics.

Ends with the table of `streams demo`, made by two workers from the same events.
"""
# ruff: noqa: INP001

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from deploy.cluster import ROOT, DrillError, cluster
from deploy.kafka.kafka import available
from streams.demo import events, report
from streams.runtime.accounts import read_counts
from streams.sinks.clickhouse.store import read_store

WORKERS = 2
PATIENCE = 600.0
CONFIG = ROOT / "streams" / "demo" / "flights.yaml"


def run(directory: Path, brokers: str | None, console: Console) -> None:
    """Run everything and print the report. Raises `DrillError`."""
    started = time.perf_counter()
    paths = events.write_events(directory.parent / "demo" / "events")
    seconds = {"models and events": time.perf_counter() - started}
    with cluster(directory, CONFIG, brokers) as running:
        for _ in range(WORKERS):
            running.add_worker()
        started = time.perf_counter()
        running.streams("emit", "--config", CONFIG, "--brokers", running.brokers, "--end", *paths)
        seconds["emit"] = time.perf_counter() - started
        running.wait_until(running.settled, PATIENCE, "the workers have settled everything")
        seconds["replay"] = time.perf_counter() - started
        with read_store(running.dsn) as store:
            report.print_report(console, store.query, report.Run(read_counts(store.query), seconds, running.dsn))


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="The demo through Kafka, with two workers.")
    parser.add_argument("--brokers", default=None, help="host:port[,host:port], instead of a broker of its own")
    given = parser.parse_args()
    if given.brokers is None and (reason := available()) is not None:
        sys.stderr.write(f"error: {reason}, or give --brokers\n")
        return 1
    directory = ROOT / ".streams" / "kafka-demo"
    shutil.rmtree(directory, ignore_errors=True)
    try:
        run(directory, given.brokers, Console())
    except DrillError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
