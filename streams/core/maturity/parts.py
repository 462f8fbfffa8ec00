"""
What windows are made of, and their sums from those of their parts, each multiplied by what its labels count.

How much of its labels has come, and for how many others they stand, is the same for all predictions of one stratum and
one pane: these are a *part* of a window, and added up once, however often they are weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from streams.core.columns import Floats, Ints, segments
from streams.core.exact import Exact
from streams.core.metric.base import Histogram, Metric, Totals
from streams.core.metric.layout import Layout
from streams.core.panes import Panes
from streams.core.window import Pieces, merge, totals_of

Factor = Callable[[str], Mapping[str, Floats]]
"""What a column is made up from, by its name: columns, each with what its sums of each part are multiplied by."""


@dataclass(frozen=True)
class _Entries:
    """Entries of the histograms of parts, sorted by window and bin, and where those of one window and bin begin."""

    part: Ints
    columns: Mapping[str, Floats]
    starts: Ints
    lengths: Ints
    row: Ints
    bin: Ints


@dataclass(frozen=True)
class Parts:
    """
    The parts of some windows, sorted by window.

    `window`, `stratum` and `time` (us, of the pane) say what each is; `sums` and `histograms` are of each part, and
    `seconds` says how long each window lasts.
    """

    window: Ints
    stratum: Ints
    time: Ints
    sums: Mapping[str, Floats]
    histograms: Mapping[str, _Entries]
    seconds: Floats

    def __len__(self) -> int:
        return len(self.window)

    def by_window(self, values: Floats) -> Floats:
        """Add up values of parts, (R,)."""
        return np.bincount(self.window, values, len(self.seconds)).astype(np.float64)

    def weighed(self, metric: Metric, factor: Factor) -> Totals:
        """Totals of the windows: what a metric reads, rounded to floats where it is multiplied."""
        starts, lengths = segments(self.window)
        sums = {name: _scaled(self.sums, name, factor) for name in metric.columns}
        return Totals(
            {name: _merged(of, starts, lengths) for name, of in sums.items()},
            {name: self._histogram(self.histograms[name], factor) for name in metric.histograms},
            self.seconds,
        )

    def _histogram(self, entries: _Entries, factor: Factor) -> Histogram:
        scaled = {name: _scaled(entries.columns, name, factor, entries.part) for name in entries.columns}
        columns = {name: _merged(of, entries.starts, entries.lengths).value() for name, of in scaled.items()}
        return Histogram(len(self.seconds), entries.row, entries.bin, columns)


def parts_of(panes: Panes, pieces: Pieces, stratum: Ints, seconds: Floats, wanted: Layout) -> Parts:
    """Add up what is wanted of pieces, of which each is of a stratum, to the parts of windows."""
    order = np.lexsort((pieces.time, stratum, pieces.window))
    of = np.stack([pieces.window, stratum, pieces.time])[:, order]
    first = np.flatnonzero(np.concatenate(([True], (np.diff(of) != 0).any(axis=0))))
    part = np.repeat(np.arange(len(first)), np.diff(first, append=len(order)))
    sorted_ = Pieces(pieces.slot[order], part, pieces.cohort[order], pieces.time[order])
    totals = totals_of(panes, sorted_, seconds, wanted)
    window, strata, time = of[:, first]
    histograms = {name: _entries(one, window) for name, one in totals.histograms.items()}
    return Parts(window, strata, time, {name: one.value() for name, one in totals.sums.items()}, histograms, seconds)


def _entries(histogram: Histogram, window: Ints) -> _Entries:
    most = int(histogram.bin.max(initial=0)) + 1
    keys = window[histogram.row] * most + histogram.bin
    order = np.argsort(keys, kind="stable")
    starts, lengths = segments(keys[order])
    columns = {name: of[order] for name, of in histogram.columns.items()}
    first = keys[order[starts]]
    return _Entries(histogram.row[order], columns, starts, lengths, first // most, first % most)


def _scaled(sums: Mapping[str, Floats], column: str, factor: Factor, part: Ints | slice = slice(None)) -> Floats:
    return reduce(np.add, (sums[name] * of[part] for name, of in factor(column).items()))


def _merged(values: Floats, starts: Ints, lengths: Ints) -> Exact:
    """Add consecutive values, in no particular order; nothing is to be added where each is alone."""
    exact = Exact.of(values)
    return exact if len(starts) == len(values) else merge(exact, starts, lengths)
