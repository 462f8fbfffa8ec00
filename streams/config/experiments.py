"""
The section `experimentation`: which experiments there are, who is in them, and by what they are judged.

What assignment needs is read by `streams.experiments`, which services use without the rest of this package; here the
section becomes frozen objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from streams.config.experiment_problems import Direction, Tasks, direction_of, refuse_problems
from streams.config.fields import Duration
from streams.core.alert.rule import Severity
from streams.core.window_spec import HOUR
from streams.experiments.allocation import Allocation
from streams.experiments.assignment import Experiments
from streams.experiments.planning import Request, requests
from streams.experiments.slots import DEFAULT_SLOTS, FEWEST_SLOTS, MOST_SLOTS, RANGE_PATTERN


def _by_name(value: object) -> object:
    """Take the name of a metric for a metric of which nothing more is said."""
    return {"metric": value} if isinstance(value, str) else value


def _optional(description: str, alias: str | None = None) -> Any:
    """Describe a key that may be left out, and has no default that could be written instead."""
    return Field(default=None, alias=alias, description=description, json_schema_extra=_drop_default)


def _drop_default(schema: dict[str, Any]) -> None:
    del schema["default"]


Absent = SkipJsonSchema[None]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Range = Annotated[str, Field(pattern=f"^{RANGE_PATTERN}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Measure(_Frozen):
    """A metric by which arms are compared, and which way it is better."""

    metric: str = Field(description="A metric of the model")
    direction: Direction | Absent = Field(
        default_factory=lambda data: direction_of(data["metric"]),
        description="Which way it is better; for most metrics that is known",
    )


class Guardrail(Measure):
    """A metric that must not get worse by more than its margin."""

    margin: float = Field(default=0.0, ge=0, description="How much worse is still allowed, in the metric's own unit")


class MetricsConfig(_Frozen):
    """By what an experiment is judged."""

    primary: tuple[Annotated[Measure, BeforeValidator(_by_name, str | Measure)], ...] = Field(
        default=(), description="What it should make better"
    )
    guardrail: tuple[Annotated[Guardrail, BeforeValidator(_by_name, str | Guardrail)], ...] = Field(
        default=(), description="What it must not make worse"
    )
    exploratory: tuple[Annotated[Measure, BeforeValidator(_by_name, str | Measure)], ...] = Field(
        default=(), description="What is shown as well, without a decision"
    )


class LayerConfig(_Frozen):
    """Units divided into slots; experiments that share them exclude one another."""

    slots: int = Field(
        default=DEFAULT_SLOTS, ge=FEWEST_SLOTS, le=MOST_SLOTS, description="How many equal shares there are"
    )
    salt: str | Absent = _optional("What units are hashed with; the layer's name")


class SegmentConfig(_Frozen):
    """A named list: of units, or of values of an attribute."""

    units: tuple[str, ...] | Absent = _optional("Ids of units")
    attribute: str | Absent = _optional("Name of an attribute")
    values: tuple[str, ...] | Absent = _optional("Values of the attribute")


class HoldoutConfig(_Frozen):
    """A share of units that is kept out of experiments."""

    share: Share = Field(description="Which share; more only adds units")
    layers: tuple[str, ...] | Absent = _optional("Which layers it is about; all")
    unit: Literal["unit_id", "request_id"] = Field(default="unit_id", description="What is kept out")
    salt: str | Absent = _optional("What units are hashed with; the holdout's name")


class Condition(_Frozen):
    """What is asked of attributes and units: one of `attribute`, with tests, `segment`, `all`, `any` or `not`."""

    attribute: str | Absent = _optional("Name of the attribute that the tests beside it are about")
    equals: str | Absent = _optional("It is this text")
    in_: tuple[str, ...] | Absent = _optional("It is one of these texts", "in")
    less_than: float | Absent = _optional("It is a number below")
    at_most: float | Absent = _optional("It is a number up to")
    more_than: float | Absent = _optional("It is a number above")
    at_least: float | Absent = _optional("It is a number from")
    starts_with: str | Absent = _optional("It begins so")
    version_below: str | Absent = _optional("It is an earlier version, such as 4.9 is before 4.10")
    version_at_least: str | Absent = _optional("It is that version or a later one")
    present: bool | Absent = _optional("Whether it is there")
    segment: str | Absent = _optional("Name of a segment")
    all_: tuple[Condition, ...] | Absent = _optional("All of these hold", "all")
    any_: tuple[Condition, ...] | Absent = _optional("One of these holds", "any")
    not_: Condition | Absent = _optional("This does not hold", "not")


class RuleConfig(_Frozen):
    """For whom, and for which share of them."""

    when: Condition | Absent = _optional("A condition on attributes; everybody without one")
    share: Share = Field(default=1.0, description="Which share of them; more only adds units")


class ExperimentConfig(_Frozen):
    """One experiment."""

    model: str | Absent = _optional("The model whose predictions are compared")
    models: tuple[str, ...] | Absent = _optional("Several models, instead of `model`")
    layer: str | Absent = _optional("The layer that it shares with others; one of its own")
    slots: tuple[Range | int, ...] | Absent = _optional("Slots of the layer: [0-999, 2000-2999]")
    traffic: Share | Absent = _optional("Share of the layer")
    queue: Count | Absent = _optional("Place among those that wait for slots of the layer")
    unit: Literal["unit_id", "request_id"] = Field(default="unit_id", description="What is assigned to arms")
    arms: dict[str, Weight] = Field(min_length=2, description="Weight by arm, at least two")
    control: str = Field(
        default_factory=lambda data: next(iter(data["arms"])),
        description="The arm that others are compared with; the first",
    )
    rules: tuple[RuleConfig, ...] = Field(default=(), description="The first rule that matches says which share is in")
    whitelist: dict[str, str] = Field(default_factory=dict, description="Arm by unit, whatever else is declared")
    enabled: bool = Field(default=True, description="The kill switch: false puts everybody out")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Expressions by name")
    defaults: dict[str, Any] = Field(default_factory=dict, description="Parameters outside of the experiment")
    salt: str | Absent = _optional("What units are hashed with; the experiment's name")
    metrics: MetricsConfig = Field(default_factory=MetricsConfig, description="By what it is judged")
    minimum_effect: Above | Absent = _optional("The smallest effect on primary metrics that matters, in their own unit")
    alpha: float = Field(default=0.05, gt=0, lt=1, description="How often a difference may be seen where there is none")
    power: float = Field(default=0.8, gt=0, lt=1, description="How often an effect that matters should be seen")
    planned: Count | Absent = _optional("How many units are expected in all arms together")
    maximum_duration: Duration | Absent = _optional("How long it may run")
    severity: Severity | Absent = _optional(
        "Of alerts about harm and wrong arms; page where guardrails are all that it has, as for a canary, else warning"
    )
    team: str | Absent = _optional("Whom these are for; whom those about the model are for")

    @property
    def is_canary(self) -> bool:
        """Whether it is there only to show that a change does no harm: it has guardrails and nothing to make better."""
        return bool(self.metrics.guardrail) and not self.metrics.primary

    @property
    def urgency(self) -> Severity:
        """How urgent it is that it does harm, or that its arms are wrong."""
        return self.severity or ("page" if self.is_canary else "warning")

    @property
    def judged(self) -> tuple[str, ...]:
        """The models whose predictions are compared."""
        return self.models or (() if self.model is None else (self.model,))


class ExperimentationConfig(_Frozen):
    """The whole section. That its parts fit together is checked before anything else."""

    experiments: dict[str, ExperimentConfig] = Field(default_factory=dict, description="The experiments by name")
    layers: dict[str, LayerConfig] = Field(default_factory=dict, description="Layers that experiments share")
    segments: dict[str, SegmentConfig] = Field(default_factory=dict, description="Named lists that rules refer to")
    holdouts: dict[str, HoldoutConfig] = Field(default_factory=dict, description="Who is kept out")
    tick: Duration = Field(default=HOUR, description="Event time between two looks at the experiments")

    @model_validator(mode="before")
    @classmethod
    def _is_sound(cls, data: object) -> object:
        refuse_problems(_written(data), None)
        return data

    def plain(self) -> dict[str, Any]:
        """Return the section as it was declared."""
        return _dump(self)

    def assignment(self, allocation: Allocation | None = None) -> Experiments:
        """Return what decides, as services have it. Raises ExperimentsError if the allocation does not fit."""
        return Experiments.parse(self.plain(), allocation)

    def requests(self) -> dict[str, Request]:
        """Return what each experiment asks of its layer, for `plan`."""
        durations = {
            name: experiment.maximum_duration
            for name, experiment in self.experiments.items()
            if experiment.maximum_duration is not None
        }
        return requests(self.assignment().declaration, durations)

    def layer_slots(self) -> dict[str, int]:
        """Return the number of slots of every layer, those of single experiments included, for `plan`."""
        return {name: layer.slots for name, layer in self.assignment().declaration.layers.items()}


def check_against_models(section: object, tasks: Tasks | None) -> None:
    """Check a section as it was written, or as it was made in code. Raises Problems with everything that is wrong."""
    refuse_problems(_written(section), tasks)


def _dump(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _written(section: object) -> object:
    """Write a section down of which some parts, or all, are objects already."""
    if isinstance(section, BaseModel):
        return _dump(section)
    if not isinstance(section, Mapping):
        return section
    return {key: _named(part) if isinstance(part, Mapping) else part for key, part in section.items()}


def _named(part: Mapping[str, object]) -> dict[str, object]:
    return {name: _dump(inner) if isinstance(inner, BaseModel) else inner for name, inner in part.items()}
