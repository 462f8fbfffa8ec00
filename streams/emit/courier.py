"""
The courier: a thread of its own that delivers what waits, and begins anew after whatever goes wrong.

Events go in rounds, one at a time, each one batch a partition: so they are settled in the order in which they were
emitted, and while a round is on its way the next one grows. The producer is idempotent and repeats by itself what a
broker did not answer; only what brokers refuse is lost, and then a new producer follows, for the old one's numbering
has a gap.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from streams.codecs.registry import SchemaRegistry
from streams.config.kafka import KafkaConfig
from streams.emit.backlog import Backlog
from streams.emit.loop import CourierLoop
from streams.emit.outbox import Outbox, Parcel
from streams.emit.reports import DropReports, in_words
from streams.emit.sending import PATIENCE, PRODUCER, Sender, refused
from streams.emit.spool import Spool
from streams.errors import StreamsError
from streams.runtime.kafka import FIRST_BACKOFF, LAST_BACKOFF, connected

LINGER = 0.01  # seconds between the first event of an idle time and its round: it fills, and waking costs the caller
STORE_SECONDS = 0.25  # how often what waits in memory is moved to the disk, where rounds do not do it sooner
SYNC_STORES = 4  # every so many of these, the disk is told to make it safe
_LOGGER = logging.getLogger("streams.emit")
_new_loop = CourierLoop


@dataclass(frozen=True)
class Route:
    """
    What a courier needs to know.

    `settings` are those of aiokafka's clients, and `report_seconds` is how often drops are told, if there are any.
    """

    kafka: KafkaConfig
    settings: Mapping[str, Any]
    registry: SchemaRegistry
    report_seconds: float
    spool: Spool | None


class Courier:
    """
    Delivers a backlog.

    Parameters
    ----------
    route : Route
        Where to.
    backlog : Backlog
        Where events wait.
    singly : bool
        Encode one by one, as a child must whose parent has encoded before it forked.
    """

    def __init__(self, route: Route, backlog: Backlog, *, singly: bool) -> None:
        self._route = route
        self._backlog = backlog
        self._outbox = Outbox(backlog, route.spool)
        self._sender = Sender(route.kafka, route.registry, singly=singly)
        self._logged, self._reports = DropReports(), DropReports()
        self._owes_report = False
        self._parcel: Parcel | None = None  # taken, and not yet handed to a producer
        self._sleeps = False
        self._stops = False
        self._until = 0.0
        self._awake, self._stopping, self._syncs = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name="streams-emit", daemon=True)

    def start(self) -> Self:
        """Begin. Raises RuntimeError where no thread can be started."""
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            raise
        return self

    def wake(self) -> None:
        """Have what waits delivered; costs nothing while the courier is at work."""
        if self._sleeps:
            self._sleeps = False
            self._call(self._awake)

    def sync(self) -> None:
        """Have what waits made safe on the disk, if there is one."""
        self._call(self._syncs)

    def stop(self, timeout: float) -> None:
        """Deliver what waits for at most `timeout` seconds, leave the rest, and wait until the thread has ended."""
        self._until = time.monotonic() + timeout
        self._stops = True
        self._call(self._awake)
        self._call(self._stopping)
        self._thread.join(timeout + PATIENCE)
        if self._thread.is_alive():  # held up by something outside of us; the account is closed all the same
            self._backlog.abandon()

    def forget(self) -> None:
        """Close what a forked child shares with its parent, in the child."""
        self._outbox.forget()

    def _call(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nothing is left to be told
            self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        self._outbox.adopt()
        beside: list[Coroutine[Any, Any, None]] = [self._report_regularly()]
        beside += [self._store_regularly()] if self._route.spool is not None else []
        others = {asyncio.create_task(each) for each in beside}
        delivering = asyncio.create_task(self._deliver())
        await self._stopping.wait()
        await asyncio.wait({delivering}, timeout=max(0.0, self._until - time.monotonic()))
        for task in {delivering, *others}:
            task.cancel()
        await asyncio.wait({delivering, *others})
        self._outbox.leave(self._reports.events(self._backlog.stats()))
        self._log_drops()

    async def _deliver(self) -> None:
        """Deliver until the emitter is closed and nothing waits."""
        pause = FIRST_BACKOFF
        while self._has_work() or not self._stops:
            before = self._backlog.stats().confirmed
            # Whatever happens in there must not end the thread: it is told, and tried again.
            (problem,) = await asyncio.gather(self._session(), return_exceptions=True)
            if problem is None:
                continue
            self._backlog.problem = str(problem) or type(problem).__name__
            pause = FIRST_BACKOFF if self._backlog.stats().confirmed > before else min(2 * pause, LAST_BACKOFF)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        """Deliver with one producer; raises what it ends with."""
        producer = AIOKafkaProducer(**self._route.settings, **PRODUCER)
        async with connected(producer, producer.stop, self._route.kafka.brokers, PATIENCE):
            while await self._something_to_do():
                await self._deliver_round(producer)
                await self._deliver_reports(producer)

    def _has_work(self) -> bool:
        if self._stops and self._reports.news(self._backlog.stats()):
            self._owes_report = True
        return self._parcel is not None or self._outbox.waits() or self._owes_report

    async def _something_to_do(self) -> bool:
        """Wait for events, or for drops that are to be told; False once the emitter is closed and none is left."""
        while not self._has_work():
            if self._stops:
                return False
            self._awake.clear()
            self._sleeps = True  # before looking again: who adds an event looks at this afterwards
            if not self._has_work():
                await self._awake.wait()
            self._sleeps = False
            if not self._stops:
                await asyncio.sleep(LINGER)
        return True

    async def _deliver_round(self, producer: AIOKafkaProducer) -> None:
        """Send the next events and wait until they are settled. Raises StreamsError if some were refused."""
        if self._parcel is None:
            self._parcel = self._outbox.take()
        if self._parcel is None:
            return
        sent = await self._sender.hand_over(producer, self._parcel.round.events)
        parcel, self._parcel = self._parcel, None
        errors = await refused(sent)
        self._outbox.settle(parcel, sum(count for _, count in errors))
        if errors:
            raise StreamsError(f"the brokers refused a delivery: {errors[0][0]}")
        self._backlog.problem = None

    async def _deliver_reports(self, producer: AIOKafkaProducer) -> None:
        """Tell what was dropped, if it is time. What is not taken is told the next time, under the same id."""
        if self._owes_report:
            self._owes_report = False
            stats = self._backlog.stats()
            if errors := await refused(await self._sender.hand_over(producer, self._reports.events(stats))):
                raise StreamsError(f"the brokers refused a report of drops: {errors[0][0]}")
            self._reports.told(stats)

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._route.report_seconds)
            self._log_drops()
            self._outbox.adopt()
            self._owes_report = bool(self._reports.news(self._backlog.stats()))
            if self._has_work():
                self._awake.set()

    def _log_drops(self) -> None:
        """Log what was dropped since the last time, in one line."""
        stats = self._backlog.stats()
        if drops := self._logged.news(stats):
            _LOGGER.warning("%s", in_words(drops, stats))
        self._logged.told(stats)

    async def _store_regularly(self) -> None:
        """Move what waits to the disk while delivering is held up, and make it safe when asked to, and regularly."""
        stores = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(STORE_SECONDS):
                    await self._syncs.wait()
            stores += 1
            if self._syncs.is_set() or stores % SYNC_STORES == 0:
                self._syncs.clear()
                self._outbox.sync()
            else:
                self._outbox.store()
