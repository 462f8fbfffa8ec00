"""From the sums of ticks to signals: the metrics of each watched slice in each tick, with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Ints
from streams.core.detect.plan import Watch
from streams.core.groups import Groups, Slice
from streams.core.metric.base import Metric, Totals
from streams.core.metric.layout import label_coverage
from streams.core.panes import Panes
from streams.core.window import Cohorts, Pieces, expand, totals_of

TRAFFIC, LABEL_COVERAGE = "traffic", "label_coverage"
"""Signals that every model has: the logarithm of a tick's predictions, and labels that came beside those due in it."""

_SECOND = 1e6
Z = 1.959963984540054  # an estimate's interval is this many standard errors to either side


@dataclass(frozen=True)
class Signal:
    """One number of one slice in one tick, with its standard error (NaN: unknown) and what it rests on."""

    tick: int
    slice: Slice
    name: str
    value: float
    error: float
    n: float
    n_effective: float
    label_coverage: float


@dataclass(frozen=True)
class Measuring:
    """How the panes of one task are measured: its watches and their metrics, and how long a tick is (us)."""

    watches: Sequence[Watch]
    metrics: Mapping[str, Metric]
    tick: int

    def signals(self, panes: Panes, groups: Groups, last: int) -> Iterator[Signal]:
        """Measure all ticks up to the last one."""
        cohort, time, slot, _ = panes.live()
        due = np.flatnonzero(time // self.tick <= last)
        slices, number = self._slices(groups)
        row, group = expand(Cohorts.of(groups), cohort[due])
        row, group = row[number[group] >= 0], group[number[group] >= 0]
        if not len(row):
            return
        key = (time[due[row]] // self.tick) * len(slices) + number[group]
        order = np.argsort(key, kind="stable")
        windows, window = np.unique(key[order], return_inverse=True)
        at = due[row[order]]
        pieces = Pieces(slot[at], window, cohort[at], time[at])
        totals = totals_of(panes, pieces, np.full(len(windows), self.tick / _SECOND))
        places = [(tick, slices[which]) for tick, which in zip(*np.divmod(windows, len(slices)), strict=True)]
        yield from self._estimates(totals, [(int(tick), one) for tick, one in places])

    def versions(self, panes: Panes, groups: Groups, last: int) -> dict[tuple[str, int], dict[str, float]]:
        """Count predictions by model, tick and version, up to the last tick."""
        cohort, time, slot, _ = panes.live()
        tick = time // self.tick
        counts = panes.cells.read("1:predictions", slot).value()
        names = {int(one): groups.name(int(one)) for one in np.unique(cohort)}
        found: dict[tuple[str, int], dict[str, float]] = {}
        for row in np.flatnonzero(tick <= last).tolist():
            name = names[int(cohort[row])]
            held = found.setdefault((name.model, int(tick[row])), {})
            held[name.version] = held.get(name.version, 0.0) + float(counts[row])
        return found

    def _slices(self, groups: Groups) -> tuple[list[Slice], Ints]:
        """Watched slices, and for each group which of them it is in (-1: none)."""
        wanted = {(watch.model, frozenset(attributes)) for watch in self.watches for attributes in watch.slices}
        shown = groups.decided()
        numbers: dict[Slice, int] = {}
        number = np.full(len(groups.groups), -1)
        for place, group in enumerate(groups.groups):
            if shown[place] and (group.slice.model, frozenset(group.slice.attributes)) in wanted:
                number[place] = numbers.setdefault(group.slice, len(numbers))
        return list(numbers), number

    def _estimates(self, totals: Totals, places: Sequence[tuple[int, Slice]]) -> Iterator[Signal]:
        uses = {watch.model: frozenset(watch.metrics) for watch in self.watches}
        coverage = label_coverage(totals)
        yield from _of_traffic(totals, places)
        for name, metric in self.metrics.items():
            estimate = metric.estimate(totals)
            error = (estimate.high - estimate.low) / (2 * Z)
            columns = (estimate.value, error, estimate.n, estimate.n_effective)
            numbers = zip(*(column.tolist() for column in (*columns, coverage)), strict=True)
            for (tick, one), (value, *rest) in zip(places, numbers, strict=True):
                if name in uses[one.model] and math.isfinite(value):
                    yield Signal(tick, one, name, value, *rest)


def _of_traffic(totals: Totals, places: Sequence[tuple[int, Slice]]) -> Iterator[Signal]:
    """How many predictions were made."""
    made, rows = (totals[name].tolist() for name in ("1:predictions", "0:predictions"))
    for (tick, one), count, n in zip(places, made, rows, strict=True):
        if count > 0:
            yield Signal(tick, one, TRAFFIC, math.log(count), 1 / math.sqrt(max(n, 1.0)), n, n, math.nan)
