"""What the deliverer knows of the record: what is settled, who was told what, what people said; and writes to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from streams.alerts.delivery import Book, Delivery, Settled
from streams.alerts.ledger import Ledger
from streams.alerts.muting import Muting
from streams.alerts.pace import Clock, Pace
from streams.alerts.tally import Tally
from streams.core.alert.notice import Notice
from streams.errors import StoreUnavailable

log = logging.getLogger(__name__)

Acknowledge = Callable[[int], Awaitable[None]]
"""Says that everything up to a position, and this itself, need not be read again."""

_MOST_REMEMBERED = 100_000  # deliveries; of older ones a repetition in the topic would be sent again


@dataclass(frozen=True)
class World:
    """What is around the deliverer: the record, the clock, a source of chance in [0, 1), how it waits, its numbers."""

    book: Book
    clock: Clock
    chance: Callable[[], float]
    pace: Pace
    tally: Tally = field(default_factory=Tally)


class Record:
    """
    The deliverer's side of the record.

    A store that is away stops no alert: what comes of it waits here until it is back, and what people said last holds
    on. Only acknowledging waits.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ledger = Ledger()
        self._settled: dict[Settled, None] = {}
        self._told: set[tuple[str, str]] = set()
        self._muting, self._asked = Muting(), -world.pace.remember
        self._waiting: list[Delivery] = []
        self._writing = 0
        self._changed = asyncio.Event()
        self._is_last = False

    async def begin(self) -> None:
        """Look up what came of notices when the process ran before."""
        try:
            history = await self._world.book.history(self._world.clock.now())
        except StoreUnavailable as error:
            log.warning("%s; what was sent but not acknowledged is sent again", error)
            return
        self._settled.update(dict.fromkeys(history.settled))
        self._told |= history.told

    async def muting(self) -> Muting:
        """Return what people said of alerts."""
        now = self._world.clock.now()
        if now - self._asked >= self._world.pace.remember:
            self._asked = now
            try:
                self._muting = await self._world.book.muting(now)
            except StoreUnavailable as error:
                log.warning("%s; silences hold as they were known last", error)
        return self._muting

    def open(self, position: int, outcomes: int) -> None:
        """Note that a position was read, and how many outcomes it will have."""
        self._ledger.open(position, outcomes)
        self._changed.set()

    def is_settled(self, notice: Notice, route: str) -> bool:
        """Whether it is known what came of a notice at a route."""
        return (notice.dedup_key, notice.revision, route) in self._settled

    def knows(self, notice: Notice, route: str) -> bool:
        """Whether a route was told of an alert, and not yet that it is over."""
        return (notice.dedup_key, route) in self._told

    @property
    def unrecorded(self) -> int:
        """How many outcomes are known and not on record yet."""
        return len(self._waiting) + self._writing

    def settle(self, delivery: Delivery) -> None:
        """Take an outcome, to be put on record soon."""
        self._world.tally.settled(delivery)
        self._settled[delivery.settled] = None
        while len(self._settled) > _MOST_REMEMBERED:
            del self._settled[next(iter(self._settled))]
        if delivery.outcome == "sent":
            change = self._told.discard if delivery.status == "resolved" else self._told.add
            change((delivery.dedup_key, delivery.route))
        self._waiting.append(delivery)
        self._changed.set()

    def repeat(self, position: int) -> None:
        """Note that a position needs one outcome less, which is on record for an earlier one."""
        self._ledger.settle(position)
        self._changed.set()

    def finish(self) -> None:
        """Let `keep` end once all is done, because nothing more is read."""
        self._is_last = True
        self._changed.set()

    async def keep(self, acknowledge: Acknowledge) -> None:
        """Put outcomes on record, and acknowledge positions, until all is done after `finish`."""
        while True:
            self._changed.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._write(batch)
                for one in batch:
                    self._ledger.settle(one.position)
            position = self._ledger.take()
            if position is not None:
                await acknowledge(position)
            if self._is_last and self._ledger.is_done and not self._waiting:
                return
            if not self._waiting:
                await self._changed.wait()

    async def _write(self, batch: list[Delivery]) -> None:
        failures, self._writing = 0, len(batch)
        while True:
            try:
                await self._world.book.record(batch)
            except StoreUnavailable as error:
                failures += 1
                log.warning("%s; %d outcomes wait for it", error, len(batch))
            else:
                self._writing = 0
                return
            pause = self._world.pace.pause(failures, self._world.chance, None)
            await self._world.clock.wait(asyncio.Event(), pause)
