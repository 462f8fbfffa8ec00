"""What river's detectors are shown of a tick: a sample of its errors, or one number of a metric or column, by slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from streams.config.columns import holds_numbers
from streams.core.columns import Floats, Ints
from streams.core.detect.column_sums import Entries
from streams.core.detect.cut import where
from streams.core.detect.finding import Slice as Where
from streams.core.detect.grid import HIGHEST, LOWEST, MISSING, category_bins, mean
from streams.core.detect.plan import Watch
from streams.core.detect.stream_spec import StreamSpec
from streams.core.detect.watched import Tick
from streams.core.ids import hash_text

_FARTHEST = 1e100  # means are drawn in to this, so that their squares are numbers


@dataclass(frozen=True)
class Seen:
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


NOTHING = Seen(np.empty(0))


@dataclass(frozen=True)
class Column:
    """A watched column: its number among the sums, what its numbers are counted from, and whether it holds any."""

    number: int
    center: float = 0.0
    numeric: bool = True


def columns_of(watch: Watch) -> dict[str, Column]:
    """Return the columns that are watched of a model, by name."""
    return {
        name: Column(number, watch.centers.get(name, 0.0), holds_numbers(name, watch.task))
        for name, number in watch.numbers.items()
    }


def seen_in(spec: StreamSpec, tick: Tick, columns: Mapping[str, Column]) -> dict[Where, Seen]:
    """Return what a detector is to see of a tick, by slice; what is not there has nothing to be seen."""
    if spec.column is not None:
        look = _looking(spec, columns[spec.column])
        found = {where(one): look(entries) for one, entries in tick.cells.items() if spec.cut.holds(where(one))}
    elif spec.metric is not None:
        signals = ((where(one.slice), one) for one in tick.signals if one.name == spec.metric)
        found = {
            at: Seen(np.array([one.value]), one.value, one.n, one.n_effective, one.label_coverage)
            for at, one in signals
            if spec.cut.holds(at)
        }
    else:
        sampled = ((where(one), errors) for one, errors in tick.errors.items())
        found = {at: _of_errors(spec, errors.first(spec.errors_a_tick)) for at, errors in sampled if spec.cut.holds(at)}
    return {at: seen for at, seen in found.items() if seen.any}


def _of_errors(spec: StreamSpec, values: Floats) -> Seen:
    if spec.error_above is not None:
        values = (values > spec.error_above).astype(np.float64)
    n = float(len(values))
    return Seen(values, float(values.mean()), n, n) if n else NOTHING


def _looking(spec: StreamSpec, column: Column) -> Callable[[Entries], Seen]:
    if spec.missing:
        return lambda entries: missing_in(entries, column)
    if spec.value is None:
        return lambda entries: mean_of(entries, column)
    (bin_,) = category_bins(np.array([hash_text(spec.value)], np.uint64)).tolist()
    return lambda entries: share_of(entries, column, bin_)


def mean_of(entries: Entries, column: Column) -> Seen:
    """Return the mean of a column's finite numbers, to the accuracy of the grid."""
    bins, weights = _held(entries, column)
    finite = (bins > LOWEST) & (bins < HIGHEST) & (weights > 0)
    if not finite.any():
        return NOTHING
    value = mean(bins[finite], weights[finite])[0] + column.center
    return _seen(min(max(value, -_FARTHEST), _FARTHEST), float(weights[finite].sum()), entries)


def share_of(entries: Entries, column: Column, bin_: int) -> Seen:
    """Return the share of a category among the values that are there."""
    bins, weights = _held(entries, column)
    there = float(weights[bins != MISSING].sum())
    return _seen(float(weights[bins == bin_].sum()) / there, there, entries) if there > 0 else NOTHING


def missing_in(entries: Entries, column: Column) -> Seen:
    """Return the share of the predictions that have no value: none at all, or one that is no number and should be."""
    bins, weights = _held(entries, column)
    rows = entries.size()[0]
    there = float(weights[bins >= LOWEST if column.numeric else bins != MISSING].sum())
    return _seen(min(max(1 - there / rows, 0.0), 1.0), rows, entries) if rows > 0 else NOTHING


def _held(entries: Entries, column: Column) -> tuple[Ints, Floats]:
    """Return a column's bins and weights, without what corrections took back of labels of earlier ticks."""
    bins, weights = entries.of(column.number)
    return bins, np.maximum(weights, 0.0)


def _seen(value: float, weight: float, entries: Entries) -> Seen:
    """
    Return one number of a tick that rests on so much weight.

    How many equally weighted rows that amounts to follows from the weights of the tick's predictions, also for labels,
    which are of others.
    """
    rows, n = entries.size()
    n = n * weight / rows if rows > 0 else weight
    return Seen(np.array([value]), value, n, n)
