"""
What it costs to watch: 200 columns an event, and ten thousand signals a tick.

The same events, of which every prediction has 200 features, pass through the worker's parts in one process on one core,
without a broker: in turn with all of them watched and without. What reading from a broker costs is not in it, so that
the share of watching in a worker's time is smaller. Then a watchman looks at a tick of ten thousand metrics of slices.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.budget import CONFIG, blocks, drive
from streams.config.detection import COLUMNS_AN_EVENT

if TYPE_CHECKING:
    from benchmarks.peers.workload import Workload
    from streams.core.detect.watched import Tick
    from streams.core.detect.watchman import Watchman

PREDICTIONS, ROUNDS, BLOCK, TICK = 60_000, 5, 20_000, 60_000
COLUMNS = tuple(f"feature_{number:03}" for number in range(200))
SHARES = (0.1, 0.5, 1.0)
"""Shares of the requests whose columns are looked at, beside the usual one."""
SIGNALS, LEARNED = 10_000, 20
MOST_ADDED, MOST_SECONDS = 0.25, 1.0
RESULTS = Path(__file__).with_name("watching.json")


def featured(work: Workload, seed: int = 1) -> Workload:
    """Give every prediction the same features: of each four a log-normal one, a normal one, a count and a flag."""
    table, rng = work.predictions.table, np.random.default_rng(seed)
    draws: tuple[Callable[[int], np.ndarray], ...] = (
        lambda rows: rng.lognormal(3.0, 1.0, rows),
        lambda rows: rng.normal(0.0, 1.0, rows),
        lambda rows: np.floor(rng.exponential(3.0, rows)),
        lambda rows: np.floor(rng.uniform(0.0, 1.4, rows)),
    )
    values = np.stack([draws[place % len(draws)](len(table)) for place in range(len(COLUMNS))], axis=1)
    keys = pa.array(list(COLUMNS)).take(pa.array(np.tile(np.arange(len(COLUMNS)), len(table))))
    offsets = pa.array(np.arange(len(table) + 1) * len(COLUMNS), pa.int32())
    maps = pa.MapArray.from_arrays(offsets, keys, pa.array(values.ravel()))
    place = table.schema.get_field_index("features")
    return replace(work, predictions=replace(work.predictions, table=table.set_column(place, "features", maps)))


def watching(share: float | None = None) -> dict[str, Any]:
    """Return the configuration of the other benchmarks, with all features watched for a share of the requests."""
    watch: dict[str, Any] = {"metrics": [], "columns": [f"features.{name}" for name in COLUMNS]}
    watch |= {} if share is None else {"share": share}
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return config | {"detection": {"models": {"ranker": watch}}}


def of_columns(predictions: int, rounds: int, shares: Sequence[float]) -> dict[str, float]:
    """Nanoseconds of processor time an event without watching, and with each share of the requests; medians."""
    from benchmarks.peers.workload import make_workload

    work = featured(make_workload(predictions))
    given = blocks(work, BLOCK)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as directory:
        files = {"without": CONFIG}
        for share in (None, *shares):
            name = "usual" if share is None else str(share)
            files[name] = Path(directory) / f"{name}.yaml"
            files[name].write_text(yaml.safe_dump(watching(share)), encoding="utf-8")
        drive(given, TICK, files["usual"])  # loads what is loaded once
        for _ in range(rounds):
            for name, file in files.items():
                seconds[name].append(drive(given, TICK, file)[1])
    return {name: statistics.median(taken) / work.events * 1e9 for name, taken in seconds.items()}


def of_signals(signals: int, rounds: int) -> float:
    """Return the processor seconds of a tick with so many signals, the median."""
    watchman = make_watchman()
    rng = np.random.default_rng(1)
    seconds = []
    for number in range(LEARNED + rounds):
        tick = make_tick(number, rng.normal(0.9, 0.01, signals).tolist())
        started = time.process_time()
        watchman.step(tick)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds[LEARNED:])


def make_watchman() -> Watchman:
    """Watch the accuracy of every value of an attribute."""
    from streams.config.detection import DetectionConfig
    from streams.core.detect.plan import Watch
    from streams.core.detect.watchman import Watchman

    section = DetectionConfig.model_validate(
        {"learn": f"{LEARNED}d", "season": "1d", "models": {"ranker": {"metrics": ["accuracy"]}}}
    )
    watch = Watch("ranker", 0, "binary", ("accuracy",), ("label_delay", "label_lag"), ((), ("shop",)), ((),), 1.0, 0)
    return Watchman(watch, section, section.models["ranker"])


def make_tick(number: int, values: Sequence[float]) -> Tick:
    """Return a tick in which each slice has one of the values."""
    from streams.core.detect.measuring import Signal
    from streams.core.detect.watched import Tick
    from streams.core.groups import Slice
    from streams.core.window_spec import DAY

    slices = [Slice("ranker", ("shop",), (str(place),)) for place in range(len(values))]
    signals = [
        Signal(number, slice_, "accuracy", value, 0.01, 900.0, 900.0, math.nan)
        for slice_, value in zip(slices, values, strict=True)
    ]
    return Tick("ranker", (number + 1) * DAY, signals, {}, {})


def main() -> int:
    """Run the command; return its exit code."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any pool of threads looks how many cores there are
    columns, tick = of_columns(PREDICTIONS, ROUNDS, SHARES), of_signals(SIGNALS, ROUNDS)
    added = {name: taken / columns["without"] - 1 for name, taken in columns.items() if name != "without"}
    found = {"columns": columns, "added": added, "signals_seconds": tick}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    usual = COLUMNS_AN_EVENT / len(COLUMNS)
    said = [f"{usual:.0%} of the requests, as usual: {added['usual']:.1%} more"]
    said += [f"{share:.0%} of the requests: {added[str(share)]:.1%} more" for share in SHARES]
    print(f"{len(COLUMNS)} columns: {columns['without']:,.0f} ns an event without; {'; '.join(said)}")
    print(f"{SIGNALS:,} signals: {tick:.3f} s a tick")
    return 0 if added["usual"] <= MOST_ADDED and tick < MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
