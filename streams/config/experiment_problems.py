"""
What is wrong with a section `experimentation`, all at once.

What assignment needs is looked at by `streams.experiments`, as in services; here are the keys that experiments are
judged by, which need the models and their metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from streams.config.problems import Problems
from streams.core.alert.rule import SEVERITIES
from streams.core.exposure import Exposures
from streams.core.metric.base import Task
from streams.core.metric.ratio import quantile_for, ratio_for
from streams.core.metric.registry import known_names, metrics_for
from streams.core.window_spec import parse_duration
from streams.experiments.declaration import JUDGED_KEYS, parse_declaration
from streams.experiments.reading import Node, Reading, suggestion

Direction = Literal["higher", "lower"]
Tasks = Mapping[str, Task]
"""The task of each model, by name."""

_HIGHER = (
    *("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy", "mcc", "roc_auc"),
    *("average_precision", "r2", "mrr", "ndcg", "hit_rate"),
    *("mean_rating", "click_rate", "conversion_rate", "acceptance_rate"),
)
_LOWER = (
    *("brier", "log_loss", "ece", "mae", "mse", "rmse", "mape", "latency_p50", "latency_p95", "latency_p99"),
    *("complaint_rate", "edit_rate", "override_rate", "crash_rate"),
)
_LARGEST = 1e15
_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "primary": ("metric", "direction"),
        "guardrail": ("metric", "direction", "margin"),
        "exploratory": ("metric", "direction"),
    }
)


def direction_of(metric: str) -> Direction | None:
    """
    Which way a metric is better; None where that depends, as for `mean_score`.

    >>> direction_of("ndcg@10"), direction_of("latency_p95"), direction_of("bias")
    ('higher', 'lower', None)
    """
    name = metric.partition("@")[0]
    return "higher" if name in _HIGHER else "lower" if name in _LOWER else None


def can_be_compared(metric: str, task: Task) -> bool:
    """Whether a metric can be compared between arms: it is a ratio of sums, or a quantile of latencies."""
    return ratio_for(metric, task) is not None or quantile_for(metric) is not None


def refuse_problems(data: object, tasks: Tasks | None) -> None:
    """
    Look at a section as it was written.

    Parameters
    ----------
    data : object
        The section.
    tasks : Mapping, optional
        The models; without them nothing is said about models and metrics.

    Raises
    ------
    Problems
        With everything that is wrong.
    """
    reading = Reading()
    parse_declaration(data, reading)
    if isinstance(data, Mapping) and "tick" in data:
        _refuse_duration(Node(data["tick"], ("tick",), reading))
    experiments = data.get("experiments") if isinstance(data, Mapping) else None
    for name, experiment in experiments.items() if isinstance(experiments, Mapping) else ():
        if isinstance(name, str) and isinstance(experiment, Mapping):
            _refuse_judged(Node(experiment, ("experiments", name), reading), experiment, tasks)
    if not reading.problems:
        _refuse_too_many(Node(experiments, ("experiments",), reading))
    if reading.problems:
        raise Problems(reading.problems)


def _refuse_too_many(node: Node) -> None:
    """Look whether the arms of all experiments can be told apart by one number a prediction."""
    experiments = node.value if isinstance(node.value, Mapping) else {}
    try:
        Exposures({name: tuple(experiment["arms"]) for name, experiment in experiments.items()})
    except ValueError as error:
        node.refuse(str(error))


def _refuse_judged(node: Node, experiment: Mapping[str, object], tasks: Tasks | None) -> None:
    """Look at the keys of an experiment by which it is judged."""
    fields = {key: node.child(key, experiment[key]) for key in JUDGED_KEYS if key in experiment}
    models = _models(node, fields, tasks)
    if "metrics" in fields:
        seen: set[str] = set()
        for group, inner in fields["metrics"].fields(_GROUPS).items():
            _refuse_measures(group, inner, models, seen)
    _refuse_numbers(fields)
    if "severity" in fields:
        fields["severity"].one_of(SEVERITIES, "severity")
    if "team" in fields:
        fields["team"].text()


def _refuse_numbers(fields: Mapping[str, Node]) -> None:
    """Look at what an experiment is planned with."""
    if "minimum_effect" in fields:
        fields["minimum_effect"].number(0, _LARGEST, ends=False)
    for key in ("alpha", "power"):
        if key in fields:
            fields[key].number(0, 1, ends=False)
    if "planned" in fields:
        fields["planned"].whole(1, int(_LARGEST))
    if "maximum_duration" in fields:
        _refuse_duration(fields["maximum_duration"])


def _models(node: Node, fields: Mapping[str, Node], tasks: Tasks | None) -> dict[str, Task]:
    """Task of each of the experiment's models that there is."""
    if ("model" in fields) == ("models" in fields):
        node.refuse("needs either `model` or `models`: whose predictions are compared")
        return {}
    named = [fields["model"]] if "model" in fields else fields["models"].items(least=1)
    if tasks is None:
        return {}
    names = [inner.one_of(tasks, "model") for inner in named]
    return {name: tasks[name] for name, inner in zip(names, named, strict=True) if name == inner.value}


def _refuse_measures(group: str, node: Node, models: Mapping[str, Task], seen: set[str]) -> None:
    """Look at a list of metrics; each has one role, and those that were `seen` have theirs."""
    for item in node.items():
        fields = {"metric": item} if isinstance(item.value, str) else item.fields(_GROUPS[group], ("metric",))
        if "margin" in fields:
            fields["margin"].number(0, _LARGEST)
        name = fields["metric"].text() if "metric" in fields else ""
        if not name:
            continue
        suits = _suits(fields["metric"], name, models)
        if name in seen:
            item.refuse(f"{name} is there already: remove one of the two")
        seen.add(name)
        if "direction" in fields:
            fields["direction"].one_of(("higher", "lower"), "direction")
        elif suits and direction_of(name) is None:
            item.refuse(f"{name} may be better higher or lower: write {{metric: {name}, direction: lower}}, or higher")


def _suits(node: Node, name: str, models: Mapping[str, Task]) -> bool:
    """Whether a metric is one that every model has; without models, whether there is one of that name."""
    unfit = {model: task for model, task in models.items() if not can_be_compared(name, task)}
    for model, task in unfit.items():
        allowed = [metric for metric in metrics_for(task) if can_be_compared(metric, task)]
        what = f"{name} is no metric by which arms of {model}, a {task} model, can be compared"
        node.refuse(what + suggestion(name, allowed))
    return not unfit and (bool(models) or name in known_names())


def _refuse_duration(node: Node) -> None:
    try:
        parse_duration(node.text() or "1d")
    except ValueError as error:
        node.refuse(str(error))
