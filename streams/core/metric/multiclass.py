"""
How right predicted labels are, for many classes, from the sparse `confusion` histogram.

Macro averages are over the classes that occur as actual or predicted label; a class whose share has an empty
population adds 0 to the average (scikit-learn's `zero_division=0`). Balanced accuracy averages over actual classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streams.core.metric.base import Estimate, Floats, Metric
from streams.core.metric.classification import f1_of_jaccard, mcc
from streams.core.metric.confusion import Confusion, confusion_of
from streams.core.metric.estimators import Population, proportion, share_interval
from streams.core.metric.interval import Z, divide


def _accuracy(confusion: Confusion) -> Estimate:
    total = confusion.total
    right = confusion.right
    hits = Population(*(confusion.over_classes(part) for part in (right.n, right.weight, right.square)))
    return proportion(hits, total)


def _average(
    confusion: Confusion, limits: tuple[Floats, Floats, Floats], counted: Floats, variance: Floats | float = 0.0
) -> Estimate:
    """
    Average shares of classes (C,) with their limits over the classes counted (1, else 0).

    The interval squares and adds the distances to the classes' own limits (Zou & Donner, Stat. Med. 2008), which
    keeps a class of three from looking certain; where the shares depend on each other, `variance` (R,) is that of
    the average, and the interval is at least as long as it says.
    """
    share, low, high = (np.where(np.isnan(part), 0.0, part) for part in limits)
    classes = confusion.over_classes(counted)
    value = divide(confusion.over_classes(share * counted), classes)
    least = Z * np.sqrt(variance)
    below, above = (
        np.maximum(divide(np.sqrt(confusion.over_classes(counted * (share - limit) ** 2)), classes), least)
        for limit in (low, high)
    )
    total = confusion.total
    return Estimate(value, np.maximum(value - below, 0.0), np.minimum(value + above, 1.0), total.n, total.n_effective)


def _precision(confusion: Confusion) -> Estimate:
    shares = share_interval(confusion.right, confusion.by_predicted)
    return _average(confusion, shares, np.ones(len(confusion.class_row)))


def _recall(confusion: Confusion) -> Estimate:
    shares = share_interval(confusion.right, confusion.by_actual)
    return _average(confusion, shares, np.ones(len(confusion.class_row)))


def _balanced_accuracy(confusion: Confusion) -> Estimate:
    actual = confusion.by_actual
    return _average(confusion, share_interval(confusion.right, actual), np.where(actual.n > 0, 1.0, 0.0))


def _f1(confusion: Confusion) -> Estimate:
    """One wrong prediction lowers F1 of two classes, so their average needs the delta method over cells as well."""
    right, actual, predicted = confusion.right, confusion.by_actual, confusion.by_predicted
    share, low, high = (f1_of_jaccard(s) for s in share_interval(right, actual + predicted - right))
    size = actual.weight + predicted.weight
    decline = share / size
    gradient = (
        2 * confusion.diagonal / size[confusion.actual] - decline[confusion.actual] - decline[confusion.predicted]
    )
    classes = confusion.over_classes(np.ones(len(size)))
    spread = confusion.over_cells(confusion.cell.square * gradient**2)
    variance = np.nan_to_num(confusion.total.replacement * divide(spread, classes**2))
    return _average(confusion, (share, low, high), np.ones(len(size)), variance)


def _metric(name: str, estimate: Callable[[Confusion], Estimate]) -> Metric:
    return Metric(name, frozenset({"multiclass"}), (), ("confusion",), lambda totals: estimate(confusion_of(totals)))


METRICS = (
    _metric("accuracy", _accuracy),
    _metric("precision", _precision),
    _metric("recall", _recall),
    _metric("f1", _f1),
    _metric("balanced_accuracy", _balanced_accuracy),
    _metric("mcc", mcc),
)
