"""
The door: what is answered at each path of a gateway.

An event is taken (202) when Kafka has confirmed it: every replica in sync has it. Whoever gets another answer, or
none, sends the request again; events have ids, and what comes twice is counted once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from streams.codecs.registry import SchemaRegistry
from streams.core.block import EVENT_TYPES
from streams.core.validate import Rules
from streams.gateway.judging import JSON, NDJSON, Message, judge, split
from streams.gateway.limits import Limits
from streams.gateway.metrics import Metrics
from streams.gateway.problems import Problem, of_http
from streams.gateway.reading import ENCODINGS, encoding_of, read_body, too_large
from streams.gateway.room import RETRY_SECONDS, Bucket, Room
from streams.gateway.sending import Sender
from streams.gateway.tokens import Token, Tokens

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """
    Answers requests.

    Parameters
    ----------
    tokens : Tokens
        Who may write.
    limits : Limits
        How much.
    rules : Callable
        Returns what events must satisfy now.
    registry : SchemaRegistry
        What events are encoded with.
    sender : Sender
        Where they go.
    document : Mapping
        The OpenAPI document of this gateway.
    """

    def __init__(
        self,
        tokens: Tokens,
        limits: Limits,
        rules: Callable[[], Rules],
        registry: SchemaRegistry,
        sender: Sender,
        document: Mapping[str, Any],
    ) -> None:
        self._tokens = tokens
        self._limits = limits
        self._rules = rules
        self._registry = registry
        self._sender = sender
        self._document = json.dumps(document)
        self._room = Room(limits)
        self._metrics = Metrics(self._room, sender)
        rate = (limits.events_per_second, limits.burst, time.monotonic)
        self._buckets = {token.name: Bucket(*rate) for token in tokens}

    def application(self) -> web.Application:
        """Return the application that a server runs."""
        application = web.Application(middlewares=[self._answered])
        application.router.add_post("/v1/events", self.events, expect_handler=_later)
        application.router.add_get("/v1/openapi.json", self.openapi, allow_head=False)
        application.router.add_get("/healthz", self.health, allow_head=False)
        application.router.add_get("/metrics", self.metrics, allow_head=False)
        return application

    async def events(self, request: web.Request) -> web.Response:
        """Take events: 202 once Kafka has all of them."""
        token, media_type = self._admit(request)
        with self._room.request() as hold:
            _go_on(request)
            body = await read_body(request, self._limits, hold)
            with self._metrics.seconds.time():
                messages = self._judge(body, media_type, token)
                await self._send(messages, token)
        counts = self._metrics.taken(token.name, messages)
        by_type: dict[str, int] = {kind: counts[kind] for kind in EVENT_TYPES}
        return web.json_response({"accepted": len(messages), **by_type}, status=202)

    async def openapi(self, _: web.Request) -> web.Response:
        """Describe this gateway, its limits included."""
        return web.Response(text=self._document, content_type=JSON)

    async def health(self, _: web.Request) -> web.Response:
        """Say that it answers; while Kafka is away it does too, and `waiting_events` grows."""
        waits = {"waiting_events": self._sender.events, "held_bytes": self._room.held}
        return web.json_response({"healthy": True, **waits})

    async def metrics(self, _: web.Request) -> web.Response:
        """All metrics, as Prometheus reads them."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _admit(self, request: web.Request) -> tuple[Token, str]:
        """Look at what can be known without the body: whose request it is, of what kind, and how large."""
        token = self._tokens.holder(request.headers.get("Authorization"))
        if token is None:
            raise Problem("unauthorized", "send the header `Authorization: Bearer TOKEN`, with a token known here")
        if request.content_type not in {JSON, NDJSON} or encoding_of(request) not in ENCODINGS:
            raise Problem(
                "unsupported_media_type",
                f"send Content-Type {JSON} (an array of events) or {NDJSON} (one a line), as it is or in gzip",
            )
        if (request.content_length or 0) > self._limits.body_bytes:
            raise too_large(self._limits.body_bytes)
        return token, request.content_type

    def _judge(self, body: bytes, media_type: str, token: Token) -> list[Message]:
        lines = split(body, media_type)
        if len(lines) > self._limits.events:
            most = self._limits.events
            raise Problem("too_many_events", f"{len(lines)} events, a request has at most {most}; send several")
        if wait := self._buckets[token.name].take(len(lines)):
            self._metrics.held_back(token.name, "rate_limited", len(lines))
            rate = f"token {token.name} writes at most {self._limits.events_per_second:g} events a second"
            raise Problem(
                "rate_limited", f"{rate}; none of these was taken, send them again in {wait:.1f} s", wait=wait
            )
        try:
            return judge(lines, token, self._rules(), self._registry)
        except Problem as problem:
            self._metrics.refused(token.name, problem.events)
            raise

    async def _send(self, messages: list[Message], token: Token) -> None:
        seconds = self._limits.confirm_seconds
        try:
            async with asyncio.timeout(seconds):
                became = await self._sender.send(messages)
        except TimeoutError:
            self._metrics.held_back(token.name, "unconfirmed", len(messages))
            again = "they may arrive yet; send them again, what comes twice is counted once"
            raise Problem(
                "unconfirmed", f"no answer from Kafka in {seconds:g} s; {again}", wait=RETRY_SECONDS
            ) from None
        if refused := [why for why in became if why is not None]:
            self._metrics.held_back(token.name, "refused", len(refused))
            raise Problem("refused", f"{len(refused)} of {len(messages)} events, the others arrived: {refused[0]}")

    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return self._counted(await handler(request))
        except Problem as problem:
            return self._counted(problem.response())
        except web.HTTPException as error:
            return self._counted(of_http(error))

    def _counted(self, response: web.StreamResponse) -> web.StreamResponse:
        self._metrics.answered(response.status)
        return response


async def _later(_: web.Request) -> None:
    """Do not tell a client to go on before it is known whether it may."""


def _go_on(request: web.Request) -> None:
    """Tell a client that waits for it, as many do before they send a large body, that it may send."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
