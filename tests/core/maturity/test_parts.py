"""Sums of windows by way of their parts, against the sums of their cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Ints
from streams.core.maturity.parts import parts_of
from streams.core.metric.layout import layout
from streams.core.metric.registry import metric_for
from streams.core.panes import Panes
from streams.core.summarize import Summarizer
from streams.core.window import Pieces, totals_of
from tests.core.metric.conftest import make_changes

COHORTS, STRATUM = 4, np.array([0, 1, 0, 1])


def _panes(metric: str, seed: int) -> Panes:
    """Sum up 60 labels of four cohorts in four panes."""
    rng, made = np.random.default_rng(seed), Summarizer(layout([metric_for(metric, "binary")]), 1)
    keys = {"cohort": rng.integers(0, COHORTS, 60), "time": rng.integers(0, 4, 60), "sign": np.ones(60)}
    columns = {"y": rng.integers(0, 2, 60) * 1.0, "score": rng.integers(1, 9, 60) / 8, "weight": rng.random(60) + 1}
    for source in ("traffic", "label"):
        made.add(source, keys, make_changes(columns))
    return made.panes


def _pieces(panes: Panes, width: int) -> Pieces:
    """Take each cell into two windows, of its panes by `width` and of all."""
    cohort, time, slot, _ = panes.live()
    window: Ints = np.concatenate([time // width, np.full(len(slot), 4 // width)])
    order = np.argsort(window, kind="stable")
    return Pieces(np.tile(slot, 2)[order], window[order], np.tile(cohort, 2)[order], np.tile(time, 2)[order])


@pytest.mark.parametrize("metric", ["brier", "calibration_slope"])
@given(seed=st.integers(0, 10_000), width=st.sampled_from([1, 2, 4]))
def test_parts_add_up(metric: str, seed: int, width: int) -> None:
    """Of factor 1 the sums and histograms of windows are those of their cells; each part is of one stratum and pane."""
    panes, of = _panes(metric, seed), metric_for(metric, "binary")
    pieces = _pieces(panes, width)
    seconds = np.ones(4 // width + 1)

    parts = parts_of(panes, pieces, STRATUM[pieces.cohort], seconds, layout([of]))
    weighed = parts.weighed(of, lambda column: {column: np.ones(len(parts))})

    plain = totals_of(panes, pieces, seconds)
    keys = list(zip(parts.window.tolist(), parts.stratum.tolist(), parts.time.tolist(), strict=True))
    assert keys == sorted(set(keys))
    for name in of.columns:
        np.testing.assert_allclose(weighed[name], plain[name], rtol=1e-12)
    for name in of.histograms:
        one, other = weighed.histograms[name], plain.histograms[name]
        assert (one.rows, one.row.tolist(), one.bin.tolist()) == (other.rows, other.row.tolist(), other.bin.tolist())
        for column, sums in other.columns.items():
            np.testing.assert_allclose(one.columns[column], sums, rtol=1e-12)


def test_two_columns_make_up_one() -> None:
    """A column may be made up of several, each by factors of its own."""
    panes, of = _panes("brier", 1), metric_for("brier", "binary")
    pieces = _pieces(panes, 4)
    parts = parts_of(panes, pieces, STRATUM[pieces.cohort], np.ones(2), layout([of]))
    ones = np.ones(len(parts))

    weighed = parts.weighed(of, lambda _: {"1:positive": 2 * ones, "1:negative": -ones})

    expected = 2 * parts.by_window(parts.sums["1:positive"]) - parts.by_window(parts.sums["1:negative"])
    np.testing.assert_allclose(weighed["1:brier"], expected, rtol=1e-12)
