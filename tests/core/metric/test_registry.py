"""Names, tasks, and what has to be summed for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streams.core.metric.base import Task, Totals
from streams.core.metric.layout import label_coverage, layout
from streams.core.metric.registry import METRICS, TASKS, default_metrics, known_names, metric_for, metrics_for


@pytest.mark.parametrize("task", TASKS)
def test_every_name_of_a_task_resolves(task: Task) -> None:
    """Each name listed for a task gives a metric of that name for that task; the defaults are among them."""
    metrics = [metric_for(name, task) for name in metrics_for(task)]

    assert [metric.name for metric in metrics] == list(metrics_for(task))
    assert all(task in metric.tasks for metric in metrics)
    assert set(default_metrics(task)) <= set(metrics_for(task))
    assert {"count", "latency_p95", "complaint_rate"} <= set(metrics_for(task))


def test_one_name_two_tasks() -> None:
    """`f1` reads cells for binary models and the confusion histogram for multiclass ones."""
    binary, multiclass = (metric_for("f1", task) for task in ("binary", "multiclass"))

    assert binary.histograms == ()
    assert multiclass.histograms == ("confusion",)


@pytest.mark.parametrize(
    ("name", "task"),
    [("f1", "regression"), ("nope", "binary"), ("ndcg@10", "binary"), ("ndcg@7", "none"), ("mcc@3", "ranking")],
)
def test_wrong_task_or_name(name: str, task: Task) -> None:
    """A name that is unknown, or for another task, raises KeyError with the name."""
    with pytest.raises(KeyError, match=name):
        metric_for(name, task)


def test_any_cutoff() -> None:
    """Cut-offs that are not listed resolve for ranking models."""
    metric = metric_for("hit_rate@37", "ranking")

    assert (metric.name, "1:hit@37" in metric.columns) == ("hit_rate@37", True)


def test_known_names() -> None:
    """All names of all tasks are known once."""
    assert set(known_names()) == {name for task in TASKS for name in metrics_for(task)} == set(METRICS)
    assert list(known_names()) == sorted(set(known_names()))


def test_layout_collects_once() -> None:
    """Columns and histograms are sorted, named once, and hold what coverage needs even without metrics."""
    plan = layout(metric_for(name, "binary") for name in ("precision", "f1", "roc_auc", "ece"))

    assert list(plan.columns) == sorted(set(plan.columns))
    assert {"0:tp", "2:fn", "0:covered", "0:labelled", "1:predictions"} <= set(plan.columns)
    assert list(plan.histograms) == ["score", "score_sum"]
    assert layout([]).columns == ("0:covered", "0:labelled", "0:predictions", "1:predictions", "2:predictions")


def test_label_coverage(build: Callable[..., Totals]) -> None:
    """Coverage weighs labelled predictions by their own weight, not by that of their label, and is NaN without any."""
    metric = metric_for("count", "binary")
    columns = layout([metric]).columns
    labels = {"y": [1.0, np.nan], "weight": [8.0, 1.0], "prediction_weight": [2.0, 1.0], "window": [0, 0]}
    traffic = {"weight": [2.0, 1.0, 1.0], "latency": [1.0] * 3, "window": [0, 0, 0]}
    kept = type(metric)("kept", metric.tasks, columns, (), metric.estimate)

    coverage = label_coverage(build([kept], windows=2, traffic=traffic, label=labels))

    np.testing.assert_array_equal(coverage, [0.5, np.nan])
