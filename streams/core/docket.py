"""Docket: what the configuration says of experiments, as trials that are summed and plans by which they are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streams.config.experiments import ExperimentConfig, Guardrail, Measure
from streams.config.models import Config
from streams.core.exposure import Exposures
from streams.core.judge.looks import Plan, Role
from streams.core.judge.many import AlphaBudget
from streams.core.metric.base import Task
from streams.core.metric.ratio import Ratio, quantile_for, ratio_for
from streams.core.trial import Trial

_PLANNED = 10_000  # observations, where nothing is declared
_EXPLORED = 0.2  # of alpha, for metrics that decide nothing


@dataclass(frozen=True)
class Docket:
    """The trials, how exposures name their arms (None: there are no experiments), and how long a tick is (us)."""

    plans: tuple[Plan, ...]
    exposures: Exposures | None
    tick: int


def docket(config: Config) -> Docket:
    """Read the configuration."""
    section = config.experimentation
    judged = {name: experiment for name, experiment in section.experiments.items() if experiment.judged}
    plans = [
        _plan(name, experiment, model, config.models[model].task)
        for name, experiment in judged.items()
        for model in experiment.judged
    ]
    exposures = Exposures({name: tuple(experiment.arms) for name, experiment in judged.items()}) if judged else None
    return Docket(tuple(plans), exposures, section.tick)


def _plan(name: str, experiment: ExperimentConfig, model: str, task: Task) -> Plan:
    arms = tuple(experiment.arms)
    roles = tuple(_roles(experiment))
    quantiles = {role.metric: level for role in roles if (level := quantile_for(role.metric)) is not None}
    ratios = {role.metric: _ratio(role.metric, task) for role in roles if role.metric not in quantiles}
    trial = Trial(model, name, task, arms, ratios, quantiles)
    weights = tuple(float(weight) for weight in experiment.arms.values())
    return Plan(trial, arms.index(experiment.control), weights, float(experiment.planned or _PLANNED), roles)


def _ratio(metric: str, task: Task) -> Ratio:
    ratio = ratio_for(metric, task)
    if ratio is None:
        raise ValueError(f"metric {metric!r} of {task} models is no ratio of sums, so arms cannot be compared by it")
    return ratio


def _roles(experiment: ExperimentConfig) -> Iterator[Role]:
    metrics = experiment.metrics
    every: list[tuple[str, Measure]] = [("primary", one) for one in metrics.primary]
    every += [("guardrail", one) for one in metrics.guardrail]
    every += [("exploratory", one) for one in metrics.exploratory]
    levels, others = _levels(experiment), len(experiment.arms) - 1
    for kind, one in every:
        yield Role(
            metric=one.metric,
            kind=kind,
            higher_is_better=one.direction != "lower",
            alpha=levels[one.metric] / others,
            margin=one.margin if isinstance(one, Guardrail) else 0.0,
            negligible=experiment.minimum_effect or 0.0 if kind == "primary" else 0.0,
        )


def _levels(experiment: ExperimentConfig) -> dict[str, float]:
    """Alpha of each metric, all arms together; docs/statistics.md says why it is split so."""
    metrics, alpha = experiment.metrics, experiment.alpha
    guardrails = {one.metric: alpha for one in metrics.guardrail}
    exploratory = [one.metric for one in metrics.exploratory]
    if not metrics.primary:
        return guardrails | dict.fromkeys(exploratory, alpha / max(len(exploratory), 1))
    explored = alpha * _EXPLORED if exploratory else 0.0
    primary = dict.fromkeys((one.metric for one in metrics.primary), 1.0)
    return AlphaBudget(alpha, primary, alpha - explored, guardrails, exploratory, explored).levels()
