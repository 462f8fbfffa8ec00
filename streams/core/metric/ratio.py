"""
Metrics as arms of experiments are compared by them: ratios of two sums, and quantiles of latencies.

The variance of such a ratio follows from the sums of each bucket of units (Deng, Knoblich & Lu, KDD 2018), so that
nothing else has to be kept of an arm, and a unit that comes many times counts as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from streams.core.metric.base import Changes, Floats, Source, Task
from streams.core.metric.feedback import RATES
from streams.core.metric.variables import MAX_CUTOFF, paired, variable

Weighting = Mapping[str, float]
"""Variables with what each counts."""


@dataclass(frozen=True)
class Sum:
    """
    One sum over changes: the source of these, and a function that gives what each adds, before its weight.

    `name` is the same for the same sum, so that two metrics share it.
    """

    name: str
    source: Source
    of: Callable[[Changes], Floats]


@dataclass(frozen=True)
class Ratio:
    """
    A metric as `numerator / denominator`.

    `is_share` says that the numerator counts some of what the denominator counts, so that the ratio is the chance of
    an event.
    """

    numerator: Sum
    denominator: Sum
    is_share: bool


def ratio_for(name: str, task: Task) -> Ratio | None:
    """
    Return a metric of a task as a ratio, None if it is none.

    >>> ratio_for("f1", "binary").numerator.name, ratio_for("roc_auc", "binary")
    ('2 tp', None)
    """
    if name == "accuracy" and task == "multiclass":
        return Ratio(Sum("right", "label", _right), _sum({"paired": 1}), is_share=True)
    if task == "ranking" and (found := _at_cutoff(name)) is not None:
        return found
    known = _OF_TASK.get(task, {}).get(name) or _OF_EVERY_TASK.get(name)
    if known is None:
        return None
    return Ratio(_sum(known.numerator), _sum(known.denominator), known.is_share)


def quantile_for(name: str) -> float | None:
    """
    Return the level of a metric that is a quantile of latencies, None if it is none.

    >>> quantile_for("latency_p95"), quantile_for("accuracy")
    (0.95, None)
    """
    return _QUANTILES.get(name)


@dataclass(frozen=True)
class _Named:
    numerator: Weighting
    denominator: Weighting
    is_share: bool = True


def _sum(weighting: Weighting) -> Sum:
    """Add variables of one source, each as often as it counts."""
    parts = [(times, *variable(name)) for name, times in weighting.items()]
    name = " + ".join(name if times == 1 else f"{times:g} {name}" for name, times in weighting.items())
    return Sum(name, parts[0][1], lambda c: np.add.reduce([times * of(c) for times, _, of in parts]))


def _right(c: Changes) -> Floats:
    return np.where(paired(c) & (c.actual == c.predicted), 1.0, 0.0)


def _at_cutoff(name: str) -> Ratio | None:
    base, _, cutoff = name.partition("@")
    if base not in {"hit_rate", "ndcg"} or not cutoff.isdigit() or not 1 <= int(cutoff) <= MAX_CUTOFF:
        return None
    gained = f"{'hit' if base == 'hit_rate' else base}@{int(cutoff)}"
    return Ratio(_sum({gained: 1}), _sum({"ranked": 1}), is_share=base == "hit_rate")


_QUANTILES: Mapping[str, float] = MappingProxyType({"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99})
_CELLS = ("tp", "fp", "fn", "tn")
_SCORED = {"positive": 1.0, "negative": 1.0}
_MEAN_PREDICTION = _Named({"answer": 1}, {"answered": 1}, is_share=False)
_OF_TASK: Mapping[Task, Mapping[str, _Named]] = MappingProxyType(
    {
        "binary": {
            "accuracy": _Named({"tp": 1, "tn": 1}, dict.fromkeys(_CELLS, 1)),
            "positive_rate": _Named({"actual_positive": 1}, {"actual_positive": 1, "actual_negative": 1}),
            "precision": _Named({"tp": 1}, {"tp": 1, "fp": 1}),
            "recall": _Named({"tp": 1}, {"tp": 1, "fn": 1}),
            "specificity": _Named({"tn": 1}, {"tn": 1, "fp": 1}),
            "f1": _Named({"tp": 2}, {"tp": 2, "fp": 1, "fn": 1}, is_share=False),
            "brier": _Named({"brier": 1}, _SCORED, is_share=False),
            "mean_score": _Named({"score": 1}, _SCORED, is_share=False),
            "log_loss": _Named({"log_loss": 1}, _SCORED, is_share=False),
            "mean_prediction": _MEAN_PREDICTION,
        },
        "regression": {
            "mae": _Named({"absolute_error": 1}, {"compared": 1}, is_share=False),
            "mse": _Named({"error_squared": 1}, {"compared": 1}, is_share=False),
            "bias": _Named({"error": 1}, {"compared": 1}, is_share=False),
            "mape": _Named({"relative_error": 1}, {"nonzero": 1}, is_share=False),
            "quantile_coverage": _Named({"at_or_below": 1}, {"compared": 1}),
            "mean_prediction": _MEAN_PREDICTION,
        },
        "ranking": {"mrr": _Named({"reciprocal_rank": 1}, {"ranked": 1}, is_share=False)},
    }
)
_OF_EVERY_TASK: Mapping[str, _Named] = MappingProxyType(
    {
        "mean_rating": _Named({"rating": 1}, {"rated": 1}, is_share=False),
        **{name: _Named({kind: 1}, {"predictions": 1}) for name, kind in RATES.items()},
    }
)
