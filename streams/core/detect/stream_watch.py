"""
River's detectors over single errors, or the ticks of a metric or column: for those who know them, beside our own.

Of a tick they see a sample of its errors, or one number, so that what they cost is bounded; where one watches each
slice, so many slices at most. None has a rate of false alarms that could be asked for, so they are on record among the
signals, and raise an alert only where that is declared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.core.columns import Floats
from streams.core.detect.finding import Finding, Standing
from streams.core.detect.finding import Slice as Where
from streams.core.detect.measuring import Z
from streams.core.detect.stream.catalogue import detector_for
from streams.core.detect.stream.protocol import StreamDetector
from streams.core.detect.stream_seen import NOTHING, Column, Seen, seen_in
from streams.core.detect.stream_spec import StreamSpec
from streams.core.detect.watched import Tick

MOST_SLICES = 100
"""Slices that a detector watches at most that is declared for each: those that were there first."""


class StreamWatch:
    """
    The detectors of one model; `columns` are those that are watched, by name.

    Raises
    ------
    ValueError
        If a detector is unknown, may not have a parameter, or takes single errors only and is to watch something else.
    """

    def __init__(self, model: str, specs: Sequence[StreamSpec], columns: Mapping[str, Column]) -> None:
        self._model, self._columns = model, columns
        self._watches = [_Watch(spec) for spec in specs]

    def look(self, tick: Tick) -> Iterator[Finding]:
        """Look at the next tick: at everything that was ever there."""
        for watch in self._watches:
            seen = seen_in(watch.spec, tick, self._columns)
            watch.admit(seen)
            for at, running in watch.running.items():
                yield self._finding(watch.spec, at, tick.end, running, seen.get(at, NOTHING))

    def _finding(self, spec: StreamSpec, at: Where, end: int, running: _Running, seen: Seen) -> Finding:
        flagged = seen.any and bool(running.detector.update(seen.values))
        change = running.usual.against(seen.values, flagged=flagged)
        return Finding(
            model=self._model,
            slice=at,
            watch=spec.name,
            kind="metric",
            tick=end,
            standing=_standing(seen, flagged=flagged, warned=bool(running.detector.warnings)),
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
        return [
            [watch.spec.name, running.detector.snapshot(), running.usual.snapshot(), [list(pair) for pair in at]]
            for watch in self._watches
            for at, running in watch.running.items()
        ]

    def restore(self, saved: Sequence[Any]) -> None:
        """Replace everything by a snapshot of the same detectors; earlier versions had no slices but the whole."""
        self._watches = [_Watch(watch.spec) for watch in self._watches]
        for name, state, sums, *pairs in saved:
            at: Where = tuple((attribute, value) for attribute, value in (pairs[0] if pairs else ()))
            (running,) = (one.at(at) for one in self._watches if one.spec.name == name and one.spec.cut.holds(at))
            running.detector.restore(state)
            running.usual.restore(sums)


class _Watch:
    """One declared detector: a detector of its own for each slice."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.running: dict[Where, _Running] = {}
        detector = detector_for(spec.detector, **spec.parameters)
        if detector.binary and not spec.sees_errors:
            raise ValueError(f"{spec.detector} takes single errors, and {spec.metric or spec.column} is a mean of many")
        if spec.cut.only is not None:
            self.running[spec.cut.only] = _Running(detector)

    def admit(self, slices: Iterable[Where]) -> None:
        """Begin with slices that are there for the first time, in the order of their names, while there is room."""
        if self.spec.cut.only is None:
            for one in sorted(set(slices) - self.running.keys())[: MOST_SLICES - len(self.running)]:
                self.at(one)

    def at(self, slice_: Where) -> _Running:
        """Return what runs in a slice."""
        if slice_ not in self.running:
            self.running[slice_] = _Running(detector_for(self.spec.detector, **self.spec.parameters))
        return self.running[slice_]


@dataclass(frozen=True)
class _Change:
    """How far a tick is from what was before it; NaN where that is not known."""

    reference: float = math.nan
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan


def _standing(seen: Seen, *, flagged: bool, warned: bool) -> Standing:
    if not seen.any:
        return "no data"
    return "changed" if flagged else "suspected" if warned else "quiet"


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


@dataclass(frozen=True)
class _Running:
    """A detector in a slice, and what is usual there."""

    detector: StreamDetector
    usual: _Usual = field(default_factory=_Usual)


def _variance(n: float, total: float, squares: float) -> float:
    """Return the variance of so many values; NaN where there are not two."""
    return max(squares - total * total / n, 0.0) / (n - 1) if n > 1 else math.nan
