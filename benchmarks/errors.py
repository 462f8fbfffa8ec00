"""
What river's detectors cost: drawing the sample of a tick's errors from its labels, and showing it to each of them.

The cost of a tick does not grow with its traffic but for the drawing, which is measured for each label: of the whole,
and of the whole and each of so many slices. Beside these, what a slice's tick of a column costs.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from streams.config.stream_detectors import USUAL_ERRORS
from streams.core.columns import Columns
from streams.core.detect.column_sums import Entries
from streams.core.detect.cut import WHOLE, Cut
from streams.core.detect.error_sample import Errors, ErrorSample
from streams.core.detect.grid import ZERO
from streams.core.detect.stream.catalogue import NAMES
from streams.core.detect.stream_seen import Column
from streams.core.detect.stream_spec import StreamSpec
from streams.core.detect.stream_watch import MOST_SLICES, StreamWatch
from streams.core.detect.watched import Tick
from streams.core.groups import Groups, Slice, SlicePlan

LABELS, BLOCK, TICKS, ROUNDS = 1_000_000, 10_000, 20, 5
SLICES = (0, 10, 100, 1_000)
BINS = 300  # of a column's histogram
BY_COUNTRY = Cut(("country",))
SHARE = 0.1  # of the answers is wrong
RESULTS = Path(__file__).with_name("errors.json")


def of_detectors() -> dict[str, float]:
    """Return the microseconds that each detector takes for an error, the median of the ticks."""
    found = {}
    for name in NAMES:
        watch = StreamWatch("m", [StreamSpec(None, name, {}, USUAL_ERRORS)], {})
        taken = []
        for tick in range(TICKS):
            sample = Tick("m", tick, [], {}, {}, {Slice("m", (), ()): made(tick)})
            started = time.process_time()
            list(watch.look(sample))
            taken.append((time.process_time() - started) / USUAL_ERRORS * 1e6)
        found[name] = statistics.median(taken)
    return found


def made(tick: int) -> Errors:
    """Return the sample of a tick."""
    rng = np.random.default_rng(tick)
    hashes = rng.integers(0, 2**63, USUAL_ERRORS).astype(np.uint64)
    return Errors(hashes, rng.integers(0, 2**40, USUAL_ERRORS), (rng.random(USUAL_ERRORS) < SHARE).astype(float))


def of_columns() -> float:
    """Return the microseconds that the mean of a column takes ADWIN for a tick of a slice, the median of the ticks."""
    watch = StreamWatch("m", [StreamSpec(None, "adwin", {}, cut=BY_COUNTRY, column="score")], {"score": Column(1)})
    rng, taken = np.random.default_rng(1), []
    for tick in range(TICKS):
        cells = {Slice("m", ("country",), (f"c{one}",)): histogram(rng) for one in range(MOST_SLICES)}
        started = time.process_time()
        list(watch.look(Tick("m", tick, [], cells, {})))
        taken.append((time.process_time() - started) / MOST_SLICES * 1e6)
    return statistics.median(taken)


def histogram(rng: np.random.Generator) -> Entries:
    """Return the histogram of a column of numbers."""
    bins = np.append(np.arange(3), ZERO + 1_000 + np.arange(BINS))
    return Entries(np.repeat((0, 1), (3, BINS)), bins, np.append(np.full(3, 9_000.0), rng.integers(1, 60, BINS)))


def of_labels(slices: int) -> float:
    """Return the nanoseconds that drawing samples takes for a label of a single tick, the median of the rounds."""
    rng = np.random.default_rng(1)
    groups = Groups({"m": SlicePlan(((), ("country",)), max(SLICES))})
    for one in range(max(slices, 1)):
        groups.cohort("m", "1", {"country": f"c{one}"}, 0)
    wanted = {WHOLE: USUAL_ERRORS} | ({BY_COUNTRY: USUAL_ERRORS} if slices else {})
    blocks = [labels(rng, max(slices, 1)) for _ in range(LABELS // BLOCK)]
    ticks, taken = np.zeros(BLOCK, np.int64), []
    for _ in range(ROUNDS):
        sample = ErrorSample({"m": wanted}, groups)
        started = time.process_time()
        for rows, errors in blocks:
            sample.add("m", ticks, errors, rows)
        list(sample.take(1))
        taken.append((time.process_time() - started) / LABELS * 1e9)
    return statistics.median(taken)


def labels(rng: np.random.Generator, slices: int) -> tuple[Columns, np.ndarray]:
    """Return first labels in so many slices, and whether their answers are wrong."""
    rows: Columns = {
        "id": rng.integers(0, 2**63, BLOCK).astype(np.uint64),
        "cohort": rng.integers(0, slices, BLOCK),
        "known": rng.integers(0, 2**40, BLOCK),
        "weight": np.ones(BLOCK),
        "sign": np.ones(BLOCK),
        "first": np.ones(BLOCK, np.bool_),
    }
    return rows, (rng.random(BLOCK) < SHARE).astype(float)


def main() -> int:
    """Run the command; return its exit code."""
    detectors, column, label = of_detectors(), of_columns(), {str(slices): of_labels(slices) for slices in SLICES}
    found = {"errors_a_tick": USUAL_ERRORS, "microseconds": detectors, "column_microseconds": column}
    RESULTS.write_text(json.dumps(found | {"label_nanoseconds": label}, indent=2) + "\n", encoding="utf-8")
    for slices, nanoseconds in label.items():
        print(f"{nanoseconds:6.0f} ns to draw from a label, {slices} slices beside the whole")
    print(f"{column:6.0f} us for the mean of a column, for each slice and tick")
    print(f"of {USUAL_ERRORS} errors a tick, each takes a detector:")
    for name, taken in detectors.items():
        print(f"{name:13}{taken:8.1f} us{taken * USUAL_ERRORS / 1_000:9.2f} ms a tick")
    return 0


if __name__ == "__main__":
    sys.exit(main())
