"""
The section `sampling`: which raw events of each model are kept, beside the share that `samples` keeps of all.

A policy says in one of four ways which predictions it keeps more of: `by`, `keep`, `where` or `once_known`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from streams.config.fields import IN_FILE, MAX_ATTRIBUTES, Duration, Label
from streams.config.problems import Problem, Problems, parse_list, shown, unknown
from streams.core.assertion.errors import ExpressionError
from streams.core.assertion.parse import parse_condition
from streams.core.metric.base import Task
from streams.core.sampling.plan import Budget, BySlice, Hold, InFull, Plan, Policy, Rows, Targeted
from streams.core.window_spec import HOUR, format_duration

Shows = Literal["error", "complaint", "crash", "override", "edit"]
"""What shows only after a prediction: that it was wrong, or what users did about it."""

_HELD_BYTES = 64 << 20
_WRONG: frozenset[Task] = frozenset(("binary", "multiclass"))  # whose answers are either right or wrong
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {"by": ("by", "per_hour", "start"), "keep": ("keep",), "where": ("where", "rate", "from", "to")}
_KINDS |= {"once_known": ("once_known",)}


def _time(value: object, info: ValidationInfo) -> int:
    """Times are text in the file, UTC where they name no zone; code may give microseconds."""
    if info.context is not IN_FILE and type(value) is int:
        return value
    try:
        time = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(
            f"{shown(value)} is no time: write a day such as 2026-03-01, or 2026-03-01T12:00:00Z"
        ) from None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _written(time: int) -> str:
    return (_EPOCH + timedelta(microseconds=time)).isoformat()


def _attributes(value: object) -> tuple[str, ...]:
    return parse_list(value, _attribute, str)


def _attribute(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{shown(value)} is no attribute name: write it as text")
    return value


def _shows(value: object) -> tuple[str, ...]:
    return parse_list(value, _show, str)


def _show(value: object) -> str:
    if value not in get_args(Shows):
        raise ValueError(f"{shown(value)} does not show later{unknown(str(value), get_args(Shows))}")
    return str(value)


def _values(value: object) -> object:
    """Read one value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


Time = Annotated[
    int,
    PlainValidator(_time),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}),
]
Attributes = Annotated[
    tuple[str, ...],
    Field(min_length=1, max_length=MAX_ATTRIBUTES),
    BeforeValidator(_attributes, json_schema_input_type=list[str]),
]
Showing = Annotated[tuple[Shows, ...], Field(min_length=1), BeforeValidator(_shows, json_schema_input_type=list[Shows])]
Rate = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Values = Annotated[
    tuple[Label, ...],
    Field(min_length=1),
    BeforeValidator(_values, json_schema_input_type=Label | list[Label]),
]


def _optional(description: str, alias: str | None = None) -> Any:
    """Describe a key that may be left out, and has no default that could be written instead."""
    return Field(default=None, alias=alias, description=description, json_schema_extra=_never_null)


def _never_null(schema: dict[str, Any]) -> None:
    """Allow a value only: null is what stands for a key that was left out."""
    del schema["default"]
    options = [one for one in schema.pop("anyOf") if one != {"type": "null"}]
    schema |= options[0] if len(options) == 1 else {"anyOf": options}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PolicyConfig(_Frozen):
    """One policy: one of `by`, `keep`, `where` and `once_known`, with what belongs to it."""

    by: Attributes | None = _optional("Attributes: each combination of their values has its own rate")
    per_hour: Positive | None = _optional("With `by`: how many events of each combination are aimed at in an hour")
    start: Annotated[float, Field(strict=True, gt=0, le=1)] | None = _optional(
        "With `by`: the rate of a combination that has no past; 0.1"
    )
    keep: str | None = _optional("An expression: predictions of which it is true are all kept")
    where: dict[str, Values] | None = _optional("Attributes, and the value or values of each; {} for all predictions")
    rate: Rate | None = _optional("With `where`: the share of those that is kept")
    begin: Time | None = _optional("With `where`: from which event time on", "from")
    end: Time | None = _optional("With `where`: before which event time", "to")
    once_known: Showing | None = _optional("What is all kept once it shows: " + ", ".join(get_args(Shows)))

    @field_validator("keep")
    @classmethod
    def _can_be_read(cls, text: str | None) -> str | None:
        if text is not None:
            parse_condition(text)
        return text

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        given = [_alias(name) for name in type(self).model_fields if getattr(self, name) is not None]
        kinds = [kind for kind in _KINDS if kind in given]
        if len(kinds) != 1:
            says = f"has several policies ({', '.join(kinds)})" if kinds else "has no policy"
            raise ValueError(f"{says}: write one of {', '.join(_KINDS)}")
        foreign = [key for key in given if key not in _KINDS[kinds[0]]]
        if foreign:
            raise ValueError(f"`{foreign[0]}` does not belong to `{kinds[0]}`, which has {', '.join(_KINDS[kinds[0]])}")
        needed = {"by": "per_hour", "where": "rate"}.get(kinds[0])
        if needed and needed not in given:
            raise ValueError(f"`{kinds[0]}` needs `{needed}`")
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise ValueError(f"`from`, {_written(self.begin)}, must be before `to`, {_written(self.end)}")
        return self

    def policy(self) -> Policy | None:
        """Return the policy as the core knows it; None for what is kept once it is known."""
        if self.by is not None and self.per_hour is not None:
            return BySlice(self.by, float(self.per_hour), self.start or 0.1)
        if self.keep is not None:
            return InFull(parse_condition(self.keep))
        if self.where is not None and self.rate is not None:
            return Targeted(tuple(self.where.items()), self.rate, self.begin, self.end)
        return None


class ReservoirConfig(_Frozen):
    """Raw rows that land in any case."""

    per: Duration = Field(default=HOUR, description="Windows of event time: a part of an hour, or several")
    rows: Positive = Field(description="How many rows of each window")

    @field_validator("per")
    @classmethod
    def _fits_hours(cls, per: int) -> int:
        if HOUR % per and per % HOUR:
            raise ValueError(f"{format_duration(per)} neither divides an hour nor is a multiple of one")
        return per


class BudgetConfig(_Frozen):
    """What may land in an hour of event time."""

    events_per_hour: Positive | None = _optional("How many events at most")
    bytes_per_hour: Positive | None = _optional("How many bytes at most")

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.events_per_hour is None and self.bytes_per_hour is None:
            raise ValueError("needs `events_per_hour` or `bytes_per_hour`")
        return self


class HoldConfig(_Frozen):
    """How predictions wait for what is kept once it is known."""

    time: Duration | None = _optional("For how long, at most; the model's label horizon", "for")
    size: Positive = Field(
        default=_HELD_BYTES,
        alias="bytes",
        description="How many bytes of raw rows in all; each hour has an equal share",
    )

    def hold(self, horizon: int) -> Hold:
        """Return the bounds as the core knows them."""
        time = min(horizon, horizon if self.time is None else self.time)
        return Hold(time, max(1, self.size // max(1, -(-time // HOUR))))


class ModelSamplingConfig(_Frozen):
    """How one model is sampled."""

    rate: Rate | None = _optional("Share of predictions that is kept whatever policies say; that of `samples`")
    policies: tuple[PolicyConfig, ...] = Field(default=(), description="What more of is kept; the largest share counts")
    reservoir: ReservoirConfig | None = _optional("Raw rows that land in any case")
    budget: BudgetConfig | None = _optional("What may land in an hour; a reservoir's rows come on top")
    hold: HoldConfig | None = _optional("How predictions wait for what `once_known` keeps")

    @model_validator(mode="after")
    def _holds_for_something(self) -> Self:
        if self.hold is not None and not any(policy.once_known for policy in self.policies):
            raise ValueError("`hold` is for what a policy keeps with `once_known`, and there is none: leave it out")
        return self


class SamplingConfig(_Frozen):
    """The whole section; a model that is not named is sampled by `samples`."""

    models: dict[str, ModelSamplingConfig] = Field(default_factory=dict, description="How models are sampled, by name")
    salt: str = Field(default="", description="Draws all samples anew, independent of those of other salts")


class Sampled(Protocol):
    """What has to be known of a model."""

    @property
    def task(self) -> Task:
        """What it does."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes of its slices."""


def plan_of(section: SamplingConfig, model: str, share: float, horizon: int) -> Plan:
    """
    Return the plan of a model.

    Parameters
    ----------
    section
        What is declared.
    model
        Its name.
    share
        That of `samples`, for what the section does not say.
    horizon
        How long its labels may take, us.
    """
    declared = section.models.get(model, ModelSamplingConfig())
    policies = [one.policy() for one in declared.policies]
    budget, reservoir = declared.budget, declared.reservoir
    once_known = frozenset(name for one in declared.policies for name in one.once_known or ())
    return Plan(
        rate=share if declared.rate is None else declared.rate,
        policies=tuple(one for one in policies if one is not None),
        once_known=once_known,
        reservoir=Rows(reservoir.per, reservoir.rows) if reservoir else None,
        budget=Budget(budget.events_per_hour, budget.bytes_per_hour) if budget else None,
        hold=(declared.hold or HoldConfig()).hold(horizon) if once_known else None,
        salt=section.salt,
    )


def check_sampling(
    section: SamplingConfig, models: Mapping[str, Sampled], columns: Mapping[str, Collection[str]]
) -> None:
    """
    Check a section against the models that there are.

    Parameters
    ----------
    section
        The section.
    models
        The models by name.
    columns
        Columns that were declared for each elsewhere, such as "features.amount". Attributes are those and the ones of
        the model's slices; where a model has none, and likewise no features, names of these are not checked.

    Raises
    ------
    Problems
        With everything that does not fit.
    """
    found: list[Problem] = []
    for name, declared in section.models.items():
        if name not in models:
            found.append((("models", name), f"{shown(name)} is no model of the configuration{unknown(name, models)}"))
            continue
        known = {*columns.get(name, ()), *(f"attributes.{attribute}" for attribute in models[name].attributes)}
        for place, policy in enumerate(declared.policies):
            where = ("models", name, "policies", place)
            found += [((*where, *key), text) for key, text in _unfit(policy, models[name], known)]
    if found:
        raise Problems(found)


def _unfit(policy: PolicyConfig, model: Sampled, known: Collection[str]) -> Iterator[Problem]:
    attributes = [one.removeprefix("attributes.") for one in known if one.startswith("attributes.")]
    named: list[tuple[int | str, ...]] = [("by", place) for place in range(len(policy.by or ()))]
    for where, name in zip(named, policy.by or (), strict=True):
        yield from ((where, text) for text in _unknown_attribute(name, attributes))
    for name in policy.where or {}:
        yield from ((("where", name), text) for text in _unknown_attribute(name, attributes))
    if policy.keep is not None:
        try:
            parse_condition(policy.keep, known)
        except ExpressionError as error:
            yield ("keep",), str(error)
    if "error" in (policy.once_known or ()) and model.task not in _WRONG:
        tasks = " and ".join(sorted(_WRONG))
        yield ("once_known",), f'"error" is for {tasks} models: what is wrong of a {model.task} one is not yes or no'


def _unknown_attribute(name: str, attributes: Collection[str]) -> Iterator[str]:
    if attributes and name not in attributes:
        yield f"{shown(name)} is in no slice and no watched column of the model{unknown(name, attributes)}"


def _alias(name: str) -> str:
    return PolicyConfig.model_fields[name].alias or name
