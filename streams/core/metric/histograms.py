"""
The histograms: scores in fixed bins, latencies in bins of constant relative width, pairs of classes.

All merge by adding, so that windows, groups and partitions can be combined in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from streams.core.latency import FIRST, GAMMA, RELATIVE_ACCURACY, SHORTEST_MS, bin_of_latency
from streams.core.metric.base import Changes, Floats, HistogramSpec, Ints
from streams.core.metric.variables import paired, scored

SCORE_BINS = 1_000

CLASSES = 1 << 20
"""Classes have codes below this, and a pair of them is coded `actual * CLASSES + predicted`."""


def score_bin(c: Changes) -> Ints:
    """Bin ceil(1000 score) - 1, that is (lo, hi] of 1,000 equal widths, the first closed."""
    present = scored(c)
    ordinal = np.ceil(np.where(present, c.score, 0.0) * SCORE_BINS) - 1
    return np.where(present, np.clip(ordinal, 0, SCORE_BINS - 1), -1).astype(np.int64)


def latency_bin(c: Changes) -> Ints:
    """Bin of each latency; bin b > 0 holds (lower, upper] = `latency_edges(b)`."""
    return bin_of_latency(c.latency)


def latency_edges(bins: Ints) -> tuple[Floats, Floats]:
    """
    Lower and upper edge of latency bins, in ms.

    >>> lower, upper = latency_edges(np.array([0, 700]))
    >>> lower.round(6).tolist(), upper.round(6).tolist()
    ([0.0, 1.173517], [1e-06, 1.197225])
    """
    exponent = (bins + FIRST) * math.log(GAMMA)
    upper = np.where(bins > 0, np.exp(exponent), SHORTEST_MS)
    return np.where(bins > 0, upper / GAMMA, 0.0), upper


def latency_value(bins: Ints) -> Floats:
    """Return the value that stands for a bin: within 1 % of every latency in it, 0 for bin 0."""
    return np.where(bins > 0, latency_edges(bins)[1] * (1 - RELATIVE_ACCURACY), 0.0)


def confusion_bin(c: Changes) -> Ints:
    """Code of the pair of actual and predicted class."""
    return np.where(paired(c), c.actual * CLASSES + c.predicted, -1)


HISTOGRAMS: Mapping[str, HistogramSpec] = MappingProxyType(
    {
        "score": HistogramSpec(
            name="score",
            bin_of=score_bin,
            columns=("1:positive", "2:positive", "1:negative", "2:negative"),
            bins=SCORE_BINS,
        ),
        # The same bins: entry by entry beside `score`, for the metrics that ask where in a bin its scores lie.
        "score_sum": HistogramSpec(name="score_sum", bin_of=score_bin, columns=("1:score",), bins=SCORE_BINS),
        "latency": HistogramSpec(name="latency", bin_of=latency_bin, columns=("1:timed", "2:timed")),
        "confusion": HistogramSpec(
            name="confusion", bin_of=confusion_bin, columns=("0:paired", "1:paired", "2:paired")
        ),
    }
)
