"""
JSON lines to blocks: one event a line, told apart by its `type`.

Types are strict: a number is not text, and null stands for an absent field. `event_time` is an ISO 8601 time with an
offset, or integer microseconds. What a line merely lacks (ids, a model) is left to the validator, which names it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, get_args

import msgspec
import numpy as np
import pyarrow as pa

from streams.codecs.batches import block_of
from streams.codecs.columns import conform
from streams.core.block import EVENT_TYPES, MAX_RECORD_BYTES, SCHEMAS, Batch, Block, EventType, Reject, RejectReason

_BATCH_BYTES = 1 << 24
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_INT64 = range(-(1 << 63), 1 << 63)
_FAR_TIME = re.compile(r"([+-]\d{4,}|\d{5,}|0000)-\d\d-\d\d[Tt ]\d\d:\d\d.*")
"""Times in years that `datetime` does not have (it has 0001 to 9999): times all the same, and far from any event."""

Time = dt.datetime | int | None
Long = Annotated[int, msgspec.Meta(ge=_INT64.start, le=_INT64.stop - 1)]


class _Prediction(msgspec.Struct, tag_field="type", tag="prediction", gc=False):
    request_id: str | None = None
    prediction_id: str | None = None
    event_time: Time = None
    model: str | None = None
    version: str | None = None
    role: str | None = None
    unit_id: str | None = None
    score: float | None = None
    label: str | None = None
    ranking: list[str] | None = None
    attributes: dict[str, str] | None = None
    features: dict[str, float] | None = None
    latency_ms: float | None = None
    assignments: dict[str, str] | None = None
    inclusion_probability: float | None = None


class _Outcome(msgspec.Struct, tag_field="type", tag="outcome", gc=False):
    request_id: str | None = None
    prediction_id: str | None = None
    event_time: Time = None
    label: str | None = None
    value: float | None = None
    source: str | None = None
    revision: Long | None = None
    inclusion_probability: float | None = None


class _Feedback(msgspec.Struct, tag_field="type", tag="feedback", gc=False):
    feedback_id: str | None = None
    request_id: str | None = None
    prediction_id: str | None = None
    unit_id: str | None = None
    event_time: Time = None
    kind: str | None = None
    value: float | None = None


class _Summary(msgspec.Struct, tag_field="type", tag="summary", gc=False):
    summary_id: str | None = None
    event_time: Time = None
    seconds: Long | None = None
    model: str | None = None
    version: str | None = None
    role: str | None = None
    attributes: dict[str, str] | None = None
    n: Long | None = None
    weight: float | None = None
    square: float | None = None
    latency_bin: list[Long] | None = None
    latency_n: list[Long] | None = None
    latency_weight: list[float] | None = None
    latency_square: list[float] | None = None
    score_n: Long | None = None
    score_weight: float | None = None
    score_square: float | None = None
    score_weight_sum: float | None = None
    score_square_sum: float | None = None
    score_square_squares: float | None = None


_Event = _Prediction | _Outcome | _Feedback | _Summary
_KINDS: dict[type, EventType] = dict(zip(get_args(_Event), EVENT_TYPES, strict=True))
_DECODER = msgspec.json.Decoder(_Event)


class JsonLinesFile:
    """A file of JSON lines (`.jsonl`, `.ndjson`, `.json`); a record's position is the number of its line, from 0."""

    def __init__(self, path: Path, name: str, batch_rows: int) -> None:
        self.name = name
        self._path = path
        self._batch_rows = batch_rows
        path.open("rb").close()  # so that a file that cannot be read is told at once

    def __iter__(self) -> Iterator[Block]:
        """Yield the file's records, about `batch_rows` at a time."""
        with self._path.open("rb") as file:
            lines: list[bytes] = []
            positions: list[int] = []
            size = 0
            for position, line in _lines(file):
                lines.append(line)
                positions.append(position)
                size += len(line)
                if len(lines) >= self._batch_rows or size >= _BATCH_BYTES:
                    yield decode_lines(lines, self.name, positions)
                    lines, positions, size = [], [], 0
            if lines:
                yield decode_lines(lines, self.name, positions)


def decode_lines(lines: Sequence[bytes], source: str, positions: Sequence[int]) -> Block:
    """
    Decode lines into a block: every line becomes one row or one reject.

    A line over `MAX_RECORD_BYTES` is `too_large`, a `type` that is none of the events `unknown_schema`, a time that
    64-bit microseconds cannot hold `bad_time`, anything else that does not decode `undecodable`.
    """
    found = {kind: _Found() for kind in EVENT_TYPES}
    rejects: list[Reject] = []
    for position, line in zip(positions, lines, strict=True):
        event = _decode(line)
        if isinstance(event, tuple):
            rejects.append(Reject(*event, source, position, line[:MAX_RECORD_BYTES]))
            continue
        of_kind = found[_KINDS[type(event)]]
        of_kind.events.append(msgspec.structs.astuple(event))
        of_kind.lines.append(line)
        of_kind.positions.append(position)
    return block_of(source, [_batch(kind, found[kind], source) for kind in EVENT_TYPES if found[kind].events], rejects)


@dataclass
class _Found:
    """The lines that hold events of one type, and their fields in the order of `SCHEMAS`."""

    events: list[tuple[object, ...]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)


def _batch(kind: EventType, found: _Found, source: str) -> Batch:
    fields = zip(SCHEMAS[kind], zip(*found.events, strict=True), strict=True)
    table = conform(kind, {f.name: pa.array(values, f.type) for f, values in fields}, len(found.events))
    return Batch(kind, table, source, np.asarray(found.positions, np.int64), found.lines.__getitem__)


def _decode(line: bytes) -> _Event | tuple[RejectReason, str]:
    """Return the event with its time in microseconds, or why it is none."""
    if len(line) > MAX_RECORD_BYTES:
        return "too_large", f"a line of more than {MAX_RECORD_BYTES} bytes"
    try:
        event = _DECODER.decode(line.decode())
    except msgspec.ValidationError as problem:
        return _refusal(line, str(problem))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return "undecodable", str(problem)
    return _in_micros(event)


def _in_micros(event: _Event) -> _Event | tuple[RejectReason, str]:
    time = event.event_time
    if isinstance(time, dt.datetime):
        if time.tzinfo is None:
            return "undecodable", f"event_time {time.isoformat()} has no offset; write it with one, such as Z"
        event.event_time = (time - _EPOCH) // _MICROSECOND
    elif time is not None and time not in _INT64:
        return "bad_time", f"event_time {time} is more than 64-bit microseconds hold"
    return event


def _refusal(line: bytes, problem: str) -> tuple[RejectReason, str]:
    """Say what a line is refused for, whose fields are not those of an event."""
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):  # what is behind the wrong field is not even JSON
        return "undecodable", problem
    if isinstance(fields, dict):
        kind, time = fields.get("type"), fields.get("event_time")
        if isinstance(kind, str) and kind not in EVENT_TYPES:
            return "unknown_schema", f"type {kind[:100]!r} is none of {', '.join(EVENT_TYPES)}"
        if isinstance(time, str) and _FAR_TIME.fullmatch(time) and problem.endswith("`$.event_time`"):
            return "bad_time", f"event_time {time[:100]} is not in the years 1 to 9999"
    return "undecodable", problem


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield lines that are not blank, with their numbers; of one that is too long, only enough to tell."""
    number = 0
    while line := file.readline(MAX_RECORD_BYTES + 3):  # room for a line's end, in either style
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_RECORD_BYTES)
        line = line.rstrip(b"\r\n")
        if line and not line.isspace():
            yield number, line
        number += 1
