"""
The histograms: scores in fixed bins, latencies in bins of constant relative width, pairs of classes.

All merge by adding, so that windows, groups and partitions can be combined in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from streams.core.metric.base import Changes, Floats, HistogramSpec, Ints
from streams.core.metric.variables import paired, scored, timed

SCORE_BINS = 1_000

RELATIVE_ACCURACY = 0.01
SHORTEST_MS = 1e-6

CLASSES = 1 << 20
"""Classes have codes below this, and a pair of them is coded `actual * CLASSES + predicted`."""

_GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
_FIRST = math.ceil(math.log(SHORTEST_MS) / math.log(_GAMMA)) - 1


def score_bin(c: Changes) -> Ints:
    """Bin ceil(1000 score) - 1, that is (lo, hi] of 1,000 equal widths, the first closed."""
    present = scored(c)
    ordinal = np.ceil(np.where(present, c.score, 0.0) * SCORE_BINS) - 1
    return np.where(present, np.clip(ordinal, 0, SCORE_BINS - 1), -1).astype(np.int64)


def latency_bin(c: Changes) -> Ints:
    """
    Bin of DDSketch's logarithmic mapping (Masson, Rim & Lee, VLDB 2019, 2.1), counted from the shortest latency.

    Bin 0 holds what is shorter than `SHORTEST_MS`; bin b > 0 holds (lower, upper] = `latency_edges(b)`.
    """
    present = timed(c)
    long = present & (c.latency >= SHORTEST_MS)
    index = np.ceil(np.log(np.where(long, c.latency, 1.0)) / math.log(_GAMMA)) - _FIRST
    return np.where(long, index, np.where(present, 0, -1)).astype(np.int64)


def latency_edges(bins: Ints) -> tuple[Floats, Floats]:
    """
    Lower and upper edge of latency bins, in ms.

    >>> lower, upper = latency_edges(np.array([0, 700]))
    >>> lower.round(6).tolist(), upper.round(6).tolist()
    ([0.0, 1.173517], [1e-06, 1.197225])
    """
    exponent = (bins + _FIRST) * math.log(_GAMMA)
    upper = np.where(bins > 0, np.exp(exponent), SHORTEST_MS)
    return np.where(bins > 0, upper / _GAMMA, 0.0), upper


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
            source="label",
            bin_of=score_bin,
            columns=("1:positive", "2:positive", "1:negative", "2:negative"),
            bins=SCORE_BINS,
        ),
        # The same bins: entry by entry beside `score`, for the metrics that ask where in a bin its scores lie.
        "score_sum": HistogramSpec(
            name="score_sum", source="label", bin_of=score_bin, columns=("1:score",), bins=SCORE_BINS
        ),
        "latency": HistogramSpec(name="latency", source="timing", bin_of=latency_bin, columns=("1:timed", "2:timed")),
        "confusion": HistogramSpec(
            name="confusion", source="label", bin_of=confusion_bin, columns=("0:paired", "1:paired", "2:paired")
        ),
    }
)
