"""
What single errors cost: drawing the sample of a tick from its labels, and showing it to each of river's detectors.

The cost of a tick does not grow with its traffic but for the drawing, which is measured for each label.
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
from streams.core.detect.error_sample import Errors, ErrorSample
from streams.core.detect.stream.catalogue import NAMES
from streams.core.detect.stream_watch import StreamSpec, StreamWatch

LABELS, BLOCK, TICKS, ROUNDS = 1_000_000, 10_000, 20, 5
SHARE = 0.1  # of the answers is wrong
RESULTS = Path(__file__).with_name("errors.json")


def of_detectors() -> dict[str, float]:
    """Return the microseconds that each detector takes for an error, the median of the ticks."""
    found = {}
    for name in NAMES:
        watch = StreamWatch("m", [StreamSpec(None, name, {}, USUAL_ERRORS)])
        taken = []
        for tick in range(TICKS):
            sample = made(tick)
            started = time.process_time()
            list(watch.look(tick, {}, sample))
            taken.append((time.process_time() - started) / USUAL_ERRORS * 1e6)
        found[name] = statistics.median(taken)
    return found


def made(tick: int) -> Errors:
    """Return the sample of a tick."""
    rng = np.random.default_rng(tick)
    hashes = rng.integers(0, 2**63, USUAL_ERRORS).astype(np.uint64)
    return Errors(hashes, rng.integers(0, 2**40, USUAL_ERRORS), (rng.random(USUAL_ERRORS) < SHARE).astype(float))


def of_labels() -> float:
    """Return the nanoseconds that drawing the sample takes for a label of a single tick, the median of the rounds."""
    rng = np.random.default_rng(1)
    blocks = [labels(rng) for _ in range(LABELS // BLOCK)]
    ticks, taken = np.zeros(BLOCK, np.int64), []
    for _ in range(ROUNDS):
        sample = ErrorSample({"m": USUAL_ERRORS})
        started = time.process_time()
        for rows, errors in blocks:
            sample.add("m", ticks, errors, rows)
        taken.append((time.process_time() - started) / LABELS * 1e9)
    return statistics.median(taken)


def labels(rng: np.random.Generator) -> tuple[Columns, np.ndarray]:
    """Return first labels, and whether their answers are wrong."""
    rows: Columns = {
        "id": rng.integers(0, 2**63, BLOCK).astype(np.uint64),
        "known": rng.integers(0, 2**40, BLOCK),
        "weight": np.ones(BLOCK),
        "sign": np.ones(BLOCK),
        "first": np.ones(BLOCK, np.bool_),
    }
    return rows, (rng.random(BLOCK) < SHARE).astype(float)


def main() -> int:
    """Run the command; return its exit code."""
    detectors, label = of_detectors(), of_labels()
    found = {"errors_a_tick": USUAL_ERRORS, "microseconds": detectors, "label_nanoseconds": label}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{label:.0f} ns to draw from a label; of {USUAL_ERRORS} errors a tick, each takes a detector:")
    for name, taken in detectors.items():
        print(f"{name:13}{taken:8.1f} us{taken * USUAL_ERRORS / 1_000:9.2f} ms a tick")
    return 0


if __name__ == "__main__":
    sys.exit(main())
