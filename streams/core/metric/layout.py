"""What has to be summed for a set of metrics, and the label coverage that every set can report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from streams.core.metric.base import Floats, Metric, Totals
from streams.core.metric.crowd import Census, Headcount
from streams.core.metric.estimators import powers
from streams.core.metric.histograms import HISTOGRAMS
from streams.core.metric.interval import divide
from streams.core.metric.variables import OF_BOTH_CLASSES

ALWAYS = (*powers("predictions"), "0:labelled", "0:covered")
"""Columns that every window keeps: its size, and which share of it has labels."""


@dataclass(frozen=True)
class Layout:
    """
    Columns ("power:variable"), and by histogram its own, sorted and without repetition.

    `headcounts` are counted as well where rows about few units are not to be shown.
    """

    columns: tuple[str, ...]
    histograms: Mapping[str, tuple[str, ...]]
    headcounts: tuple[Headcount, ...] = ()


def layout(metrics: Iterable[Metric], apart: Collection[str] = (), census: Census | None = None) -> Layout:
    """
    Collect what the metrics need and what is always kept.

    Of the metrics named in `apart`, what positives add to sums of both classes is kept as well.
    """
    chosen = tuple(metrics)
    parted = [metric for metric in chosen if metric.name in apart]
    columns = {column for metric in chosen for column in metric.columns}
    columns.update(ALWAYS, *(positive_parts(metric.columns) for metric in parted))
    histograms = {name: HISTOGRAMS[name].columns for metric in chosen for name in metric.histograms}
    for name in {name for metric in parted for name in metric.histograms}:
        histograms[name] += positive_parts(histograms[name])
    headcounts = () if census is None else census.counts
    return Layout(tuple(sorted(columns)), dict(sorted(histograms.items())), headcounts)


def positive_parts(columns: Iterable[str]) -> tuple[str, ...]:
    """
    Return the columns of what positives alone add, for those of the given ones that both classes add to.

    >>> positive_parts(("0:positive", "1:brier", "2:brier_squared"))
    ('1:positive_brier', '2:positive_brier_squared')
    """
    parted = (column.split(":") for column in columns)
    return tuple(f"{power}:positive_{name}" for power, name in parted if name in OF_BOTH_CLASSES)


def label_coverage(totals: Totals) -> Floats:
    """Weighted share of predictions that have a label, (R,), each by its own weight; NaN without predictions."""
    counted = np.where(totals["0:predictions"] > 0, totals["1:predictions"], 0.0)
    return divide(totals["0:covered"], counted)
