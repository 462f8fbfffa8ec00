"""
Window: cells become windows by group, and windows become estimates.

A window is shown when it has changed, and once more when it has become final; cells are forgotten when every
window that holds them is final.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Floats, Ints, Mask, segments
from streams.core.exact import Exact, segment_sums
from streams.core.groups import Groups
from streams.core.metric.base import Histogram, Totals
from streams.core.metric.layout import Layout
from streams.core.panes import Panes
from streams.core.window_spec import WindowSpec

_SECOND = 1e6


@dataclass(frozen=True)
class Pieces:
    """
    The cells that windows are made of, a row each, sorted by window.

    `window` numbers the window of each, from 0; `slot` is the cell's in its panes, `cohort` and `time` (us) what it is.
    """

    slot: Ints
    window: Ints
    cohort: Ints
    time: Ints


@dataclass(frozen=True)
class Windows:
    """R windows of one specification: their group, bounds (us), finality, their totals and what these are made of."""

    spec: WindowSpec
    group: Ints
    start: Ints
    end: Ints
    final: Mask
    totals: Totals
    pieces: Pieces


@dataclass(frozen=True)
class Horizons:
    """When windows become final: `span` us behind their end, a value a group; a value a cohort."""

    of_group: Ints
    of_cohort: Ints


@dataclass(frozen=True)
class Cohorts:
    """Memberships of cohorts in groups (`Groups.members`), and which groups may be shown."""

    start: Ints
    count: Ints
    member: Ints
    shown: Mask

    @staticmethod
    def of(groups: Groups) -> Cohorts:
        """Read the registry."""
        return Cohorts(*groups.members(), groups.decided())


class Windower:
    """Shows the windows of one task's panes."""

    def __init__(self, panes: Panes, specs: Iterable[WindowSpec]) -> None:
        self._panes = panes
        self._specs = tuple(specs)
        self._shown_final = int(np.iinfo(np.int64).min)  # what was final at this watermark has been shown as final

    def show(
        self, cohorts: Cohorts, uses: Mapping[str, Mask], horizons: Horizons, watermark: int, *, provisional: bool
    ) -> Iterator[Windows]:
        """
        Yield the windows that became final and, if `provisional`, those that changed; then forget what is done with.

        `uses[window name]` masks the cohorts whose model has that window.
        """
        cohort, time, slot, dirty = self._panes.live()
        keep_until = np.full(len(cohort), np.iinfo(np.int64).min)
        for spec in self._specs:
            used = np.flatnonzero(uses[spec.name][cohort])
            row, start = spec.starts_containing(time[used])
            cell = used[row]
            final_at = spec.ends_of(start) + horizons.of_cohort[cohort[cell]]
            np.maximum.at(keep_until, cell, final_at)
            open_before = final_at > self._shown_final
            changed = open_before & ((final_at <= watermark) | (dirty[cell] & provisional))
            pairs = _choose(*expand(cohorts, cohort[cell]), start, changed, cohorts.shown)
            if len(pairs.row):
                end, at = spec.ends_of(pairs.start), cell[pairs.row]
                pieces = Pieces(slot[at], pairs.window, cohort[at], time[at])
                totals = totals_of(self._panes, pieces, (end - pairs.start) / _SECOND)
                final = end + horizons.of_group[pairs.group] <= watermark
                yield Windows(spec, pairs.group, pairs.start, end, final, totals, pieces)
        if provisional:
            undecided = _any_member(cohorts, ~cohorts.shown)[cohort]
            self._panes.settle(slot[~undecided])
        self._panes.drop(keep_until <= watermark)
        self._shown_final = max(self._shown_final, watermark)

    def snapshot(self) -> dict[str, int]:
        """Up to which watermark final windows have been shown."""
        return {"shown_final": self._shown_final}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._shown_final = saved["shown_final"]


def totals_of(panes: Panes, pieces: Pieces, seconds: Floats, wanted: Layout | None = None) -> Totals:
    """Add up pieces to windows, which last `seconds`: what is wanted, or everything."""
    starts, lengths = segments(pieces.window)
    columns = panes.cells.columns if wanted is None else wanted.columns
    histograms = panes.histograms if wanted is None else wanted.histograms
    return Totals(
        {name: merge(panes.cells.read(name, pieces.slot), starts, lengths) for name in columns},
        {name: _histogram(panes, name, pieces) for name in histograms},
        seconds,
    )


def _histogram(panes: Panes, name: str, pieces: Pieces) -> Histogram:
    """Entries of the cells of each window, merged by bin."""
    rows = int(pieces.window[-1]) + 1 if len(pieces.window) else 0
    owner, bins, entry = panes.entries(name)
    first, last = np.searchsorted(owner, pieces.slot, "left"), np.searchsorted(owner, pieces.slot, "right")
    piece, index = ranges(first, last - first)
    row, bins, entry = pieces.window[piece], bins[index], entry[index]
    most = int(bins.max(initial=0)) + 1
    keys = row * most + bins
    order = np.argsort(keys)
    starts, lengths = segments(keys[order])
    table, at = panes.histograms[name], entry[order]
    columns = {c: merge(table.read(c, at), starts, lengths).value() for c in table.columns}
    merged = keys[order[starts]]
    return Histogram(rows, merged // most, merged % most, columns)


def merge(sums: Exact, starts: Ints, lengths: Ints) -> Exact:
    """Add consecutive sums, every part exactly."""
    if not len(starts):
        return Exact.of(np.empty(0))
    total = segment_sums(sums.hi, starts, lengths)
    for part in (sums.lo, sums.tail):
        if part.any():
            total = total + segment_sums(part, starts, lengths)
    return total


@dataclass(frozen=True)
class Pairs:
    """
    Cells that make up windows, a row each, sorted by window.

    `row` is an index into the cells asked about, `window` numbers the windows, whose `group` and `start` follow.
    """

    row: Ints
    window: Ints
    group: Ints
    start: Ints


def expand(cohorts: Cohorts, cohort: Ints) -> tuple[Ints, Ints]:
    """Pairs (row, group) of each row's cohort."""
    row, index = ranges(cohorts.start[cohort], cohorts.count[cohort])
    return row, cohorts.member[index]


def ranges(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Expand ranges: (which range, index) for every index of first[i] .. first[i] + count[i] - 1."""
    which = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    return which, first[which] + within


def _choose(row: Ints, group: Ints, start: Ints, changed: Mask, shown: Mask) -> Pairs:
    """Take the pairs (cell, group) of the windows that have a changed cell and whose group may be shown."""
    starts, number = np.unique(start, return_inverse=True)
    window, inverse = np.unique(number[row] * len(shown) + group, return_inverse=True)
    wanted = np.zeros(len(window), np.bool_)
    wanted[inverse[changed[row]]] = True
    if len(shown):
        wanted &= shown[window % len(shown)]
    taken = np.flatnonzero(wanted[inverse])
    taken = taken[np.argsort(inverse[taken], kind="stable")]
    chosen = window[wanted]
    renumbered = np.cumsum(wanted) - 1
    return Pairs(
        row[taken],
        renumbered[inverse[taken]],
        chosen % max(len(shown), 1),
        starts[chosen // max(len(shown), 1)],
    )


def _any_member(cohorts: Cohorts, groups: Mask) -> Mask:
    """Mask over cohorts: one of their groups is in the mask over groups."""
    if not len(cohorts.start):
        return np.zeros(0, np.bool_)
    return np.logical_or.reduceat(groups[cohorts.member], cohorts.start)
