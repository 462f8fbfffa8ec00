"""Events for the tests of emitting: any that a message can hold, and plain ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from streams.emit import Event, Feedback, KafkaConfig, Outcome, Prediction

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_ID = _TEXT | st.none()
_FILLED = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_NUMBER = st.floats(allow_nan=False, allow_infinity=False)
_LONG = st.integers(-(1 << 63), (1 << 63) - 1)
_ZONES = st.integers(-720, 720).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
_LABELS = st.dictionaries(_TEXT, _TEXT, max_size=3)
TIMES = _LONG | st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=_ZONES)  # noqa: DTZ001

PREDICTIONS = st.builds(
    Prediction,
    request_id=_ID,
    prediction_id=_FILLED,
    event_time=TIMES,
    model=_TEXT,
    version=_TEXT,
    role=_TEXT,
    unit_id=_ID,
    score=st.none() | _NUMBER,
    label=_ID,
    ranking=st.none() | st.lists(_TEXT, max_size=3),
    attributes=_LABELS,
    features=st.dictionaries(_TEXT, _NUMBER, max_size=3),
    latency_ms=st.none() | _NUMBER,
    assignments=_LABELS,
    inclusion_probability=_NUMBER,
)
OUTCOMES = st.builds(
    Outcome,
    request_id=_FILLED,
    prediction_id=_ID,
    event_time=TIMES,
    label=_ID,
    value=st.none() | _NUMBER,
    source=_TEXT,
    revision=_LONG,
    inclusion_probability=_NUMBER,
)
FEEDBACK = st.builds(
    Feedback,
    feedback_id=_TEXT,
    request_id=_ID,
    prediction_id=_FILLED,
    unit_id=_ID,
    event_time=TIMES,
    kind=_TEXT,
    value=st.none() | _NUMBER,
)
EVENTS: st.SearchStrategy[Event] = PREDICTIONS | OUTCOMES | FEEDBACK


def prediction(number: int = 0, **fields: Any) -> Prediction:
    """Return a prediction that nothing is wrong with; `fields` may be of any type."""
    known: dict[str, Any] = {"prediction_id": f"p{number}", "model": "m", "version": "1", "score": 0.5}
    return Prediction(**(known | fields))


def nowhere(port: int, host: str = "127.0.0.1") -> KafkaConfig:
    """Return a configuration whose broker is away."""
    return KafkaConfig(brokers=(f"{host}:{port}",))
