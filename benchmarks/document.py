"""
Write the tables of docs/performance.md again, from the files that the benchmarks wrote.

A table stands behind a comment that names it, and ends before the next.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.budget import STAGES
from benchmarks.peers.report import US
from deploy.cluster import ROOT

HERE = ROOT / "benchmarks"
DOCUMENT = ROOT / "docs" / "performance.md"
PROMISED = (
    ("this pipeline / Quix Streams", "quix", True, 10.0),
    ("this pipeline / Faust", "faust", True, 45.0),
    ("this pipeline / Kafka Streams", "kafka_streams", True, 3.0),
    ("this pipeline / aiokafka `getmany` alone", "getmany", True, 0.5),
    ("throughput with 10^7 waiting / with 10^5", "events a CPU second, 10^7 waiting to 10^5", True, 0.8),
    ("memory of a waiting prediction, bytes, of 10^7", "bytes a waiting prediction, of 10^7", False, 100.0),
    ("two workers / one, by processor time", "two workers to one, by CPU seconds an event", True, 1.8),
    ("checkpoints, share of a worker's processor time", "checkpoint", False, 0.1),
    ("the same, of that of its parts in process", "checkpoint in process", False, 0.1),
    ("seconds from the proof of an alert to its route, p99 at 20,000 events/s", "route", False, 5.0),
    ("ten running experiments, on top of a worker's processor time", "experiments", False, 0.15),
    ("the same, on top of that of its parts in process", "experiments in process", False, 0.15),
)
"""What, the name of what was measured, whether it is to be at least so large (or at most), and how large."""

COLUMNS = {
    "waiting": ("waiting", "events_a_cpu_second", "longest_block_cpu_seconds", "bytes_a_prediction"),
    "groups": ("groups", "events_a_cpu_second"),
    "workers": ("partitions", "workers", "events_a_cpu_second", "events_a_second"),
    "checkpoint": ("waiting", "checkpoint_cpu_seconds", "longest_checkpoint_cpu_seconds", "recovery_cpu_seconds"),
    "replay": ("events", "events_a_cpu_second"),
}


def peers(results: Mapping[str, Any]) -> str:
    """Contestants, the fastest first."""
    rounds: list[dict[str, Any]] = results["rounds"]
    medians: dict[str, float] = results["events_a_cpu_second"]
    rows = []
    for name in sorted(medians, key=lambda name: -medians[name]):
        mine = [one for one in rounds if one["name"] == name]
        rates = [one["events"] / one["cpu_seconds"] for one in mine]
        wall = statistics.median(one["events"] / one["wall_seconds"] for one in mine)
        joins = "" if mine[0]["joins"] is None else f"{mine[0]['joins'] / mine[0]['expected']:.2%}"
        wrong = "" if mine[0]["wrong"] is None else f"{statistics.median(one['wrong'] for one in mine):,.0f}"
        rows.append(
            [
                mine[0]["title"],
                f"{medians[name]:,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"{wall:,.0f}",
                f"{statistics.median(one['memory'] for one in mine):,.0f}",
                joins,
                wrong,
                f"{medians[US] / medians[name]:.2f}",
            ]
        )
    head = ["contestant", "events / CPU s", "its rounds", "events / s", "MiB", "joins", "wrong", "this pipeline, times"]
    return _table(head, rows)


def budget(nanoseconds: Mapping[str, float]) -> str:
    """Stages of one event."""
    rows = [[f"`{stage}`", what, f"{nanoseconds[stage]:,.0f}"] for stage, what in STAGES.items()]
    rows.append(["rest", "taking blocks apart, keeping count", f"{nanoseconds['rest']:,.0f}"])
    return _table(["stage", "what", "ns an event"], [*rows, ["all", "", f"{sum(nanoseconds.values()):,.0f}"]])


def curve(name: str, growth: Mapping[str, Any]) -> str:
    """Points of a curve."""
    head = [column.replace("_", " ") for column in COLUMNS[name]]
    return _table(head, [[_number(row[column]) for column in COLUMNS[name]] for row in growth["curves"][name]])


def promises(found: Mapping[str, float]) -> str:
    """What is promised, what was measured, and whether that is enough."""
    rows = []
    for what, key, least, promised in PROMISED:
        kept = found[key] >= promised if least else found[key] <= promised
        bound = f"at {'least' if least else 'most'} {promised:g}"
        rows.append([what, bound, f"{found[key]:.2f}", "yes" if kept else "**no**"])
    return _table(["what", "promised", "measured", "kept"], rows)


ROUTE = (
    ("to_topic", "from the event that proves it to the topic of alerts"),
    ("to_route", "from there to the route"),
    ("all", "both"),
)


def route(found: Mapping[str, Any]) -> str:
    """Seconds of an alert on its way, part by part."""
    rows = [[what, *(f"{found[name][key]:.2f}" for key in ("p50", "p99", "max"))] for name, what in ROUTE]
    return _table(["seconds", "p50", "p99", "max"], rows)


def route_run(found: Mapping[str, Any]) -> str:
    """Return what has to be known of the run of that."""
    return (
        f"{found['notices']:,} notices in {found['seconds']:,.0f} s at {found['events_a_second']:,.0f} events/s; "
        f"other programs had {found['others']:.0%} of the two processors meanwhile."
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _read(name: str) -> dict[str, Any]:
    return dict(json.loads((HERE / name).read_text(encoding="utf-8")))


def rewritten(text: str) -> str:
    """Return the document with its tables as the files of results have them."""
    growth = _read("growth.json")
    results, nanoseconds = _read("results.json"), _read("budget.json")
    tables = {"peers": peers(results), "budget": budget(nanoseconds)}
    experiments, routed = _read("experiments.json"), _read("route.json")
    tables |= {"route": route(routed), "route run": route_run(routed)}
    worker = 1e9 / results["events_a_cpu_second"]["streams"]
    others = {
        "checkpoint": nanoseconds["checkpoint"] / worker,
        "checkpoint in process": nanoseconds["checkpoint"] / sum(nanoseconds.values()),
        "experiments": (experiments["with"] - experiments["without"]) / worker,
        "experiments in process": experiments["share"],
        "route": routed["all"]["p99"],
    }
    tables["promises"] = promises(results["ratio"] | growth["ratios"] | others)
    tables |= {name: curve(name, growth) for name in COLUMNS}
    for name, table in tables.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        text = before + start + table + "\n" + rest[rest.index("<!-- end -->") :]
    return text


def main() -> int:
    """Run the command; return its exit code."""
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
