"""
Detection delay, misses and false alarms of river's detectors as they come, and of ours, in one table.

Cases are drawn from seeds: six families of drift and one without, streams of river's generators, and the series of
river that people have marked. Delays and false alarms are counted in observations (values, of the marked series); a
detector that flags often finds everything soon, so no delay says anything without the false alarms.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.drift.cases import Case
from benchmarks.drift.families import FAMILIES, case_of
from benchmarks.drift.river_data import ABRUPT, GENERATORS, GRADUAL, MARKED, generated_case, marked_cases
from benchmarks.drift.scoring import Score, total
from benchmarks.drift.watching import LEARNED, OURS, PROMISE, our_flags, river_flags
from streams.core.detect.detectors import Detectors
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.stream.catalogue import NAMES, detector_for

RESULTS = Path(__file__).parent.with_suffix(".json")
SEEDS, GENERATED_SEEDS = 20, 2
SIGNALS, UPDATES = 1_000, 2_000

Scores = Mapping[str, Mapping[str, Score]]


def cases() -> Iterator[Case]:
    """Every case, each drawn as it is needed."""
    yield from (case_of(family, seed) for family in FAMILIES for seed in range(SEEDS))
    widths, seeds = (ABRUPT, GRADUAL), range(GENERATED_SEEDS)
    yield from (generated_case(name, width, seed) for name in GENERATORS for width in widths for seed in seeds)
    yield from marked_cases()


def score() -> Scores:
    """What each detector finds in each family."""
    scores: dict[str, dict[str, Score]] = {name: defaultdict(Score) for name in (*NAMES, OURS)}
    for case in cases():
        for name in NAMES:
            flags = river_flags(name, case)
            if flags is not None:
                scores[name][case.family].add(case, flags)
        scores[OURS][case.family].add(case, *our_flags(case))
    return scores


def microseconds() -> dict[str, float]:
    """Processor time that each detector takes for a value: of ours, for one of a thousand signals in a tick."""
    values = (np.random.default_rng(0).random(UPDATES) < 0.1).astype(np.float64)
    taken = {}
    for name in NAMES:
        detector = detector_for(name)
        given = values.reshape(-1, 10).mean(axis=1) if name == "kswin" else values
        begun = time.process_time()
        detector.update(given)
        taken[name] = (time.process_time() - begun) / len(given) * 1e6
    return taken | {OURS: _our_microseconds()}


def _our_microseconds() -> float:
    detectors = Detectors(Sensitivity(PROMISE, LEARNED))
    rows = np.array([detectors.row(f"signal {number}") for number in range(SIGNALS)])
    values = np.random.default_rng(0).normal(size=(2 * LEARNED, SIGNALS))
    begun = 0.0
    for tick, row in enumerate(values):
        if tick == LEARNED:
            begun = time.process_time()
        detectors.look(tick, rows, row, np.full(SIGNALS, np.nan))
    return (time.process_time() - begun) / (LEARNED * SIGNALS) * 1e6


def results(scores: Scores, costs: Mapping[str, float]) -> dict[str, object]:
    """Everything as it is written to the file."""
    return {
        "ours": {"ticks_between_false_alarms": PROMISE, "reference_ticks": LEARNED},
        "detectors": {
            name: {
                "families": {family: found.summary() for family, found in families.items()},
                "false_alarms_per_10000": _drawn(families).summary()["false_alarms_per_10000"],
                "microseconds": costs[name],
            }
            for name, families in scores.items()
        },
    }


def _drawn(families: Mapping[str, Score]) -> Score:
    """All that was counted where it is known when something changed: people may overlook changes."""
    return total(found for family, found in families.items() if family != MARKED)


def table(scores: Scores, costs: Mapping[str, float]) -> Iterator[str]:
    """Lines of the table: for each family the share of changes that were found, and the median delay."""
    yield _line("", scores)
    for family in [*list(FAMILIES)[1:], "river, abrupt", "river, gradual", MARKED]:
        yield _line(family, (_cell(found.get(family, Score())) for found in scores.values()))
    yield _line("false alarms", (_rate(_drawn(found)) for found in scores.values()))
    yield _line("false, marked", (_rate(found.get(MARKED, Score())) for found in scores.values()))
    yield _line("us a value", (f"{costs[name]:.2f}" for name in scores))


def _line(head: str, cells: Iterable[str]) -> str:
    return f"{head:16}" + "".join(f"{cell:>13}" for cell in cells)


def _cell(found: Score) -> str:
    if not found.changes:
        return "-"
    delay = found.summary()["median_delay"]
    return f"{len(found.delays) / found.changes:.0%}" + ("" if delay is None else f" {delay:,.0f}")


def _rate(found: Score) -> str:
    return f"{1e4 * found.false_alarms / found.steady:.2f}" if found.steady else "-"


def main() -> int:
    """Run the command; return its exit code."""
    scores, costs = score(), microseconds()
    RESULTS.write_text(json.dumps(results(scores, costs), indent=2) + "\n", encoding="utf-8")
    print("Changes found, and the median delay; false alarms per 10,000; microseconds a value.")
    print("\n".join(table(scores, costs)))
    print(f"{time.process_time():.0f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
