"""Events: they have the schemas' fields, are checked without raising, and become the messages of `streams emit`."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.jsonl import decode_lines
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums
from streams.core.block import MAX_RECORD_BYTES, EventType
from streams.emit import Event, Feedback, Outcome, Prediction, Summary
from streams.emit.packing import MAX_PACKED_BYTES, Packed, Refusal, encode, pack
from streams.runtime.emit import EmitReport, Records, records_of
from tests.emit.example_events import EVENTS, prediction

REGISTRY = SchemaRegistry.load(default_schema_dir())
PARTITIONS = 7
KINDS: dict[type, EventType] = {Prediction: "prediction", Outcome: "outcome", Feedback: "feedback", Summary: "summary"}


def as_line(event: Event) -> bytes:
    """Write an event as a line of JSON, as a person would."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    time = fields["event_time"]
    written = time.isoformat() if isinstance(time, dt.datetime) else time
    return json.dumps({"type": KINDS[type(event)], **fields, "event_time": written}).encode()


def by_the_command(event: Event) -> Records:
    """Return what `streams emit` publishes for an event in a file."""
    block = decode_lines([as_line(event)], "file", [0])
    report = EmitReport({})
    ((batch,), rejects) = block.batches, block.rejects
    records = records_of(batch, PARTITIONS, REGISTRY, report)

    assert (rejects, report.rejected) == ((), 0)
    return records


def packed(event: Event) -> Packed:
    found = pack(event)
    assert isinstance(found, Packed), found
    return found


def refused(event: Any) -> Refusal:
    found = pack(event)
    assert isinstance(found, Refusal), found
    return found


@pytest.mark.parametrize("type_", get_args(Event))
def test_fields_are_those_of_the_schema(type_: type[msgspec.Struct]) -> None:
    """Each event has the schema's fields in its order; with a default, the same one; the time's is now."""
    schema = REGISTRY.current[KINDS[type_]]["fields"]
    ours = {field.name: field for field in msgspec.structs.fields(type_)}

    assert list(ours) == [field["name"] for field in schema]
    for field in schema:
        mine = ours[field["name"]]
        made = msgspec.NODEFAULT if mine.default_factory is msgspec.NODEFAULT else mine.default_factory()
        if field["name"] == "event_time" and not mine.required:
            assert abs(dt.datetime.now(dt.UTC) - dt.datetime.fromtimestamp(made / 1e6, dt.UTC)) < dt.timedelta(days=1)
        elif "default" in field:
            assert field["default"] == (mine.default if made is msgspec.NODEFAULT else made)
        else:
            assert mine.required


@given(EVENTS)
def test_an_event_is_the_message_that_the_command_makes_of_it(event: Event) -> None:
    """Key, partition and value are byte for byte those of `streams emit` for the same event in a file."""
    wanted = by_the_command(event)
    found = packed(event)
    messages = encode(found.kind, [found.data], PARTITIONS, REGISTRY)

    assert (messages.keys, messages.values) == (wanted.keys, wanted.values)
    assert messages.partitions.tolist() == wanted.partitions.tolist()


def test_a_summary_is_the_message_that_the_command_makes_of_it() -> None:
    """Key, partition and value of a summary too."""
    bins: dict[str, Any] = {
        "latency_bin": [700, 701],
        "latency_n": [2, 3],
        "latency_weight": [2.0, 3.0],
        "latency_square": [2.0, 3.0],
    }
    made = Summary(summary_id="s", event_time=60_000_000, model="m", version="1", n=5, weight=5.0, square=5.0, **bins)
    wanted, found = by_the_command(made), packed(made)
    messages = encode(found.kind, [found.data], PARTITIONS, REGISTRY)

    assert (messages.keys, messages.values) == (wanted.keys, wanted.values)
    assert messages.partitions.tolist() == wanted.partitions.tolist()
    assert encode(found.kind, [found.data], PARTITIONS, REGISTRY, singly=True).values == messages.values


@given(st.lists(EVENTS, min_size=1, max_size=20))
def test_many_are_encoded_as_one_by_one(events: list[Event]) -> None:
    """Encoding many at once gives, in their order, what each gives alone."""
    for kind in KINDS.values():
        data = [each.data for each in map(packed, events) if each.kind == kind]
        if data:
            together = encode(kind, data, PARTITIONS, REGISTRY)
            alone = [encode(kind, [each], PARTITIONS, REGISTRY) for each in data]

            assert together.keys == [key for one in alone for key in one.keys]
            assert together.values == [value for one in alone for value in one.values]
            assert encode(kind, data, PARTITIONS, REGISTRY, singly=True).values == together.values
            assert together.partitions.tolist() == [int(one.partitions[0]) for one in alone]


def test_what_the_caller_changes_afterwards_changes_nothing() -> None:
    """An event is copied as it is emitted, its maps too."""
    attributes = {"country": "DE"}
    event = prediction(attributes=attributes)
    found = packed(event)
    before = packed(prediction(attributes={"country": "DE"}, event_time=event.event_time))
    attributes["country"] = "FR"

    assert found == before != packed(event)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"event_time": dt.datetime(2026, 11, 21)}, "timezone component - at `$.event_time`"),  # noqa: DTZ001
        ({"event_time": 1.5}, "at `$.event_time`"),
        ({"event_time": 1 << 63}, "at `$.event_time`"),
        ({"event_time": 1 << 64}, "ints"),
        ({"event_time": np.timedelta64(5, "s")}, "timedelta64"),
        ({"score": "0.5"}, "Expected `float | null`, got `str` - at `$.score`"),
        ({"score": True}, "got `bool` - at `$.score`"),
        ({"model": None}, "Expected `str`, got `None` - at `$.model`"),
        ({"label": 1}, "at `$.label`"),
        ({"label": b"1"}, "at `$.label`"),
        ({"label": "\ud800"}, "surrogates not allowed"),
        ({"label": object()}, "a field holds object"),
        ({"attributes": {"country": None}}, "at `$.attributes"),
        ({"attributes": None}, "at `$.attributes`"),
        ({"features": {1: 2.0}}, "`$.features`"),
        ({"ranking": [1]}, "at `$.ranking"),
        ({"prediction_id": ""}, "neither request_id nor prediction_id"),
    ],
)
def test_what_no_message_can_hold_is_refused_in_words(fields: dict[str, Any], said: str) -> None:
    """A wrong type, a time without a timezone, an absent id: `invalid`, and the detail names the field."""
    refusal = refused(prediction(**fields))

    assert refusal.reason == "invalid"
    assert refusal.detail.startswith("prediction: ")
    assert said in refusal.detail


@pytest.mark.parametrize("thing", [None, "prediction", {"type": "outcome"}, Outcome])
def test_what_is_no_event_is_refused(thing: object) -> None:
    """Anything may be given to an emitter."""
    assert refused(thing).reason == "invalid"


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(get_args(Event)), st.data())
def test_whatever_a_field_holds_nothing_is_raised_or_taken_in_vain(type_: type, data: st.DataObject) -> None:
    """An event with anything in its fields is refused, or becomes a message that decodes."""
    fields = {name: data.draw(_ANYTHING, label=name) for name in type_.__struct_fields__}  # type: ignore[attr-defined]
    found = pack(type_(**fields))
    if isinstance(found, Packed):
        (value,) = encode(found.kind, [found.data], PARTITIONS, REGISTRY).values
        block = decode_datums([value], "topic", np.arange(1), REGISTRY)

        assert [(batch.kind, len(batch)) for batch in block.batches] == [(found.kind, 1)]


def test_numbers_and_texts_of_numpy_are_taken() -> None:
    """What models answer with is what it says, without a conversion by the caller."""
    time = 1_700_000_000_000_000
    theirs = prediction(score=np.float64(0.25), event_time=np.int64(time), label=np.str_("a"))

    assert packed(theirs) == packed(prediction(score=0.25, event_time=time, label="a"))


def test_large_events_are_refused_by_name() -> None:
    """Over about 1 MiB, or with a map of over 1,000 keys, an event is `too_large`."""
    assert refused(prediction(label="x" * MAX_RECORD_BYTES)).reason == "too_large"
    assert refused(prediction(features={str(n): 1.0 for n in range(1_001)})).reason == "too_large"


def test_the_largest_events_that_are_taken_are_not_rejected_later() -> None:
    """Where a message is larger than what was packed, by as much as it can be, it still is within the limit."""
    features = {str(n): 1 for n in range(1_000)}
    time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    size = len(packed(prediction(features=features, event_time=time, label="x" * 70_000)).data)
    found = packed(prediction(features=features, event_time=time, label="x" * (70_000 + MAX_PACKED_BYTES - size)))
    (value,) = encode("prediction", [found.data], PARTITIONS, REGISTRY).values

    assert len(found.data) == MAX_PACKED_BYTES < len(value) <= MAX_RECORD_BYTES
