"""A gateway that runs beside a test, with a log in memory at its outermost edge."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config import Config, parse_config
from streams.emit.events import now as now_us
from streams.gateway.judging import Message
from streams.gateway.limits import Limits
from streams.gateway.run import gateway
from streams.gateway.tokens import Token, Tokens

REGISTRY = SchemaRegistry.load(default_schema_dir())
SECRET, NARROW = "a-token-of-the-tests", "a-token-for-one-model"
CONFIG = parse_config("models: {m: {task: regression}, other: {task: regression}}", "test")
TOKENS = Tokens(
    [
        Token("tests", hashlib.sha256(SECRET.encode()).digest()),
        Token("narrow", hashlib.sha256(NARROW.encode()).digest(), frozenset({"m"})),
    ]
)
LIMITS = Limits(confirm_seconds=5.0)
TIME = "2026-11-21T10:00:00Z"
OUTCOME = {"type": "outcome", "request_id": "r1", "event_time": TIME, "value": 1.5}
PREDICTION = {"type": "prediction", "prediction_id": "p1", "event_time": TIME, "model": "m", "version": "1"}
SUMMARY = {"type": "summary", "summary_id": "s1", "event_time": TIME, "model": "m", "version": "1"} | {
    "n": 9,
    "weight": 9.0,
    "square": 9.0,
}
FEEDBACK = {"type": "feedback", "feedback_id": "f1", "request_id": "r1", "event_time": TIME, "kind": "edit"}


class MemoryLog:
    """Keeps what it is given; while it is `away` nothing is answered, and `refusal` is why it refuses everything."""

    def __init__(self) -> None:
        self.rounds: list[list[Message]] = []
        self.away = False
        self.refusal: str | None = None

    @property
    def messages(self) -> list[Message]:
        """All messages, in their order."""
        return [message for round_ in self.rounds for message in round_]

    async def append(self, messages: Sequence[Message]) -> list[str | None]:
        """Keep messages."""
        if self.away:
            await asyncio.get_running_loop().create_future()
        self.rounds.append(list(messages))
        return [self.refusal] * len(messages)


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Kind of a problem."""
        return str(self.json["type"]).removeprefix("urn:streams:gateway:")


@dataclass(frozen=True)
class Gateway:
    """A gateway that answers at a port."""

    port: int
    log: MemoryLog = field(repr=False)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request as it is given, and read what is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, body: Any, token: str | None = SECRET, **headers: str) -> Answer:
        """Send events: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/v1/events", data, {"Content-Type": "application/json", **authorization, **more})


@contextmanager
def running(limits: Limits = LIMITS, config: Config = CONFIG, now: Callable[[], int] = now_us) -> Iterator[Gateway]:
    """Run a gateway in a thread of its own."""
    messages = MemoryLog()
    started, ended = threading.Event(), asyncio.Event()
    found: list[int] = []
    loop = uvloop.new_event_loop()  # as the command does

    async def serve() -> None:
        async with gateway(config, TOKENS, limits, messages, ("127.0.0.1", 0), now) as (port, _):
            found.append(port)
            started.set()
            await ended.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield Gateway(found[0], messages)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
