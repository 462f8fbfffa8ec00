"""What flags are worth, when it is known where the changes are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from benchmarks.drift.cases import Case, Ints, spans


@dataclass
class Score:
    """
    What a detector found in some cases.

    Attributes
    ----------
    changes, delays
        How many there were, and for each that was found how many observations after its beginning.
    false_alarms, steady
        Flags when nothing had changed, and in how many observations that it watched nothing had.
    """

    changes: int = 0
    delays: list[int] = field(default_factory=list)
    false_alarms: int = 0
    steady: int = 0

    def add(self, case: Case, flags: Ints, watched_from: int = 0) -> None:
        """
        Count flags, observations at which a change was said, of a detector that watches from an observation on.

        The first flag in the span of a change finds it. Other flags there are free: a slow change is many small ones.
        """
        watched = np.arange(case.length) >= watched_from
        false = np.ones(len(flags), bool)
        for (start, _), (first, last) in zip(case.changes, spans(case), strict=True):
            inside = (flags >= first) & (flags < last)
            self.changes += 1
            self.delays += [max(int(flags[inside].min()) - start, 0)] if inside.any() else []
            false &= ~inside
            watched[max(first, 0) : last] = False
        self.false_alarms += int(false.sum())
        self.steady += int(watched.sum())

    def summary(self) -> dict[str, float | int | None]:
        """Numbers for the results."""
        return {
            "changes": self.changes,
            "found": len(self.delays),
            "missed": self.changes - len(self.delays),
            "median_delay": median(self.delays) if self.delays else None,
            "false_alarms": self.false_alarms,
            "steady": self.steady,
            "false_alarms_per_10000": 1e4 * self.false_alarms / self.steady if self.steady else None,
        }


def total(scores: Iterable[Score]) -> Score:
    """Everything that was counted, together."""
    sums = Score()
    for score in scores:
        sums.changes += score.changes
        sums.delays += score.delays
        sums.false_alarms += score.false_alarms
        sums.steady += score.steady
    return sums
