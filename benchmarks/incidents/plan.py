"""
Which incidents happen, to whom, when and how large; and the worlds that they happen in.

A world is two months of traffic of three models. In the first month nothing happens, so that a watch can learn what is
usual. In the second one four incidents happen, one at a time, each with days of peace behind it. Other worlds are quiet
throughout: whatever is said about them is false.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

Kind = Literal[
    "label flips",
    "one-slice bias",
    "latency",
    "missing outcomes",
    "delayed outcomes",
    "feature corruption",
    "traffic drop",
    "calibration shift",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

HOUR = 3_600_000_000
"""us."""
DAY = 24 * HOUR
START = 1_736_121_600_000_000
"""Midnight of Monday, 6 January 2025, UTC; us."""
LEARNING, WATCHED = 30, 30
"""Days without incidents, and days with them."""
ATTRIBUTES = MappingProxyType({"country": ("DE", "FR", "US", "BR", "IN"), "device": ("phone", "desktop", "tablet")})
"""Values of the attributes that slices are cut by; in the columns of traffic they are numbers."""
A_WORLD = 4
QUIET = 2


@dataclass(frozen=True)
class Incident:
    """
    Something that goes wrong and stops again.

    Attributes
    ----------
    kind, model
        What happens, and to which model.
    start, end
        From when until when, us.
    size
        How large it is; what the number means depends on `kind` and `how`, and `VARIANTS` says it.
    how
        Which form it takes, where a kind has several.
    column
        The feature that it strikes, where it strikes one.
    slice
        To whose requests it happens: attributes with their values; empty for all.
    share
        To which share of these.
    """

    kind: Kind
    model: str
    start: int
    end: int
    size: float
    how: str = ""
    column: str = ""
    slice: tuple[tuple[str, str], ...] = ()
    share: float = 1.0

    def at(self, time: int) -> Incident:
        """Return the same incident, begun at `time`."""
        return replace(self, start=time, end=time + self.end - self.start)


@dataclass(frozen=True)
class World:
    """Traffic under one seed, and what happens in it."""

    name: str
    seed: int
    incidents: tuple[Incident, ...] = ()


def _variant(kind: Kind, model: str, days: float, size: float, **more: object) -> Incident:
    return replace(Incident(kind, model, 0, int(days * DAY), size), **more)  # type: ignore[arg-type]


def _in(attribute: str, value: str) -> tuple[tuple[str, str], ...]:
    return ((attribute, value),)


VARIANTS: tuple[Incident, ...] = (
    # Size: which share of the outcomes that come in the time have the other label.
    _variant("label flips", "fraud", 2.0, 0.12),
    _variant("label flips", "churn", 2.5, 0.15),
    _variant("label flips", "fraud", 2.0, 0.20),
    _variant("label flips", "churn", 2.0, 0.25),
    _variant("label flips", "fraud", 1.5, 0.35),
    # Size: what is added to the log-odds of each score; of the regression, by which share the number is too high.
    _variant("one-slice bias", "fraud", 2.5, 1.5, slice=_in("country", "FR")),
    _variant("one-slice bias", "churn", 3.0, -1.5, slice=_in("country", "US")),
    _variant("one-slice bias", "fraud", 3.0, 2.0, slice=_in("device", "tablet")),
    _variant("one-slice bias", "eta", 2.0, 0.15, slice=_in("country", "BR")),
    _variant("one-slice bias", "churn", 2.5, 2.0, slice=_in("country", "BR")),
    # Size: how many times as long answers take; `share` of them.
    _variant("latency", "fraud", 1.0, 1.3),
    _variant("latency", "churn", 1.5, 1.5),
    _variant("latency", "eta", 1.0, 2.0),
    _variant("latency", "fraud", 2.0, 4.0, share=0.10),
    _variant("latency", "eta", 1.5, 3.0, share=0.20),
    # Size: which share of the outcomes that are due in the time never come.
    _variant("missing outcomes", "fraud", 3.0, 0.30),
    _variant("missing outcomes", "churn", 2.5, 0.40),
    _variant("missing outcomes", "eta", 2.0, 0.50),
    _variant("missing outcomes", "churn", 2.0, 0.70),
    _variant("missing outcomes", "fraud", 2.0, 1.00),
    # Size: by how many hours the outcomes that are due in the time come later.
    _variant("delayed outcomes", "eta", 2.0, 3.0),
    _variant("delayed outcomes", "fraud", 2.5, 8.0),
    _variant("delayed outcomes", "eta", 1.5, 12.0),
    _variant("delayed outcomes", "fraud", 2.0, 16.0),
    _variant("delayed outcomes", "churn", 2.5, 24.0),
    # What the model is given instead of the feature; what its size means stands at each.
    _variant("feature corruption", "churn", 2.0, 0.30, how="absent", column="age_days"),  # of that share of requests
    _variant("feature corruption", "eta", 1.5, 0.62, how="scaled", column="distance_km"),  # times that: miles
    _variant("feature corruption", "fraud", 2.0, 0.40, how="zero", column="trust"),  # for that share of requests
    _variant("feature corruption", "churn", 2.0, 0.50, how="scaled", column="amount"),  # times that: another currency
    _variant(
        "feature corruption", "fraud", 3.0, 1.00, how="previous", column="amount"
    ),  # that share get that of the one before
    # Size: which share of the requests that are made in the time never reach the model.
    _variant("traffic drop", "churn", 1.5, 0.40),
    _variant("traffic drop", "fraud", 1.5, 0.50),
    _variant("traffic drop", "eta", 1.0, 0.60),
    _variant("traffic drop", "fraud", 1.0, 0.80),
    _variant("traffic drop", "eta", 0.5, 1.00),
    # The classes stay as they are, but not the probabilities: their log-odds grow by the size, or are multiplied by it.
    _variant("calibration shift", "fraud", 2.0, 0.5, how="shifted"),
    _variant("calibration shift", "churn", 2.5, -0.6, how="shifted"),
    _variant("calibration shift", "churn", 2.5, 2.0, how="spread"),
    _variant("calibration shift", "fraud", 2.0, 0.8, how="shifted"),
    _variant("calibration shift", "fraud", 2.5, 0.5, how="spread"),
)
"""Five forms of each of the eight kinds, begun at 0: sizes that somebody on call would want to know of."""


def make_worlds(seed: int = 1, quiet: int = QUIET) -> tuple[World, ...]:
    """
    Spread the incidents over worlds of four different kinds each, and add quiet worlds.

    Parameters
    ----------
    seed : int
        The same gives the same worlds.
    quiet : int
        How many worlds have no incident.
    """
    rng = np.random.default_rng(seed)
    variants = {kind: [incident for incident in VARIANTS if incident.kind == kind] for kind in KINDS}
    worlds: list[World] = []
    for number in range(len(VARIANTS) // len(KINDS)):
        order = [variants[KINDS[place]][number] for place in rng.permutation(len(KINDS))]
        for chosen in (order[:A_WORLD], order[A_WORLD:]):
            worlds.append(World(f"world-{len(worlds) + 1:02}", seed * 1_000 + len(worlds), _placed(chosen, rng)))
    first = len(worlds)
    return (*worlds, *(World(f"quiet-{i + 1:02}", seed * 1_000 + first + i) for i in range(quiet)))


def _placed(incidents: Sequence[Incident], rng: np.random.Generator) -> tuple[Incident, ...]:
    """Give each an equal part of the watched month, and let it begin at any moment of the first day of its part."""
    width = WATCHED * DAY // len(incidents)
    first = START + LEARNING * DAY
    moments = rng.integers(0, DAY, len(incidents)).tolist()
    return tuple(incident.at(first + i * width + moments[i]) for i, incident in enumerate(incidents))
