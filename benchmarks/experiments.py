"""
What ten running experiments cost an event.

The same events, of which every prediction is in ten experiments of two arms, pass through the worker's parts in one
process on one core, without a broker: in turn with the experiments declared and without. What reading from a broker
costs is not in it, so that their share of a worker's time is smaller.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from benchmarks.budget import CONFIG, blocks, drive

if TYPE_CHECKING:
    from benchmarks.peers.workload import Workload

PREDICTIONS, ROUNDS, BLOCK, TICK = 500_000, 3, 100_000, 200_000
EXPERIMENTS, ARMS = 10, ("control", "treatment")
WITH = Path(__file__).parent / "peers" / "experiments.yaml"
RESULTS = Path(__file__).with_name("experiments.json")
PEERS = Path(__file__).with_name("results.json")
"""What was measured of a worker on Kafka, the line before this one."""


def assigned(work: Workload) -> Workload:
    """Put every unit into an arm of each experiment."""
    table = work.predictions.table
    units = np.asarray(table["unit_id"].dictionary_encode().indices)
    arms = np.random.default_rng(1).integers(0, len(ARMS), (int(units.max()) + 1, EXPERIMENTS))[units]
    keys = pa.array([f"experiment-{number}" for number in range(EXPERIMENTS)])
    keys = keys.take(pa.array(np.tile(np.arange(EXPERIMENTS), len(table))))
    offsets = pa.array(np.arange(0, EXPERIMENTS * len(table) + 1, EXPERIMENTS), pa.int32())
    maps = pa.MapArray.from_arrays(offsets, keys, pa.array(list(ARMS)).take(pa.array(arms.ravel())))
    place = table.schema.get_field_index("assignments")
    return replace(work, predictions=replace(work.predictions, table=table.set_column(place, "assignments", maps)))


def measure(predictions: int, rounds: int) -> dict[str, float]:
    """Nanoseconds of processor time an event without and with experiments, medians, and what share these add."""
    from benchmarks.peers.workload import make_workload

    work = assigned(make_workload(predictions))
    given = blocks(work, BLOCK)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    drive(given, TICK, WITH)  # loads what is loaded once
    for _ in range(rounds):
        seconds["without"].append(drive(given, TICK, CONFIG)[1])
        seconds["with"].append(drive(given, TICK, WITH)[1])
    nanoseconds = {name: statistics.median(taken) / work.events * 1e9 for name, taken in seconds.items()}
    return nanoseconds | {"share": nanoseconds["with"] / nanoseconds["without"] - 1}


def main() -> int:
    """Run the command; return its exit code."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any pool of threads looks how many cores there are
    found = measure(PREDICTIONS, ROUNDS)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    worker = 1e9 / json.loads(PEERS.read_text(encoding="utf-8"))["events_a_cpu_second"]["streams"]
    print(
        f"ten running experiments: {found['with']:,.0f} ns an event, {found['without']:,.0f} without: "
        f"{(found['with'] - found['without']) / worker:.1%} of what a worker spends on one, {worker:,.0f} ns, "
        f"and {found['share']:.1%} of what its parts do in process"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
