"""
How right predicted labels are, for two classes, from the cells of the confusion matrix.

Columns: `tp`, `fp`, `fn`, `tn` in powers 0, 1, 2. A share whose population is empty is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streams.core.metric.base import Estimate, Floats, Metric, Totals
from streams.core.metric.confusion import Confusion, confusion_of_cells
from streams.core.metric.estimators import Population, group_sums, population, powers, proportion, share_interval
from streams.core.metric.histograms import CLASSES
from streams.core.metric.interval import bounded, divide

_CELLS = ("tp", "fp", "fn", "tn")
_CODES = np.array([CLASSES + 1, 1, CLASSES, 0])  # actual * CLASSES + predicted, in the order of _CELLS


def _share(hits: tuple[str, ...], misses: tuple[str, ...]) -> Callable[[Totals], Estimate]:
    """Weighted share of hits among hits and misses, both named by their cells."""

    def estimate(totals: Totals) -> Estimate:
        return proportion(population(totals, *hits), population(totals, *hits, *misses))

    return estimate


def f1_of_jaccard(jaccard: Floats) -> Floats:
    """
    F1 = 2 J / (1 + J) of J = tp / (tp + fp + fn), the share of right ones among those actually or predicted positive.

    J is a share of observations and F1 grows with it, so the limits of J's interval give those of F1's.
    """
    return 2 * jaccard / (1 + jaccard)


def _f1(totals: Totals) -> Estimate:
    among = population(totals, "tp", "fp", "fn")
    share, low, high = share_interval(population(totals, "tp"), among)
    return Estimate(f1_of_jaccard(share), f1_of_jaccard(low), f1_of_jaccard(high), among.n, among.n_effective)


def _balanced_accuracy(totals: Totals) -> Estimate:
    """
    Mean of recall and specificity, NaN unless both classes were seen.

    The interval squares and adds the distances to the two Wilson limits (Zou & Donner, Stat. Med. 2008).
    """
    recall, *recall_limits = share_interval(population(totals, "tp"), population(totals, "tp", "fn"))
    specificity, *limits = share_interval(population(totals, "tn"), population(totals, "tn", "fp"))
    value = (recall + specificity) / 2
    below, above = (np.hypot(recall - r, specificity - s) / 2 for r, s in zip(recall_limits, limits, strict=True))
    among = population(totals, *_CELLS)
    return Estimate(value, value - below, value + above, among.n, among.n_effective)


def _binary_confusion(totals: Totals) -> Confusion:
    cells = [population(totals, name) for name in _CELLS]
    rows = len(totals.seconds)
    stacked = Population(*(np.stack([getattr(c, part) for c in cells], axis=1).ravel() for part in _PARTS))
    return confusion_of_cells(rows, np.repeat(np.arange(rows), len(cells)), np.tile(_CODES, rows), stacked)


_PARTS = ("n", "weight", "square")


def mcc(confusion: Confusion) -> Estimate:
    """
    Correlation of actual and predicted class, R_K (Gorodkin 2004); for two classes Matthews' coefficient.

    With shares of the total: (sum_k n_kk - t_k p_k) / sqrt(sum_k t_k (1 - t_k) * sum_k p_k (1 - p_k)), where t_k
    and p_k are a class's shares of the actual and the predicted. NaN where either has only one class.
    Delta method over cells; where all agree, the size at which the variance vanishes as R_K nears 1,
    2 n sum_k t_k (1 - t_k).
    """
    total = confusion.total
    share = confusion.cell.weight / total.weight[confusion.row]
    classes = len(confusion.class_row)
    actual = group_sums(confusion.actual, share, classes)
    predicted = group_sums(confusion.predicted, share, classes)
    actual_spread = confusion.over_classes(actual * (1 - actual))
    predicted_spread = confusion.over_classes(predicted * (1 - predicted))
    scale = np.where(confusion.mixed, np.sqrt(np.maximum(actual_spread * predicted_spread, 0.0)), np.nan)
    right = confusion.over_cells(share * confusion.diagonal)
    value = divide(right - confusion.over_classes(actual * predicted), scale)
    t, p, row = actual[confusion.actual], predicted[confusion.predicted], confusion.row
    crossed = predicted[confusion.actual] + actual[confusion.predicted]
    gradient = divide(confusion.diagonal + right[row] - crossed, scale[row]) - value[row] * (
        divide(1 - p, predicted_spread[row]) + divide(1 - t, actual_spread[row])
    )
    spread = confusion.over_cells(confusion.cell.square * gradient**2)
    variance = total.replacement * divide(spread, total.weight**2)
    low, high = bounded(value, variance, 2 * actual_spread * total.n_effective, low=-1.0)
    return Estimate(np.clip(value, -1.0, 1.0), low, high, total.n, total.n_effective)


def _metric(name: str, cells: tuple[str, ...], estimate: Callable[[Totals], Estimate]) -> Metric:
    return Metric(name, frozenset({"binary"}), powers(*cells), (), estimate)


METRICS = (
    _metric("accuracy", _CELLS, _share(("tp", "tn"), ("fp", "fn"))),
    _metric(
        "positive_rate", ("actual_positive", "actual_negative"), _share(("actual_positive",), ("actual_negative",))
    ),
    _metric("precision", ("tp", "fp"), _share(("tp",), ("fp",))),
    _metric("recall", ("tp", "fn"), _share(("tp",), ("fn",))),
    _metric("specificity", ("tn", "fp"), _share(("tn",), ("fp",))),
    _metric("f1", ("tp", "fp", "fn"), _f1),
    _metric("balanced_accuracy", _CELLS, _balanced_accuracy),
    _metric("mcc", _CELLS, lambda totals: mcc(_binary_confusion(totals))),
)
