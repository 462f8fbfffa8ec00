"""
Validation of decoded events: what takes part, and why the rest does not.

Every check is one mask over the batch; the first check that a record fails names its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.block import FEEDBACK_KINDS, ROLES, Batch, EventType, Reject, RejectReason, fields_of
from streams.core.columns import Floats, Mask, from_arrow
from streams.core.latency import LAST_BIN

LATEST_TIME = 221_845_392_000_000_000  # 9000-01-01T00:00:00Z; what is later is a unit mistake or a sentinel
LARGEST_COUNT = 10**15  # of one summary: thirty thousand years of a thousand a second
LARGEST_SCORE = 1e60  # of a summary: beyond it scores are cut wherever they are added up
LONGEST_SUMMARY = 3_600  # seconds
SMALLEST_PROBABILITY = 1e-9  # what is recorded less than once in a thousand million can tell nothing, only drown


@dataclass(frozen=True)
class Rules:
    """
    What the configuration says of single events.

    `models`: every declared model; `probability`: models whose score must lie in 0..1; `classes`: the labels of
    each model with a closed list of them; `outcome_labels`: every label that some model takes, or None where any
    label may be right; `future`: the latest admissible event time.
    """

    models: frozenset[str]
    probability: frozenset[str]
    classes: dict[str, frozenset[str]]
    outcome_labels: frozenset[str] | None
    future: int


@dataclass(frozen=True)
class Check:
    """One reason for refusal: the rows that it concerns, and the column whose value the detail quotes."""

    reason: RejectReason
    bad: Mask
    column: str
    says: str


def validate(batch: Batch, rules: Rules) -> tuple[Mask, list[Reject]]:
    """Return which rows take part, and a reject for every other row."""
    good = np.ones(len(batch), np.bool_)
    rejects = []
    for check in _CHECKS[batch.kind](batch.table, rules):
        bad = np.flatnonzero(check.bad & good)
        if len(bad):
            found = zip(bad.tolist(), fields_of(batch, bad), strict=True)
            rejects += [_reject(batch, row, fields, check) for row, fields in found]
        good &= ~check.bad
    return good, rejects


def _reject(batch: Batch, row: int, fields: Mapping[str, Any], check: Check) -> Reject:
    detail = f"{check.column}={_short(fields[check.column])}: {check.says}"
    place, original = int(batch.positions[row]), batch.original(row)
    return Reject(check.reason, detail, batch.source, place, original, batch.kind, fields, check.column, check.says)


def _prediction_checks(table: pa.RecordBatch, rules: Rules) -> Iterator[Check]:
    yield Check("missing_id", _blank(table["prediction_id"]), "prediction_id", "a prediction needs an id")
    yield Check("missing_id", _blank(table["version"]), "version", "a prediction needs its model's version")
    yield from _time_checks(table, rules)
    unknown = ~_is_in(table["model"], rules.models)
    yield Check("unknown_model", unknown, "model", "not a model of the configuration")
    yield Check("bad_kind", ~_is_in(table["role"], ROLES), "role", f"must be one of {', '.join(ROLES)}")
    score = _numbers(table["score"])
    yield Check("bad_score", _not_finite(table["score"]), "score", "must be a finite number")
    outside = _is_in(table["model"], rules.probability) & ((score < 0) | (score > 1))
    yield Check("bad_score", outside, "score", "a binary model's score is a probability, 0 to 1")
    for model, classes in rules.classes.items():
        other = ~_is_in(table["label"], classes) & from_arrow(table["label"].is_valid())
        bad = _is_in(table["model"], {model}) & other
        yield Check("bad_label", bad, "label", f"model {model} has the classes {', '.join(sorted(classes))}")
    latency = _numbers(table["latency_ms"])
    bad = _not_finite(table["latency_ms"]) | (latency < 0)
    yield Check("bad_value", bad, "latency_ms", "must be a finite number of milliseconds, not negative")
    yield from _weight_checks(table)


def _outcome_checks(table: pa.RecordBatch, rules: Rules) -> Iterator[Check]:
    missing = _blank(table["request_id"]) & _blank(table["prediction_id"])
    yield Check("missing_id", missing, "request_id", "an outcome names its request or its prediction")
    yield from _time_checks(table, rules)
    if rules.outcome_labels is not None:
        known = _is_in(table["label"], rules.outcome_labels)
        bad = ~known & from_arrow(table["label"].is_valid())
        says = f"no model has this class, only {', '.join(sorted(rules.outcome_labels)) or 'none'}"
        yield Check("bad_label", bad, "label", says)
    yield Check("bad_value", _not_finite(table["value"]), "value", "must be a finite number")
    revision = from_arrow(table["revision"].fill_null(0))
    yield Check("bad_value", revision < 0, "revision", "must not be negative")
    yield from _weight_checks(table)


def _feedback_checks(table: pa.RecordBatch, rules: Rules) -> Iterator[Check]:
    yield Check("missing_id", _blank(table["feedback_id"]), "feedback_id", "feedback needs an id")
    missing = _blank(table["request_id"]) & _blank(table["prediction_id"])
    yield Check("missing_id", missing, "request_id", "feedback names its request or its prediction")
    yield from _time_checks(table, rules)
    says = f"must be one of {', '.join(FEEDBACK_KINDS)}"
    yield Check("bad_kind", ~_is_in(table["kind"], FEEDBACK_KINDS), "kind", says)
    yield Check("bad_value", _not_finite(table["value"]), "value", "must be a finite number")
    needs = _is_in(table["kind"], {"rating", "latency"}) & from_arrow(table["value"].is_null())
    yield Check("bad_value", needs, "value", "ratings and latencies need a value")
    negative = _is_in(table["kind"], {"latency"}) & (_numbers(table["value"]) < 0)
    yield Check("bad_value", negative, "value", "a latency is a number of milliseconds, not negative")


def _summary_checks(table: pa.RecordBatch, rules: Rules) -> Iterator[Check]:
    yield Check("missing_id", _blank(table["summary_id"]), "summary_id", "a summary needs an id")
    yield Check("missing_id", _blank(table["version"]), "version", "a summary needs its model's version")
    yield from _time_checks(table, rules)
    seconds = from_arrow(table["seconds"])
    long = (seconds < 1) | (seconds > LONGEST_SUMMARY)
    yield Check("bad_value", long, "seconds", f"must be from 1 to {LONGEST_SUMMARY}")
    inside = from_arrow(table["event_time"].fill_null(0)) % (np.where(long, 1, seconds) * 1_000_000) != 0
    yield Check("bad_time", inside, "event_time", "must be a multiple of the summary's seconds: when it begins")
    yield Check("unknown_model", ~_is_in(table["model"], rules.models), "model", "not a model of the configuration")
    yield Check("bad_kind", ~_is_in(table["role"], ROLES), "role", f"must be one of {', '.join(ROLES)}")
    yield Check("bad_value", _no_count(table["n"]), "n", f"must be a whole number, 0 to {LARGEST_COUNT:g}")
    for name in ("weight", "square"):
        yield Check("bad_value", _no_sum(table[name]), name, f"must be a number, at most {LARGEST_COUNT:g} either way")
    yield from _score_checks(table)
    for name, wrong in _LATENCY_SUMS.items():
        bad = _uneven(table[name], table["latency_bin"]) | _any_of(table[name], wrong)
        yield Check("bad_value", bad, name, f"must have a number a bin, which are 0 to {LAST_BIN}, in bounds")


def _score_checks(table: pa.RecordBatch) -> Iterator[Check]:
    """Check what is said of scores: in bounds, and all of it where `score_n` is there."""
    said = from_arrow(table["score_n"].is_valid())
    bad = said & _no_count(table["score_n"])
    yield Check("bad_value", bad, "score_n", f"must be a whole number, 0 to {LARGEST_COUNT:g}")
    for name, most in SCORE_SUMS.items():
        there = from_arrow(table[name].is_valid())
        bad = np.where(there | said, _no_sum(table[name], most), False)
        yield Check("bad_value", bad, name, f"must be a number beside score_n, at most {most:g} either way")


def _no_count(column: pa.Array) -> Mask:
    count = from_arrow(column.fill_null(-1))
    return (count < 0) | (count > LARGEST_COUNT)


def _no_sum(column: pa.Array, most: float = LARGEST_COUNT) -> Mask:
    total = from_arrow(column.fill_null(np.nan))
    return ~(np.abs(total) <= most)


def _no_bin(column: pa.Array) -> Mask:
    number = from_arrow(column.fill_null(-1))
    return (number < 0) | (number > LAST_BIN)


SCORE_SUMS: Mapping[str, float] = {
    "score_weight": LARGEST_COUNT,
    "score_square": LARGEST_COUNT,
    "score_weight_sum": LARGEST_COUNT * LARGEST_SCORE,
    "score_square_sum": LARGEST_COUNT * LARGEST_SCORE,
    "score_square_squares": LARGEST_COUNT * LARGEST_SCORE**2,
}
_LATENCY_SUMS: Mapping[str, Callable[[pa.Array], Mask]] = {
    "latency_bin": _no_bin,
    "latency_n": _no_count,
    "latency_weight": _no_sum,
    "latency_square": _no_sum,
}


def _uneven(lists: pa.Array, others: pa.Array) -> Mask:
    """Mask of the rows whose lists are of two lengths; null is of none."""
    one, other = (from_arrow(pc.list_value_length(column).fill_null(0)) for column in (lists, others))
    uneven: Mask = one != other
    return uneven


def _any_of(lists: pa.Array, wrong: Callable[[pa.Array], Mask]) -> Mask:
    """Mask of the rows with an item that is wrong."""
    found = np.zeros(len(lists), np.bool_)
    found[from_arrow(pc.list_parent_indices(lists))[wrong(lists.flatten())]] = True
    return found


_CHECKS: Mapping[EventType, Callable[[pa.RecordBatch, Rules], Iterator[Check]]] = {
    "prediction": _prediction_checks,
    "outcome": _outcome_checks,
    "feedback": _feedback_checks,
    "summary": _summary_checks,
}


def _time_checks(table: pa.RecordBatch, rules: Rules) -> Iterator[Check]:
    time = from_arrow(table["event_time"].fill_null(-1))
    bad = (time < 0) | (time >= LATEST_TIME)
    yield Check("bad_time", bad, "event_time", "must be microseconds since 1970, before the year 9000")
    yield Check("future_time", time > rules.future, "event_time", "is further ahead of now than max_future allows")


def _weight_checks(table: pa.RecordBatch) -> Iterator[Check]:
    probability = from_arrow(table["inclusion_probability"].fill_null(1.0))
    bad = ~((probability >= SMALLEST_PROBABILITY) & (probability <= 1))
    says = f"must be at least {SMALLEST_PROBABILITY:g} and at most 1"
    yield Check("bad_weight", bad, "inclusion_probability", says)


def _blank(column: pa.Array) -> Mask:
    filled = pc.fill_null(pc.equal(pc.binary_length(column), 0), True)
    return from_arrow(filled)


def _is_in(column: pa.Array, allowed: frozenset[str] | set[str] | tuple[str, ...]) -> Mask:
    """Mask of the rows whose string is in the list; null is in none."""
    encoded = column.dictionary_encode()
    inside = np.array([value in allowed for value in encoded.dictionary.to_pylist()] + [False])
    found: Mask = inside[from_arrow(encoded.indices.fill_null(len(inside) - 1))]
    return found


def _not_finite(column: pa.Array) -> Mask:
    """Mask of the rows that hold NaN or infinity; null is neither."""
    return from_arrow(pc.fill_null(pc.invert(pc.is_finite(column)), False))


def _numbers(column: pa.Array) -> Floats:
    return from_arrow(column.fill_null(0.0))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
