"""What holds for every metric of every task, whatever it measures."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.metric.base import Estimate, Metric, Task, Totals
from streams.core.metric.histograms import HISTOGRAMS
from streams.core.metric.registry import TASKS, metric_for, metrics_for
from streams.core.metric.variables import variable

Everything = Callable[..., dict[str, dict[str, Any]]]
Build = Callable[..., Totals]

SHARED = set(metrics_for("none"))
METRICS: list[tuple[str, Task]] = [(name, "none") for name in metrics_for("none")] + [
    (name, task) for task in TASKS for name in metrics_for(task) if name not in SHARED
]
COUNTS = {"count", "request_rate"}
UNIT = {
    *("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy", "roc_auc", "average_precision"),
    *(
        "brier",
        "mean_score",
        "ece",
        "ndcg@10",
        "hit_rate@10",
        "mrr",
        "quantile_coverage",
        "acceptance_rate",
        "complaint_rate",
    ),
}
every_metric = pytest.mark.parametrize(("name", "task"), METRICS, ids=str)


def assert_same(one: Estimate, other: Estimate, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    for part in ("value", "low", "high", "n", "n_effective"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), rtol=rtol, atol=atol, err_msg=part)


def halves(rows: dict[str, dict[str, Any]]) -> list[dict[str, dict[str, Any]]]:
    return [{s: {k: v[i::2] for k, v in columns.items()} for s, columns in rows.items()} for i in range(2)]


@every_metric
def test_reads_only_known_columns_and_histograms(name: str, task: Task) -> None:
    """Every column a metric names is a power of a known variable, every histogram a known one."""
    metric = metric_for(name, task)

    powers = {column.partition(":")[0] for column in metric.columns}

    assert powers <= {"0", "1", "2"}
    assert all(callable(variable(column.partition(":")[2])[1]) for column in metric.columns)
    assert set(metric.histograms) <= set(HISTOGRAMS)


@every_metric
def test_no_rows(name: str, task: Task, build: Build) -> None:
    """Without rows every estimate is undefined, but for counts, which are 0; sizes are 0."""
    metric = metric_for(name, task)

    e = metric.estimate(build([metric], windows=2))

    expected = [0.0, 0.0] if name in COUNTS else [np.nan, np.nan]
    for part in (e.value, e.low, e.high):
        np.testing.assert_array_equal(part, expected)
    assert e.n.tolist() == e.n_effective.tolist() == [0.0, 0.0]


@every_metric
def test_no_windows(name: str, task: Task, build: Build) -> None:
    """No windows give no estimates."""
    metric = metric_for(name, task)

    e = metric.estimate(build([metric], windows=0))

    assert [len(part) for part in (e.value, e.low, e.high, e.n, e.n_effective)] == [0] * 5


@every_metric
def test_one_row(name: str, task: Task, build: Build, everything: Everything) -> None:
    """One observation never gives an interval of no length to a share or a mean."""
    metric = metric_for(name, task)
    rows = everything(3, 9)
    single = {s: {k: v[:1] for k, v in columns.items()} for s, columns in rows.items()}

    e = metric.estimate(build([metric], **single))

    defined = ~np.isnan(e.low)
    if name not in COUNTS:
        assert not (e.low[defined] >= e.high[defined]).any()
    if name in UNIT and not np.isnan(e.value[0]):
        assert 0 <= e.low[0] < e.high[0] <= 1


@every_metric
def test_parts_add_up_to_the_whole(
    name: str, task: Task, build: Build, combine: Callable[..., Totals], everything: Everything
) -> None:
    """Sums of two halves, added, give the estimate of all rows."""
    metric = metric_for(name, task)
    rows = everything(4, 300, windows=3)

    first, second = (build([metric], windows=3, **half) for half in halves(rows))

    assert_same(metric.estimate(combine(first, second)), metric.estimate(build([metric], windows=3, **rows)))


@every_metric
def test_what_is_taken_out_leaves_no_trace(
    name: str, task: Task, build: Build, combine: Callable[..., Totals], everything: Everything
) -> None:
    """Adding rows and subtracting them gives the estimate without them, also when none are left."""
    metric = metric_for(name, task)
    rows = everything(5, 300, windows=2)
    first, _ = halves(rows)
    whole = build([metric], windows=2, **rows)
    kept, gone = (build([metric], windows=2, **half) for half in halves(rows))

    nothing = combine(combine(whole, gone, -1), build([metric], windows=2, **first), -1)

    assert_same(metric.estimate(combine(whole, gone, -1)), metric.estimate(kept), rtol=1e-7)
    assert_same(metric.estimate(nothing), metric.estimate(build([metric], windows=2)))


@every_metric
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_scaling_all_weights(name: str, task: Task, factor: float, build: Build, everything: Everything) -> None:
    """Weights matter relative to each other only, but for counts, which are proportional to them."""
    metric = metric_for(name, task)
    rows = everything(6, 200)
    scaled = {s: {**columns, "weight": factor * columns["weight"]} for s, columns in rows.items()}

    one, other = (metric.estimate(build([metric], **r)) for r in (rows, scaled))

    if name in COUNTS:
        np.testing.assert_allclose(other.value, factor * one.value)
    else:
        assert_same(one, other)


@every_metric
def test_equal_weights_are_no_weights(name: str, task: Task, build: Build, everything: Everything) -> None:
    """Rows that all weigh 1/0.3 give the estimate and the interval of rows that weigh 1."""
    metric = metric_for(name, task)
    rows = everything(7, 200)
    plain, weighted = (
        {s: {**columns, "weight": np.full(200, weight)} for s, columns in rows.items()} for weight in (1.0, 1 / 0.3)
    )

    one, other = (metric.estimate(build([metric], **r)) for r in (plain, weighted))

    if name not in COUNTS:
        assert_same(one, other)
        np.testing.assert_allclose(one.n, one.n_effective)


@every_metric
def test_windows_do_not_touch(name: str, task: Task, build: Build, everything: Everything) -> None:
    """A window's estimate is the same to the last bit alone and among others."""
    metric = metric_for(name, task)
    rows = everything(8, 400, windows=4)

    together = metric.estimate(build([metric], windows=4, **rows))

    for w in range(4):
        own = {s: {k: v[columns["window"] == w] for k, v in columns.items()} for s, columns in rows.items()}
        alone = metric.estimate(build([metric], **{s: {**c, "window": 0 * c["window"]} for s, c in own.items()}))
        for part in ("value", "low", "high", "n", "n_effective"):
            np.testing.assert_array_equal(getattr(alone, part)[0], getattr(together, part)[w])


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_interval_holds_the_value(seed: int, n: int, build: Build, everything: Everything) -> None:
    """Low <= value <= high, all within the metric's range, and an effective size is at most the size."""
    chosen: list[Metric] = list(itertools.starmap(metric_for, METRICS))
    totals = build(chosen, **everything(seed, n))

    for metric in chosen:
        e = metric.estimate(totals)
        if not np.isnan(e.low[0]):
            assert e.low[0] <= e.value[0] + 1e-12, metric.name
            assert not e.high[0] < e.value[0] - 1e-12, metric.name
        if metric.name in UNIT and not np.isnan(e.value[0]):
            assert e.low[0] >= 0, metric.name
            assert e.high[0] <= 1, metric.name
        assert e.n_effective[0] <= e.n[0] * (1 + 1e-12), metric.name
