"""The door: what is answered to whom, and that an event is taken only when the log has it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.gateway.limits import Limits
from streams.gateway.openapi import document
from streams.gateway.problems import SHOWN_EVENTS
from tests.gateway.serving import (
    FEEDBACK,
    LIMITS,
    NARROW,
    OUTCOME,
    PREDICTION,
    REGISTRY,
    SECRET,
    SUMMARY,
    Gateway,
    running,
)

PACKED = gzip.compress(b"[]")
LARGE = Limits(body_bytes=10_000, events=5, confirm_seconds=5.0)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Run one gateway for the tests that leave it as it was."""
    with running(LARGE) as found:
        yield found


def numbers(gateway: Gateway) -> dict[tuple[str, ...], float]:
    """Return the metrics by name and the values of their labels, in the order of the labels' names."""
    text = gateway.ask("GET", "/metrics").body.decode()
    families = text_string_to_metric_families(text)
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_events_are_taken_and_counted(gateway: Gateway) -> None:
    """202 with how many there were of each type, and the log has them."""
    before = len(gateway.log.messages)
    answer = gateway.post([PREDICTION, OUTCOME, FEEDBACK, OUTCOME, SUMMARY])

    assert answer.status == 202
    assert answer.json == {"accepted": 5, "prediction": 1, "outcome": 2, "feedback": 1, "summary": 1}
    assert [message.key for message in gateway.log.messages[before:]] == [b"p1", b"r1", b"r1", b"r1", b"s1"]


def test_lines_and_gzip_are_read(gateway: Gateway) -> None:
    """The same events are taken one a line, and packed."""
    lines = "\n".join(map(json.dumps, [OUTCOME, FEEDBACK])).encode()
    answers = [
        gateway.post(lines, Content_Type="application/x-ndjson"),
        gateway.post(gzip.compress(lines), Content_Type="application/x-ndjson; charset=utf-8", Content_Encoding="gzip"),
        gateway.post(gzip.compress(json.dumps([OUTCOME, FEEDBACK]).encode()), Content_Encoding="GZIP"),
    ]

    assert [(answer.status, answer.json["accepted"]) for answer in answers] == [(202, 2)] * 3


@pytest.mark.parametrize("token", [None, "", "wrong", SECRET[:-1], SECRET.upper(), f"{SECRET} {NARROW}", "x" * 5_000])
def test_a_bad_token_is_401(gateway: Gateway, token: str | None) -> None:
    """Whatever is no known token is told how to say who writes, and learns nothing else; the token is not repeated."""
    answer = gateway.post([OUTCOME], token)

    assert (answer.status, answer.kind) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert not token or token not in answer.body.decode()


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"[", {}, 400, "unreadable"),
        (b"not gzip", {"Content_Encoding": "gzip"}, 400, "unreadable"),
        (PACKED[:-4], {"Content_Encoding": "gzip"}, 400, "unreadable"),
        (PACKED + PACKED, {"Content_Encoding": "gzip"}, 400, "unreadable"),
        (b"x" * 10_001, {}, 413, "too_large"),
        (gzip.compress(b" " * 50_000_000), {"Content_Encoding": "gzip"}, 413, "too_large"),
        (json.dumps([OUTCOME] * 6).encode(), {}, 413, "too_many_events"),
        (b"[]", {"Content_Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"[]", {"Content_Encoding": "br"}, 415, "unsupported_media_type"),
        (b'[{"type": "outcome"}]', {}, 422, "invalid_events"),
    ],
    ids=map(str, range(10)),
)
def test_a_body_that_is_not_taken(
    gateway: Gateway, body: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    """Each kind of bad body has a status and a problem of its own, and nothing of it goes to the log."""
    before = len(gateway.log.messages)
    answer = gateway.post(body, **headers)

    assert (answer.status, answer.kind, answer.json["status"]) == (status, kind, status)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert {"title", "detail"} <= answer.json.keys()
    assert len(gateway.log.messages) == before


def test_a_token_for_one_model_writes_no_other(gateway: Gateway) -> None:
    """403 names the events that the token may not write."""
    answer = gateway.post([PREDICTION, {**PREDICTION, "model": "other"}], NARROW)

    assert (answer.status, answer.kind) == (403, "forbidden_model")
    assert [problem["index"] for problem in answer.json["problems"]] == [1]
    assert gateway.post([PREDICTION, OUTCOME], NARROW).status == 202


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/events", 405, "POST"),
        ("DELETE", "/v1/events", 405, "POST"),
        ("POST", "/healthz", 405, "GET"),
        ("GET", "/v2/events", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_paths_and_methods_that_are_not_there(
    gateway: Gateway, method: str, path: str, status: int, allow: str | None
) -> None:
    """404 and 405 are problems as well, and say what there is."""
    answer = gateway.ask(method, path)

    assert (answer.status, answer.headers.get("Allow")) == (status, allow)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (answer.json["type"], answer.json["status"]) == ("about:blank", status)


def test_a_gateway_describes_itself(gateway: Gateway) -> None:
    """Its document has its own limits, and says of health and metrics what they are."""
    assert gateway.ask("GET", "/v1/openapi.json").json == document(REGISTRY, LARGE)
    assert gateway.ask("GET", "/healthz").json == {"healthy": True, "waiting_events": 0, "held_bytes": 0}


def test_so_many_events_are_listed() -> None:
    """Of many bad events some are listed, and all are counted."""
    with running(LIMITS) as gateway:
        answer = gateway.post([{**OUTCOME, "value": "x"}] * 300)

    assert answer.json["count"] == 300
    assert [problem["index"] for problem in answer.json["problems"]] == list(range(SHOWN_EVENTS))


def test_too_many_events_a_second_are_429() -> None:
    """A token that has used up its rate is told when to come again; another has a rate of its own."""
    with running(Limits(events=4, events_per_second=0.01)) as gateway:
        first, second = gateway.post([OUTCOME] * 3), gateway.post([OUTCOME] * 2)
        other = gateway.post([OUTCOME] * 4, NARROW)

    assert [answer.status for answer in (first, second, other)] == [202, 429, 202]
    assert second.kind == "rate_limited"
    assert 90 <= int(second.headers["Retry-After"]) <= 100  # one event more than there is, at one in 100 s
    assert len(gateway.log.messages) == 7


def test_an_event_is_taken_when_the_log_has_it() -> None:
    """While Kafka does not confirm, nothing is answered but 503 in the end, with when to come again."""
    with running(Limits(confirm_seconds=0.2)) as gateway:
        gateway.log.away = True
        answer = gateway.post([OUTCOME])

    assert (answer.status, answer.kind, answer.headers["Retry-After"]) == (503, "unconfirmed", "5")
    assert "send them again" in answer.json["detail"]
    assert gateway.log.messages == []


def test_what_kafka_refuses_is_502() -> None:
    """An event that Kafka does not take is not said to be taken, and the reason is passed on."""
    with running() as gateway:
        gateway.log.refusal = "message too large"
        answer = gateway.post([OUTCOME, OUTCOME])

    assert (answer.status, answer.kind) == (502, "refused")
    assert "2 of 2 events" in answer.json["detail"]
    assert "message too large" in answer.json["detail"]


def test_the_numbers_add_up() -> None:
    """Answers by status, taken events by token and type, refused ones by token and reason."""
    with running(Limits(events=4, events_per_second=0.01)) as gateway:
        gateway.post([PREDICTION, OUTCOME], NARROW)
        gateway.post([{**OUTCOME, "value": "x"}, OUTCOME])
        gateway.post([OUTCOME] * 3)
        gateway.post([OUTCOME], "wrong")
        found = numbers(gateway)

    assert found["streams_gateway_events_total", "narrow", "prediction"] == 1
    assert found["streams_gateway_events_total", "narrow", "outcome"] == 1
    assert found["streams_gateway_events_refused_total", "undecodable", "tests"] == 1
    assert found["streams_gateway_events_refused_total", "rate_limited", "tests"] == 3
    statuses = {labels[1]: value for labels, value in found.items() if labels[0] == "streams_gateway_requests_total"}
    assert statuses == {"202": 1, "422": 1, "429": 1, "401": 1}
    assert found["streams_gateway_confirm_seconds_count",] == 3
    assert found["streams_gateway_held_bytes",] == found["streams_gateway_waiting_events",] == 0
    assert found["streams_gateway_open_requests",] == 0
