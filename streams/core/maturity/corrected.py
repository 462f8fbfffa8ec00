"""
Corrected estimates: what windows will say when the labels that are still to come are there, and all are represented.

A label counts one over the share of its kind that has come by the age of its prediction (inverse probability of
censoring, Robins & Rotnitzky 1992), so that fast negatives and slow positives count alike; and as many times as its
stratum has predictions for each that is heard of. The same estimators read these sums. Their intervals hold for known
curves, and are drawn out to hold for curves that lie at the limits of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from streams.core.columns import Floats, Ints, Mask
from streams.core.maturity.delays import Kind
from streams.core.maturity.strata import responses
from streams.core.metric.base import Estimate, Metric, Task
from streams.core.metric.histograms import HISTOGRAMS
from streams.core.metric.interval import Z
from streams.core.metric.variables import FEEDBACK_INDICATORS, variable
from streams.core.panes import Panes
from streams.core.window import Pieces, totals_of

LEAST_SHARE = 0.05
"""Share that must have come of a cell for its labels to stand for the rest; younger cells are left out."""

_CLASS_OF: Mapping[str, Kind] = {
    **dict.fromkeys(("tp", "fn", "positive", "actual_positive"), "positive"),
    **dict.fromkeys(("fp", "tn", "negative", "actual_negative"), "negative"),
}
_WEIGHTED_INSIDE = ("weighted_value",)  # variables that hold the weight themselves, in sums of the power 0

Shares = Callable[[Kind, float], Floats]
"""Share of a kind that has come of each piece, with the curves moved by so many standard errors; NaN: not known."""


@dataclass(frozen=True)
class Asked:
    """Windows that are asked about: what they are made of, and how many seconds each lasts."""

    pieces: Pieces
    seconds: Floats


@dataclass(frozen=True)
class Late:
    """
    What is known of what is late in the pieces of some windows: the stratum and the shares of each piece.

    None where the model does not ask for it.
    """

    stratum: Ints | None
    shares: Shares | None


def kinds_of(metric: Metric, task: Task) -> frozenset[Kind]:
    """
    Kinds of what comes late that a metric rests on; none for one that rests on nothing late.

    >>> from streams.core.metric.registry import metric_for
    >>> [sorted(kinds_of(metric_for(name, "binary"), "binary")) for name in ("recall", "click_rate", "count")]
    [['positive'], ['click'], []]
    """
    names = [*metric.columns, *(column for name in metric.histograms for column in HISTOGRAMS[name].columns)]
    kinds = (_kind_of(name.partition(":")[2], task) for name in names)
    return frozenset(kind for kind in kinds if kind is not None)


def correct(panes: Panes, asked: Asked, late: Late, metric: Metric, task: Task) -> Estimate:
    """
    Estimate a metric of windows, corrected; NaN in windows in which that cannot be.

    Of binary models a sum over both classes, such as that of log losses, cannot be weighted for the class that is
    slower: its metrics are corrected for strata only, where delays are not followed.
    """
    kinds = sorted(kinds_of(metric, task))
    if late.shares is None:
        return _estimate(panes, asked, late, metric, task, {})
    if task == "binary" and "label" in kinds:
        return nothing(len(asked.seconds))
    moves = [{kind: shift} for kind in kinds for shift in (Z, -Z)]
    return _widened(
        _estimate(panes, asked, late, metric, task, {}),
        [_estimate(panes, asked, late, metric, task, shifts) for shifts in moves],
    )


def _widened(estimate: Estimate, moved: Sequence[Estimate]) -> Estimate:
    """
    Draw out the intervals of estimates for what they become where curves lie at either limit of theirs.

    Independent errors: distances are squared and added. No limit lies beyond those of the moved estimates, which know
    the bounds of their quantity.
    """
    value = estimate.value
    below, above = ((value - estimate.low) ** 2, (estimate.high - value) ** 2)
    for one, other in zip(moved[::2], moved[1::2], strict=True):
        below = below + np.fmax(value - np.fmin(one.value, other.value), 0.0) ** 2
        above = above + np.fmax(np.fmax(one.value, other.value) - value, 0.0) ** 2
    every = (estimate, *moved)
    low = np.fmax(value - np.sqrt(below), np.fmin.reduce([one.low for one in every]))
    high = np.fmin(value + np.sqrt(above), np.fmax.reduce([one.high for one in every]))
    return replace(estimate, low=low, high=high)


def maturity(panes: Panes, asked: Asked, late: Late) -> Floats:
    """Share of the labels that will come of each window that has come, (R,); NaN where it is not known."""
    rows, unknown = len(asked.seconds), np.full(len(asked.seconds), np.nan)
    if late.shares is None:
        return unknown
    made = panes.cells.read("1:predictions", asked.pieces.slot).value()
    come = np.bincount(asked.pieces.window, made * late.shares("label", 0.0), rows)
    total = np.bincount(asked.pieces.window, made, rows)
    np.divide(come, total, out=unknown, where=total > 0)
    return unknown


def _estimate(
    panes: Panes, asked: Asked, late: Late, metric: Metric, task: Task, shifts: Mapping[Kind, float]
) -> Estimate:
    """Estimate with curves moved by so many standard errors; without any, of strata only."""
    pieces, kinds = asked.pieces, kinds_of(metric, task)
    used, inverse = _inverse(late.shares, kinds, shifts, len(pieces.slot))
    if late.stratum is not None and (answers := _answers(kinds)):
        come = inverse[answers] if answers in inverse else _inverse(late.shares, {answers}, {}, len(used))[1][answers]
        weight = _responses(panes, pieces, late.stratum, answers, np.where(used, come, 0.0))
        inverse = {kind: of * weight for kind, of in inverse.items()}
    factor = _Factor(task, used.astype(np.float64), inverse)
    estimate = metric.estimate(totals_of(panes, pieces, asked.seconds, metric, factor))
    some = np.bincount(pieces.window, used, len(asked.seconds)) > 0
    return Estimate(*(np.where(some, getattr(estimate, part.name), np.nan) for part in fields(Estimate)))


def _inverse(
    shares: Shares | None, kinds: Collection[Kind], shifts: Mapping[Kind, float], pieces: int
) -> tuple[Mask, dict[Kind, Floats]]:
    """Which pieces are old enough for all kinds, and what a label of each kind counts in them."""
    if shares is None:
        return np.ones(pieces, np.bool_), {kind: np.ones(pieces) for kind in kinds}
    used: Mask = np.ones(pieces, np.bool_)
    for kind in kinds:
        used &= np.nan_to_num(shares(kind, 0.0)) >= LEAST_SHARE
    moved = {kind: shares(kind, shifts.get(kind, 0.0)) for kind in kinds}
    return used, {kind: np.where(used, 1 / np.where(used, of, 1.0), 0.0) for kind, of in moved.items()}


@dataclass(frozen=True)
class _Factor:
    """What the sums of each piece are multiplied by: the weight of their kind, to the power of the weight in them."""

    task: Task
    used: Floats
    inverse: Mapping[Kind, Floats]

    def __call__(self, column: str) -> Floats:
        power, _, name = column.partition(":")
        kind, exponent = _kind_of(name, self.task), int(power) + name.startswith(_WEIGHTED_INSIDE)
        return self.used if kind is None or exponent == 0 else self.inverse[kind] ** exponent


def _responses(panes: Panes, pieces: Pieces, stratum: Ints, answers: Kind, come: Floats) -> Floats:
    """Weigh the answers of each piece so that those of its stratum stand for all its predictions."""
    weight, counted = ("1:rated", "0:rated") if answers == "rating" else ("0:covered", "0:labelled")
    used = come > 0
    made, heard, count = (panes.cells.read(name, pieces.slot).value() for name in ("1:predictions", weight, counted))
    return responses(pieces.window, stratum, made * used, heard * come, count * used)


def _answers(kinds: Collection[Kind]) -> Kind | None:
    """What a metric is an average over that not every prediction has: labels or ratings; None: all have it."""
    if "rating" in kinds:
        return "rating"
    return "label" if kinds and frozenset(kinds).isdisjoint(FEEDBACK_INDICATORS) else None


def _kind_of(name: str, task: Task) -> Kind | None:
    """What kind of label or feedback a variable counts; None for what comes with the prediction."""
    source, _ = variable(name)
    if source == "feedback":
        return name if name in FEEDBACK_INDICATORS else "rating"
    if source != "label":
        return None
    return _CLASS_OF.get(name, "label") if task == "binary" else "label"


def nothing(rows: int) -> Estimate:
    """Return estimates of which nothing is known."""
    return Estimate(*(np.full(rows, np.nan) for _ in fields(Estimate)))
