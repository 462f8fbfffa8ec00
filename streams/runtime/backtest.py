"""Backtest: which alerts a configuration would have sent over events of the past."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streams.config.models import Config
from streams.errors import UsageError
from streams.pipeline import Pipeline
from streams.runtime.notices import notices
from streams.runtime.replay import Progress, Source, run, trail_of

_LOOKS = ("signals", "verdicts")


@dataclass(frozen=True)
class Backtest:
    """
    What would have been told.

    Attributes
    ----------
    notices
        As they would have been sent, in order: `schemas/alert.schema.json` says what is in one.
    looks
        How many looks at watches, and at what experiments are judged by, were taken.
    first, last
        Ends of the first and the last tick that was looked at, us; 0 if there was none.
    """

    notices: Sequence[dict[str, Any]]
    looks: int
    first: int
    last: int


def backtest(config: Config, sources: Sequence[Source], progress: Progress | None = None) -> Backtest:
    """
    Run events through a new pipeline, and keep nothing but what is told.

    It is what a replay of the same events puts into the table `alerts`, by tick.

    Raises
    ------
    UsageError
        The configuration watches no model, and declares no experiment.
    """
    if not (config.detection.models or config.experimentation.experiments):
        raise UsageError("the configuration watches no model: name some under `detection.models`")
    now, looks = time.time_ns() // 1_000, 0
    ticks: list[int] = []
    alerts: list[pa.Table] = []
    for rows in run(Pipeline(config, trail_of(config)), sources, now, progress):
        for name, table in rows:
            if name == "alerts":
                alerts.append(table)
            if name in _LOOKS:
                looks += len(table)
                times = pc.min_max(table["tick"].cast(pa.int64()))
                ticks += [times["min"].as_py(), times["max"].as_py()]
    told = sorted(notices(alerts), key=lambda one: one["tick"])
    return Backtest(told, looks, min(ticks, default=0), max(ticks, default=0))
