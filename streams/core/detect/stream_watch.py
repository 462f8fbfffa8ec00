"""
River's detectors over the ticks of a metric: for those who know them, beside our own.

They see one number a tick, a block mean, so that what they cost is bounded. None has a rate of false alarms that could
be asked for, so they are on record among the signals, and raise no alert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.detect.finding import Finding
from streams.core.detect.measuring import Signal
from streams.core.detect.stream.catalogue import detector_for
from streams.core.detect.stream.parameters import Value


@dataclass(frozen=True)
class StreamSpec:
    """One detector on one metric of the whole, with its parameters."""

    metric: str
    detector: str
    parameters: Mapping[str, Value]

    @property
    def name(self) -> str:
        """What the watch is called."""
        return f"{self.metric} by {self.detector}"


class StreamWatch:
    """
    The detectors of one model.

    Raises
    ------
    ValueError
        If a detector is unknown, may not have a parameter, or takes single errors only.
    """

    def __init__(self, model: str, specs: Sequence[StreamSpec]) -> None:
        self._model = model
        self._detectors = [(one, detector_for(one.detector, **one.parameters)) for one in specs]
        for spec, detector in self._detectors:
            if detector.binary:
                raise ValueError(f"{spec.detector} takes single errors, and {spec.metric} is a mean of many a tick")

    def look(self, end: int, signals: Mapping[str, Signal]) -> Iterator[Finding]:
        """Look at the metrics of the whole, by name, in a tick that ends at `end` (us)."""
        for spec, detector in self._detectors:
            signal = signals.get(spec.metric)
            if signal is None:
                yield Finding(self._model, (), spec.name, "metric", end, "no data", method=f"river {spec.detector}")
                continue
            flagged = detector.update(np.array([signal.value]))
            yield Finding(
                model=self._model,
                slice=(),
                watch=spec.name,
                kind="metric",
                tick=end,
                standing="changed" if flagged else "suspected" if detector.warnings else "quiet",
                value=signal.value,
                n=signal.n,
                n_effective=signal.n_effective,
                label_coverage=signal.label_coverage,
                method=f"river {spec.detector}",
            )

    def snapshot(self) -> list[Any]:
        """Everything as plain data."""
        return [[spec.name, detector.snapshot()] for spec, detector in self._detectors]

    def restore(self, saved: Sequence[Any]) -> None:
        """Replace everything by a snapshot of the same detectors."""
        known = {spec.name: detector for spec, detector in self._detectors}
        for name, state in saved:
            known[name].restore(state)
