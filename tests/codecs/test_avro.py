from __future__ import annotations

import io
import itertools
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.codecs.avro import END, UnknownEventError, WriterSchema
from streams.codecs.binary import boundaries
from streams.errors import SchemaError

PRIMITIVES = ("boolean", "int", "long", "float", "double", "string", "bytes")


def schema(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "telemetry.outcome", "fields": [{"name": n, "type": t} for n, t in fields]}


def encoded(written: Any, event: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(written), event)
    return out.getvalue()


@st.composite
def types(draw: st.DrawFn, prefix: str = "n") -> Any:
    """Types that another team might give a field of its own; `prefix` begins the names in them."""
    names = (f"{prefix}{number}" for number in itertools.count())

    def make(depth: int) -> Any:
        shape = draw(st.sampled_from(["primitive", "enum", "array", "map", "record", "union"][: None if depth else 2]))
        if shape == "primitive":
            return draw(st.sampled_from(PRIMITIVES))
        if shape == "enum":
            return {"type": "enum", "name": next(names), "symbols": ["a", "b"]}
        inner = make(depth - 1 if shape != "union" else 0)
        fields = [{"name": "x", "type": inner}]
        more = {"array": {"items": inner}, "map": {"values": inner}, "record": {"fields": fields}}
        if shape == "union":
            return draw(st.permutations(["null", inner]))
        return {"type": shape, "name": next(names), **more[shape]}

    return make(2)


def some(written: Any, count: int) -> tuple[list[Any], list[bytes]]:
    """Events of a schema, encoded."""
    parsed = fastavro.parse_schema(written)
    events = list(generate_many(parsed, count))
    return events, [encoded(written, event) for event in events]


@settings(max_examples=200)
@given(extra=types("a"), more=types("b"))
def test_fields_of_any_type_may_be_added(extra: Any, more: Any) -> None:
    """Whatever fields stand before and behind them, known ones are read, and datums end where they end."""
    written = schema(("other", extra), ("label", "string"), ("another", {"type": "array", "items": more}))
    events, datums = some(written, 5)
    writer = WriterSchema.parse(written)
    ends, problem = boundaries(writer.skip, b"".join(datums), 5)

    assert writer.datums(datums)["label"].to_pylist() == [event["label"] for event in events]
    assert writer.runs([(3, b"".join(datums[:3])), (2, b"".join(datums[3:]))]).num_rows == 5
    assert (ends, problem) == ([sum(map(len, datums[:count])) for count in range(6)], None)


@settings(max_examples=300)
@given(data=st.data(), extra=types())
def test_any_bytes_decode_or_are_bad(data: st.DataObject, extra: Any) -> None:
    """Nothing that a message can hold makes the decoder fail in another way, and what it accepts has a known end."""
    written = schema(("other", extra), ("value", "double"))
    datum = some(written, 1)[1][0]
    at = data.draw(st.integers(0, len(datum) - 1))
    damaged = datum[:at] + data.draw(st.binary(max_size=9)) + datum[at + data.draw(st.integers(0, 9)) :]
    writer = WriterSchema.parse(written)
    assume(END not in damaged)
    sifted = writer.sift([damaged])

    assert len(sifted.rows) + len(sifted.bad) == 1
    assert sifted.bad or boundaries(writer.skip, damaged, 1) == ([0, len(damaged)], None)


def test_older_and_newer_writers_are_read() -> None:
    """Absent columns get defaults, unknown ones are dropped, integers and floats widen, an enum is its symbol."""
    written = schema(
        ("value", "float"),
        ("revision", "int"),
        ("source", {"type": "enum", "name": "s", "symbols": ["annotated"]}),
        ("event_time", ["null", {"type": "long", "logicalType": "timestamp-millis"}]),
        ("secret", {"type": "bytes", "logicalType": "decimal", "precision": 4}),
    )
    event = {"value": 1.5, "revision": 7, "source": "annotated", "event_time": 9, "secret": b"\xff\xfe"}
    raw = encoded(schema(*((f["name"], _plain(f["type"])) for f in written["fields"])), event)
    table = WriterSchema.parse(written).datums([raw])
    row = {name: value for name, value in table.to_pylist()[0].items() if value is not None}

    assert row == {
        "event_time": 9_000,
        "value": 1.5,
        "source": "annotated",
        "revision": 7,
        "inclusion_probability": 1.0,
    }


def _plain(kind: Any) -> Any:
    if isinstance(kind, list):
        return [_plain(branch) for branch in kind]
    return {name: value for name, value in kind.items() if name != "logicalType"} if isinstance(kind, dict) else kind


def test_a_time_in_milliseconds_that_overflows_is_null() -> None:
    """A time that 64-bit microseconds cannot hold becomes null, which the validator tells."""
    written = schema(("event_time", {"type": "long", "logicalType": "timestamp-millis"}))
    datums = [encoded(schema(("event_time", "long")), {"event_time": time}) for time in (1 << 62, -3)]

    assert WriterSchema.parse(written).datums(datums)["event_time"].to_pylist() == [None, -3_000]


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        (schema(("x", {"type": "fixed", "name": "f", "size": 3})), SchemaError, "type fixed cannot be read"),
        (schema(("x", {"type": "array", "items": "null"})), SchemaError, "type null cannot be read"),
        (schema(("x", ["null", "outcome"])), SchemaError, "type telemetry.outcome cannot be read"),
        (schema(("x", "nonsense")), SchemaError, "malformed schema"),
        (schema(("label", "long")), SchemaError, "column label is int64, and string is needed"),
        (schema(("value", ["null", "double", "string"])), SchemaError, "column value is sparse_union"),
        ({"type": "record", "name": "click", "fields": []}, UnknownEventError, "record click is none of prediction"),
        ("long", UnknownEventError, "is not a record"),
        ({"type": "array", "items": "long"}, UnknownEventError, "is not a record"),
        ({"name": "outcome"}, SchemaError, "malformed schema"),
        ([], UnknownEventError, "is not a record"),
        (None, SchemaError, "malformed schema"),
    ],
)
def test_schemas_that_cannot_be_read_say_why(written: Any, error: type[SchemaError], message: str) -> None:
    """Each way of not being usable is one error with what is the matter."""
    with pytest.raises(error, match=message):
        WriterSchema.parse(written)


def test_the_bytes_behind_a_datum_overlap_with_themselves_nowhere() -> None:
    """No beginning of the eight bytes is their end: a datum that ends early cannot find them by chance."""
    assert not any(END.startswith(END[length:]) for length in range(1, len(END)))


def test_more_records_than_declared_are_noticed() -> None:
    """Bytes behind a run's records that look like a further block of the array make the run bad."""
    writer = WriterSchema.parse(schema(("label", "string")))

    with pytest.raises(ValueError, match="more records than it declares"):
        writer.runs([(1, b"\x02a" + b"\x02" + b"\x02b")])
