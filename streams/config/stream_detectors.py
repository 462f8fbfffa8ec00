"""Detectors of river as they are declared for a model: which, of what, with which parameters, and if they alert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from streams.config.problems import Problem, shown, unknown

Severity = Literal["info", "warning", "page"]

USUAL_ERRORS, MOST_ERRORS = 200, 10_000
"""Single errors a tick that a detector sees unless declared otherwise, and at most."""


class Fallible(Protocol):
    """What has to be known of a model."""

    @property
    def task(self) -> str:
        """What it answers."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Its metrics."""


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class StreamConfig(BaseModel):
    """A detector of river, over single errors or over the ticks of a metric."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str = Field(
        description="adwin, page_hinkley, kswin, or, for single errors only, ddm, eddm, hddm_a, hddm_w, fhddm"
    )
    metric: str | SkipJsonSchema[None] = Field(
        default=None,
        description="A metric of the model, of which each tick is one number; without it single errors are seen",
        json_schema_extra=_without_default,
    )
    errors_a_tick: int | SkipJsonSchema[None] = Field(
        default=None,
        ge=1,
        le=MOST_ERRORS,
        description="How many single errors of a tick are seen at most; 200",
        json_schema_extra=_without_default,
    )
    error_above: float | SkipJsonSchema[None] = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="How far an answer may be from the truth without being an error, where answers are numbers",
        json_schema_extra=_without_default,
    )
    parameters: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="Those that are not to have river's default"
    )
    severity: Severity | SkipJsonSchema[None] = Field(
        default=None,
        description="Of the alert that it raises, with no promise of how often that is false; without it, none",
        json_schema_extra=_without_default,
    )

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if self.metric is not None and (self.errors_a_tick is not None or self.error_above is not None):
            raise ValueError(f"a tick of {self.metric} is one number: errors are of detectors without a metric")
        if self.is_binary and self.metric is not None:
            raise ValueError(f"{self.detector} takes single errors; a tick of {self.metric} is a mean: leave it out")
        return self

    @property
    def is_binary(self) -> bool:
        """Whether the detector takes nothing but right and wrong."""
        from streams.core.detect.stream.catalogue import detector_for  # noqa: PLC0415 - imports river, which takes a second

        return detector_for(self.detector, **self.parameters).binary

    @property
    def most(self) -> int:
        """How many single errors of a tick it sees at most; none if it watches a metric."""
        return 0 if self.metric is not None else self.errors_a_tick or USUAL_ERRORS


def stream_problems(detectors: Sequence[StreamConfig], model: Fallible) -> Iterator[Problem]:
    """Say what does not fit the model."""
    seen = set[tuple[str, str | None]]()
    for number, one in enumerate(detectors):
        where = ("detectors", number)
        if (one.detector, one.metric) in seen:
            yield (
                (*where, "detector"),
                f"{one.detector} is declared twice for the same: the two could not be told apart",
            )
        seen.add((one.detector, one.metric))
        if one.metric is None:
            yield from ((where, text) for text in _of_errors(one, model))
        elif one.metric not in model.metrics:
            yield (
                (*where, "metric"),
                f"{shown(one.metric)} is no metric of the model{unknown(one.metric, model.metrics)}",
            )


def _of_errors(one: StreamConfig, model: Fallible) -> Iterator[str]:
    if model.task == "none":
        yield "the model has the task none, and so no errors: name a `metric`"
    elif model.task == "regression" and one.is_binary and one.error_above is None:
        yield f"{one.detector} takes right and wrong only: say with `error_above` which answers are wrong"
    elif model.task != "regression" and one.error_above is not None:
        yield f"answers of the task {model.task} are right or wrong by themselves: `error_above` is for numbers"
