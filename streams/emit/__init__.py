"""
What services import to emit events: typed events, and emitters that never slow or harm the service.

`docs/emitting.md` shows how. Importing this loads no engine, no store and no metric.
"""

from __future__ import annotations

from streams.config.kafka import KafkaConfig
from streams.emit.backlog import DropReason, Stats
from streams.emit.emitter import AsyncEmitter, Emitter
from streams.emit.events import Event, Feedback, Outcome, Prediction

__all__ = [
    "AsyncEmitter",
    "DropReason",
    "Emitter",
    "Event",
    "Feedback",
    "KafkaConfig",
    "Outcome",
    "Prediction",
    "Stats",
]
