"""
The variables: what one change adds to the sums, by name.

A variable is a pure function of the rows it is given, because a corrected label is taken out by evaluating the
same variable on the old label and subtracting. Names of squares end in `_squared`; an indicator is named for what
it counts. Names with a cut-off, such as `ndcg@10`, are made on demand by `variable`.

Magnitudes are cut at 1e60, so that no fourth power overflows: an infinity, once added, could not be taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from streams.core.block import FEEDBACK_KINDS
from streams.core.exact import Exact
from streams.core.metric.base import Changes, Floats, Source, Variable

PROBABILITY_FLOOR = 1e-15
MAX_CUTOFF = 1_000

FEEDBACK_INDICATORS = tuple(kind for kind in FEEDBACK_KINDS if kind not in {"rating", "latency"})

_LARGEST = 1e60
_PARAMETRISED = re.compile(r"(?P<base>[a-z_]+)@(?P<cutoff>[1-9][0-9]{0,3})")

Mask = npt.NDArray[np.bool_]


def variable(name: str) -> tuple[Source, Variable]:
    """
    Look a variable up by name: its source, and the function from rows to values.

    Raises
    ------
    KeyError
        When no variable has this name.
    """
    if name in VARIABLES:
        return VARIABLES[name]
    parts = _PARAMETRISED.fullmatch(name)
    if parts is None or parts["base"] not in _AT_CUTOFF or int(parts["cutoff"]) > MAX_CUTOFF:
        raise KeyError(name)
    return "label", _AT_CUTOFF[parts["base"]](int(parts["cutoff"]))


def _ones(where: Mask) -> Floats:
    return np.where(where, 1.0, 0.0)


def _indicator(of: Callable[[Changes], Mask]) -> Variable:
    return lambda c: _ones(of(c))


def _within(values: Floats) -> Floats:
    return np.clip(values, -_LARGEST, _LARGEST)


def _squared(of: Variable) -> Variable:
    return lambda c: of(c) ** 2


def _product(*factors: Variable) -> Variable:
    def multiply(c: Changes) -> Floats:
        values = factors[0](c)
        for factor in factors[1:]:
            values = values * factor(c)
        return values

    return multiply


def _predictions(c: Changes) -> Floats:
    return np.ones_like(c.weight)


def timed(c: Changes) -> Mask:
    """Rows with a latency."""
    return np.isfinite(c.latency)


def _answered(c: Changes) -> Floats:
    return np.nan_to_num(c.answers)


def _answer(c: Changes) -> Floats:
    return np.nan_to_num(c.score)


def _answer_squared(c: Changes) -> Floats:
    return np.nan_to_num(c.score_squared)


def _labelled(c: Changes) -> Mask:
    known: Mask = ~np.isnan(c.y) | (c.actual >= 0) | ~np.isnan(c.value) | (c.rank >= 0)
    return known


def _covered(c: Changes) -> Floats:
    """Weight of a labelled prediction by itself, for the share of predictions that have a label."""
    return np.where(_labelled(c), c.prediction_weight, 0.0)


def _cell(predicted: int, actual: int) -> Variable:
    return lambda c: _ones((c.yhat == predicted) & (c.y == actual))


def scored(c: Changes) -> Mask:
    """Rows with a score and a binary label."""
    return ~np.isnan(c.score) & ~np.isnan(c.y)


def _class_scored(y: int) -> Variable:
    return lambda c: _ones(scored(c) & (c.y == y))


def _score(c: Changes) -> Floats:
    return np.where(scored(c), c.score, 0.0)


def _brier(c: Changes) -> Floats:
    return np.where(scored(c), (c.score - c.y) ** 2, 0.0)


def _log_loss(c: Changes) -> Floats:
    p = np.clip(c.score, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return np.where(scored(c), -np.where(c.y == 1, np.log(p), np.log1p(-p)), 0.0)


def paired(c: Changes) -> Mask:
    """Rows with a predicted and an actual class."""
    known: Mask = (c.actual >= 0) & (c.predicted >= 0)
    return known


def _compared(c: Changes) -> Mask:
    return ~np.isnan(c.score) & ~np.isnan(c.value)


def _error(c: Changes) -> Floats:
    return np.where(_compared(c), _within(c.score) - _within(c.value), 0.0)


def _absolute_error(c: Changes) -> Floats:
    return np.abs(_error(c))


def _value(c: Changes) -> Floats:
    return np.where(_compared(c), _within(c.value), 0.0)


def _nonzero(c: Changes) -> Mask:
    nonzero: Mask = c.value != 0
    return _compared(c) & nonzero


def _relative_error(c: Changes) -> Floats:
    """|error / value|; a value next to zero gives the largest magnitude kept, not an infinity."""
    value = np.where(_nonzero(c), np.abs(c.value), np.inf)
    error = np.abs(_error(c))
    large = value < error / _LARGEST
    return np.where(large, _LARGEST, error / np.where(large, 1.0, value))


def _at_or_below(c: Changes) -> Floats:
    return _ones(_compared(c) & (c.value <= c.score))


def _weighted_value(power: int, low: bool) -> Variable:
    """
    Sum weight * value**power to twice the precision, as two variables.

    The squares of values far from zero lose what their variance is made of when they are rounded; here the
    rounding of each product is a variable of its own, and the weight is inside, because it would round as well.
    """

    def multiply(c: Changes) -> Floats:
        value = Exact.of(_value(c))
        product = Exact.of(np.where(_compared(c), c.weight, 0.0))
        for _ in range(power):
            product = product * value
        return product.lo if low else product.hi

    return multiply


def _ranked(c: Changes) -> Mask:
    ranked: Mask = c.rank >= 0
    return ranked


def _reciprocal_rank(c: Changes) -> Floats:
    return np.where(c.rank > 0, 1.0 / np.maximum(c.rank, 1), 0.0)


def _hit_at(cutoff: int) -> Variable:
    return lambda c: _ones((c.rank > 0) & (c.rank <= cutoff))


def _ndcg_at(cutoff: int) -> Variable:
    """Gain of the one relevant item over the best possible, 1 (Jaervelin & Kekaelaeinen 2002)."""
    hit = _hit_at(cutoff)
    return lambda c: hit(c) / np.log2(1.0 + np.maximum(c.rank, 1))


def _first_of(kind: str) -> Variable:
    code = FEEDBACK_KINDS.index(kind)
    return lambda c: _ones((c.kind == code) & (c.first == 1))


def _rated(c: Changes) -> Mask:
    rating: Mask = c.kind == FEEDBACK_KINDS.index("rating")
    return rating & ~np.isnan(c.value)


def _rating(c: Changes) -> Floats:
    return np.where(_rated(c), _within(c.value), 0.0)


_AT_CUTOFF: Mapping[str, Callable[[int], Variable]] = MappingProxyType(
    {"hit": _hit_at, "ndcg": _ndcg_at, "ndcg_squared": lambda cutoff: _squared(_ndcg_at(cutoff))}
)

_TRAFFIC: dict[str, Variable] = {
    "predictions": _predictions,
}

_SUMMARY: dict[str, Variable] = {
    "summarized": _predictions,
}

_TIMING: dict[str, Variable] = {
    "timed": _indicator(timed),
}

_SCORING: dict[str, Variable] = {
    "answered": _answered,
    "answer": _answer,
    "answer_squared": _answer_squared,
}

_LABEL: dict[str, Variable] = {
    "labelled": _indicator(_labelled),
    "covered": _covered,
    # binary
    "tp": _cell(predicted=1, actual=1),
    "fp": _cell(predicted=1, actual=0),
    "fn": _cell(predicted=0, actual=1),
    "tn": _cell(predicted=0, actual=0),
    "actual_positive": _indicator(lambda c: c.y == 1),
    "actual_negative": _indicator(lambda c: c.y == 0),
    "positive": _class_scored(1),
    "negative": _class_scored(0),
    "score": _score,
    "score_squared": _squared(_score),
    "brier": _brier,
    "brier_squared": _squared(_brier),
    "log_loss": _log_loss,
    "log_loss_squared": _squared(_log_loss),
    # multiclass
    "paired": _indicator(paired),
    # regression
    "compared": _indicator(_compared),
    "error": _error,
    "absolute_error": _absolute_error,
    "error_squared": _squared(_error),
    "error_fourth": _squared(_squared(_error)),
    "value": _value,
    "value_squared": _squared(_value),
    "value_cubed": _product(_value, _value, _value),
    "value_fourth": _squared(_squared(_value)),
    "error_squared_value": _product(_squared(_error), _value),
    "error_squared_value_squared": _product(_squared(_error), _squared(_value)),
    "weighted_value": _weighted_value(1, low=False),
    "weighted_value_low": _weighted_value(1, low=True),
    "weighted_value_squared": _weighted_value(2, low=False),
    "weighted_value_squared_low": _weighted_value(2, low=True),
    "nonzero": _indicator(_nonzero),
    "relative_error": _relative_error,
    "relative_error_squared": _squared(_relative_error),
    "at_or_below": _at_or_below,
    # ranking
    "ranked": _indicator(_ranked),
    "reciprocal_rank": _reciprocal_rank,
    "reciprocal_rank_squared": _squared(_reciprocal_rank),
}

OF_BOTH_CLASSES = ("score", "score_squared", "brier", "brier_squared", "log_loss", "log_loss_squared")
"""Variables that positives and negatives add to, so that their sums do not say what is of which class."""

_POSITIVE: dict[str, Variable] = {f"positive_{name}": _LABEL[name] for name in OF_BOTH_CLASSES}

_FEEDBACK: dict[str, Variable] = {
    "rated": _indicator(_rated),
    "rating": _rating,
    "rating_squared": _squared(_rating),
    **{kind: _first_of(kind) for kind in FEEDBACK_INDICATORS},
}

VARIABLES: Mapping[str, tuple[Source, Variable]] = MappingProxyType(
    {
        **{name: ("traffic", function) for name, function in _TRAFFIC.items()},
        **{name: ("summary", function) for name, function in _SUMMARY.items()},
        **{name: ("timing", function) for name, function in _TIMING.items()},
        **{name: ("scoring", function) for name, function in _SCORING.items()},
        **{name: ("label", function) for name, function in _LABEL.items()},
        **{name: ("positive", function) for name, function in _POSITIVE.items()},
        **{name: ("feedback", function) for name, function in _FEEDBACK.items()},
    }
)
