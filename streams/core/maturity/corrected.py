"""
Corrected estimates: what windows will say when the labels that are still to come are there, and all are represented.

A label counts one over the share of its kind that has come by the age of its prediction (inverse probability of
censoring, Robins & Rotnitzky 1992), so that fast negatives and slow positives count alike; and as many times as its
stratum has predictions for each that is heard of. Sums that both classes add to, such as that of log losses, are taken
apart for it. The same estimators read these sums. Their intervals hold for known curves, and are drawn out to hold for
curves that lie at the limits of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from streams.core.columns import Floats, Mask
from streams.core.maturity.delays import Kind
from streams.core.maturity.parts import Parts
from streams.core.maturity.strata import responses
from streams.core.metric.base import Estimate, Metric, Task
from streams.core.metric.histograms import HISTOGRAMS
from streams.core.metric.interval import Z
from streams.core.metric.layout import positive_parts
from streams.core.metric.variables import FEEDBACK_INDICATORS, OF_BOTH_CLASSES, variable

LEAST_SHARE = 0.05
"""Share that must have come of a cell for its labels to stand for the rest; younger cells are left out."""

SHARE_SEEN = 0.8
"""
Share that must have come of a kind for none of it to say how rare it is.

Of none among n, Wilson's limit is z^2 / (n + z^2): at that rate a window would often have none yet, in exp(-share z^2)
of all, which from this share on is less than one in 20.
"""

_CLASSES_OF: Mapping[str, tuple[Kind, ...]] = {
    **dict.fromkeys(("fp", "tn", "negative", "actual_negative"), ("negative",)),
    **dict.fromkeys(("tp", "fn", "positive", "actual_positive"), ("positive",)),
    **dict.fromkeys(OF_BOTH_CLASSES, ("negative", "positive")),
}
_WEIGHTED_INSIDE = ("weighted_value",)  # variables that hold the weight themselves, in sums of the power 0

Shares = Callable[[Kind, float], Floats]
"""Share of a kind that has come of each part, with the curves moved by so many standard errors; NaN: not known."""


@dataclass(frozen=True)
class Late:
    """
    What a model asks for of the parts of its windows.

    Whether their strata are to be represented, and which share has come of each part; None where delays are not asked
    for.
    """

    strata: bool
    shares: Shares | None


def kinds_of(metric: Metric, task: Task) -> frozenset[Kind]:
    """
    Kinds of what comes late that a metric rests on; none for one that rests on nothing late.

    >>> from streams.core.metric.registry import metric_for
    >>> [sorted(kinds_of(metric_for(name, "binary"), "binary")) for name in ("recall", "click_rate", "count")]
    [['positive'], ['click'], []]
    """
    names = [*metric.columns, *(column for name in metric.histograms for column in HISTOGRAMS[name].columns)]
    return frozenset(kind for name in names for kind in _kinds_of(name.partition(":")[2], task))


def correct(parts: Parts, late: Late, metric: Metric, task: Task) -> Estimate:
    """Estimate a metric of windows, corrected; NaN in windows in which that cannot be."""
    if late.shares is None:
        return _estimate(parts, late, metric, task, {})
    kinds = sorted(kinds_of(metric, task))
    if not _used(late.shares, kinds, len(parts)).any():
        return nothing(len(parts.seconds))
    moves = [{kind: shift} for kind in kinds for shift in (Z, -Z)]
    widened = _widened(
        _estimate(parts, late, metric, task, {}),
        [_estimate(parts, late, metric, task, shifts) for shifts in moves],
    )
    return _only(widened, ~_unseen(parts, late.shares, metric, task))


def _unseen(parts: Parts, shares: Shares, metric: Metric, task: Task) -> Mask:
    """Windows in which a metric counts none of a class, or of a kind of feedback, of which much is still to come."""
    kinds = kinds_of(metric, task) - {"label"}
    used = _used(shares, kinds, len(parts))
    made = parts.sums["1:predictions"] * used
    unseen = np.zeros(len(parts.seconds), np.bool_)
    for kind in kinds:
        counted = [name for name in metric.columns if name[0] == "0" and _kinds_of(name[2:], task) == (kind,)]
        seen = np.add.reduce([parts.sums[name] * used for name in counted])
        come = parts.by_window(made * np.nan_to_num(shares(kind, 0.0)))
        unseen |= (come < SHARE_SEEN * parts.by_window(made)) & (parts.by_window(seen) <= 0)
    return unseen


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


def maturity(parts: Parts, late: Late) -> Floats:
    """Share of the labels that will come of each window that has come, (R,); NaN where it is not known."""
    unknown = np.full(len(parts.seconds), np.nan)
    if late.shares is None:
        return unknown
    made = parts.sums["1:predictions"]
    come, total = parts.by_window(made * late.shares("label", 0.0)), parts.by_window(made)
    np.divide(come, total, out=unknown, where=total > 0)
    return unknown


def _estimate(parts: Parts, late: Late, metric: Metric, task: Task, shifts: Mapping[Kind, float]) -> Estimate:
    """Estimate with curves moved by so many standard errors; without any, of strata only."""
    kinds = kinds_of(metric, task)
    used, inverse = _inverse(late.shares, kinds, shifts, len(parts))
    if late.strata and (answers := _answers(kinds)):
        come = inverse[answers] if answers in inverse else _inverse(late.shares, {answers}, {}, len(used))[1][answers]
        weight = _responses(parts, answers, np.where(used, come, 0.0))
        inverse = {kind: of * weight for kind, of in inverse.items()}
    factor = _Factor(task, used.astype(np.float64), inverse, late.shares is not None)
    return _only(metric.estimate(parts.weighed(metric, factor)), parts.by_window(used.astype(np.float64)) > 0)


def _used(shares: Shares, kinds: Collection[Kind], parts: int) -> Mask:
    """Which parts are old enough for all kinds."""
    used: Mask = np.ones(parts, np.bool_)
    for kind in kinds:
        used &= np.nan_to_num(shares(kind, 0.0)) >= LEAST_SHARE
    return used


def _inverse(
    shares: Shares | None, kinds: Collection[Kind], shifts: Mapping[Kind, float], parts: int
) -> tuple[Mask, dict[Kind, Floats]]:
    """Which parts are old enough for all kinds, and what a label of each kind counts in them."""
    if shares is None:
        return np.ones(parts, np.bool_), {kind: np.ones(parts) for kind in kinds}
    used = _used(shares, kinds, parts)
    moved = {kind: shares(kind, shifts.get(kind, 0.0)) for kind in kinds}
    return used, {kind: np.where(used, 1 / np.where(used, of, 1.0), 0.0) for kind, of in moved.items()}


@dataclass(frozen=True)
class _Factor:
    """
    What the sums of each part are multiplied by: the weight of their kind, to the power of the weight in them.

    A sum over both classes is that of negatives by their weight and that of positives by theirs: all by the first, and
    positives by the difference. Where delays are not followed the weights are equal, and its parts are not kept.
    """

    task: Task
    used: Floats
    inverse: Mapping[Kind, Floats]
    delays: bool

    def __call__(self, column: str) -> dict[str, Floats]:
        power, _, name = column.partition(":")
        kinds, exponent = _kinds_of(name, self.task), int(power) + name.startswith(_WEIGHTED_INSIDE)
        if not kinds or exponent == 0:
            return {column: self.used}
        first, *others = (self.inverse[kind] ** exponent for kind in kinds)
        parts = zip(positive_parts([column]), others, strict=True) if self.delays else ()
        return {column: first} | {part: other - first for part, other in parts}


def _responses(parts: Parts, answers: Kind, come: Floats) -> Floats:
    """Weigh the answers of each part so that those of its stratum stand for all its predictions."""
    weight, counted = ("1:rated", "0:rated") if answers == "rating" else ("0:covered", "0:labelled")
    used = come > 0
    made, heard, count = (parts.sums[name] for name in ("1:predictions", weight, counted))
    return responses(parts.window, parts.stratum, made * used, heard * come, count * used)


def _answers(kinds: Collection[Kind]) -> Kind | None:
    """What a metric is an average over that not every prediction has: labels or ratings; None: all have it."""
    if "rating" in kinds:
        return "rating"
    return "label" if kinds and frozenset(kinds).isdisjoint(FEEDBACK_INDICATORS) else None


def _kinds_of(name: str, task: Task) -> tuple[Kind, ...]:
    """What kinds of labels or feedback a variable counts; none for what comes with the prediction."""
    source, _ = variable(name)
    if source == "feedback":
        return (name if name in FEEDBACK_INDICATORS else "rating",)
    if source == "positive":
        return ("positive",)
    if source != "label":
        return ()
    return _CLASSES_OF[name] if task == "binary" else ("label",)


def _only(estimate: Estimate, where: Mask) -> Estimate:
    """Keep the estimates of some windows; nothing is known of the others."""
    return Estimate(*(np.where(where, getattr(estimate, part.name), np.nan) for part in fields(Estimate)))


def nothing(rows: int) -> Estimate:
    """Return estimates of which nothing is known."""
    return Estimate(*(np.full(rows, np.nan) for _ in fields(Estimate)))
