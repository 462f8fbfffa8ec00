"""
The course of a label: which outcome stood when.

Windows ask which outcome stands in the end. Experiments are looked at while outcomes still come, so that for them it
matters from when on each has stood, by event time: then the same events are seen at the same looks, whichever of them
were read first, and however many at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Columns, Ints, Mask, concat, take
from streams.core.flatten import LABELLED
from streams.core.link import by_standing

OUTCOME_STATE = {
    "revision": "revision",
    "outcome_time": "time",
    "label": "label",
    "value": "value",
    "label_weight": "weight",
}
"""What a prediction's row holds of the outcome that stands: its column, and the column of the outcome."""

_HIDDEN = ("key", "check", "id", "flags", "revision", "outcome_time", "label_weight")

_ROW_BITS = 32


@dataclass(frozen=True)
class Pairs:
    """Aligned rows of predictions and outcomes that label them; `places` says which prediction each is of."""

    places: Ints
    predictions: Columns
    outcomes: Columns

    def where(self, rows: Mask) -> Pairs:
        """Return the pairs where the mask is true."""
        return Pairs(self.places[rows], take(self.predictions, rows), take(self.outcomes, rows))

    def with_(self, other: Pairs) -> Pairs:
        """Return these pairs and others."""
        outcomes = [{name: pairs.outcomes[name] for name in OUTCOME_STATE.values()} for pairs in (self, other)]
        places = np.concatenate([self.places, other.places])
        return Pairs(places, concat([self.predictions, other.predictions]), concat(outcomes))


@dataclass(frozen=True)
class Steps:
    """
    When which outcome began to stand, sorted by place and time.

    `row` is the outcome, `before` the one that stood until then (-1: none), both as rows of the outcomes.
    """

    row: Ints
    before: Ints

    def named(self) -> Ints:
        """Return a number for each step, its own among those over the same outcomes."""
        return (self.row << _ROW_BITS) + self.before

    def without(self, names: Ints) -> Steps:
        """Return the other steps."""
        others = ~np.isin(self.named(), names)
        return Steps(self.row[others], self.before[others])


def course(places: Ints, outcomes: Columns) -> Steps:
    """
    Follow the outcomes of each prediction through their event times.

    `places` says which prediction an outcome is for, and need not be sorted. An outcome begins to stand at its time
    if it beats all that were known until then.

    >>> outcomes = {"time": np.array([1, 2, 3]), "revision": np.array([0, 2, 1])}
    >>> steps = course(np.zeros(3, np.int64), outcomes | {"label": np.zeros(3, np.uint64), "value": np.zeros(3)})
    >>> steps.row.tolist(), steps.before.tolist()
    ([0, 1], [-1, 0])
    """
    rank = np.empty(len(places), np.int64)
    rank[by_standing(places, outcomes)] = np.arange(len(places))
    order = np.lexsort((rank, outcomes["time"], places))
    best = np.maximum.accumulate(rank[order])  # of later places every rank is higher
    row = order[np.diff(best, prepend=-1) > 0]
    first = np.diff(places[row], prepend=-1) != 0
    return Steps(row, np.where(first, -1, np.roll(row, 1)))


def label_changes(pairs: Pairs, earlier: Callable[[Pairs], Pairs]) -> Columns:
    """
    Label changes of new pairs, with the event time from which each is `known`.

    `earlier` finds what pairs the same predictions were in before: where there are any, or several are new, the course
    that the label had is taken back, and the one that it has now is added.
    """
    several = (pairs.predictions["flags"] & LABELLED) != 0
    if len(several):
        several |= np.bincount(pairs.places)[pairs.places] > 1
    alone = pairs.where(~several)
    every = np.arange(len(alone.places))
    parts = [_known(alone, every, alone.outcomes["time"], 1, first=np.ones(len(every), np.bool_))]
    if several.any():
        parts += _followed(pairs.where(several), earlier)
    return concat(parts)


def _followed(new: Pairs, earlier: Callable[[Pairs], Pairs]) -> list[Columns]:
    """Take back the steps of the old course that are none of the new one's, and add those that are new."""
    old = earlier(new)
    every, ahead = new.with_(old), len(new.places)
    after, before = course(every.places, every.outcomes), course(old.places, old.outcomes)
    before = Steps(before.row + ahead, np.where(before.before < 0, -1, before.before + ahead))
    kept = np.intersect1d(after.named(), before.named())
    return [*_stepped(every, after.without(kept), 1), *_stepped(every, before.without(kept), -1)]


def label_rows(predictions: Columns, sign: int) -> Columns:
    """Label changes: each prediction with the outcome in its state, added or taken back."""
    rows = {name: column for name, column in predictions.items() if name not in _HIDDEN}
    rows["prediction_weight"] = predictions["weight"]
    rows["weight"] = predictions["weight"] * predictions.get("label_weight", np.float64(1.0))
    rows["sign"] = np.full(len(predictions["time"]), float(sign))
    return rows


def _stepped(pairs: Pairs, steps: Steps, sign: int) -> tuple[Columns, Columns]:
    """Add (or take back) each outcome when it begins to stand, and take back (or add) the one that stood before."""
    times = pairs.outcomes["time"][steps.row]
    replaces = steps.before >= 0
    begun = _known(pairs, steps.row, times, sign, first=~replaces)
    replaced = steps.before[replaces]
    return begun, _known(pairs, replaced, times[replaces], -sign, first=np.zeros(len(replaced), np.bool_))


def _known(pairs: Pairs, rows: Ints, times: Ints, sign: int, *, first: Mask) -> Columns:
    """
    Label changes of some pairs, known once both the prediction and an outcome at `times` are.

    With the `id` of the prediction, and which are of the `first` outcome that stood for it.
    """
    predictions, outcomes = take(pairs.predictions, rows), take(pairs.outcomes, rows)
    state = {name: outcomes[of] for name, of in OUTCOME_STATE.items() if name in predictions}
    known = {"known": np.maximum(predictions["time"], times), "id": predictions["id"], "first": first}
    return label_rows(predictions | state, sign) | known
