"""
What weights cost: events that were sampled, corrected labels, and policies for raw events, each beside plain events.

The same events pass through the worker's parts in one process on one core, without a broker, in turn: all recorded in
full; recorded with chances of 1 to 0.05, as services that sample write them; with labels that are corrected for delays
and by strata; and with raw events kept by policies. What reading from a broker costs is not in it, so that the shares
of a worker's time are smaller.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.budget import CONFIG, blocks, drive

if TYPE_CHECKING:
    from benchmarks.peers.workload import Workload

PREDICTIONS, ROUNDS, BLOCK, TICK = 200_000, 7, 20_000, 60_000
MOST_ADDED = 0.10
"""Of the time of a plain event, by weights."""
CHANCES = (1.0, 0.5, 0.2, 0.1, 0.05)
RESULTS = Path(__file__).with_name("weights.json")


def sampled(work: Workload, seed: int = 1) -> Workload:
    """Let every prediction say that it was recorded with some chance."""
    table, rng = work.predictions.table, np.random.default_rng(seed)
    chances = pa.array(rng.choice(CHANCES, len(table)))
    weighted = table.append_column("inclusion_probability", chances)
    return replace(work, predictions=replace(work.predictions, table=weighted))


def declared(**model: Any) -> dict[str, Any]:
    """Return the configuration of the other benchmarks, with something more of its model."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return config | {"models": {name: one | model for name, one in config["models"].items()}}


def policies() -> dict[str, Any]:
    """Return that configuration with policies for raw events."""
    kept = [{"keep": "0.49 < score < 0.51"}, {"once_known": ["error", "complaint"]}]
    config = declared()
    return config | {"sampling": {"models": {name: {"rate": 0.01, "policies": kept} for name in config["models"]}}}


def measure(predictions: int, rounds: int) -> dict[str, float]:
    """Nanoseconds of processor time an event, by what was declared; medians."""
    from benchmarks.peers.workload import make_workload

    work = make_workload(predictions)
    plain, weighted = blocks(work, BLOCK), blocks(sampled(work), BLOCK)
    configs = {"corrected": declared(labels={"delays": True}), "policies": policies()}
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as directory:
        files = {name: Path(directory) / f"{name}.yaml" for name in configs}
        for name, file in files.items():
            file.write_text(yaml.safe_dump(configs[name]), encoding="utf-8")
        runs = {"plain": (plain, CONFIG), "weighted": (weighted, CONFIG)}
        runs |= {name: (plain, file) for name, file in files.items()}
        drive(plain, TICK)  # loads what is loaded once
        for _ in range(rounds):
            for name, (given, file) in runs.items():
                seconds[name].append(drive(given, TICK, file, resting=("feedback",))[1])
    return {name: statistics.median(taken) / work.events * 1e9 for name, taken in seconds.items()}


def main() -> int:
    """Run the command; return its exit code."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any pool of threads looks how many cores there are
    taken = measure(PREDICTIONS, ROUNDS)
    added = {name: of / taken["plain"] - 1 for name, of in taken.items() if name != "plain"}
    RESULTS.write_text(json.dumps({"nanoseconds": taken, "added": added}, indent=2) + "\n", encoding="utf-8")
    said = {"weighted": "sampled events", "corrected": "corrected labels", "policies": "raw events by policy"}
    parts = "; ".join(f"{said[name]}: {of:+.1%}" for name, of in added.items())
    print(f"weights: {taken['plain']:,.0f} ns an event without; {parts}")
    return 0 if added["weighted"] <= MOST_ADDED else 1


if __name__ == "__main__":
    sys.exit(main())
