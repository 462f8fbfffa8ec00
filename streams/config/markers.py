"""Markers: moments that the configuration declares, which may explain a change: a migration, a new supplier of data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from streams.config.problems import Problem, shown, unknown
from streams.config.references import instant, written_instant

Instant = Annotated[
    int,
    PlainValidator(instant),
    PlainSerializer(written_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class MarkerConfig(BaseModel):
    """One marker: alerts and `streams alerts changes` name it beside changes that began soon after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200, description="What happened, in a few words")
    time: Instant = Field(description="When: a date, or a date with a time, of UTC unless it says otherwise")
    models: tuple[str, ...] = Field(default=(), description="Models that it may have changed; all if none is named")

    def concerns(self, model: str) -> bool:
        """Whether a model may have been changed by it."""
        return not self.models or model in self.models


def marker_problems(markers: Iterable[MarkerConfig], models: Iterable[str]) -> Iterator[Problem]:
    """Say which markers name models that there are not."""
    known = tuple(models)
    for place, marker in enumerate(markers):
        for at, name in enumerate(marker.models):
            if name not in known:
                text = f"{shown(name)} is no model of the configuration{unknown(name, known)}"
                yield ("markers", place, "models", at), text
