"""What the detectors are shown: signals of which it is known when they changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TICK = 100
"""Observations in a tick of event time."""

REFERENCE = 3_000
"""Observations at the beginning from which the bins of a score and their shares are taken."""

MARKED_LEARNED = 30
"""Values at the beginning of a series that people have marked from which a detector learns what is usual."""


@dataclass(frozen=True)
class Signal:
    """
    One signal: which observations it is of, in their order, and what it says of each.

    "error" is 0 or 1, "score" a number whose whole distribution is looked at, "value" a number that stands for a tick.
    """

    name: str
    kind: Literal["error", "score", "value"]
    at: Ints
    values: Floats


@dataclass(frozen=True)
class Case:
    """
    Signals with the changes in them.

    Attributes
    ----------
    changes
        First observation after each change began, and the one at which it was complete.
    length
        Observations.
    patience
        Observations after its end within which a change has to be flagged, if no other comes before.
    margin
        Observations by which a flag may come before the change: what people have marked is not exact.
    """

    family: str
    signals: tuple[Signal, ...]
    changes: tuple[tuple[int, int], ...]
    length: int
    patience: int = 10_000
    margin: int = 0


def spans(case: Case) -> Iterator[tuple[int, int]]:
    """For each change, the first and the last observation but one at which a flag finds it."""
    begins = [start - case.margin for start, _ in case.changes]
    for number, (start, stop) in enumerate(case.changes):
        following = begins[number + 1] if number + 1 < len(begins) else case.length
        yield start - case.margin, min(stop + case.patience, following)
