"""The file of results: the rows of each curve, what they were taken on, and what follows from them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers.report import VERSIONS, processor

Row = dict[str, float]
Curves = Mapping[str, Sequence[Row]]

RATIOS = "ratios"


def merged(path: Path, curves: Curves) -> Curves:
    """Return these curves, and those of the file that were not measured this time."""
    before = json.loads(path.read_text(encoding="utf-8"))["curves"] if path.exists() else {}
    return {**before, **curves}


def write_results(path: Path, curves: Curves) -> dict[str, Any]:
    """Write the curves; returns all that the file says."""
    results = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in VERSIONS},
        RATIOS: dict(ratios(curves)),
        "curves": dict(curves),
    }
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return results


def ratios(curves: Curves) -> Mapping[str, float]:
    """
    What is promised of growth, as far as it was measured.

    >>> slow, fast = {"waiting": 10**7, "events_a_cpu_second": 9.0}, {"waiting": 10**5, "events_a_cpu_second": 10.0}
    >>> ratios({"waiting": [slow | {"bytes_a_prediction": 90.0}, fast]})["events a CPU second, 10^7 waiting to 10^5"]
    0.9
    """
    found = {}
    waiting = {round(row["waiting"]): row for row in curves.get("waiting", ())}
    if {10**5, 10**7} <= waiting.keys():
        most, few = waiting[10**7], waiting[10**5]
        found["events a CPU second, 10^7 waiting to 10^5"] = most["events_a_cpu_second"] / few["events_a_cpu_second"]
        found["bytes a waiting prediction, of 10^7"] = most["bytes_a_prediction"]
    workers = {(round(row["partitions"]), round(row["workers"])): row for row in curves.get("workers", ())}
    if {(1, 1), (2, 2)} <= workers.keys():
        one, two = workers[1, 1]["cpu_seconds_an_event"], workers[2, 2]["cpu_seconds_an_event"]
        found["two workers to one, by CPU seconds an event"] = 2 * one / two
    return found
