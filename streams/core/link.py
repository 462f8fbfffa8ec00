"""Pairs of predictions with outcomes or feedback: which belong together, and which outcome stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.core.columns import Array, Columns, Floats, Hashes, Ints, Mask, ordered, segments
from streams.core.flatten import BY_NAME, BY_REQUEST
from streams.core.ids import mix


@dataclass(frozen=True)
class Verdict:
    """For each pair: whether the event counts for the prediction, or came after its horizon by at most the disorder."""

    counts: Mask
    late: Mask


def same_request(prediction: Columns, event: Columns) -> Mask:
    """Pairs (aligned rows) of one request, by its second hash, where the prediction named, if any, is this one."""
    named = event["target"] != 0
    same: Mask = (prediction["check"] == event["check"]) & (~named | (event["target"] == prediction["id"]))
    return same


def in_time(prediction: Ints, event: Ints, horizon: Ints, disorder: int) -> Verdict:
    """Judge pairs by their two event times: disorder before the prediction to horizon after it, ends included."""
    delay = event - prediction
    counts = (delay >= -disorder) & (delay <= horizon)
    return Verdict(counts, (delay > horizon) & (delay <= horizon + disorder))


def standing(places: Ints, candidates: Columns) -> Ints:
    """
    Choose one candidate outcome for each prediction.

    `places` says which prediction a candidate is for. The highest revision stands; then the earliest event time,
    the smallest label hash and the smallest value, so that the choice never depends on the order of arrival.
    Returns the rows of the chosen candidates, one a distinct place, by place.
    """
    order: Ints = ordered(places)
    if (np.diff(places[order]) > 0).all():
        return order
    order = by_standing(places, candidates)
    starts, lengths = segments(places[order])
    chosen: Ints = order[starts + lengths - 1]
    return chosen


def by_standing(places: Ints, candidates: Columns) -> Ints:
    """Return the order that sorts candidate outcomes by place, the one that stands last."""
    keys = (-null_first(candidates["value"]), ~candidates["label"], -candidates["time"], candidates["revision"], places)
    order: Ints = np.lexsort(keys)
    return order


def null_first(values: Floats) -> Floats:
    """Values in which an absent one compares below all others."""
    return np.where(np.isnan(values), -np.inf, values)


def first_of_kind(places: Ints, bits: Array, seen: Array) -> Mask:
    """
    Mask of the pairs that bring a prediction its first feedback of a kind.

    `bits` has one bit set a pair, the kind's; `seen` the bits that the prediction had before.
    """
    order = np.lexsort((np.arange(len(places)), bits, places))
    first = np.ones(len(order), np.bool_)
    same = (places[order[1:]] == places[order[:-1]]) & (bits[order[1:]] == bits[order[:-1]])
    first[order[1:]] = ~same
    unseen: Mask = (seen & bits) == 0
    return first & unseen


def beats(after: Columns, before: Columns) -> Mask:
    """Whether the new outcome stands before the one in state: the order of `standing`."""
    wins = np.zeros(len(after["time"]), np.bool_)
    tied = np.ones(len(wins), np.bool_)
    for ahead, behind in (
        (after["revision"], before["revision"]),
        (before["outcome_time"], after["time"]),
        (before.get("label", after["label"]), after["label"]),
        (null_first(before.get("value", after["value"])), null_first(after["value"])),
    ):
        wins |= tied & (ahead > behind)
        tied &= ahead == behind
    return wins


def same_outcome(outcomes: Columns) -> Hashes:
    """A number that the revisions of one outcome have in common: of the request, and the prediction named."""
    return mix(mix(outcomes["key"], outcomes["check"]), outcomes["target"])


def how_joined(places: Ints, outcomes: Columns, distinct: int) -> Array:
    """For each distinct place, in order: flags of how its outcomes came to it, by request or by name."""
    each = _ways(outcomes)
    order = ordered(places)
    if distinct == len(places):
        return each[order]
    return np.bitwise_or.reduceat(each[order], segments(places[order])[0])


def joined_before(predictions: Columns, outcomes: Columns) -> Mask:
    """Pairs whose prediction has had an outcome that came to it as this one does, by request or by name."""
    before: Mask = (predictions["flags"] & _ways(outcomes)) != 0
    return before


def _ways(outcomes: Columns) -> Array:
    return np.where(outcomes["target"] == 0, np.uint16(BY_REQUEST), np.uint16(BY_NAME))
