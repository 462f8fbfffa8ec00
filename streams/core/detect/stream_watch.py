"""
River's detectors over single errors or the ticks of a metric: for those who know them, beside our own.

Of a tick they see a sample of its errors, or one number, its mean, so that what they cost is bounded. None has a rate
of false alarms that could be asked for, so they are on record among the signals, and raise an alert only where that is
declared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.config.stream_detectors import StreamConfig
from streams.core.columns import Floats
from streams.core.detect.error_sample import NO_ERRORS, Errors
from streams.core.detect.finding import Finding, Standing
from streams.core.detect.measuring import Signal, Z
from streams.core.detect.stream.catalogue import detector_for
from streams.core.detect.stream.parameters import Value

ERRORS = "errors"
"""What a watch of single errors is called."""


@dataclass(frozen=True)
class StreamSpec:
    """
    One detector of the whole of a model, with its parameters.

    It watches a metric or, where that is None, single errors: at most so many a tick, and those larger than
    `error_above` as 1 and the others as 0, if that is declared.
    """

    metric: str | None
    detector: str
    parameters: Mapping[str, Value]
    errors_a_tick: int = 0
    error_above: float | None = None

    @property
    def name(self) -> str:
        """What the watch is called."""
        return f"{self.metric or ERRORS} by {self.detector}"


def spec_of(declared: StreamConfig) -> StreamSpec:
    """Read what is declared."""
    return StreamSpec(declared.metric, declared.detector, declared.parameters, declared.most, declared.error_above)


class StreamWatch:
    """
    The detectors of one model.

    Raises
    ------
    ValueError
        If a detector is unknown, may not have a parameter, or takes single errors only and is to watch a metric.
    """

    def __init__(self, model: str, specs: Sequence[StreamSpec]) -> None:
        self._model = model
        self._detectors = [(one, detector_for(one.detector, **one.parameters), _Usual()) for one in specs]
        for spec, detector, _ in self._detectors:
            if detector.binary and spec.metric is not None:
                raise ValueError(f"{spec.detector} takes single errors, and {spec.metric} is a mean of many a tick")

    def look(self, end: int, signals: Mapping[str, Signal], errors: Errors = NO_ERRORS) -> Iterator[Finding]:
        """Look at the metrics of the whole, by name, and at single errors, in a tick that ends at `end` (us)."""
        for spec, detector, usual in self._detectors:
            seen = _seen(spec, signals, errors)
            flagged = seen.any and bool(detector.update(seen.values))
            change = usual.against(seen.values, flagged=flagged)
            yield Finding(
                model=self._model,
                slice=(),
                watch=spec.name,
                kind="metric",
                tick=end,
                standing=_standing(seen, flagged=flagged, warned=bool(detector.warnings)),
                value=seen.value,
                reference=change.reference,
                effect=change.effect,
                low=change.low,
                high=change.high,
                n=seen.n,
                n_effective=seen.n_effective,
                label_coverage=seen.label_coverage,
                method=f"river {spec.detector}",
            )

    def snapshot(self) -> list[Any]:
        """Everything as plain data."""
        return [[spec.name, detector.snapshot(), usual.snapshot()] for spec, detector, usual in self._detectors]

    def restore(self, saved: Sequence[Any]) -> None:
        """Replace everything by a snapshot of the same detectors."""
        known = {spec.name: (detector, usual) for spec, detector, usual in self._detectors}
        for name, state, sums in saved:
            detector, usual = known[name]
            detector.restore(state)
            usual.restore(sums)


@dataclass(frozen=True)
class _Seen:
    """What a detector is to see of a tick, in order, and what a finding says of it; nothing where there is nothing."""

    values: Floats
    value: float = math.nan
    n: float = 0.0
    n_effective: float = 0.0
    label_coverage: float = math.nan

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(len(self.values))


@dataclass(frozen=True)
class _Change:
    """How far a tick is from what was before it; NaN where that is not known."""

    reference: float = math.nan
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan


def _standing(seen: _Seen, *, flagged: bool, warned: bool) -> Standing:
    if not seen.any:
        return "no data"
    return "changed" if flagged else "suspected" if warned else "quiet"


def _seen(spec: StreamSpec, signals: Mapping[str, Signal], errors: Errors) -> _Seen:
    if spec.metric is None:
        values = errors.first(spec.errors_a_tick)
        if spec.error_above is not None:
            values = (values > spec.error_above).astype(np.float64)
        n = float(len(values))
        return _Seen(values, float(values.mean()), n, n) if n else _Seen(values)
    signal = signals.get(spec.metric)
    if signal is None:
        return _Seen(np.empty(0))
    return _Seen(np.array([signal.value]), signal.value, signal.n, signal.n_effective, signal.label_coverage)


class _Usual:
    """What a detector has seen since its last change: how many values, their sum and that of their squares."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)

    def against(self, values: Floats, *, flagged: bool) -> _Change:
        """
        Take in a tick; hold one in which a change was flagged against those before it, and begin anew with it.

        The interval of the difference is that of Welch's two samples (1947), by the normal distribution. A sample of a
        single value is taken to vary as the other one does.
        """
        before, now = self._sums, np.array([len(values), values.sum(), values @ values])
        self._sums = now if flagged else before + now
        if not flagged or not before[0]:
            return _Change()
        means = [float(one[1] / one[0]) for one in (before, now)]
        variances = [_variance(*one.tolist()) for one in (before, now)]
        known = [one for one in variances if not math.isnan(one)]
        if not known:
            return _Change(means[0], means[1] - means[0])
        parts = [(known[0] if math.isnan(v) else v) / n for v, n in zip(variances, (before[0], now[0]), strict=True)]
        effect, half = means[1] - means[0], Z * math.sqrt(sum(parts))
        return _Change(means[0], effect, effect - half, effect + half)

    def snapshot(self) -> list[float]:
        """Everything as plain data."""
        return list(self._sums.tolist())

    def restore(self, saved: Sequence[float]) -> None:
        """Replace everything by a snapshot."""
        self._sums = np.array(saved)


def _variance(n: float, total: float, squares: float) -> float:
    """Return the variance of so many values; NaN where there are not two."""
    return max(squares - total * total / n, 0.0) / (n - 1) if n > 1 else math.nan
