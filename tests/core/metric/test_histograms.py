"""Bins: edges of scores, relative width of latencies, codes of classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.latency import SHORTEST_MS
from streams.core.metric.base import Changes
from streams.core.metric.histograms import (
    SCORE_BINS,
    confusion_bin,
    latency_bin,
    latency_edges,
    latency_value,
    score_bin,
)

Make = Callable[..., Changes]


def test_score_bins_close_at_the_top(changes: Make) -> None:
    """Bins are (lo, hi], the first closed: each k/1000 is the last score of bin k - 1, and 0 is in bin 0."""
    k = np.arange(SCORE_BINS + 1)

    at_edges = score_bin(changes(score=k / 1000, y=np.zeros(len(k))))
    above = score_bin(changes(score=k[:-1] / 1000 + 1e-9, y=np.zeros(len(k) - 1)))

    np.testing.assert_array_equal(at_edges, np.maximum(k - 1, 0))
    np.testing.assert_array_equal(above, k[:-1])


def test_score_bin_needs_score_and_label(changes: Make) -> None:
    """A row without a score or without a label is in no bin."""
    assert score_bin(changes(score=[0.5, np.nan], y=[np.nan, 1.0])).tolist() == [-1, -1]


@given(latency=st.floats(SHORTEST_MS, 1e300))
def test_latency_within_one_percent(latency: float, changes: Make) -> None:
    """A bin's edges hold the latency and its value is within 1 % of it, from a nanosecond up."""
    code = latency_bin(changes(latency=[latency]))

    (lower,), (upper,) = latency_edges(code)
    assert code[0] > 0
    assert lower * (1 - 1e-9) <= latency <= upper * (1 + 1e-9)
    assert abs(latency_value(code)[0] - latency) <= 0.01 * latency * (1 + 1e-9)


def test_latency_extremes(changes: Make) -> None:
    """Zero and what is shorter than a nanosecond share bin 0; a row without latency is in none."""
    codes = latency_bin(changes(latency=[0.0, 1e-7, -1.0, np.nan, np.inf]))

    assert codes.tolist() == [0, 0, 0, -1, -1]
    assert latency_value(codes[:1]).tolist() == [0.0]


def test_confusion_codes(changes: Make) -> None:
    """A pair of classes has one code; a row that lacks either has none."""
    codes = confusion_bin(changes(actual=[2, 2, -1], predicted=[3, -1, 0]))

    assert codes.tolist() == [2 * 2**20 + 3, -1, -1]
