"""Detectors of river as they are declared for a model: which, of what and where, and if they alert."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from streams.config.fields import Label, OneOrEach

Severity = Literal["info", "warning", "page"]

USUAL_ERRORS, MOST_ERRORS = 200, 10_000
"""Single errors a tick that a detector sees unless declared otherwise, and at most."""


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _unsaid(value: object) -> bool:
    """Whether a key goes without saying: state that is older than the key does not name it either."""
    return not value


class StreamConfig(BaseModel):
    """A detector of river, over single errors or over the ticks of a metric or column, of the whole or of slices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str = Field(
        description="adwin, page_hinkley, kswin, or, for single errors only, ddm, eddm, hddm_a, hddm_w, fhddm"
    )
    metric: str | SkipJsonSchema[None] = Field(
        default=None,
        description="A metric of the model, of which each tick is one number; single errors without one or a column",
        json_schema_extra=_without_default,
    )
    column: str | SkipJsonSchema[None] = Field(
        default=None,
        description="A watched column, of which each tick is one number: the mean of its numbers",
        json_schema_extra=_without_default,
        exclude_if=_unsaid,
    )
    value: Label | SkipJsonSchema[None] = Field(
        default=None,
        description="Of a column of categories: the one whose share each tick is",
        json_schema_extra=_without_default,
        exclude_if=_unsaid,
    )
    missing: bool = Field(
        default=False,
        description="Whether each tick is the share of predictions that have no value in the column",
        exclude_if=_unsaid,
    )
    slice: OneOrEach = Field(
        default=(),
        description="A slice, by the values of its attributes, or attributes for each slice by these; the whole",
        exclude_if=_unsaid,
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
        if self.metric is not None and self.column is not None:
            raise ValueError(f"{self.metric} and {self.column} are two things: declare a detector for each")
        if self.column is None and (self.value is not None or self.missing):
            raise ValueError("`value` and `missing` say what is seen of a column: name a `column`")
        if self.value is not None and self.missing:
            raise ValueError(f"shares of {self.value} and of what is missing are two: declare a detector for each")
        of = self.metric or self.column
        if of is not None and (self.errors_a_tick is not None or self.error_above is not None):
            raise ValueError(f"a tick of {of} is one number: errors are of detectors without a metric or column")
        if self.is_binary and of is not None:
            raise ValueError(f"{self.detector} takes single errors; a tick of {of} is a mean: leave it out")
        return self

    @property
    def is_binary(self) -> bool:
        """Whether the detector takes nothing but right and wrong."""
        from streams.core.detect.stream.catalogue import detector_for  # noqa: PLC0415 - imports river, which takes a second

        return detector_for(self.detector, **self.parameters).binary

    @property
    def sees_errors(self) -> bool:
        """Whether it sees single errors."""
        return self.metric is None and self.column is None

    @property
    def most(self) -> int:
        """How many single errors of a slice's tick it sees at most; none if it watches a metric or column."""
        return (self.errors_a_tick or USUAL_ERRORS) if self.sees_errors else 0

    @property
    def attributes(self) -> tuple[str, ...]:
        """By which attributes its slices are; none for the whole."""
        return tuple(self.slice)

    @property
    def values(self) -> tuple[str, ...]:
        """The values of its attributes; none where it watches each slice by these."""
        return tuple(self.slice.values()) if isinstance(self.slice, dict) else ()
