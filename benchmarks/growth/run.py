"""
How cost grows: with what waits, with groups, with partitions and workers, and with what is replayed.

Every curve's numbers go to benchmarks/growth.json; curves that are not measured this time stay there as they are.
`python -m benchmarks.growth.plot` draws them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from benchmarks.growth import checkpoint, groups, replay, waiting, workers
from benchmarks.growth.results import RATIOS, Row, merged, write_results
from deploy.cluster import ROOT

RESULTS = ROOT / "benchmarks" / "growth.json"


class Measure(Protocol):
    """Measures a curve; `quick` tries whether it works, with numbers that mean little."""

    def __call__(self, *, quick: bool) -> list[Row]:
        """Return a row for each point."""


CURVES: Mapping[str, Measure] = {
    "waiting": waiting.measure,
    "groups": groups.measure,
    "workers": workers.measure,
    "checkpoint": checkpoint.measure,
    "replay": replay.measure,
}


def show(name: str, rows: list[Row]) -> None:
    """Print the points of a curve."""
    table = Table(title=name)
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    Console(width=200).print(table)


def _shown(number: float) -> str:
    if isinstance(number, int) or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=list(CURVES), default=list(CURVES), help="measure only these")
    parser.add_argument("--quick", action="store_true", help="small sizes only, to see whether it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to keep results")
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for name in given.only:
        rows = CURVES[name](quick=given.quick)
        results = write_results(given.results, merged(given.results, {name: rows}))
        show(name, rows)
    for what, ratio in results[RATIOS].items():
        print(f"{what}: {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
