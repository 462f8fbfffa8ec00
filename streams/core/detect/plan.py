"""What is watched of each model, as the pipeline needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from streams.config.assertions import rules_of
from streams.config.detection import WatchConfig
from streams.core.assertion.rules import Expect, Rule
from streams.core.detect.cut import WHOLE, Cut
from streams.core.metric.base import Task

if TYPE_CHECKING:
    from streams.config.models import Config, ModelConfig

LABEL_DELAY = "label_delay"
"""Column of how many seconds labels took to come."""

LABEL_LAG = "label_lag"
"""Column of how many ticks before a label its prediction was made."""

PREFIX = "assertion "
"""Stands before the name of an assertion where it is told apart from metrics and columns."""

_NOTHING_ELSE = WatchConfig(metrics=())
_OF_TRAFFIC = ("count", "request_rate")  # watched as traffic anyway


@dataclass(frozen=True)
class Watch:
    """
    What is watched of one model.

    `columns` has those that are declared, one for each assertion, and two of late labels.

    `number` is the model's place in the configuration; `share` the share of requests whose columns are looked at;
    `first` how many columns are watched of the models before it, so that each column has a number of its own;
    `centers` the number that is taken from each value of a column; `errors` how many single errors a tick are kept, by
    the slices that these are of.
    """

    model: str
    number: int
    task: Task
    metrics: tuple[str, ...]
    columns: tuple[str, ...]
    slices: tuple[tuple[str, ...], ...]
    column_slices: tuple[tuple[str, ...], ...]
    share: float
    first: int
    rules: tuple[Rule, ...] = ()
    centers: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[Cut, int] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, int]:
        """Number of each column among the sums of all models; 0 is none of a column."""
        return {name: self.first + place for place, name in enumerate(self.columns, 1)}

    @property
    def errors_said(self) -> Any:
        """How many single errors are kept, as plain data: a number where all are of the whole, as it once was."""
        if not self.errors.keys() - {WHOLE}:
            return self.errors.get(WHOLE, 0)
        return [[list(cut.attributes), list(cut.values), most] for cut, most in sorted(self.errors.items())]

    @property
    def followed(self) -> tuple[Rule, ...]:
        """The rules about several predictions."""
        return tuple(rule for rule in self.rules if not isinstance(rule.check, Expect))


def watches(config: Config) -> tuple[Watch, ...]:
    """Read the configuration: models that are watched, and those of which something is asserted."""
    found: list[Watch] = []
    first = 0
    rules = rules_of(config.assertions)
    for number, model in enumerate(config.models.values()):
        mine = tuple(rule for rule in rules if rule.model == model.name)
        declared = watch_of(config, model.name)
        if model.name not in config.detection.models and not mine:
            continue
        metrics = declared.metrics if declared.metrics is not None else _usual(model)
        slices, column_slices = (
            tuple(_as_declared(one, model) for one in some) for some in (declared.slices, declared.column_slices)
        )
        columns = (*declared.columns, *(PREFIX + rule.name for rule in mine), LABEL_DELAY, LABEL_LAG)
        where = (slices, column_slices)
        watch = Watch(model.name, number, model.task, metrics, columns, *where, declared.share_seen, first, mine)
        found.append(replace(watch, centers=declared.centers, errors=_errors(declared, model)))
        first += len(columns)
    return tuple(found)


def watch_of(config: Config, model: str) -> WatchConfig:
    """Return what is declared of a model; for one of which something is only asserted, nothing else."""
    return config.detection.models.get(model, _NOTHING_ELSE)


def _usual(model: ModelConfig) -> tuple[str, ...]:
    return tuple(name for name in model.metrics if name not in _OF_TRAFFIC)


def _errors(declared: WatchConfig, model: ModelConfig) -> dict[Cut, int]:
    """How many single errors of a tick the detectors see at most, by the slices that they see."""
    found: dict[Cut, int] = {}
    for one in declared.detectors:
        if one.sees_errors:
            attributes, said = _as_declared(one.attributes, model), dict(zip(one.attributes, one.values, strict=False))
            cut = Cut(attributes, tuple(said[name] for name in attributes if name in said))
            found[cut] = max(found.get(cut, 0), one.most)
    return found


def _as_declared(attributes: tuple[str, ...], model: ModelConfig) -> tuple[str, ...]:
    """The attributes of a slice in the order in which the model has them."""
    return next((one for one in model.slices if frozenset(one) == frozenset(attributes)), attributes)
