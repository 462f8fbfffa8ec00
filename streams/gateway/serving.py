"""
Connections: a port that is listened on, with bounds on how many clients there are and how slow they may be.

Nothing that a client sent is logged: not its headers, where its token is, and not what is wrong with them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from streams.errors import UsageError
from streams.gateway.limits import Limits
from streams.gateway.problems import KINDS, MEDIA_TYPE

log = logging.getLogger(__name__)

IDLE_SECONDS = 75.0
"""Until an idle connection is closed: longer than proxies keep theirs, which would else send into a closed one."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Logger: TypeAlias = logging.LoggerAdapter[logging.Logger]


@asynccontextmanager
async def serving(application: web.Application, limits: Limits, address: tuple[str, int]) -> AsyncIterator[int]:
    """
    Answer HTTP while the block runs; yields the port, a free one where 0 was asked for.

    At the end nobody is let in any more, and those who are in are answered.

    Raises
    ------
    UsageError
        The address cannot be listened on.
    """
    waited_for = _Newcomers(limits.read_seconds)
    application.middlewares.insert(0, waited_for.said_something)
    runner = web.AppRunner(
        application,
        auto_decompress=False,
        access_log=None,
        logger=_WithoutContents(log),
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=limits.read_seconds,  # what is left of a refused body is thrown away: so its answer is read
        shutdown_timeout=limits.confirm_seconds,
    )
    await runner.setup()
    try:
        server = await _listen(partial(_next_client, runner, limits, waited_for), address)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _listen(next_client: Callable[[], asyncio.Protocol], address: tuple[str, int]) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(next_client, *address)
    except OSError as error:
        where = f"--listen {address[0]}:{address[1]}"
        raise UsageError(f"{where} cannot be used: {error.strerror or error}; name another address or port") from error


def _next_client(runner: web.AppRunner, limits: Limits, newcomers: _Newcomers) -> asyncio.Protocol:
    """Return what speaks with the next client."""
    server = runner.server
    if server is None or len(server.connections) >= limits.connections:
        return _Full()
    protocol: RequestHandler = server()
    newcomers.wait_for(protocol)
    return protocol


class _Newcomers:
    """Clients that have not asked anything yet; those that take longer than `seconds` for that are sent away."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timers: dict[object, asyncio.TimerHandle] = {}

    def wait_for(self, protocol: RequestHandler) -> None:
        """Wait for a client's first request, as far as its headers."""
        loop = asyncio.get_running_loop()
        self._timers[protocol] = loop.call_later(self._seconds, self._send_away, protocol)

    @web.middleware
    async def said_something(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Wait no longer for who has sent a request."""
        timer = self._timers.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

    def _send_away(self, protocol: RequestHandler) -> None:
        del self._timers[protocol]
        if protocol.transport is not None:
            why = f"the headers were not there after {self._seconds:g} s"
            protocol.transport.write(_raw(408, "slow", why))
            protocol.force_close()


class _Full(asyncio.Protocol):
    """Tells a client that there are too many, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer before anything is asked."""
        why = "too many connections are open; try again, or use fewer"
        cast("asyncio.WriteTransport", transport).write(_raw(503, "busy", why, "Retry-After: 1"))
        transport.close()


class _WithoutContents(_Logger):
    """A logger that leaves out what clients do wrong: it quotes what they sent, where a token may stand."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log what is not the client's fault."""
        if not isinstance(kwargs.get("exc_info"), HttpProcessingError | web.RequestPayloadError | ConnectionError):
            super().log(level, msg, *args, **kwargs)


def _raw(status: int, kind: str, detail: str, *headers: str) -> bytes:
    """Write an answer where there is no request to answer."""
    title = KINDS[kind].title
    body = json.dumps({"type": f"urn:streams:gateway:{kind}", "title": title, "status": status, "detail": detail})
    lines = (
        f"HTTP/1.1 {status} {title}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + body.encode()
