"""
How good the alerts are: 40 incidents of 8 kinds in traffic that is replayed, and months in which nothing happens.

`python -m benchmarks.alerts` makes the worlds, replays each into a store of its own with the configuration beside them,
reads the table `alerts`, and prints what was found, how late, what was missed, and how many pages were false.
`--list` only says what happens. The bounds are those that the project promises; the command fails where one is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.incidents.files import VOLUME, write_world
from benchmarks.incidents.plan import DAY, HOUR, QUIET, START, Incident, World, make_worlds
from benchmarks.incidents.score import Notice, Score, by_kind, score

STREAMS = Path(sys.executable).with_name("streams")
CONFIG = Path(__file__).parent / "incidents" / "config.yaml"
RESULTS = Path(__file__).with_name("alerts.json")
LEAST_FOUND, MOST_FALSE = 0.95, 1.0
"""Share of the incidents, and pages in 30 days."""

_ALERTS = """
SELECT model, watch, kind, state, severity, status, dedup_key, title,
    toUnixTimestamp64Micro(tick) AS tick, toUnixTimestamp64Micro(since) AS onset
FROM alerts FINAL
ORDER BY tick, dedup_key
"""
_BY_KIND = {"column": "column-drifted", "assertion": "assertion-failing"}
_BY_WATCH = {
    "traffic": "traffic-changed",
    "count": "traffic-changed",
    "request_rate": "traffic-changed",
    "label_coverage": "labels-missing",
    "label_delay": "labels-delayed",
    "ece": "calibration-moved",
    "calibration_slope": "calibration-moved",
}


def read_notices(store: str) -> list[Notice]:
    """Read what was told in a replay from its store."""
    said = _run("query", "--store", store, "--format", "json", _ALERTS)
    return [_notice(json.loads(line)) for line in said.splitlines()]


def _notice(row: dict[str, Any]) -> Notice:
    name = alert_name(row["kind"], row["watch"], row["state"])
    return Notice(**{key: value for key, value in row.items() if key != "state"} | {"kind": name})


def alert_name(kind: str, watch: str, state: str) -> str:
    """
    Name an alert as its page in docs/runbooks is called, from what is watched and how it stands.

    >>> alert_name("metric", "latency_p95", "firing"), alert_name("metric", "accuracy", "no_data")
    ('latency-grew', 'no-data')
    """
    if state == "no_data":
        return "no-data"
    if watch.startswith("latency_"):
        return "latency-grew"
    return _BY_KIND.get(kind) or _BY_WATCH.get(watch, "quality-dropped")


def replayed(world: World, config: Path, volume: float) -> list[Notice]:
    """Make a world, replay it, and return what was said about it."""
    with tempfile.TemporaryDirectory() as directory:
        files = write_world(world, Path(directory), volume)
        store = f"chdb:{directory}/store"
        _run("replay", "--config", str(config), "--store", store, *map(str, files))
        return read_notices(store)


def _run(*arguments: str) -> str:
    done = subprocess.run([str(STREAMS), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"streams {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def document(found: Score, worlds: Sequence[World], volume: float) -> dict[str, object]:
    """Return a score as it is kept: the table, every incident, and every false page."""
    return {
        "volume": volume,
        "worlds": len(worlds),
        "days": found.days,
        "found": found.found,
        "false_pages": len(found.false),
        "false_pages_in_30_days": found.false_in_30_days,
        "kinds": [asdict(row) for row in by_kind(found.results)],
        "incidents": [
            {
                "world": result.world,
                **described(result.incident),
                "delay_hours": result.delay,
                "found_as": result.page and result.page.kind,
                "watch": result.page and result.page.watch,
                "repeats": result.repeats,
            }
            for result in found.results
        ],
        "false": [{"world": page.world, "during": page.during, **asdict(page.notice)} for page in found.false],
    }


def described(incident: Incident) -> dict[str, object]:
    """Say what happens, to whom, from when (days since the world began), for how long (hours) and how large it is."""
    return {
        "kind": incident.kind,
        "model": incident.model,
        "slice": dict(incident.slice),
        "day": round((incident.start - START) / DAY, 2),
        "hours": (incident.end - incident.start) / HOUR,
        "size": incident.size,
        "share": incident.share,
        "form": " ".join(filter(None, [incident.column, incident.how])),
    }


def print_score(found: Score, console: Console) -> None:
    """Print the table, then what was missed and what was false."""
    table = Table("incident", "happened", "found", "median delay", "longest", "missed")
    for row in by_kind(found.results):
        delays = [_hours(row.median_delay), _hours(row.slowest)]
        table.add_row(row.kind, str(row.incidents), str(row.found), *delays, str(row.incidents - row.found))
    console.print(table)
    for result in found.results:
        if result.page is None:
            console.print(f"missed: {_line(result.world, result.incident)}")
    for page in found.false:
        about = f"{page.notice.model}, {page.notice.watch}: {page.notice.title}"
        console.print(
            f"false: {page.world}, {page.notice.kind}, {about}" + (f" (during {page.during})" if page.during else "")
        )
    console.print(
        f"{found.found:.0%} found; {len(found.false)} false pages in {found.days} days: "
        f"{found.false_in_30_days:.2f} in 30 days"
    )


def print_worlds(worlds: Sequence[World], console: Console) -> None:
    """Print what happens, world by world."""
    for world in worlds:
        for incident in world.incidents:
            console.print(_line(world.name, incident))
        if not world.incidents:
            console.print(f"{world.name}: nothing happens")


def _hours(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f} h"


def _line(world: str, incident: Incident) -> str:
    said = described(incident)
    whom = " ".join([incident.model, *(f"{name}={value}" for name, value in incident.slice)])
    size = f"size {incident.size}" + (f", {said['form']}" if said["form"] else "")
    share = f" for {incident.share:.0%}" if incident.share < 1 else ""
    return f"{world}: day {said['day']}, {said['hours']:.0f} h: {incident.kind}, {whom}, {size}{share}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.alerts", description="How good the alerts are.")
    parser.add_argument("--list", action="store_true", help="only say what happens")
    parser.add_argument("--config", type=Path, default=CONFIG, help="the configuration that is judged")
    parser.add_argument("--seed", type=int, default=1, help="of the worlds (default: 1)")
    parser.add_argument("--quiet", type=int, default=QUIET, help=f"worlds without incidents (default: {QUIET})")
    parser.add_argument("--volume", type=float, default=VOLUME, help=f"requests of a model a day (default: {VOLUME})")
    parser.add_argument("--only", nargs="*", metavar="WORLD", help="replay these worlds, and keep no results")
    parser.add_argument("--severities", nargs="*", metavar="SEVERITY", help="severities that page (default: all)")
    return parser


def measure(worlds: Sequence[World], config: Path, volume: float, severities: Collection[str] | None) -> Score:
    """Replay all worlds, as many at a time as there are cores, and score what was said."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        said = list(pool.map(lambda world: replayed(world, config, volume), worlds))
    return score({world.name: notices for world, notices in zip(worlds, said, strict=True)}, worlds, severities)


def main() -> int:
    """Run the command; return its exit code."""
    arguments, console = _parser().parse_args(), Console(highlight=False, soft_wrap=True)
    worlds = make_worlds(arguments.seed, arguments.quiet)
    if arguments.list:
        print_worlds(worlds, console)
        return 0
    if arguments.only:
        worlds = tuple(world for world in worlds if world.name in arguments.only)
    found = measure(worlds, arguments.config, arguments.volume, arguments.severities)
    print_score(found, console)
    if not arguments.only:
        results = document(found, worlds, arguments.volume)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0 if found.found >= LEAST_FOUND and found.false_in_30_days <= MOST_FALSE else 1


if __name__ == "__main__":
    sys.exit(main())
