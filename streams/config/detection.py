"""
The section `detection`: what is watched for change, and how often a false alarm is bearable.

Which metrics, columns and slices of a model are watched stands beside each other; how sure one has to be before an
alarm follows from `false_alarm_every` alone, which is a promise for a model and all that is watched of it together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from streams.config.columns import column_name, holds_numbers
from streams.config.fields import Duration, Slices
from streams.config.markers import MarkerConfig, marker_problems
from streams.config.problems import Problem, Problems, shown, unknown
from streams.config.references import AnyReference, OwnReference, PinnedPeriod, Reference, ReferenceFiles
from streams.config.stream_detectors import Severity, StreamConfig
from streams.config.stream_problems import stream_problems
from streams.core.window_spec import DAY, format_duration

MOST_COLUMNS = 4_000
COLUMNS_AN_EVENT = 40
"""Where no share of the requests is declared, this is how many columns of each are looked at, on average."""

_FEWEST_LEARNED = 20  # ticks
_SEASONS_LEARNED = 4  # columns have half of the ticks for their references, and two seasons of the others


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


OPERATIONS = {"traffic": 0.5, "label_coverage": 0.1, "label_delay": 0.5}
"""
What every model is watched for beside its metrics, with margins: the logarithm of a tick's predictions, labels that
came for each of these, and the mean logarithm of seconds that they took.
"""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Watchable(Protocol):
    """What has to be known of a model."""

    @property
    def task(self) -> str:
        """What it answers."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Its metrics."""

    @property
    def slices(self) -> tuple[tuple[str, ...], ...]:
        """Its slices."""


class LimitConfig(_Frozen):
    """What a metric must keep to."""

    at_least: float | SkipJsonSchema[None] = Field(
        default=None, description="It must not be below", json_schema_extra=_without_default
    )
    at_most: float | SkipJsonSchema[None] = Field(
        default=None, description="It must not be above", json_schema_extra=_without_default
    )

    @model_validator(mode="after")
    def _has_one_side(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("needs either `at_least` or `at_most`")
        return self


class WatchConfig(_Frozen):
    """What is watched of one model."""

    metrics: tuple[str, ...] | SkipJsonSchema[None] = Field(
        default=None,
        description="Metrics of the model; all that it has but count and request_rate",
        json_schema_extra=_without_default,
    )
    columns: tuple[Annotated[str, AfterValidator(column_name)], ...] = Field(
        default=(),
        max_length=MOST_COLUMNS,
        description="Columns: score, label, latency_ms, outcome, features.NAME, attributes.NAME",
    )
    slices: Slices = Field(
        default=((),), description="Slices of the model in which metrics are watched apart; the whole always is"
    )
    column_slices: Slices = Field(default=((),), description="Slices in which columns are watched apart, likewise")
    reference: OwnReference = Field(
        default=None,
        description="From what it is learned what is usual; as for all models",
        json_schema_extra=_without_default,
    )
    share: float | SkipJsonSchema[None] = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of requests whose columns are looked at; with up to 40 columns all, with more so many fewer",
        json_schema_extra=_without_default,
    )
    margins: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="By metric: changes up to this, in its own unit, are no alarm"
    )
    limits: dict[str, LimitConfig] = Field(default_factory=dict, description="By metric: what it must keep to")
    detectors: tuple[StreamConfig, ...] = Field(
        default=(),
        description="Detectors of river; their findings are on record, and raise no alert unless that is declared",
    )
    centers: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default_factory=dict, description="By column of numbers: what values are near to, if they are far from zero"
    )
    column_margin: float = Field(default=0.05, ge=0, description="Distances of columns up to this are no alarm")
    severity: Severity = Field(default="page", description="Of alerts about metrics: info, warning or page")
    column_severity: Severity = Field(default="warning", description="Of alerts about columns")
    team: str = Field(default="", description="Whom the alerts are for, as routes name them")
    runbook: str = Field(default="", description="Where it says what to do")

    @property
    def share_seen(self) -> float:
        """Share of requests whose columns are looked at: the declared one, or what keeps the cost of an event low."""
        return min(1.0, COLUMNS_AN_EVENT / max(len(self.columns), 1)) if self.share is None else self.share


class DetectionConfig(_Frozen):
    """The whole section; without models nothing is watched."""

    models: dict[str, WatchConfig] = Field(default_factory=dict, description="What is watched, by model")
    tick: Duration = Field(default=DAY, description="Event time between two looks")
    false_alarm_every: Duration = Field(
        default=30 * DAY, description="There is at most one false alarm a model in so long"
    )
    learn: Duration = Field(default=56 * DAY, description="From how much event time it is learned what is usual")
    season: Duration = Field(default=7 * DAY, description="After which time traffic repeats itself; a tick if never")
    reference: Reference = Field(
        default="first",
        description="From what it is learned what is usual: first, trailing, a period (from, to) or files",
    )

    markers: tuple[MarkerConfig, ...] = Field(
        default=(), description="Moments that may explain a change: beside new versions and decisions of experiments"
    )

    @property
    def ticks_learned(self) -> int:
        """How many ticks are learned from."""
        return self.learn // self.tick

    @property
    def ticks_a_season(self) -> int:
        """How many ticks there are in a season."""
        return max(self.season // self.tick, 1)

    @property
    def fewest_ticks(self) -> int:
        """How many ticks there must be to learn from."""
        seasons = _SEASONS_LEARNED * self.ticks_a_season if self.ticks_a_season > 1 else 0
        return max(_FEWEST_LEARNED, seasons)

    def reference_of(self, watch: WatchConfig) -> AnyReference:
        """Return what a model learns from: its own reference, or that of all."""
        return self.reference if watch.reference is None else watch.reference

    @property
    def files(self) -> tuple[ReferenceFiles, ...]:
        """The reference files that are declared."""
        declared = (self.reference, *(watch.reference for watch in self.models.values()))
        return tuple(dict.fromkeys(one for one in declared if isinstance(one, ReferenceFiles)))

    def found_in(self, directory: Path) -> DetectionConfig:
        """Return the same section, with names of files that are relative to a directory."""

        def found(reference: AnyReference | None) -> AnyReference | None:
            return reference.found_in(directory) if isinstance(reference, ReferenceFiles) else reference

        models = {
            name: watch.model_copy(update={"reference": found(watch.reference)}) for name, watch in self.models.items()
        }
        return self.model_copy(update={"reference": found(self.reference), "models": models})


def check_detection(section: DetectionConfig, models: Mapping[str, Watchable]) -> None:
    """
    Check a section against the models that there are (by name, each with `metrics` and `slices`).

    Raises
    ------
    Problems
        With everything that is wrong.
    """
    found = [*_times(section), *marker_problems(section.markers, models)]
    for name, watch in section.models.items():
        where = ("models", name)
        found += [((*where, *place), text) for place, text in _period(section, watch.reference)]
        if name in models:
            found += [((*where, *place), text) for place, text in _watched(watch, models[name])]
        else:
            found.append((where, f"{shown(name)} is no model of the configuration{unknown(name, models)}"))
    if found:
        raise Problems(found)


def _times(section: DetectionConfig) -> Iterator[Problem]:
    if section.ticks_learned < _FEWEST_LEARNED:
        ticks = f"{section.ticks_learned} ticks of {format_duration(section.tick)}"
        yield ("learn",), f"{format_duration(section.learn)} are {ticks}: at least {_FEWEST_LEARNED} are needed"
    if section.season % section.tick:
        yield (
            ("season",),
            f"{format_duration(section.season)} is no multiple of a tick, {format_duration(section.tick)}",
        )
    if section.ticks_a_season > 1 and section.learn < _SEASONS_LEARNED * section.season:
        learn, season = format_duration(section.learn), format_duration(section.season)
        yield ("learn",), f"{learn} are less than {_SEASONS_LEARNED} seasons of {season}"
    yield from _period(section, section.reference)
    if section.false_alarm_every < section.tick:
        every, tick = format_duration(section.false_alarm_every), format_duration(section.tick)
        yield ("false_alarm_every",), f"{every} is less than a tick, {tick}: there is one look in that time"


def _period(section: DetectionConfig, reference: AnyReference | None) -> Iterator[Problem]:
    """Say what is wrong with a pinned period."""
    if isinstance(reference, PinnedPeriod) and len(reference.ticks(section.tick)) < section.fewest_ticks:
        ticks = f"{len(reference.ticks(section.tick))} whole ticks of {format_duration(section.tick)}"
        yield ("reference",), f"the period has {ticks}: at least {section.fewest_ticks} are needed"


def _watched(watch: WatchConfig, model: Watchable) -> Iterator[Problem]:
    known = {frozenset(one) for one in model.slices}
    named = [("metrics", watch.metrics or ()), ("margins", tuple(watch.margins)), ("limits", tuple(watch.limits))]
    yield from stream_problems(watch, model)
    yield from _centers(watch, model)
    for key, names in named:
        for place, name in enumerate(names):
            if name not in model.metrics and not (key == "margins" and name in OPERATIONS):
                where = (key, place) if key == "metrics" else (key, name)
                yield where, f"{shown(name)} is no metric of the model{unknown(name, model.metrics)}"
    cut = [("slices", one) for one in watch.slices] + [("column_slices", one) for one in watch.column_slices]
    for key, attributes in cut:
        if attributes and frozenset(attributes) not in known:
            yield (key,), f"{shown(list(attributes))} is no slice of the model: add it there as well"


def _centers(watch: WatchConfig, model: Watchable) -> Iterator[Problem]:
    for name in watch.centers:
        if name not in watch.columns:
            yield ("centers", name), f"{shown(name)} is no watched column: add it to `columns`"
        elif not holds_numbers(name, model.task):
            yield ("centers", name), f"{shown(name)} has no numbers: only a column of numbers has a center"
