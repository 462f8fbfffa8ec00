"""
What is promised and what is measured, in one table: `python -m tests.statistical.table [--long]`.

Ends with 1 if a promise is broken by more than chance explains. `--document` writes docs/statistics.md again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.statistical import document, power
from tests.statistical.scenario import Result, Scenario, measure
from tests.statistical.scenarios import SCENARIOS

SEED = 1
_PATHS_OF_POWER = 20_000
_COLOURS = {"kept": "green", "broken": "bold red", "contrast": "dim", "not promised": "yellow"}


def measured(scenarios: Sequence[Scenario], form: int, paths: int | None, seed: int) -> list[Result]:
    """Simulate scenarios, each with the paths of a form (0: short, 1: long) or with so many."""
    shown = track(scenarios, "simulating", console=Console(stderr=True), transient=True)
    return [measure(scenario, paths or scenario.paths[form], seed) for scenario in shown]


def table_of(results: Sequence[Result]) -> Table:
    """Return the table that is shown."""
    table = Table("scenario", "method", "promised", "measured", "SE", "looks", "paths", "verdict")
    for one in results:
        numbers = f"{one.promised:.4g}", f"{one.measured:.4f}", f"{one.error:.4f}", f"{one.looks:,}", f"{one.paths:,}"
        table.add_row(one.name, one.method, *numbers, f"[{_COLOURS[one.verdict]}]{one.verdict}")
    return table


def exit_code(results: Sequence[Result]) -> int:
    """1 if a promise is broken."""
    return int(any(one.broken for one in results))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Simulate what the statistical methods promise.")
    parser.add_argument("--long", action="store_true", help="as many paths as docs/statistics.md has; some minutes")
    parser.add_argument("--only", nargs="+", choices=[one.name for one in SCENARIOS], metavar="NAME")
    parser.add_argument("--paths", type=int, help="how many paths, whatever the scenario has")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--document", action="store_true", help="with --long: write the results and the document")
    given = parser.parse_args(arguments)
    if given.document and (not given.long or given.only or given.paths):
        parser.error("--document is for the long form of all scenarios: give it with --long alone")
    chosen = [one for one in SCENARIOS if not given.only or one.name in given.only]
    results = measured(chosen, int(given.long), given.paths, given.seed)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table_of(results))
    if given.document:
        rng = np.random.default_rng([given.seed, len(SCENARIOS)])
        document.write(results, power.methods(rng, _PATHS_OF_POWER), given.seed)
    return exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
