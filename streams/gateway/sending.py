"""
From requests to Kafka: what came in while a round was on its way makes the next one, and each learns what became of it.

One round at a time keeps the events of a client that waits for its answers in order, and fills batches when there is
much to do. What nobody waits for any more is taken out, unless its round is on its way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.gateway.judging import Message

ROUND_BYTES = 1 << 20


class Log(Protocol):
    """Where messages go, for good."""

    async def append(self, messages: Sequence[Message]) -> list[str | None]:
        """
        Write messages, and wait for as long as that takes.

        Returns
        -------
        list
            For each message None once it is confirmed, or why it was refused.
        """


@dataclass(frozen=True, eq=False)
class _Parcel:
    """The messages of a request, and where it waits for what becomes of them."""

    messages: Sequence[Message]
    size: int
    settled: asyncio.Future[list[str | None]]


class Sender:
    """Sends what requests hand it, to a log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: deque[_Parcel] = deque()
        self._on_the_way: list[_Parcel] = []
        self._came = asyncio.Event()

    @property
    def events(self) -> int:
        """Events that wait, or are on their way."""
        return sum(len(parcel.messages) for parcel in (*self._waiting, *self._on_the_way))

    async def send(self, messages: Sequence[Message]) -> list[str | None]:
        """
        Send the messages of a request and wait until it is known what became of each, as `Log.append` says it.

        If it is cancelled before their round begins, nothing of them is sent.
        """
        settled = asyncio.get_running_loop().create_future()
        parcel = _Parcel(messages, sum(message.size for message in messages), settled)
        self._waiting.append(parcel)
        self._came.set()
        try:
            return list(await settled)
        finally:
            if parcel in self._waiting:
                self._waiting.remove(parcel)

    async def run(self) -> None:
        """Send, until cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                await self._send_round()

    async def _send_round(self) -> None:
        self._on_the_way = self._round()
        try:
            became = await self._log.append([one for parcel in self._on_the_way for one in parcel.messages])
            at = 0
            for parcel in self._on_the_way:
                if not parcel.settled.done():
                    parcel.settled.set_result(became[at : at + len(parcel.messages)])
                at += len(parcel.messages)
        finally:
            self._on_the_way = []

    def _round(self) -> list[_Parcel]:
        """Take what goes next: at least one parcel, and what else fits."""
        taken = [self._waiting.popleft()]
        size = taken[0].size
        while self._waiting and size + self._waiting[0].size <= ROUND_BYTES:
            size += self._waiting[0].size
            taken.append(self._waiting.popleft())
        return taken
