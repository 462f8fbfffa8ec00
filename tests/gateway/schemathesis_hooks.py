"""What schemathesis is told beyond the document: times of whole minutes in the past, and events one a line."""

from __future__ import annotations

import datetime as dt
import json

import schemathesis
from hypothesis import strategies as st

_TIMES = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2026, 1, 1), timezones=st.just(dt.UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(second=0, microsecond=0)  # those of summaries, and good for all
)
_EVENTS = st.fixed_dictionaries(
    {"type": st.just("outcome"), "event_time": _TIMES.map(dt.datetime.isoformat), "request_id": st.text(min_size=1)},
    optional={"label": st.text() | st.none(), "value": st.floats(allow_nan=False, allow_infinity=False)},
)
_LINES = st.lists(_EVENTS, min_size=1, max_size=20).map(lambda events: "\n".join(map(json.dumps, events)).encode())

schemathesis.openapi.format("date-time", _TIMES.map(dt.datetime.isoformat))
schemathesis.openapi.media_type("application/x-ndjson", _LINES)


_WHOLE = ("event_time", "revision", "seconds", "n", "score_n")


@schemathesis.hook
def map_body(context: object, body: object) -> object:  # noqa: ARG001 - what a hook is called with
    """Write whole numbers without a point: to JSON Schema 1.0 is an integer, to the reader of events it is none."""
    for event in body if isinstance(body, list) else []:
        if isinstance(event, dict):
            event.update({name: _whole(event[name]) for name in _WHOLE if name in event})
    return body


def _whole(number: object) -> object:
    return int(number) if isinstance(number, float) and number.is_integer() else number
