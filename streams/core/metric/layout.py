"""What has to be summed for a set of metrics, and the label coverage that every set can report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from streams.core.metric.base import Floats, Metric, Totals
from streams.core.metric.crowd import Census, Headcount
from streams.core.metric.estimators import powers
from streams.core.metric.interval import divide

ALWAYS = (*powers("predictions"), "0:labelled", "0:covered")
"""Columns that every window keeps: its size, and which share of it has labels."""


@dataclass(frozen=True)
class Layout:
    """
    Columns ("power:variable") and names of histograms, sorted and without repetition.

    `headcounts` are counted as well where rows about few units are not to be shown.
    """

    columns: tuple[str, ...]
    histograms: tuple[str, ...]
    headcounts: tuple[Headcount, ...] = ()


def layout(metrics: Iterable[Metric], census: Census | None = None) -> Layout:
    """Collect what the metrics need and what is always kept."""
    chosen = tuple(metrics)
    columns = {column for metric in chosen for column in metric.columns}
    histograms = {name for metric in chosen for name in metric.histograms}
    headcounts = () if census is None else census.counts
    return Layout(tuple(sorted(columns.union(ALWAYS))), tuple(sorted(histograms)), headcounts)


def label_coverage(totals: Totals) -> Floats:
    """Weighted share of predictions that have a label, (R,), each by its own weight; NaN without predictions."""
    counted = np.where(totals["0:predictions"] > 0, totals["1:predictions"], 0.0)
    return divide(totals["0:covered"], counted)
