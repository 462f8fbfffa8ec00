"""One table of all rounds, and a file with every number in it."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.peers.contestants import Run
from benchmarks.peers.workload import Answer, Workload

US = "streams"
VERSIONS = ("streams", "aiokafka", "faust-streaming", "numpy", "polars", "pyarrow", "pyruhvro")


@dataclass(frozen=True)
class Round:
    """What one contestant did in one round: rates are events a second, memory is in MiB."""

    name: str
    title: str
    events: int
    cpu_seconds: float
    wall_seconds: float
    memory: float
    joins: int | None
    expected: int
    wrong: int | None
    """Joins that are missing, and joins that should not be, over all cells."""

    @staticmethod
    def of(name: str, title: str, run: Run, work: Workload) -> Round:
        """Compare what a run did with what it should have."""
        cpu, wall = run.ended.cpu - run.began.cpu, run.ended.wall - run.began.wall
        joins = None if run.answer is None else sum(labelled for labelled, _, _ in run.answer.values())
        wrong = None if run.answer is None else _wrong(run.answer, work.answer)
        return Round(name, title, work.events, cpu, wall, run.memory, joins, work.joins, wrong)

    @property
    def rate(self) -> float:
        """Events a second of processor time."""
        return self.events / self.cpu_seconds

    def __str__(self) -> str:
        joins = "" if self.joins is None else f", {self.joins:,} of {self.expected:,} joins, {self.wrong:,} wrong"
        return f"{self.name}: {self.rate:,.0f} events a processor second, {self.wall_seconds:.1f} s{joins}"


def _wrong(found: Answer, right: Answer) -> int:
    cells = found.keys() | right.keys()
    return sum(abs(found.get(cell, (0, 0, 0.0))[0] - right.get(cell, (0, 0, 0.0))[0]) for cell in cells)


def merge(path: Path, rounds: Sequence[Round]) -> list[Round]:
    """Return these rounds, and those in the file of contestants that took no part this time."""
    took_part = {one.name for one in rounds}
    before = json.loads(path.read_text(encoding="utf-8"))["rounds"] if path.exists() else []
    return [*rounds, *(Round(**one) for one in before if one["name"] not in took_part)]


def write_results(path: Path, rounds: Sequence[Round]) -> None:
    """Write every round, the medians, and what they were taken on."""
    names = list(dict.fromkeys(one.name for one in rounds))
    medians = {name: _median(rounds, name) for name in names}
    results = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in VERSIONS},
        "events": rounds[0].events,
        "events_a_cpu_second": medians,
        "ratio": {name: medians[US] / rate for name, rate in medians.items()} if US in medians else {},
        "rounds": [asdict(one) for one in rounds],
    }
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def print_table(rounds: Sequence[Round]) -> None:
    """Print the medians of each contestant, the fastest first."""
    table = Table("contestant", *("events / CPU s", "events / s", "MiB", "joins", "wrong", "this pipeline is"))
    for column in table.columns[1:]:
        column.justify = "right"
    us = _median(rounds, US)
    for name in sorted({one.name for one in rounds}, key=lambda name: -_median(rounds, name)):
        mine = [one for one in rounds if one.name == name]
        wall = statistics.median(one.events / one.wall_seconds for one in mine)
        joins = "" if mine[0].joins is None else f"{mine[0].joins / mine[0].expected:.2%}"
        wrong = "" if mine[0].wrong is None else f"{statistics.median(one.wrong or 0 for one in mine):,.0f}"
        rate, memory = _median(rounds, name), statistics.median(one.memory for one in mine)
        table.add_row(
            mine[0].title, f"{rate:,.0f}", f"{wall:,.0f}", f"{memory:,.0f}", joins, wrong, f"{us / rate:.2f} x"
        )
    Console(width=120).print(table)


def _median(rounds: Sequence[Round], name: str) -> float:
    rates = [one.rate for one in rounds if one.name == name]
    return statistics.median(rates) if rates else float("nan")


def processor() -> str:
    """Name the processor of this machine."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
