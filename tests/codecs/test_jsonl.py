from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.files import open_source
from streams.codecs.jsonl import decode_lines
from streams.codecs.write import to_batch, to_events
from streams.core.block import EVENT_TYPES, MAX_MAP_KEYS, MAX_RECORD_BYTES, SCHEMAS, Block, EventType, RejectReason
from tests.codecs.making import KINDS, Row, by_position, registry, rows_of, texts

OUTCOME = {"type": "outcome", "request_id": "r", "event_time": 1}


def is_finite(value: object) -> bool:
    numbers = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return all(not isinstance(number, float) or math.isfinite(number) for number in numbers)


def decode(*lines: str | bytes) -> Block:
    return decode_lines([line.encode() if isinstance(line, str) else line for line in lines], "f", range(len(lines)))


def decode_event(**fields: object) -> Row:
    (batch,) = decode(json.dumps(OUTCOME | fields)).batches
    row: Row = batch.table.to_pylist()[0]
    return row


@given(data=st.data(), kind=KINDS, cut=st.integers(1, 9))
def test_lines_give_back_the_events(data: st.DataObject, kind: EventType, cut: int) -> None:
    """Written as lines and decoded in pieces of any size, events are what they were, whatever their times."""
    rows = data.draw(rows_of(kind).filter(lambda rows: all(is_finite(value) for row in rows for value in row.values())))
    lines = [json.dumps(event).encode() for event in to_events(kind, to_batch(kind, rows))]
    pieces = [range(first, min(first + cut, len(rows))) for first in range(0, len(rows), cut)]
    blocks = [decode_lines([lines[place] for place in piece], "f", piece) for piece in pieces]

    assert by_position(blocks, kind) == texts(rows)
    assert not any(block.rejects for block in blocks)


@given(lines=st.lists(st.binary(max_size=30) | st.from_regex(rb'\{"type":"outcome",[ -~]{0,20}\}', fullmatch=True)))
def test_a_verdict_does_not_depend_on_the_neighbours(lines: list[bytes]) -> None:
    """Any bytes get the same verdict alone and among others, and each line is one row or one reject."""
    together = decode(*lines)
    alone = [decode_lines([line], "f", [place]) for place, line in enumerate(lines)]

    assert by_position([together], "outcome") == by_position(alone, "outcome")
    assert list(together.rejects) == [reject for block in alone for reject in block.rejects]
    assert len(together) == len(lines)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_is_absent_or_null_has_its_default(kind: EventType) -> None:
    """Fields that are absent and fields that are null give the same row: nulls, defaults and empty maps."""
    absent, null = {"type": kind}, {"type": kind, **dict.fromkeys(SCHEMAS[kind].names)}
    rows = [decode(json.dumps(event)).batches[0].table.to_pylist()[0] for event in (absent, null)]
    given_values = {name: value for name, value in rows[0].items() if value is not None}
    expected: dict[str, Row] = {"prediction": {"role": "live", "attributes": [], "features": [], "assignments": []}}
    expected |= {"outcome": {"source": "observed", "revision": 0}}
    expected |= {"summary": {"seconds": 60, "role": "live", "attributes": []}}
    for sampled in ("prediction", "outcome"):
        expected[sampled]["inclusion_probability"] = 1.0

    assert rows[0] == rows[1]
    assert given_values == expected.get(kind, {})


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("9999-12-31T23:59:59.999999Z", 253402300799999999),
        (12, 12),
        (-5, -5),
    ],
)
def test_times_become_microseconds(time: str | int, micros: int) -> None:
    """ISO times with any offset and integers are exact microseconds, before 1970 as well."""
    assert decode_event(event_time=time)["event_time"] == micros


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        ('{"type":"click"}', "unknown_schema", "type 'click' is none of prediction, outcome, feedback"),
        ("{}", "undecodable", "missing required field `type`"),
        ("[]", "undecodable", "Expected `object`, got `array`"),
        ('{"type":"outcome"', "undecodable", "truncated"),
        ('{"type":"outcome","value":NaN}', "undecodable", "malformed"),
        ('{"type":"outcome","value":"1"}', "undecodable", "Expected `float | null`, got `str` - at `$.value`"),
        ('{"type":"outcome","value":"1",', "undecodable", "Expected `float | null`, got `str` - at `$.value`"),
        ('{"type":"outcome","label":1}', "undecodable", "`$.label`"),
        ('{"type":"outcome","revision":9223372036854775808}', "undecodable", "`$.revision`"),
        ('{"type":"outcome","event_time":1.5}', "undecodable", "`$.event_time`"),
        ('{"type":"outcome","event_time":"2026-13-01T00:00:00Z"}', "undecodable", "RFC3339"),
        ('{"type":"outcome","event_time":"2026-11-21T10:00:00"}', "undecodable", "no offset; write it with one"),
        ('{"type":"outcome","event_time":"12026-11-21T10:00:00Z"}', "bad_time", "not in the years 1 to 9999"),
        ('{"type":"outcome","event_time":"0000-01-01T00:00:00Z"}', "bad_time", "not in the years 1 to 9999"),
        ('{"type":"outcome","event_time":9223372036854775808}', "bad_time", "more than 64-bit microseconds hold"),
        ('{"type":"outcome","label":"\\ud800"}', "undecodable", "truncated"),
        (b'{"type":"outcome","more":"\xff"}', "undecodable", "'utf-8' codec can't decode byte 0xff"),
        ('{"type":"outcome","more":' + "[" * 5_000 + "]" * 5_000 + "}", "undecodable", "recursion"),
        (
            '{"type":"outcome","label":"' + "x" * MAX_RECORD_BYTES + '"}',
            "too_large",
            "a line of more than 1048576 bytes",
        ),
    ],
)
def test_a_line_that_is_no_event_says_why(line: str | bytes, reason: RejectReason, detail: str) -> None:
    """Each way of not being an event has its reason, and the lines beside it are read."""
    block = decode('{"type":"feedback"}', line, '{"type":"feedback"}')
    (reject,) = block.rejects

    assert (reject.reason, reject.position) == (reason, 1)
    assert detail in reject.detail
    assert reject.original == (line.encode() if isinstance(line, str) else line)[:MAX_RECORD_BYTES]
    assert block.batches[0].positions.tolist() == [0, 2]


def test_a_map_over_the_limit_is_too_large() -> None:
    """A map of 1,001 keys is refused, one of 1,000 is not."""
    maps = [{str(key): "v" for key in range(keys)} for keys in (MAX_MAP_KEYS, MAX_MAP_KEYS + 1)]
    block = decode(*(json.dumps({"type": "prediction", "attributes": attributes}) for attributes in maps))

    assert [(reject.reason, reject.position) for reject in block.rejects] == [("too_large", 1)]
    assert block.batches[0].positions.tolist() == [0]


def test_positions_in_a_file_are_line_numbers(tmp_path: Path) -> None:
    """Blank lines count as lines and are no records; ends of lines may be of either style, or missing."""
    path = tmp_path / "events.jsonl"
    line = json.dumps(OUTCOME).encode()
    path.write_bytes(b"\n" + line + b"\r\n  \n" + b"x" * (3 * MAX_RECORD_BYTES) + b"\n" + line + b"\n\n" + line)
    blocks = list(open_source(path, registry(), batch_rows=2))
    (reject,) = (reject for block in blocks for reject in block.rejects)

    assert [batch.positions.tolist() for block in blocks for batch in block.batches] == [[1], [4, 6]]
    assert (reject.reason, reject.position, len(reject.original)) == ("too_large", 3, MAX_RECORD_BYTES)
    assert blocks[1].batches[0].original(1) == line


def test_the_longest_line_allowed_is_read(tmp_path: Path) -> None:
    """A line of exactly 1 MiB is an event, with either end of line."""
    path = tmp_path / "events.jsonl"
    frame = len(b'{"type":"outcome","more":""}')
    line = b'{"type":"outcome","more":"' + b"x" * (MAX_RECORD_BYTES - frame) + b'"}'
    path.write_bytes(line + b"\r\n" + line + b"\n" + line)
    (block,) = open_source(path, registry())

    assert len(line) == MAX_RECORD_BYTES
    assert block.batches[0].positions.tolist() == [0, 1, 2]
