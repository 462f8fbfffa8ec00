"""
One partition of a worker without a broker, driven as a worker drives it, and the processor time of what it does.

Blocks of messages are decoded, joined and summed up; after so many events as come in one tick at full speed, a
checkpoint is captured. With `windows`, the sums go on to the window stage, and windows are shown. What reading from a
broker and writing to it cost is not in it, nor is making the events.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from benchmarks.growth.stream import Stream, configured
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EventType
from streams.runtime.checkpoint import Checkpoints, Claim, claim
from streams.runtime.joining import Capture, Joining
from streams.runtime.records import Records
from streams.runtime.snapshot import fingerprint
from streams.runtime.topics import CHECKPOINTS, EVENT_TOPICS
from streams.runtime.windowing import Windowing
from tests.runtime.memory import MemoryLog

BLOCK = 100_000
TICK = 200_000
FILL_BLOCK, FILL_TICK = 50_000, 500_000
WINDOW_SHARE = 4.0  # as a worker: windows are shown again after so many times as long as showing them took


@dataclass
class Driver:
    """
    The join of a partition, and its windows.

    `windows` and `saves` say whether sums go on to windows, and whether checkpoints are kept, so that `recover` finds
    them. `seconds` is processor time by what was done: take, checkpoint, windows; `blocks` and `captures` are that of
    each block and of each checkpoint.
    """

    stream: Stream
    windows: bool = False
    saves: bool = False
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    blocks: list[float] = field(default_factory=list)
    captures: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._config, self._log = configured(), MemoryLog()
        prefix = self._config.kafka.prefix
        self.topics: dict[EventType, str] = {kind: f"{prefix}.{name}" for kind, name in EVENT_TOPICS.items()}
        self.joining = self._claimed()
        self.joining.rest(self.topics["feedback"])
        self.windowing = Windowing(self._config, 0, 1, self._checkpoints("window", self.joining.checkpoints.claim))
        self._came: Counter[EventType] = Counter()
        self._summaries, self._show_at = 0, 0.0

    # What is done.

    def fill(self) -> None:
        """Have as many predictions come as wait at once."""
        for first in range(0, self.stream.waiting, FILL_BLOCK):
            stop = min(first + FILL_BLOCK, self.stream.waiting)
            self._take("prediction", self.stream.predictions(first, stop, whole=False))
            if stop % FILL_TICK == 0 or stop == self.stream.waiting:
                self._checkpoint()

    def drive(self, events: int) -> int:
        """Have so many predictions and outcomes come, half and half; return how many came of both."""
        first, before = self._came["prediction"], self._came.total()
        last = first + events // 2
        numbers, known = self.stream.due(first, last)
        since = 0
        for start in range(first, last, BLOCK):
            stop = min(start + BLOCK, last)
            due = slice(*np.searchsorted(known, [start, stop]))
            self._take("prediction", self.stream.predictions(start, stop))
            self._take("outcome", self.stream.outcomes(numbers[due], known[due]))
            since += stop - start + due.stop - due.start
            if since >= TICK or stop == last:
                since = 0
                self._checkpoint()
        return self._came.total() - before

    def forget(self) -> None:
        """Forget the processor time until now."""
        self.seconds.clear()
        self.blocks.clear()
        self.captures.clear()
        self._show_at = 0.0  # it is counted in processor time

    def recover(self) -> Joining:
        """Take the partition over from its last checkpoint, as another worker would."""
        joining = self._claimed()
        held = asyncio.run(self._log.read(CHECKPOINTS, 0))
        found = asyncio.run(joining.checkpoints.recover(held))
        if found is None:
            raise RuntimeError("there is no checkpoint to go on from")
        joining.restore(*found)
        return joining

    # What came of it.

    @property
    def held(self) -> int:
        """Predictions that are held."""
        return self.joining.upstream.held()

    # The stages.

    def _take(self, kind: EventType, values: list[bytes]) -> None:
        if not values:
            return
        offsets = self._came[kind] + np.arange(len(values))
        self._came[kind] += len(values)
        records = Records(values, offsets, time.time_ns() // 1_000_000)
        with self._timed("take", self.blocks):
            for _ in self.joining.take(self.topics[kind], records):
                pass

    def _checkpoint(self) -> None:
        with self._timed("checkpoint", self.captures):
            captured = self.joining.capture()
        if captured is not None:
            self._follow(captured)

    def _follow(self, captured: Capture) -> None:
        """Do what follows from a capture: it is kept, and its sums go on."""
        if self.saves:
            asyncio.run(self.joining.save(captured))
        if self.windows:
            with self._timed("windows"):
                self._merge([message.data for message in captured.messages])
            self._show()

    def _merge(self, sums: list[bytes]) -> None:
        self.windowing.take(Records(sums, self._summaries + np.arange(len(sums)), 0))
        self._summaries += len(sums)

    def _show(self) -> None:
        """Show windows, unless that was done too recently for what it costs."""
        spent = sum(self.seconds.values())
        if spent < self._show_at:
            return
        with self._timed("windows"):
            for _ in self.windowing.show():
                pass
        now = sum(self.seconds.values())
        self._show_at = now + WINDOW_SHARE * (now - spent)

    @contextmanager
    def _timed(self, stage: str, each: list[float] | None = None) -> Iterator[None]:
        started = time.process_time()
        yield
        took = time.process_time() - started
        self.seconds[stage] += took
        if each is not None:
            each.append(took)

    def _claimed(self) -> Joining:
        checkpoints = self._checkpoints("join", asyncio.run(claim(self._log, 0, "benchmark")))
        registry = SchemaRegistry.load(default_schema_dir())
        return Joining(self._config, 0, 1, tuple(self.topics.values()), checkpoints, registry)

    def _checkpoints(self, role: str, claimed: Claim) -> Checkpoints:
        return Checkpoints(role, claimed, fingerprint(self._config))


def warm_up() -> None:
    """Load everything and fill what is kept for ever, so that memory from here on is the state's."""
    driver = Driver(Stream(BLOCK), saves=True)
    driver.fill()
    driver.drive(2 * TICK)
    driver.recover()
