"""
Where the nanoseconds of one event go, stage by stage, in one process on one core and without a broker.

The worker's own parts are driven as it drives them: blocks of messages are decoded, joined and summed up; after so
many events as come in one tick, a checkpoint is made and its sums are merged and shown. What reading from a broker
costs is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.peers.workload import Workload
    from streams.runtime.joining import Joining
    from streams.runtime.windowing import Windowing

CONFIG = Path(__file__).parent / "peers" / "streams.yaml"
RESULTS = Path(__file__).with_name("budget.json")
STAGES = {
    "decode": "Avro to columns",
    "admit": "validate, refuse what is late",
    "join": "ids, cohorts, duplicates, lookups, insert",
    "summarize": "exact sums by cohort and minute",
    "sweep": "let go of what is past",
    "checkpoint": "segments and summaries, compressed",
    "merge": "summaries into the sums of all partitions",
    "show": "windows, metrics, intervals",
}


class Budget:
    """Seconds of processor time by stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def watch(self, joining: Joining, windowing: Windowing) -> None:
        """Have every stage of a partition counted."""
        from streams.runtime import joining as module

        upstream, intake = joining.upstream, joining.upstream._intake  # noqa: SLF001 - to be timed
        stages = [(module, "decode_datums", "decode"), (intake, "admit", "admit"), (intake, "join", "join")]
        stages += [(upstream, "_summarize", "summarize"), (upstream, "sweep", "sweep")]
        stages += [(joining, "capture", "checkpoint"), (windowing, "take", "merge"), (windowing, "show", "show")]
        for owner, name, stage in stages:
            self.wrap(owner, name, stage)

    def wrap(self, owner: Any, name: str, stage: str) -> None:
        """Have the time of a method counted; iterators are consumed at once."""
        method: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            result = method(*args, **kwargs)
            if isinstance(result, Iterator):
                result = iter(list(result))
            self.seconds[stage] += time.process_time() - started
            return result

        setattr(owner, name, timed)


def blocks(work: Workload, size: int) -> list[tuple[str, list[bytes]]]:
    """Blocks of messages of both topics, in the order in which a reader of a backlog gets them."""
    made = []
    for arrivals in (work.predictions, work.outcomes):
        messages = arrivals.messages()
        share = len(messages) / len(work.predictions)
        made += [
            (start / share, arrivals.kind, messages[start : start + size]) for start in range(0, len(messages), size)
        ]
    made.sort(key=lambda block: block[0])
    return [(kind, values) for _, kind, values in made]


def drive(
    given: Sequence[tuple[str, list[bytes]]], tick: int, file: Path = CONFIG, *, resting: Sequence[str] = ()
) -> tuple[Budget, float]:
    """
    Take all blocks through the worker's parts; returns the processor seconds by stage, and of all.

    Event time goes on only if every topic says how far it is, or is among those that are `resting`.
    """
    from streams.codecs.registry import SchemaRegistry, default_schema_dir
    from streams.config import load_config
    from streams.runtime.checkpoint import Checkpoints, Claim
    from streams.runtime.joining import Joining
    from streams.runtime.records import Records
    from streams.runtime.snapshot import fingerprint
    from streams.runtime.windowing import Windowing
    from tests.runtime.memory import MemoryLog

    config, log = load_config(file), MemoryLog()
    checkpoints = [Checkpoints(role, Claim(log, 0, 1), fingerprint(config)) for role in ("join", "window")]
    inputs = tuple(f"bench.{name}" for name in ("prediction", "outcome", "feedback"))
    joining = Joining(config, 0, 1, inputs, checkpoints[0], SchemaRegistry.load(default_schema_dir()))
    windowing = Windowing(config, 0, 1, checkpoints[1])
    budget = Budget()
    budget.watch(joining, windowing)
    offsets: Counter[str] = Counter()
    for kind in resting:
        joining.rest(f"bench.{kind}")
    started, read, summaries = time.process_time(), 0, 0
    for place, (kind, values) in enumerate(given):
        first = offsets[kind]
        offsets[kind] += len(values)
        read += len(values)
        records = Records(values, first + np.arange(len(values)), time.time_ns() // 1_000_000)
        for _ in joining.take(f"bench.{kind}", records):
            pass
        if read >= tick or place == len(given) - 1:
            read = 0
            captured = joining.capture()
            messages = [message.data for message in captured.messages] if captured else []
            windowing.take(Records(messages, summaries + np.arange(len(messages)), 0))
            summaries += len(messages)
            for _ in windowing.show():
                pass
    return budget, time.process_time() - started


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--block", type=int, default=100_000, help="records a block")
    parser.add_argument("--tick", type=int, default=200_000, help="events between two checkpoints")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any pool of threads looks how many cores there are
    from benchmarks.peers.workload import make_workload

    work = make_workload(given.predictions)
    events = work.events
    budget, seconds = drive(blocks(work, given.block), given.tick)
    nanoseconds = {stage: budget.seconds[stage] / events * 1e9 for stage in STAGES}
    nanoseconds["rest"] = seconds / events * 1e9 - sum(nanoseconds.values())
    for stage, what in (STAGES | {"rest": "taking blocks apart, keeping count"}).items():
        print(f"{stage:12} {nanoseconds[stage]:7.0f} ns   {what}")
    print(f"{'all':12} {seconds / events * 1e9:7.0f} ns   {events / seconds:,.0f} events a processor second")
    given.results.write_text(json.dumps(nanoseconds, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
