"""Servers on this machine that answer as they are told to, and keep what they got."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from aiohttp import web

from streams.alerts.http import Http

Behaviour = web.Response | Literal["hang", "reset"]


@dataclass
class Taken:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


class HttpServer:
    """Answers requests as told beforehand, the rest with 200; "hang" means never, and "reset" that it hangs up."""

    def __init__(self, behaviours: Iterable[Behaviour]) -> None:
        self.behaviours = list(behaviours)
        self.taken: list[Taken] = []
        self.url = ""
        self.came = asyncio.Event()
        self._over = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.taken.append(Taken(request.path, dict(request.headers), await request.read()))
        self.came.set()
        behaviour = self.behaviours.pop(0) if self.behaviours else web.Response(text="ok")
        if behaviour == "hang":
            await self._over.wait()
        elif behaviour == "reset":
            assert request.transport is not None
            request.transport.abort()
        return behaviour if isinstance(behaviour, web.Response) else web.Response()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HttpServer]:
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            yield self
        finally:
            self._over.set()
            await runner.cleanup()


@asynccontextmanager
async def speaking(server: HttpServer, secrets: tuple[str, ...] = (), timeout: float = 10.0) -> AsyncIterator[Http]:  # noqa: ASYNC109 - a route's
    """Run a server, and speak to it."""
    async with server.running(), aiohttp.ClientSession() as session:
        yield Http(session, timeout, secrets)


@dataclass
class SmtpSink:
    """
    A mail server that takes everything, or refuses what it is told to.

    Attributes
    ----------
    refusals
        Answer by the beginning of the command that it is the answer to, such as "RCPT": "450 later".
    tls
        Certificate and key; with it STARTTLS is offered, or, if `from_the_start`, spoken from the beginning.
    """

    refusals: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    from_the_start: bool = False
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SmtpSink]:
        context = self.tls if self.from_the_start else None
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        try:
            while (line := await reader.readline()) and not line.upper().startswith(b"QUIT"):
                command = line.decode().strip()
                self.commands.append(command)
                writer.write(self._reply(command).encode() + b"\r\n")
                await writer.drain()
                verb = command.upper()
                if verb == "STARTTLS" and self.tls is not None:
                    await writer.start_tls(self.tls)
                if verb == "DATA" and "DATA" not in self.refusals:
                    self.messages.append(await _data(reader))
                    writer.write(b"250 taken\r\n")
        except (ConnectionError, ssl.SSLError):
            return
        finally:
            writer.close()

    def _reply(self, command: str) -> str:
        for beginning, answer in self.refusals.items():
            if command.upper().startswith(beginning):
                return answer
        replies: dict[str, Any] = {
            "EHLO": "250-sink\r\n250-AUTH PLAIN" + ("\r\n250 STARTTLS" if self.tls else "\r\n250 HELP"),
            "AUTH": "235 welcome",
            "STARTTLS": "220 go ahead",
            "DATA": "354 go on",
        }
        return str(replies.get(command.split(maxsplit=1)[0].upper(), "250 fine"))


async def _data(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line)
    return b"".join(lines)
