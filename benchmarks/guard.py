"""
Whether the pipeline has become slower: against a loop in plain Python that joins the same events, in one run.

The loop has its events decoded already and keeps nothing that survives; it stands for how fast this machine is at
this moment. Both are measured in processor time, in turns, and the best turn of each counts. `make bench-guard` fails
when the pipeline needs more loops for its work than it may.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable

PREDICTIONS = 150_000
BLOCK, TICK, TURNS = 30_000, 150_000, 4
MOST_LOOPS = 6.0
"""How many times the loop's time the pipeline may need: it needed 3.1 to 3.8 when this was set."""

Row = tuple[float, str, str, str, float]


def rows() -> list[Row]:
    """Events as a loop wants them, in the order of arrival: (arrival, id, cell or nothing, label, score)."""
    from benchmarks.peers.workload import make_workload

    work = make_workload(PREDICTIONS)
    made = work.predictions.table
    minutes = (made["event_time"].to_numpy() // 60_000_000).tolist()
    countries = made["attributes"].items.to_pylist()[::2]
    cells = [f"{m}|{v}|{c}" for m, v, c in zip(minutes, made["version"].to_pylist(), countries, strict=True)]
    ids, labels, scores = (made[name].to_pylist() for name in ("request_id", "label", "score"))
    given = list(zip(work.predictions.times.tolist(), ids, cells, labels, scores, strict=True))
    truth = work.outcomes.table
    given += [
        (time_, name, "", label, 0.0)
        for time_, name, label in zip(
            work.outcomes.times.tolist(), truth["request_id"].to_pylist(), truth["label"].to_pylist(), strict=True
        )
    ]
    return sorted(given)


def loop(events: list[Row]) -> int:
    """Join and sum event by event; returns how many were joined."""
    waiting: dict[str, tuple[str, str, float]] = {}
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for _, name, cell, label, score in events:
        if cell:
            waiting[name] = (cell, label, score)
        elif name in waiting:
            held, said, chance = waiting.pop(name)
            total = sums[held]
            total[0] += 1
            total[1] += said == label
            total[2] += chance
    return int(sum(total[0] for total in sums.values()))


def best(work: Callable[[], object]) -> float:
    """Return the processor time of one turn."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> int:
    """Run the command; return its exit code."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any pool of threads looks how many cores there are
    from benchmarks.budget import blocks, drive
    from benchmarks.peers.workload import make_workload

    work = make_workload(PREDICTIONS)
    events, made, count = rows(), blocks(work, BLOCK), work.events
    turns = [(best(lambda: loop(events)), best(lambda: drive(made, TICK))) for _ in range(TURNS)]
    of_loop, of_pipeline = (min(column) for column in zip(*turns, strict=True))
    loops = of_pipeline / of_loop
    print(
        f"loop: {of_loop / count * 1e9:,.0f} ns an event; pipeline: {of_pipeline / count * 1e9:,.0f} ns, {loops:.2f} x"
    )
    if loops > MOST_LOOPS:
        print(f"the pipeline needs {loops:.2f} times as long as the loop, and may need {MOST_LOOPS:g}: profile it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
