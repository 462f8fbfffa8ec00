"""One partition of the inputs and of the summaries over a log in memory, driven by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import END_HEADER
from streams.codecs.write import to_batch
from streams.config import parse_config
from streams.core.block import Batch, EventType
from streams.runtime.checkpoint import Checkpoints, claim
from streams.runtime.emit import EmitReport, records_of
from streams.runtime.joining import Joining, Message
from streams.runtime.packing import decode
from streams.runtime.snapshot import fingerprint
from streams.runtime.topics import CHECKPOINTS, EVENT_TOPICS, SUMMARIES
from streams.runtime.windowing import Windowing
from tests.runtime.memory import MemoryLog

Event = dict[str, Any]
Tables = dict[str, list[dict[str, Any]]]

HOUR = 3_600_000_000
START = 1_709_164_800_000_000  # 2024-02-29

CONFIG = """
disorder: 1h
models:
  m:
    task: binary
    positive: "1"
    label_horizon: 6h
    windows: [1d]
    slices: [[], [city]]
    metrics: [count, accuracy]
kafka:
  partitions: 1
"""


def prediction(number: int, hour: float, **attributes: str) -> Event:
    """Predict something, so many hours after the start."""
    ids = {"type": "prediction", "request_id": f"r{number}", "prediction_id": f"p{number}"}
    return {**ids, "event_time": at(hour), "model": "m", "version": "1", "score": 0.9, "attributes": attributes}


def outcome(number: int, hour: float) -> Event:
    """Tell that the prediction was right."""
    return {"type": "outcome", "request_id": f"r{number}", "event_time": at(hour), "label": "1"}


def at(hour: float) -> int:
    return START + int(hour * HOUR)


class Bench:
    """A partition's topics and log, and what one worker after another makes of them."""

    def __init__(self, record_bytes: int = 1 << 20) -> None:
        self.config = parse_config(CONFIG, "the test's configuration")
        self.log = MemoryLog(record_bytes)
        self.registry = SchemaRegistry.load(default_schema_dir())
        self.inputs = {kind: f"{self.config.kafka.prefix}.{name}" for kind, name in EVENT_TOPICS.items()}

    def emit(self, *events: Event) -> None:
        """Append events to their topics."""
        for event in events:
            kind: EventType = event["type"]
            batch = Batch(kind, to_batch(kind, [event]), "test", np.zeros(1, np.int64), lambda _: b"")
            records = records_of(batch, 1, self.registry, EmitReport({}))
            self.log.kafka.append(self.inputs[kind], 0, (records.keys[0], records.values[0]))

    def end(self, kind: EventType, hour: float) -> None:
        """Say that no event of this type will come any more, and how far they went."""
        self.log.kafka.append(self.inputs[kind], 0, (None, None), [(END_HEADER, str(at(hour)).encode())])

    async def joining(self) -> tuple[Joining, list[Message]]:
        """Take over the join; returns it, and the messages that may not have been sent."""
        checkpoints, held = await self._take_over("join")
        joining = Joining(self.config, 0, 1, tuple(self.inputs.values()), checkpoints, self.registry)
        found = await checkpoints.recover(held)
        return joining, [] if found is None else joining.restore(*found)

    async def windowing(self) -> Windowing:
        """Take over the windows."""
        checkpoints, held = await self._take_over("window")
        windowing = Windowing(self.config, 0, 1, checkpoints)
        if (found := await checkpoints.recover(held)) is not None:
            windowing.restore(*found)
        return windowing

    async def _take_over(self, role: str) -> tuple[Checkpoints, dict[bytes, bytes]]:
        claimed = await claim(self.log, 0, "a worker")
        return Checkpoints(role, claimed, fingerprint(self.config)), await self.log.read(CHECKPOINTS, 0)

    def read(self, joining: Joining, again: int = 0) -> Tables:
        """Have the join read what is there, and so many records before that again; returns the rows it gave."""
        tables: Tables = {}
        for topic, position in list(joining.positions.items()):
            records = self.log.kafka.fetch(topic, 0, max(0, position - again), 1_000)
            _gather(tables, joining.take(topic, records))
        return tables

    async def save(self, joining: Joining) -> list[Message]:
        """Save what has changed; returns the messages that may then be sent."""
        captured = joining.capture()
        if captured is None:
            return []
        await joining.save(captured)
        return list(captured.messages)

    async def send(self, messages: Sequence[Message]) -> None:
        """Append messages to the summaries."""
        await self.log.append(SUMMARIES, 0, [(b"0", message.data) for message in messages])

    def merge(self, windowing: Windowing, again: int = 0) -> None:
        """Have the windows read what is there, and so many messages before that again."""
        windowing.take(self.log.kafka.fetch(SUMMARIES, 0, max(0, windowing.position - again), 1_000))


def show(windowing: Windowing) -> Tables:
    """Return the rows that are shown now."""
    tables: Tables = {}
    _gather(tables, windowing.show())
    return tables


def _gather(tables: Tables, rows: Any) -> None:
    batch: pa.Table
    for name, batch in rows:
        tables.setdefault(name, []).extend(batch.to_pylist())


def header(message: Message) -> dict[str, Any]:
    """Decode a message."""
    decoded: dict[str, Any] = decode(message.data, "a message")
    return decoded
