"""
The events as services write them, with exactly the fields of `schemas/*.avsc`.

Nothing is checked when an event is made, so that making one never raises for what it holds; `pack` checks it when it
is emitted. `docs/events.md` says what each field means.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Annotated, Any

import msgspec

from streams.codecs.jsonl import Long

Time = Long | Annotated[dt.datetime, msgspec.Meta(tz=True)]
"""Microseconds since 1970, UTC, or a datetime with a timezone."""


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1_000


class Prediction(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a model answered, written when it answers."""

    request_id: str | None = None
    prediction_id: str
    event_time: Time = msgspec.field(default_factory=now)
    model: str
    version: str
    role: str = "live"
    unit_id: str | None = None
    score: float | None = None
    label: str | None = None
    ranking: list[str] | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    features: dict[str, float] = msgspec.field(default_factory=dict)
    latency_ms: float | None = None
    assignments: dict[str, str] = msgspec.field(default_factory=dict)
    inclusion_probability: float = 1.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The truth about a request, written when it becomes known, and again when it is corrected."""

    request_id: str | None = None
    prediction_id: str | None = None
    event_time: Time = msgspec.field(default_factory=now)
    label: str | None = None
    value: float | None = None
    source: str = "observed"
    revision: Long = 0
    inclusion_probability: float = 1.0


class Feedback(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a user did about an answer."""

    feedback_id: str
    request_id: str | None = None
    prediction_id: str | None = None
    unit_id: str | None = None
    event_time: Time = msgspec.field(default_factory=now)
    kind: str
    value: float | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Sums of the predictions of some seconds in one slice, with exactly the fields of `schemas/summary.avsc`."""

    summary_id: str
    event_time: int
    seconds: int = 60
    model: str
    version: str
    role: str = "live"
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    n: int
    weight: float
    square: float
    latency_bin: list[int] | None = None
    latency_n: list[int] | None = None
    latency_weight: list[float] | None = None
    latency_square: list[float] | None = None
    score_n: int | None = None
    score_weight: float | None = None
    score_square: float | None = None
    score_weight_sum: float | None = None
    score_square_sum: float | None = None
    score_square_squares: float | None = None

    def record(self) -> dict[str, Any]:
        """Fields by name, as the codecs write them."""
        return msgspec.structs.asdict(self)


Event = Prediction | Outcome | Feedback | Summary
