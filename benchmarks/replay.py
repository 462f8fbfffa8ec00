"""
How fast `streams replay` is: the 1,000,898 flight events, Avro container files, in-process, on one core.

The process pins itself to one core before anything else loads, so that every thread pool has a size of one. Each
run is a new process with a new chDB store; its seconds go from the first byte read to the last row inserted.
`python benchmarks/replay.py` prints each run and the median.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EVENTS = Path(".streams/demo/events")
RUNS = 3


def run_once(directory: str) -> None:
    """Replay into a new store and print (events, wall seconds, processor seconds)."""
    from streams.config.detection import DetectionConfig
    from streams.demo.config import demo_config
    from streams.runtime.replay import open_files, replay
    from streams.sinks.clickhouse.store import open_store

    files = open_files(sorted(EVENTS.glob("*.avro")))
    config = demo_config().model_copy(update={"detection": DetectionConfig()})  # what watching costs is measured apart
    with open_store(f"chdb://{directory}/store") as store:
        store.migrate()
        before = time.process_time()
        report = replay(config, files, store)
        print(report.counts["read"], report.seconds, time.process_time() - before)


def main() -> None:
    """Make the events if need be, run, and print."""
    from streams.demo.events import write_events

    if not EVENTS.exists():
        print("making the flight events (once) ...")
    write_events(EVENTS)
    rates = []
    for number in range(1, RUNS + 1):
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, __file__, "--once", directory]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        events, wall, processor = map(float, printed.split())
        rates.append(events / wall)
        print(f"run {number}: {events:,.0f} events, {wall:.2f} s wall, {processor:.2f} s processor, {rates[-1]:,.0f}/s")
    print(f"median: {statistics.median(rates):,.0f} events/s on one core, store included")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        run_once(sys.argv[2])
    else:
        main()
