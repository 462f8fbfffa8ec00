"""`Http`: what each answer of a server means, and that secrets do not come back."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

import pytest
from aiohttp import web

from streams.alerts.answer import Answer, Refused, Sent, TryAgain, told
from streams.alerts.http import seconds_of
from tests.alerts.making import CANARY
from tests.alerts.servers import Behaviour, HttpServer, speaking

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def post(behaviour: Behaviour, timeout: float = 10.0) -> Answer:
    """Post once to a server that behaves so."""

    async def run() -> Answer:
        server = HttpServer([behaviour])
        async with speaking(server, (CANARY,), timeout) as http:
            return await http.post(f"{server.url}/{CANARY}", b"{}", {"X-Secret": CANARY})

    return asyncio.run(run())


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_taken(status: int) -> None:
    """Answers of 200 to 299 say that the other side has it."""
    assert post(web.Response(status=status)) == Sent(str(status))


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 413])
def test_refused(status: int) -> None:
    """Answers of 300 to 499 are final; a redirection is not followed."""
    assert post(web.Response(status=status, text="no_service", headers={"Location": "/"})) == Refused(
        f"{status} no_service"
    )


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_not_now(status: int) -> None:
    """Overload and trouble of the server are for now; how long it asks to wait is passed on."""
    assert post(web.Response(status=status)) == TryAgain(str(status))
    assert post(web.Response(status=status, headers={"Retry-After": "7"})) == TryAgain(str(status), 7.0)


def test_no_answer() -> None:
    """A server that does not answer in time is tried again."""
    assert post("hang", timeout=0.05) == TryAgain("no answer within 0.05 s")


def test_reset() -> None:
    """A connection that is reset is tried again."""
    answer = post("reset")

    assert isinstance(answer, TryAgain)
    assert answer.detail.startswith("ServerDisconnectedError")


def test_nobody_there() -> None:
    """A server that is not there is tried again."""

    async def run() -> Answer:
        server = HttpServer([])
        async with speaking(server) as http:
            pass
        async with speaking(HttpServer([])) as http:
            return await http.post(f"{server.url}/x", b"{}", {})

    answer = asyncio.run(run())

    assert isinstance(answer, TryAgain)
    assert "127.0.0.1" in answer.detail


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("0", 0.0),
        ("9" * 400, 3_600.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=1), usegmt=True), 3_600.0),
        ("Thu, 99 Jan 2026 00:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """Both forms are read, nonsense is nothing, and no server is waited for longer than an hour."""
    assert seconds_of(header, NOW) == seconds


@pytest.mark.parametrize("told", [400, 500, "hang", "reset"])
def test_secrets_do_not_come_back(told: int | Literal["hang", "reset"], caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats the secret, or an error that would, puts it into no answer and no log."""
    behaviour = web.Response(status=told, text=f"wrong key: {CANARY}") if isinstance(told, int) else told
    with caplog.at_level(logging.DEBUG):
        answer = post(behaviour, timeout=0.05)

    assert CANARY not in answer.detail + caplog.text
    assert not isinstance(behaviour, web.Response) or "[secret]" in answer.detail


def test_what_was_said_fits_on_a_line() -> None:
    """Secrets are hidden before a text is cut, in any form; control characters are no part of a log."""
    assert told(f"a\x1b[2J\nb {'x' * 500}", []) == ("a [2J b " + "x" * 500)[:297] + "..."
    assert told("x" * 290 + "p/w d", ["p/w d"]) == "x" * 290 + "[secret]"
    assert told("see ?key=p%2Fw%20d", ["p/w d"]) == "see ?key=[secret]"
