"""Judging: a body becomes the messages that `streams emit` writes for the same events, or says what is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.codecs.jsonl import decode_lines
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EVENT_TYPES
from streams.gateway.judging import JSON, NDJSON, Message, judge, split
from streams.gateway.problems import Problem
from streams.gateway.tokens import Token
from streams.runtime.emit import EmitReport, records_of
from tests.gateway.serving import FEEDBACK, OUTCOME, PREDICTION, SUMMARY
from tests.schemas.test_examples import ACCEPTED, REJECTED, RULES, name

REGISTRY = SchemaRegistry.load(default_schema_dir())
ANYBODY = Token("anybody", b"")
KNOWN = {**PREDICTION, "model": "price"}


def as_array(events: list[Any]) -> bytes:
    return json.dumps(events).encode()


def as_lines(events: list[Any]) -> bytes:
    return "\r\n".join(map(json.dumps, events)).encode()


def judged(body: bytes, media_type: str = JSON, token: Token = ANYBODY) -> list[Message]:
    return judge(split(body, media_type), token, RULES, REGISTRY)


def refusal(body: bytes, media_type: str = JSON, token: Token = ANYBODY) -> Problem:
    """Judge what is refused."""
    with pytest.raises(Problem) as caught:
        judged(body, media_type, token)
    return caught.value


def test_messages_are_those_of_the_command() -> None:
    """Keys, values and their order are those that `streams emit` publishes for the same events in a file."""
    lines = [path.read_bytes().strip() for path in ACCEPTED]
    block = decode_lines(lines, "file", range(len(lines)))
    records = {batch.kind: records_of(batch, 7, REGISTRY, EmitReport({})) for batch in block.batches}
    found = judged(b"[" + b",".join(lines) + b"]")

    assert len(found) == len(lines) >= 20
    for kind in EVENT_TYPES:
        ours = [(message.key, message.value) for message in found if message.kind == kind]
        assert ours == list(zip(records[kind].keys, records[kind].values, strict=True))


def test_summaries_are_keyed_by_their_id() -> None:
    """A summary has no request: its own id is its key."""
    (message,) = judged(as_array([{**SUMMARY, "model": "price"}]))

    assert (message.kind, message.key) == ("summary", b"s1")


def test_an_array_and_lines_are_the_same() -> None:
    """The same events give the same messages in both forms, with blank lines and any ends of lines."""
    events = [OUTCOME, KNOWN, FEEDBACK, OUTCOME]

    assert judged(as_lines(events), NDJSON) == judged(as_array(events))
    assert judged(b"\n \n" + as_lines(events) + b"\r\n\n", NDJSON) == judged(as_array(events))


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_accepted_examples_are_taken(path: Path) -> None:
    """Every example of an event that the pipeline takes becomes one message of its type."""
    (message,) = judged(b"[" + path.read_bytes() + b"]")

    assert message.kind == path.parts[-3]


@pytest.mark.parametrize("path", [path for path in REJECTED if "not-json" not in path.name], ids=name)
def test_rejected_examples_are_refused_for_their_reason(path: Path) -> None:
    """Every example that the pipeline rejects is refused for the same reason, and its good neighbours with it."""
    problem = refusal(json.dumps(OUTCOME).encode() + b"\n\n" + path.read_bytes(), NDJSON)

    assert [(one["index"], one["reason"]) for one in problem.events] == [(2, path.name.partition("--")[0])]
    assert problem.kind == "invalid_events"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({**OUTCOME, "value": "1"}, "$.value"),
        ({**OUTCOME, "event_time": None}, "$.event_time"),
        ({**OUTCOME, "event_time": "2026-11-21T10:00:00"}, "$.event_time"),
        ({**OUTCOME, "request_id": ""}, "$.request_id"),
        ({**KNOWN, "attributes": {"country": 4}}, "$.attributes[...]"),
        ({**KNOWN, "attributes": {str(n): "" for n in range(1_001)}}, "$.attributes"),
        ({**KNOWN, "model": "frod"}, "$.model"),
        ({**KNOWN, "ranking": ["a", 1]}, "$.ranking[1]"),
        ({**FEEDBACK, "kind": "rating"}, "$.value"),
        ({"type": "prognosis"}, "$"),
        ({}, "$"),
        (1, "$"),
        (None, "$"),
        ([OUTCOME], "$"),
    ],
)
def test_the_place_of_a_problem_is_told(wrong: Any, path: str) -> None:
    """Which event it is and which field of it; the event itself where it is no field."""
    (problem,) = refusal(as_array([OUTCOME, OUTCOME, wrong, OUTCOME])).events

    assert (problem["index"], problem["path"]) == (2, path)


def test_every_problem_is_told_in_the_order_of_the_events() -> None:
    """What the reader and what the validator find stand together, by index, and an event has one."""
    bad = {**KNOWN, "model": "frod", "version": ""}
    found = refusal(as_array([bad, {**OUTCOME, "value": []}, FEEDBACK, {**FEEDBACK, "kind": ""}, 5]))

    assert [(one["index"], one["reason"]) for one in found.events] == [
        (0, "missing_id"),
        (1, "undecodable"),
        (3, "bad_kind"),
        (4, "undecodable"),
    ]
    assert "4 of 5 events cannot be taken, and none was" in found.detail


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"", JSON),
        (b"[]", JSON),
        (b"{}", JSON),
        (b"null", JSON),
        (b"[1", JSON),
        (b"[1]x", JSON),
        (b"\xff\xfe", JSON),
        (b"[" * 100_000, JSON),
        (b"[" * 100_000 + b"]" * 100_000, JSON),
        (b"", NDJSON),
        (b"\n \r\n\t\n", NDJSON),
    ],
    ids=map(str, range(11)),
)
def test_a_body_that_holds_no_events_is_unreadable(body: bytes, media_type: str) -> None:
    """Nothing, something else than an array, broken or endlessly nested JSON, and blank lines."""
    assert refusal(body, media_type).kind == "unreadable"


def test_deeply_nested_events_are_refused_alone() -> None:
    """Nesting without end in one line is a problem of that event."""
    deep = b'{"type": "outcome", "label": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found = refusal(as_lines([OUTCOME]) + b"\n" + deep, NDJSON)

    assert [(one["index"], one["reason"]) for one in found.events] == [(1, "undecodable")]


def test_a_token_writes_predictions_of_its_models_only() -> None:
    """So it is with summaries. Those of others are told by index, and none is taken; what names no model is free."""
    token = Token("pricing", b"", frozenset({"price"}))
    events = [KNOWN, OUTCOME, {**KNOWN, "model": "feed"}, FEEDBACK, {**KNOWN, "model": "fraud", "score": 0.5}]
    found = refusal(as_array(events), token=token)

    assert found.kind == "forbidden_model"
    assert [(one["index"], one["path"]) for one in found.events] == [(2, "$.model"), (4, "$.model")]
    foreign = refusal(as_array([{**SUMMARY, "model": "feed"}]), token=token)

    assert (foreign.kind, foreign.events[0]["path"]) == ("forbidden_model", "$.model")
    assert len(judged(as_array([KNOWN, OUTCOME, FEEDBACK, {**SUMMARY, "model": "price"}]), token=token)) == 4
