"""How often a model's detectors may raise a false alarm, and what they learn from."""

from __future__ import annotations

import math
from dataclasses import dataclass

FEWEST_REFERENCE_TICKS = 10
"""With fewer, even ticks far beyond all that were learned from take long to prove a change."""

_SEASONS = 2  # that the reference must cover, for a place in the season to have something to compare with


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """
    At most one false alarm in so many ticks, over all signals of a model together.

    Attributes
    ----------
    ticks_between_false_alarms
        On average, for the whole model: 30 for "one in 30 days" with ticks of a day, 720 with ticks of an hour.
    reference_ticks
        Ticks with data that each signal is learned from before it is watched: at least 10, and two seasons. The more,
        the smaller the changes that can be told from an unlucky reference; 56 ticks of a day are a good start.
    season
        Ticks in a season: 7 for ticks of a day, 168 for ticks of an hour; 1 if there is none.

    Raises
    ------
    ValueError
        If the ticks between false alarms are not finite and at least 1, the season is no positive whole number, or the
        reference is too short.
    """

    ticks_between_false_alarms: float
    reference_ticks: int
    season: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ticks_between_false_alarms) and self.ticks_between_false_alarms >= 1):
            raise ValueError(
                f"{self.ticks_between_false_alarms} ticks between false alarms: give a finite number of at least 1"
            )
        if self.season < 1:
            raise ValueError(f"a season of {self.season} ticks: give at least 1, which means that there is none")
        fewest = max(FEWEST_REFERENCE_TICKS, _SEASONS * self.season if self.season > 1 else 0)
        if self.reference_ticks < fewest:
            raise ValueError(
                f"a reference of {self.reference_ticks} ticks is too short for a season of {self.season}: "
                f"give at least {fewest}"
            )

    def log_threshold(self, signals: int) -> float:
        """Return the logarithm of what a detector's evidence must reach: signals x ticks between false alarms."""
        return math.log(max(signals, 1) * self.ticks_between_false_alarms)
