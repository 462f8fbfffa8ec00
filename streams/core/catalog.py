"""Catalog: what the configuration says, as the arrays and masks that blocks need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.config.models import Config, ModelConfig
from streams.core.columns import Array, Hashes, Ints, Mask
from streams.core.detect.plan import watches
from streams.core.docket import docket
from streams.core.flatten import RANKING_PLACES, Shape
from streams.core.groups import Groups, SlicePlan
from streams.core.ids import hash_strings, hash_text
from streams.core.maturity.delays import Followed
from streams.core.metric.base import Metric, Task
from streams.core.metric.crowd import Census
from streams.core.metric.layout import Layout, layout
from streams.core.metric.registry import metric_for
from streams.core.privacy.owner import Owners
from streams.core.privacy.plan import landing
from streams.core.summarize import Terms
from streams.core.validate import Rules
from streams.core.window import Horizons
from streams.core.window_spec import WindowSpec, pane_size


class Catalog:
    """The configured models, and what holds for the cohorts and groups that have been seen of them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.groups = Groups({m.name: SlicePlan(m.slices, m.max_groups) for m in config.models.values()})
        self.tasks: tuple[Task, ...] = tuple(sorted({m.task for m in config.models.values()}))
        self.docket = docket(config)
        self.watches = watches(config)
        self.treatment = landing(config)
        self.followed = _followed(config)
        dated = bool(self.watches) or any(one.delays for one in self.followed)
        self.owners = None if config.privacy.secret is None else Owners(config.privacy.secret)
        self.shape = Shape(
            frozenset(self.tasks),
            _places(config),
            self.docket.exposures,
            dated,
            sampled=bool(config.sampling.models),
            counted=config.privacy.smallest_cell > 1,
            owned=self.owners is not None,
        )
        self._seen = 0
        self._model_of_cohort: npt.NDArray[np.int64] = np.empty(0, np.int64)

    @cached_property
    def models(self) -> tuple[ModelConfig, ...]:
        """The models in a fixed order; a model's number is its place."""
        return tuple(self.config.models.values())

    def rules(self, now: int) -> Rules:
        """What single events must satisfy at the time `now` (us)."""
        closed = {m.name: classes for m in self.models if (classes := _classes(m))}
        labelled = [m for m in self.models if m.task in {"binary", "multiclass", "ranking"}]
        every = frozenset().union(*closed.values()) if all(m.name in closed for m in labelled) and labelled else None
        return Rules(
            models=frozenset(self.config.models),
            probability=frozenset(m.name for m in self.models if m.task == "binary"),
            classes=closed,
            outcome_labels=every,
            future=now + self.config.max_future,
        )

    def horizons(self, cohorts: Array) -> Ints:
        """Label horizon of each cohort number, in us."""
        return self._horizon_of_model[self.model_of(cohorts)]

    def model_of(self, cohorts: Array) -> Ints:
        """Return the model's number for each cohort number."""
        if len(self.groups) > self._seen:
            names = [m.name for m in self.models]
            new = [names.index(self.groups.model_of_cohort(c)) for c in range(self._seen, len(self.groups))]
            self._model_of_cohort = np.concatenate([self._model_of_cohort, np.array(new, np.int64)])
            self._seen = len(self.groups)
        return self._model_of_cohort[cohorts]

    def of_task(self, task: Task, cohorts: Array) -> Mask:
        """Mask of the cohort numbers whose model has the task."""
        if len(self.tasks) == 1:
            return np.ones(len(cohorts), np.bool_)
        return np.array([m.task == task for m in self.models])[self.model_of(cohorts)]

    def terms(self) -> Terms:
        """How labels read, a row a cohort."""
        every = self.model_of(np.arange(len(self.groups)))
        positive, negative, threshold = (column[every] for column in self._terms_of_model)
        return Terms(positive, negative, threshold, self._closed(every))

    def _closed(self, model_of_cohort: Ints) -> tuple[tuple[Mask, Hashes], ...]:
        """For each multiclass model with a closed list of classes: its cohorts, and the hashes of its classes."""
        closed = [(i, m.classes) for i, m in enumerate(self.models) if m.task == "multiclass" and m.classes]
        return tuple((model_of_cohort == i, hash_strings(pa.array(classes, pa.string()))) for i, classes in closed)

    def metrics(self, task: Task) -> tuple[Metric, ...]:
        """All metrics that models of the task have."""
        names = dict.fromkeys(name for m in self.models if m.task == task for name in m.metrics)
        return tuple(metric_for(name, task) for name in names)

    def layout(self, task: Task) -> Layout:
        """What has to be summed for the task."""
        late = {name for m in self.models if m.task == task and m.labels.delays for name in m.metrics}
        return layout(self.metrics(task), late, self.census(task))

    def census(self, task: Task) -> Census | None:
        """What is counted of units for the task's metrics; none where every row may be shown."""
        return Census.of(self.metrics(task), self.config.privacy.smallest_cell)

    def specs(self, task: Task) -> tuple[WindowSpec, ...]:
        """All windows that models of the task have."""
        return tuple({spec.name: spec for m in self.models if m.task == task for spec in m.windows}.values())

    def pane(self, task: Task) -> int:
        """Length of the task's panes, us."""
        return pane_size(self.specs(task))

    def window_uses(self, task: Task) -> Mapping[str, Mask]:
        """For each window name, the cohorts whose model (of this task) has it."""
        every = self.model_of(np.arange(len(self.groups)))
        return {spec.name: self._models_with(task, spec)[every] for spec in self.specs(task)}

    def metric_uses(self, task: Task) -> Mapping[str, Mask]:
        """For each metric name, the groups whose model has it."""
        number = {m.name: i for i, m in enumerate(self.models)}
        model = np.array([number[g.slice.model] for g in self.groups.groups], np.int64)
        return {
            metric.name: np.array([metric.name in m.metrics for m in self.models])[model]
            for metric in self.metrics(task)
        }

    def finality(self) -> Horizons:
        """How long after their end windows become final, by group and by cohort."""
        number = {m.name: i for i, m in enumerate(self.models)}
        model = np.array([number[g.slice.model] for g in self.groups.groups], np.int64)
        return Horizons(self._horizon_of_model[model], self.horizons(np.arange(len(self.groups))))

    def oldest(self, watermark: int) -> Mapping[str, int]:
        """For each model, the earliest prediction time for which a label can still come."""
        return {m.name: watermark - m.label_horizon for m in self.models}

    @cached_property
    def _horizon_of_model(self) -> Ints:
        return np.array([m.label_horizon for m in self.models], np.int64)

    @cached_property
    def _terms_of_model(self) -> tuple[Array, Array, Array]:
        positive = np.array([hash_text(m.positive) if m.positive else 0 for m in self.models], np.uint64)
        negative = np.array([hash_text(m.negative) if m.negative else 0 for m in self.models], np.uint64)
        return positive, negative, np.array([m.threshold for m in self.models])

    def _models_with(self, task: Task, spec: WindowSpec) -> Mask:
        return np.array([m.task == task and spec in m.windows for m in self.models])


def _followed(config: Config) -> tuple[Followed, ...]:
    """Return the models whose labels are to be corrected for those that are late or missing."""
    return tuple(
        Followed(one.name, number, one.labels.delays, one.strata, one.label_horizon, frozenset(one.metrics))
        for number, one in enumerate(config.models.values())
        if one.labels.delays or one.strata
    )


def _places(config: Config) -> int:
    """How many places of a ranking the metrics look at: the largest cut-off, or all that `mrr` does."""
    names = {name for m in config.models.values() if m.task == "ranking" for name in m.metrics}
    cutoffs = [int(name.partition("@")[2]) for name in names if "@" in name]
    return max([*cutoffs, RANKING_PLACES if "mrr" in names else 1])


def _classes(model: ModelConfig) -> frozenset[str]:
    """Labels of a model whose list of classes is closed; empty where it is open."""
    if model.task == "binary" and model.positive and model.negative:
        return frozenset((model.positive, model.negative))
    return frozenset(model.classes) if model.task == "multiclass" else frozenset()
