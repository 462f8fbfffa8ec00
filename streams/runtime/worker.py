"""
The worker: for each partition that it holds, a join of its events and the windows of its summaries.

    telemetry.predictions ┐
    telemetry.outcomes    ├─ join ── checkpoint ── telemetry.summaries ── window ── store
    telemetry.feedback    ┘                                      telemetry.verdicts, .alerts ─┘

Two agents hand over blocks (`take`), and a clock ticks twice a second: then what has gathered is stored, checkpoints
are written, summaries are sent, findings are announced and windows shown. All of it runs in one loop, so state changes
only between waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config.models import Config
from streams.errors import StreamsError
from streams.runtime.announcing import Told, announce, hand_over
from streams.runtime.checkpoint import Checkpoints, TakenOver, claim
from streams.runtime.joining import Joining
from streams.runtime.kafka import shard_of
from streams.runtime.log import Log
from streams.runtime.part import Part, dead_letters
from streams.runtime.references import learn_references
from streams.runtime.snapshot import fingerprint
from streams.runtime.topics import CHECKPOINTS, CLAIMS, INPUTS, REJECTED, SUMMARIES
from streams.runtime.transport import Fetch
from streams.runtime.windowing import Windowing
from streams.sinks.writer import Writer

log = logging.getLogger(__name__)

_RECOVERIES = 4  # partitions recovered at the same time
_ACCOUNT_SECONDS = 5.0  # between two rows of the accounts of a partition: counting what waits looks at all of it
_WINDOW_SHARE = 4.0  # windows are shown again after so many times as long as showing them took
_WINDOWS_SAVED_SECONDS = 3_600.0  # far less than summaries are kept: what is older is never merged again
_LAST_SAVE_SECONDS = 3.0
_WAY = 0.6  # of a tick: how long summaries are given to come back, before windows are shown


class Offsets(Protocol):
    """What the worker asks of its member of the group."""

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Tell the group how far the checkpoints are, for the tools that watch it."""

    def known_ends(self) -> Mapping[tuple[str, int], int]:
        """Where the held partitions ended when they were last fetched from."""

    def fail(self, error: BaseException) -> None:
        """End the run with this error."""


@dataclass(frozen=True)
class Pace:
    """Seconds between two ticks, and after which a topic without events is idle."""

    tick: float = 0.5
    idle: float = 3_600.0


Save = Callable[[Part, bool], Awaitable[None]]
"""Saves one kind of work on a partition; the flag says that it is the last time."""


class Worker:
    """
    Everything that a worker does with blocks; it knows neither Faust nor sockets.

    Parameters
    ----------
    config : Config
        The models.
    log : Log
        Where checkpoints, claims and summaries go.
    writer : Writer
        Where rows go.
    who : str
        Name of this worker in its claims.
    pace : Pace
        How often it saves.
    clock : Callable[[], float]
        Monotonic seconds: for telling idleness and pacing, never for results.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        writer: Writer,
        who: str,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        prefix = config.kafka.prefix
        self.inputs = tuple(f"{prefix}.{name}" for name in INPUTS)
        self.topics = (*self.inputs, f"{prefix}.{SUMMARIES}")
        self.parts: dict[int, Part] = {}
        self.writer = writer
        self.lost: set[int] = set()
        self._let_go: dict[int, Part] = {}
        self._config = config
        self._log = log
        self._who = who
        self._pace = pace
        self._clock = clock
        self._registry = SchemaRegistry.load(default_schema_dir())
        self._saving = asyncio.Lock()
        self._busy = False
        self._group: Offsets | None = None
        self._ticking: asyncio.Task[None] | None = None

    # What the group says.

    def attach(self, group: Offsets) -> None:
        """Learn of the group."""
        self._group = group

    async def start(self, group: Offsets) -> None:
        """Begin to tick."""
        self.attach(group)
        self._ticking = asyncio.create_task(self._tick_for_ever())
        self._ticking.add_done_callback(lambda ticking: _report(ticking, group))

    async def assigned(self, partitions: frozenset[int]) -> Mapping[tuple[str, int], int]:
        """Take over partitions: keep those that nobody else has claimed meanwhile, recover the others."""
        async with self._saving:
            gate = asyncio.Semaphore(_RECOVERIES)
            self.lost.clear()

            async def take_over(partition: int) -> None:
                async with gate:
                    await self._take_over(partition)

            await asyncio.gather(*map(take_over, sorted(partitions)))
            self._let_go = {}
        return {(topic, number): self._next(topic, number) for number in partitions for topic in self.topics}

    def _next(self, topic: str, partition: int) -> int:
        """Offset to read from; the beginning for what is lost, and passed over."""
        part = self.parts.get(partition)
        if part is None:
            return 0
        return part.windowing.position if topic == self.topics[-1] else part.joining.positions[topic]

    async def revoked(self, partitions: frozenset[int]) -> None:
        """Save what can be saved soon, and keep the state: most partitions come back at once."""
        saved = asyncio.create_task(self._save_all(partitions, (self._save_join, self._save_windows), last=True))
        done, _ = await asyncio.wait({saved}, timeout=_LAST_SAVE_SECONDS)
        if not done:
            log.warning("the last checkpoint of partitions %s takes too long and is left", sorted(partitions))
            saved.cancel()
            with suppress(asyncio.CancelledError):
                await saved
            self.parts, self._busy = {}, False
        else:
            saved.result()
        self._let_go, self.parts = self.parts, {}

    async def stop(self) -> None:
        """End; everything has been revoked before. Rows that the store has not taken are made again."""
        if self._ticking is not None:
            self._ticking.cancel()

    async def take(self, fetch: Fetch) -> None:
        """Process one block; waits while the store is away and too much has gathered."""
        part = self.parts.get(fetch.partition)
        if part is None or fetch.partition in self.lost:
            return
        part.heard[fetch.topic] = self._clock()
        if fetch.topic in self.inputs:
            self._note_gap(part, fetch)
            for table, rows in part.joining.take(fetch.topic, fetch.records):
                self.writer.add(table, rows)
                if table == "rejected":
                    part.rejected += dead_letters(rows)
            await self.writer.room()
        else:
            part.windowing.take(fetch.records)

    @staticmethod
    def _note_gap(part: Part, fetch: Fetch) -> None:
        """Say so when records are gone that should have been read: retention was shorter than the lag."""
        first = int(fetch.records.offsets[0])
        gap = first - part.joining.positions[fetch.topic]
        if gap > 0:
            part.skipped += gap
            where = f"{fetch.topic}, partition {fetch.partition}"
            log.warning("%s: %d offsets before %d are not there any more", where, gap, first)

    # What is said of it.

    def now(self) -> float:
        """Monotonic seconds of this worker's clock."""
        return self._clock()

    def lag(self) -> dict[tuple[str, int], int]:
        """Records of each held topic-partition that were there at the last fetch and are not worked on yet."""
        ends = self._group.known_ends() if self._group is not None else {}
        return {part: max(0, end - self._next(*part)) for part, end in ends.items() if part[1] in self.held()}

    def held(self) -> set[int]:
        """Partitions that the group has given to this worker, also those that another one has claimed meanwhile."""
        return self.parts.keys() | self.lost

    def read(self, partition: int) -> int:
        """Return a number that changes whenever something of a partition is read."""
        return sum(self._next(topic, partition) for topic in self.topics)

    def settled(self) -> bool:
        """Whether every input of the held partitions has ended, and everything that follows from it is stored."""
        return bool(self.parts) and not self._busy and all(part.settled() for part in self.parts.values())

    def checkpoint_age(self, part: Part) -> float:
        """Seconds since something of a partition was last saved; what has not changed needs no saving."""
        return self._clock() - part.saved_at

    # Taking over.

    async def _take_over(self, partition: int) -> None:
        try:
            self.parts[partition] = await self._kept(partition) or await self._recovered(partition)
        except TakenOver as error:  # the group has shared anew while this went on, and will say so
            log.warning("%s", error)
            self.lost.add(partition)

    async def _kept(self, partition: int) -> Part | None:
        """Return what was let go of, if nobody has claimed it since."""
        part = self._let_go.get(partition)
        if part is None:
            return None
        try:
            await part.joining.checkpoints.claim.check()
        except TakenOver:
            await self._refuse_a_double(partition)
            return None
        return part

    async def _refuse_a_double(self, partition: int) -> None:
        """Raise if whoever took over what was ours has our name: both would drive each other out for ever."""
        owner = (await self._log.read(CLAIMS, partition)).get(str(partition).encode(), b"").decode()
        if owner == self._who:
            raise StreamsError(
                f"another worker named {owner} has taken over partition {partition}; give each an --instance of its own"
            )

    async def _recovered(self, partition: int) -> Part:
        started = time.monotonic()
        claimed = await claim(self._log, partition, self._who)
        held = await self._log.read(CHECKPOINTS, partition)
        print_, many = fingerprint(self._config), self._config.kafka.partitions
        joins, windows = (Checkpoints(role, claimed, print_) for role in ("join", "window"))
        joining = Joining(self._config, partition, many, self.inputs, joins, self._registry)
        windowing = Windowing(self._config, partition, many, windows)
        part = Part(joining, windowing, dict.fromkeys(self.topics, self._clock()), saved_at=self._clock())
        part.windowed = part.saved_at
        if (found := await windows.recover(held)) is not None:
            windowing.restore(*found)
        mine = [model for model in windowing.downstream.awaited() if shard_of(model, many) == partition]
        if mine:  # it may take a while
            await asyncio.to_thread(learn_references, self._config, windowing.downstream, mine)
        if (found := await joins.recover(held)) is not None:
            part.outbox = joining.restore(*found)
        log.info(
            "partition %d: epoch %d, %d checkpoint records recovered in %.2f s",
            *(partition, claimed.epoch, len(held), time.monotonic() - started),
        )
        return part

    # The clock.

    async def _tick_for_ever(self) -> None:
        """Save joins and show windows in turn, at a distance in which summaries come back through the brokers."""
        while True:
            await asyncio.sleep((1.0 - _WAY) * self._pace.tick)
            await self._save_all(self.parts.keys(), (self._save_join,))
            await asyncio.sleep(_WAY * self._pace.tick)
            await self._save_all(self.parts.keys(), (self._save_windows,))

    async def tick(self) -> None:
        """Save and show everything that has changed."""
        await self._save_all(self.parts.keys(), (self._save_join, self._save_windows))

    async def _save_all(self, partitions: Iterable[int], saves: Iterable[Save], *, last: bool = False) -> None:
        async with self._saving:
            if self._busy:  # a save has failed and ends the run; on top of one that may be half done nothing is saved
                return
            self._busy = True
            chosen = {n: self.parts[n] for n in sorted(partitions) if n in self.parts and n not in self.lost}
            for number, part in chosen.items():
                self._rest(number, part)
            for save in saves:
                await self._each(chosen, save, last=last)
            self._busy = False

    async def _each(self, parts: Mapping[int, Part], save: Save, *, last: bool) -> None:
        """Save partitions side by side; one that somebody else has taken over is worked on no longer."""

        async def guarded(number: int, part: Part) -> None:
            try:
                await save(part, last)
            except TakenOver as error:
                log.warning("%s; it is left to the other worker", error)
                self.lost.add(number)

        saves = [guarded(number, part) for number, part in parts.items() if number not in self.lost]
        ended = await asyncio.gather(*saves, return_exceptions=True)  # all of them, before anybody saves again
        for failure in filter(None, ended):
            raise failure

    async def _save_join(self, part: Part, last: bool) -> None:
        """Write what was joined, then send what was summed up: a summary that was sent is one that stays."""
        captured = part.joining.capture()
        now = self._clock()
        if captured is not None and (last or now - part.accounted >= _ACCOUNT_SECONDS or part.joining.ended):
            self.writer.add("intake", part.joining.accounts())
            part.accounted = now
        if captured is not None or part.outbox:
            await self.writer.flush()
        await self._send(part)
        if part.rejected:
            letters, part.rejected = part.rejected, []
            await self._log.append(REJECTED, 0, letters)
        if captured is not None:
            await part.joining.save(captured)
            part.outbox, part.saved_at = list(captured.messages), self._clock()
            if captured.forgotten is not None:  # not before: what the answer counts as gone may not come back
                self.writer.add("forgotten", captured.forgotten)
                await self.writer.flush()
            await self._send(part)
            await self._commit(part, captured.offsets)

    async def _send(self, part: Part) -> None:
        shards = sorted({message.shard for message in part.outbox})
        await asyncio.gather(
            *(
                self._log.append(SUMMARIES, shard, [(part.key, m.data) for m in part.outbox if m.shard == shard])
                for shard in shards
            )
        )
        part.outbox = []

    async def _commit(self, part: Part, offsets: Mapping[str, int]) -> None:
        if self._group is not None:
            await self._group.commit({(topic, part.joining.partition): offset for topic, offset in offsets.items()})

    async def _save_windows(self, part: Part, last: bool) -> None:
        """Show what has changed; once that is stored, and findings are announced, the sums may be written as shown."""
        await self._tell(part)
        now = self._clock()
        if now < part.show_at and not last:
            return
        started = time.perf_counter()
        told = hand_over(part.windowing.show(), self.writer)
        captured = part.windowing.capture(whole=last or now - part.windowed >= _WINDOWS_SAVED_SECONDS)
        part.show_at = now + _WINDOW_SHARE * (time.perf_counter() - started)
        await self.writer.flush()
        await self._announce(told)
        if captured is not None:
            part.windowed = now
            await part.windowing.save(captured)
            await self._commit(part, {self.topics[-1]: captured["position"]})

    async def _tell(self, part: Part) -> None:
        """Store and announce findings before windows are shown, which takes longer and which wakes nobody up."""
        told = hand_over(part.windowing.tell(), self.writer)
        if told:
            await self.writer.flush()
            await self._announce(told)

    async def _announce(self, told: Told) -> None:
        await announce(told, self._log, self._config.kafka.partitions)

    def _rest(self, number: int, part: Part) -> None:
        """Tell the join of topics that were read to their end long ago."""
        ends = self._group.known_ends() if self._group is not None else {}
        for topic in self.inputs:
            at_end = part.joining.positions[topic] >= ends.get((topic, number), 0)
            if at_end and self._clock() - part.heard[topic] >= self._pace.idle:
                part.joining.rest(topic)


def _report(ticking: asyncio.Task[None], group: Offsets) -> None:
    """End the run with what went wrong in a tick; without ticks nothing would be saved any more."""
    if not ticking.cancelled() and (error := ticking.exception()) is not None:
        group.fail(error)
