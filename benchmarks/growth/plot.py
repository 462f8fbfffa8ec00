"""
Draw what was measured: docs/performance/*.png, from benchmarks/growth.json and benchmarks/results.json.

What is not in the files is not drawn. The same numbers give the same pictures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmarks.growth.results import Curves, Row
from deploy.cluster import ROOT

GROWTH, PEERS = ROOT / "benchmarks" / "growth.json", ROOT / "benchmarks" / "results.json"
PICTURES = ROOT / "docs" / "performance"
WIDTH, HEIGHT = 4.4, 3.2  # inches of one panel
STYLE: Mapping[Any, Any] = {  # its keys' type is a list of them all
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.alpha": 0.3,
    "lines.marker": "o",
}
MIB, PROMISED_BYTES = 1 << 20, 100.0


def waiting(rows: Sequence[Row]) -> Figure:
    """Throughput and memory of the join."""
    figure, (left, right) = _panels(2)
    sizes = _column(rows, "waiting")
    _rate(left, rows, "waiting", "waiting predictions")
    left.set_title("the join of one partition")
    right.set_title("memory of the process")
    right.set_xlabel("waiting predictions")
    right.set_ylabel("MiB")
    right.set_xscale("log")
    right.plot(sizes, [row["bytes_filled"] / MIB for row in rows], label="filled")
    right.plot(sizes, [row["bytes_at_most"] / MIB for row in rows], label="at most", alpha=0.6)
    promised = [(rows[0]["bytes_before"] + PROMISED_BYTES * size) / MIB for size in sizes]
    right.plot(sizes, promised, "k--", marker="", label=f"{PROMISED_BYTES:.0f} bytes a prediction", linewidth=1)
    right.set_ylim(bottom=0)
    right.legend()
    return figure


def groups(rows: Sequence[Row]) -> Figure:
    """Throughput by groups, and where the time goes."""
    figure, (left, right) = _panels(2)
    sizes = _column(rows, "groups")
    _rate(left, rows, "groups", "groups")
    left.set_title("one partition, windows included")
    right.set_title("where processor time goes")
    right.set_xlabel("groups")
    right.set_ylabel("microseconds an event")
    right.set_xscale("log")
    for name, label in (("join_share", "join"), ("checkpoint_share", "checkpoints"), ("windows_share", "windows")):
        right.plot(sizes, [1e6 * row[name] / row["events_a_cpu_second"] for row in rows], label=label)
    right.set_ylim(bottom=0)
    right.legend()
    return figure


def workers(rows: Sequence[Row]) -> Figure:
    """Processor time and wall time by partitions and workers."""
    figure, (left, right) = _panels(2)
    names = [f"{row['partitions']:.0f} / {row['workers']:.0f}" for row in rows]
    for axes, column, title in (
        (left, "events_a_cpu_second", "events a second of workers' processor time"),
        (right, "events_a_second", "events a second, broker and store on the same cores"),
    ):
        axes.set_title(title)
        axes.set_xlabel("partitions / workers")
        axes.yaxis.set_major_formatter(EngFormatter())
        axes.bar(names, _column(rows, column))
    return figure


def checkpoint(rows: Sequence[Row]) -> Figure:
    """Processor time of checkpoints and of a recovery."""
    figure, (left, right) = _panels(2)
    sizes = _column(rows, "waiting")
    left.set_title("a checkpoint, every 200,000 events")
    left.set_ylabel("milliseconds of processor time")
    left.plot(sizes, [1e3 * row["checkpoint_cpu_seconds"] for row in rows], label="median")
    left.plot(sizes, [1e3 * row["longest_checkpoint_cpu_seconds"] for row in rows], label="longest", alpha=0.6)
    left.set_ylim(bottom=0)
    left.legend()
    right.set_title("a recovery, from a log in memory")
    right.set_ylabel("seconds of processor time")
    right.set_yscale("log")
    right.plot(sizes, _column(rows, "recovery_cpu_seconds"))
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("waiting predictions")
    return figure


def replay(rows: Sequence[Row]) -> Figure:
    """Throughput of a replay."""
    figure, (axes,) = _panels(1)
    _rate(axes, rows, "events", "events in the files")
    axes.set_title("a replay from Parquet, store included")
    return figure


def peers(medians: Mapping[str, float]) -> Figure:
    """Throughput of the contestants, the fastest on top."""
    figure, (axes,) = _panels(1)
    names = sorted(medians, key=lambda name: medians[name])
    axes.set_title("the same events and the same work")
    axes.set_xlabel("events a second of processor time")
    axes.xaxis.set_major_formatter(EngFormatter())
    bars = axes.barh(names, [medians[name] for name in names])
    axes.bar_label(bars, [f"{medians[name]:,.0f}" for name in names], padding=3)
    axes.margins(x=0.25)
    return figure


DRAWN: Mapping[str, Callable[[Sequence[Row]], Figure]] = {
    "waiting": waiting,
    "groups": groups,
    "workers": workers,
    "checkpoint": checkpoint,
    "replay": replay,
}


def _panels(many: int) -> tuple[Figure, list[Axes]]:
    figure = Figure((WIDTH * many + 1.0 * (many == 1), HEIGHT), layout="constrained")
    return figure, [figure.add_subplot(1, many, place + 1) for place in range(many)]


def _rate(axes: Axes, rows: Sequence[Row], size: str, label: str) -> None:
    """Draw events a second of processor time by a size."""
    axes.set_xlabel(label)
    axes.set_ylabel("events a second of processor time")
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.plot(_column(rows, size), _column(rows, "events_a_cpu_second"))
    axes.set_ylim(bottom=0)


def _column(rows: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in rows]


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def main() -> int:
    """Run the command; return its exit code."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(dict(STYLE)):
        _draw_all()
    return 0


def _draw_all() -> None:
    curves: Curves = _read(GROWTH).get("curves", {})
    figures = {name: DRAWN[name](rows) for name, rows in curves.items()}
    if medians := _read(PEERS).get("events_a_cpu_second"):
        figures["peers"] = peers(medians)
    for name, figure in figures.items():
        path = PICTURES / f"{name}.png"
        figure.savefig(path, dpi=110, metadata={"Software": None})
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1_000:.0f} KB")


if __name__ == "__main__":
    sys.exit(main())
