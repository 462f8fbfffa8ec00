"""
What services import to emit events: typed events, and emitters that never slow or harm the service.

`docs/emitting.md` shows how. Importing this loads no engine, no store and no metric.
"""

from __future__ import annotations

from streams.config.kafka import KafkaConfig
from streams.emit.asynchronous import AsyncEmitter
from streams.emit.backlog import DropReason, Stats
from streams.emit.base import Call, current_call
from streams.emit.disabled import NoEmitter
from streams.emit.emitter import Emitter
from streams.emit.events import Event, Feedback, Outcome, Prediction, Summary
from streams.emit.policy import Policy
from streams.emit.spool import Spool

__all__ = [
    "AsyncEmitter",
    "Call",
    "DropReason",
    "Emitter",
    "Event",
    "Feedback",
    "KafkaConfig",
    "NoEmitter",
    "Outcome",
    "Policy",
    "Prediction",
    "Spool",
    "Stats",
    "Summary",
    "current_call",
]
