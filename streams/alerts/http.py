"""Posts JSON to a server, and says of every answer, or lack of one, what it means for the notice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from streams.alerts.answer import Answer, Refused, Sent, TryAgain, told

_READ_BYTES = 4_096  # of an answer; what it means stands at its beginning
_FOR_NOW = frozenset({408, 425, 429})  # beside 500 and above: the request was not wrong, its time was
_LONGEST_WAIT = 3_600.0  # seconds; a server that asks for more is asked again after an hour


@dataclass(frozen=True)
class Http:
    """
    How one route speaks HTTP.

    Attributes
    ----------
    session
        The connections, shared by all routes.
    timeout
        Seconds for one request, from connecting to the end of the answer.
    secrets
        What must not be repeated of an answer or an error.
    """

    session: aiohttp.ClientSession
    timeout: float
    secrets: tuple[str, ...] = field(default=(), repr=False)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post JSON once. Redirections are refused: what is signed or secret goes where it was meant to, or nowhere."""
        try:
            # Not aiohttp's own timeout, which would be one more error that tells of connections.
            async with asyncio.timeout(self.timeout), self._posting(url, body, headers) as response:
                text = (await response.content.read(_READ_BYTES)).decode(errors="replace")
        except TimeoutError:
            return TryAgain(f"no answer within {self.timeout:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return TryAgain(told(f"{type(error).__name__}: {error}", self.secrets))
        return self._meaning(response.status, text, response.headers.get("Retry-After"))

    def _posting(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        sent = {"Content-Type": "application/json", **headers}
        return self.session.post(url, data=body, headers=sent, allow_redirects=False)

    def _meaning(self, status: int, text: str, retry_after: str | None) -> Answer:
        detail = told(f"{status} {text}", self.secrets)
        if 200 <= status < 300:
            return Sent(detail)
        if status in _FOR_NOW or status >= 500:
            return TryAgain(detail, seconds_of(retry_after, datetime.now(UTC)))
        return Refused(detail)


def seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """
    Read the header Retry-After (RFC 9110, section 10.2.3): seconds, or a date; None if it is neither.

    >>> seconds_of("120", datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> seconds_of("Thu, 01 Jan 2026 00:00:30 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    30.0
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date without a zone is one all the same: HTTP has no other than GMT.
    wait = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(wait, 0.0), _LONGEST_WAIT)
