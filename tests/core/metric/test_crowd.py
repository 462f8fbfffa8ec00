"""How many units there are at least: bins never count one unit twice, and count nearly all of many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from streams.core.metric.base import Histogram, Metric, Task, Totals
from streams.core.metric.crowd import LARGEST, NOBODY, Census, Headcount, bins_for, places_of, populations
from streams.core.metric.registry import TASKS, metric_for, metrics_for

HASHES = arrays.arrays(np.uint64, st.integers(0, 300), elements=st.integers(0, 2**64 - 1))
COUNT = metric_for("count", "none")
EVERY = [(name, task) for task in TASKS for name in metrics_for(task)]


def census(smallest: int, *metrics: Metric) -> Census:
    made = Census.of(metrics or (COUNT,), smallest)
    assert made is not None
    return made


@pytest.mark.parametrize("smallest", [2, 15, 16, 17, 20, 1_000, LARGEST])
def test_there_are_four_bins_for_each_unit_or_more(smallest: int) -> None:
    """Their number is a power of two, from 64 up, no larger than it has to be, and every bin has a place."""
    bins = bins_for(smallest)

    assert bins >= max(64, 4 * smallest)
    assert bins == 64 or bins < 8 * smallest
    assert bins & (bins - 1) == 0
    every = Headcount("traffic", bins, ()).bin_of(places_of(np.arange(bins, dtype=np.uint64)))
    assert every.tolist() == list(range(bins))


@given(HASHES, st.integers(2, LARGEST))
def test_occupied_bins_are_never_more_than_units(units: np.ndarray, smallest: int) -> None:
    """Whatever the hashes, a unit has one bin: the lowest bits of its hash."""
    bins = Headcount("label", bins_for(smallest), ()).bin_of(places_of(units))

    assert bins.tolist() == [unit % bins_for(smallest) for unit in units.tolist()]
    assert len(set(bins.tolist())) <= len(set(units.tolist()))


def test_nobody_is_in_no_bin() -> None:
    """What is of no unit that is known counts for none."""
    assert Headcount("label", 64, ()).bin_of(np.array([NOBODY, 65], np.int16)).tolist() == [-1, 1]


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_every_metric_rests_on_something(name: str, task: Task) -> None:
    """What a metric is of can be counted, so that no metric is hidden for ever."""
    counted = populations(metric_for(name, task))

    assert counted
    assert set(counted) & {column for count in census(5, metric_for(name, task)).counts for column in count.columns}


@pytest.mark.parametrize(
    ("name", "task", "counted"),
    [
        ("precision", "binary", {"0:tp", "0:fp"}),
        ("roc_auc", "binary", {"0:positive", "0:negative"}),
        ("f1", "multiclass", {"0:paired"}),
        ("mape", "regression", {"0:nonzero"}),
        ("r2", "regression", {"0:compared"}),
        ("mean_rating", "none", {"0:rated"}),
        ("latency_p95", "none", {"0:timed"}),
        ("complaint_rate", "none", {"0:predictions", "0:complaint"}),
    ],
)
def test_what_a_metric_rests_on(name: str, task: Task, counted: set[str]) -> None:
    """Only what is in its denominator: precision is of those predicted positive."""
    assert set(populations(metric_for(name, task))) == counted


def test_nothing_is_counted_unless_it_is_declared() -> None:
    """Where every row may be shown there is no census, and so no histogram."""
    assert Census.of([COUNT], 1) is None


def test_a_bin_counts_once_for_several_sources_and_not_when_it_was_emptied() -> None:
    """Bins of one unit in two histograms are one unit; what was taken back again leaves none."""
    both = census(2, metric_for("complaint_rate", "none"))
    made = {count.source: count.name for count in both.counts}
    traffic = Histogram(2, np.array([0, 0]), np.array([3, 9]), {"0:predictions": np.array([5.0, 0.0])})
    feedback = Histogram(2, np.array([0, 1]), np.array([3, 4]), {"0:complaint": np.array([1.0, 2.0])})
    totals = Totals({}, {made["traffic"]: traffic, made["feedback"]: feedback}, np.ones(2))

    assert both.units(totals).tolist() == [1, 0]
    assert both.units(totals, ("0:predictions", "0:complaint")).tolist() == [1, 1]
