"""A finding: what one watch says at the end of a tick of event time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["metric", "column", "assertion", "traffic", "threshold", "verdict", "pipeline"]
"""
What is watched: a metric by when it became known, a column of the events, how often an assertion fails, traffic and
delays, a limit declared for a metric, the verdict of an experiment, or the pipeline itself.
"""

Standing = Literal["learning", "quiet", "suspected", "changed", "no data"]
"""What a watch says: still learning what is usual, nothing, a likely change, a proven one, or nothing to look at."""

Slice = tuple[tuple[str, str], ...]
"""Attributes with their values, sorted; empty for all of a model's traffic."""


@dataclass(frozen=True)
class Finding:
    """
    What one watch says at the end of a tick.

    Attributes
    ----------
    model, slice, watch
        What is watched: `watch` is the name of a metric, a column, an assertion, or a check such as "traffic".
    kind
        What sort of watch it is.
    tick
        End of the tick, us.
    standing
        What the watch says.
    value, reference
        What was seen in this tick, and what was expected; NaN where that is not known.
    effect, low, high
        How far what has been seen since the onset lies from what was expected, with its interval; NaN where unknown.
    n, n_effective, label_coverage
        Observations in this tick, how many equally weighted ones tell as much, and the share with a label (NaN: the
        watch needs none).
    log_e, threshold
        Evidence that something changed, and from where on it is proven, as natural logarithms.
    onset, onset_low, onset_high
        When the change began, with its interval, us; None while there is none.
    method
        How it was found.
    worst
        Slices that moved most, the worst first, with how far each did.
    release
        The release nearest to the onset, such as "version 7"; empty where there was none.
    moved
        What moved in a column in this tick, in words, such as "UA 31 % instead of 12 %", what moved most first.
    """

    model: str
    slice: Slice
    watch: str
    kind: Kind
    tick: int
    standing: Standing
    value: float = math.nan
    reference: float = math.nan
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: float = 0.0
    n_effective: float = 0.0
    label_coverage: float = math.nan
    log_e: float = 0.0
    threshold: float = math.inf
    onset: int | None = None
    onset_low: int | None = None
    onset_high: int | None = None
    method: str = ""
    worst: tuple[tuple[Slice, float], ...] = ()
    release: str = ""
    moved: tuple[str, ...] = ()
