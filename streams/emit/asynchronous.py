"""The emitter for services on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from streams.config.kafka import KafkaConfig
from streams.emit.backlog import Stats
from streams.emit.base import BaseEmitter
from streams.emit.emitter import CLOSE_SECONDS, MAX_BYTES, MAX_EVENTS, REPORT_SECONDS, Emitter
from streams.emit.events import Event
from streams.emit.policy import Policy
from streams.emit.spool import Spool


class AnyEmitter(Protocol):
    """What a service does with an emitter: `Emitter`, `NoEmitter`, and in its tests `streams.testing.MemoryEmitter`."""

    def emit(self, event: Event, chance: float | None = None) -> bool:
        """Take an event, or drop it."""

    def recording(self, policy: float | Policy) -> Self:
        """Record only a share of the requests."""

    def treating(self, treat: Callable[[dict[str, Any]], dict[str, Any]]) -> Self:
        """Let the fields of each event be treated."""

    def flush(self, timeout: float) -> bool:
        """Wait until what was taken is settled."""

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Deliver what waits, and end."""

    def stats(self) -> Stats:
        """Return the account."""


class AsyncEmitter(BaseEmitter):
    """
    The same for services on asyncio: `emit` is no coroutine, as it never waits; `flush` and `close` are.

    Delivery is in a thread all the same, so that encoding does not hold up the service's loop. Takes what `Emitter`
    takes.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        environ: Mapping[str, str] | None = None,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        spool: Spool | None = None,
        report_seconds: float = REPORT_SECONDS,
    ) -> None:
        self._emitter: AnyEmitter = Emitter(
            kafka, environ, max_events=max_events, max_bytes=max_bytes, spool=spool, report_seconds=report_seconds
        )

    @classmethod
    def around(cls, emitter: AnyEmitter) -> Self:
        """Return one that emits with another emitter, such as a `MemoryEmitter` in a test."""
        made = cls.__new__(cls)
        made._emitter = emitter  # noqa: SLF001 - its own
        return made

    def recording(self, policy: float | Policy) -> Self:
        """Record only a share of the requests, as `Emitter.recording` does; returns this emitter."""
        self._emitter.recording(policy)
        return super().recording(policy)  # for calls that crash

    def treating(self, treat: Callable[[dict[str, Any]], dict[str, Any]]) -> Self:
        """Let the fields of each event be treated before anything of it is kept; returns this emitter."""
        self._emitter.treating(treat)
        return self

    def emit(self, event: Event, chance: float | None = None) -> bool:
        """
        Take an event, or drop and count it; returns at once and says which. Raises nothing.

        Where a share is recorded, `chance` is that which the event is to have at least: of an outcome or feedback, the
        one with which its prediction was recorded.
        """
        return self._emitter.emit(event, chance)

    async def flush(self, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's loop goes on meanwhile
        """Wait for at most `timeout` seconds until all events taken before are settled; say if they are."""
        return await asyncio.to_thread(self._emitter.flush, timeout)

    async def close(self, timeout: float = CLOSE_SECONDS) -> bool:  # noqa: ASYNC109
        """Deliver what waits, for at most `timeout` seconds, and take nothing more; say if nothing was given up."""
        return await asyncio.to_thread(self._emitter.close, timeout)

    def stats(self) -> Stats:
        """Return the account of all events that were given to this emitter, in this process."""
        return self._emitter.stats()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
