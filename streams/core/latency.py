"""
Bins of latencies: DDSketch's logarithmic mapping, the same for the pipeline and for services that summarize.

Bin 0 holds what is shorter than `SHORTEST_MS`; the others are of constant relative width.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streams.core.columns import Floats

RELATIVE_ACCURACY = 0.01
SHORTEST_MS = 1e-6

LAST_BIN = 36_000
"""Holds 1e306 ms; what is in bins beyond it may have an upper edge that is no number."""

GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
FIRST = math.ceil(math.log(SHORTEST_MS) / math.log(GAMMA)) - 1


def bin_of_latency(latency: Floats) -> npt.NDArray[np.int64]:
    """
    Bin of latencies in ms, -1 of NaN (Masson, Rim & Lee, VLDB 2019, 2.1), counted from the shortest latency.

    >>> bin_of_latency(np.array([0.0, 1.18, np.nan])).tolist()
    [0, 700, -1]
    """
    present = np.isfinite(latency)
    long = present & (latency >= SHORTEST_MS)
    index = np.ceil(np.log(np.where(long, latency, 1.0)) / math.log(GAMMA)) - FIRST
    return np.where(long, index, np.where(present, 0, -1)).astype(np.int64)
