"""Clients that do harm: too large, too slow, too many, or no HTTP at all. None is waited for, and none is logged."""

from __future__ import annotations

import json
import logging
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from streams.gateway.limits import Limits
from tests.gateway.serving import LIMITS, OUTCOME, SECRET, Gateway, running

MANY = 50_000_000
HEAD = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/json\r\n"
SLOW = Limits(read_seconds=0.2, confirm_seconds=5.0)


def opened(gateway: Gateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=60)


def said(sent: bytes, gateway: Gateway) -> bytes:
    """Send some bytes, and read until the gateway closes."""
    with closing(opened(gateway)) as connection:
        connection.sendall(sent)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def problem_in(answer: bytes) -> tuple[str, Any]:
    """Return the first line of an answer, and the problem in its body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), json.loads(body)


def chunks(total: int) -> Iterator[bytes]:
    """Give blanks, which no reader of JSON minds, without saying beforehand how many."""
    for _ in range(total // 100_000):
        yield b" " * 100_000


def test_a_body_of_50_megabytes_is_refused_and_not_kept() -> None:
    """With its length in a header or without, 413 is what the client reads, and what is held stays small."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    with running() as gateway:
        tracemalloc.start()
        told = gateway.ask("POST", "/v1/events", chunks(MANY), {**headers, "Content-Length": str(MANY)})
        untold = gateway.ask("POST", "/v1/events", chunks(MANY), headers)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        again = gateway.post([OUTCOME])

    assert [(answer.status, answer.kind) for answer in (told, untold)] == [(413, "too_large")] * 2
    assert again.status == 202
    assert peak < 4 * Limits.body_bytes < MANY


def test_a_client_that_asks_first_need_not_send() -> None:
    """A client that expects 100-continue is refused before its body, or told to go on."""
    with running(SLOW) as gateway:
        ask = "Expect: 100-continue\r\nConnection: close\r\n"
        large = said(f"{HEAD}{ask}Content-Length: {MANY}\r\n\r\n".encode(), gateway)
        body = json.dumps([OUTCOME]).encode()
        with closing(opened(gateway)) as connection:
            connection.sendall(f"{HEAD}{ask}Content-Length: {len(body)}\r\n\r\n".encode())
            go_on = connection.recv(1_000)
            connection.sendall(body)
            taken = read_all(connection)

    assert problem_in(large)[1]["type"] == "urn:streams:gateway:too_large"
    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert taken.startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize("sent", [b"", b"POST /v1/events HT", HEAD.encode()])
def test_headers_that_do_not_come_are_not_waited_for(sent: bytes) -> None:
    """A connection on which the headers are not there in time is told so and closed, wherever they stop."""
    with running(SLOW) as gateway:
        status, problem = problem_in(said(sent, gateway))

    assert status.startswith("HTTP/1.1 408 ")
    assert problem["type"] == "urn:streams:gateway:slow"


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """A body that stops half way is 408, frees what it held, and the connection is closed."""
    with running(SLOW) as gateway:
        status, problem = problem_in(said(f'{HEAD}Content-Length: 100\r\n\r\n[{{"type"'.encode(), gateway))
        health = gateway.ask("GET", "/healthz").json

    assert status.startswith("HTTP/1.1 408 ")
    assert problem["type"] == "urn:streams:gateway:slow"
    assert health["held_bytes"] == 0


def test_a_connection_that_has_asked_may_rest() -> None:
    """The time for headers is that of a first request: a client that keeps its connection is not cut off by it."""
    with running(SLOW) as gateway, closing(opened(gateway)) as connection:
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200 ")
            said(b"", gateway)  # another one that says nothing is sent away: the time is over

        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200 ")


def test_slow_clients_do_not_keep_others_out() -> None:
    """With many bodies that do not come, another client's events are taken at once."""
    with running(Limits(read_seconds=30.0)) as gateway, ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(closing(opened(gateway)))
            connection.sendall(f"{HEAD}Content-Length: 100\r\n\r\n[".encode())
        answer = gateway.post([OUTCOME])

    assert answer.status == 202


def test_more_requests_than_may_be_are_503() -> None:
    """While as many as may be wait for Kafka, one more is told to come again, and holds nothing."""
    with running(Limits(requests=2, confirm_seconds=1.0)) as gateway:
        gateway.log.away = True
        busy = answers_while_kafka_is_away(gateway, [OUTCOME], "streams_gateway_open_requests 2.0")

    assert (busy.status, busy.kind, busy.headers["Retry-After"]) == (503, "busy", "1")


def test_a_full_buffer_is_503() -> None:
    """While Kafka is away no more bytes are held than may be; what does not fit is refused whole."""
    body = [{**OUTCOME, "label": "x" * 900}]
    with running(Limits(body_bytes=1_500, buffer_bytes=2_500, confirm_seconds=1.0)) as gateway:
        gateway.log.away = True
        full = answers_while_kafka_is_away(gateway, body, "streams_gateway_waiting_events 2.0")

    assert (full.status, full.kind, full.headers["Retry-After"]) == (503, "full", "5")
    assert "nothing of this request was taken" in full.json["detail"]


def answers_while_kafka_is_away(gateway: Gateway, body: object, until: str) -> Any:
    """Have two requests wait, until the metrics say that they do, and return what a third one is answered."""
    threads = [threading.Thread(target=gateway.post, args=(body,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    while until not in gateway.ask("GET", "/metrics").body.decode():
        pass
    answer = gateway.post(body)
    for thread in threads:
        thread.join()
    return answer


def test_more_connections_than_may_be_are_closed() -> None:
    """One connection more than may be is told so before it asks anything; when one has gone, the next gets in."""
    with running(Limits(connections=2)) as gateway, ExitStack() as stack:
        first, second = (stack.enter_context(closing(opened(gateway))) for _ in range(2))
        for connection in (first, second):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200 ")
        status, problem = problem_in(said(b"", gateway))
        second.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        read_all(second)
        after = gateway.ask("GET", "/healthz")

    assert status.startswith("HTTP/1.1 503 ")
    assert problem["type"] == "urn:streams:gateway:busy"
    assert after.status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"this is no HTTP\r\n\r\n",
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\x00\r\n\r\n".encode(),
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}{'x' * 9_000}\r\n\r\n".encode(),
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
        f"{HEAD}Content-Length: -1\r\n\r\n".encode(),
    ],
    ids=map(str, range(6)),
)
def test_what_is_no_http_is_closed_and_not_logged(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is answered with 400 and the connection is closed; no line of the log has anything of it."""
    with caplog.at_level(logging.DEBUG), running() as gateway:
        answer = said(sent, gateway)
        alive = gateway.ask("GET", "/healthz").status

    assert answer.split()[1] == b"400"
    assert alive == 200
    assert SECRET not in caplog.text


def test_no_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither tokens nor events are in the log, whether they are taken or refused."""
    with caplog.at_level(logging.DEBUG), running() as gateway:
        gateway.post([{**OUTCOME, "label": "a-private-label"}])
        gateway.post([{**OUTCOME, "label": 7, "source": "a-private-label"}])
        gateway.post([OUTCOME], "a-wrong-token")

    for text in (SECRET, "a-private-label", "a-wrong-token"):
        assert text not in caplog.text


def test_a_client_that_goes_away_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that breaks in the midst of a body is not logged, frees what it held, and others are answered."""
    with caplog.at_level(logging.INFO), running(LIMITS) as gateway:
        with closing(opened(gateway)) as connection:
            connection.sendall(f"{HEAD}Content-Length: 100\r\n\r\n[".encode())
            while "streams_gateway_held_bytes 1.0" not in gateway.ask("GET", "/metrics").body.decode():
                pass
        while gateway.ask("GET", "/healthz").json["held_bytes"]:
            pass
        answer = gateway.post([OUTCOME])

    assert answer.status == 202
    assert caplog.text == ""
