"""
Every metric by name and task.

One name can stand for different sums with different tasks: `precision` is of the positive class for binary models,
the macro average for multiclass ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from streams.core.metric import classification, feedback, multiclass, probability, ranking, regression, traffic
from streams.core.metric.base import Metric, Task

TASKS: tuple[Task, ...] = get_args(Task)

_MODULES = (classification, multiclass, probability, regression, ranking, traffic, feedback)


def _by_name() -> Mapping[str, Mapping[Task, Metric]]:
    table: dict[str, dict[Task, Metric]] = {}
    for module in _MODULES:
        for metric in module.METRICS:
            table.setdefault(metric.name, {}).update(dict.fromkeys(metric.tasks, metric))
    return MappingProxyType({name: MappingProxyType(by_task) for name, by_task in table.items()})


METRICS: Mapping[str, Mapping[Task, Metric]] = _by_name()

_DEFAULTS: Mapping[Task, tuple[str, ...]] = MappingProxyType(
    {
        "binary": ("accuracy", "precision", "recall", "f1", "roc_auc", "brier", "log_loss", "ece"),
        "multiclass": ("accuracy", "precision", "recall", "f1", "balanced_accuracy", "mcc"),
        "regression": ("mae", "rmse", "bias", "r2"),
        "ranking": ("ndcg@10", "hit_rate@10", "mrr"),
        "none": (),
    }
)
_DEFAULT_TRAFFIC = ("count", "latency_p50", "latency_p95", "latency_p99")


def metric_for(name: str, task: Task) -> Metric:
    """
    Return the metric that a name stands for with models of a task.

    Raises
    ------
    KeyError
        With the name, when it is unknown or not for that task.
    """
    if name in METRICS:
        by_task = METRICS[name]
        if task in by_task:
            return by_task[task]
    elif task == "ranking":
        return ranking.ranking_metric(name)
    raise KeyError(name)


def metrics_for(task: Task) -> tuple[str, ...]:
    """Names of all metrics for a task; of those with a cut-off, the one at 10."""
    return tuple(name for name, by_task in METRICS.items() if task in by_task)


def default_metrics(task: Task) -> tuple[str, ...]:
    """Names of the metrics that a model of a task has unless its configuration lists others."""
    return _DEFAULTS[task] + _DEFAULT_TRAFFIC


def known_names() -> tuple[str, ...]:
    """Names of all metrics of all tasks, sorted."""
    return tuple(sorted(METRICS))
