"""
How long labels and feedback took, summed by tick of their predictions.

The sums add and merge in any order. Ticks are kept until they are twice as old as a label may be: those that are still
waited for, and as much before them for what is usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.block import FEEDBACK_KINDS
from streams.core.columns import Columns, Floats, Ints, Mask
from streams.core.detect.column_sums import UNIT, ColumnSums
from streams.core.groups import Groups, Slice
from streams.core.maturity.curve import delay_bins, delay_edges
from streams.core.metric.base import Changes, Source
from streams.core.pairs import distinct, pairs_of

Kind = str
"""What comes late: a `label` of whatever class, a `negative` or `positive` one, or feedback of a kind, by its name."""

TICKS = 128  # that a label horizon is cut into

_PREDICTIONS, _LABEL, _NEGATIVE, _POSITIVE, _FEEDBACK = 1, 2, 3, 4, 5
_COLUMN_OF: dict[Kind, int] = {"label": _LABEL, "negative": _NEGATIVE, "positive": _POSITIVE}
_COLUMN_OF |= {kind: _FEEDBACK + place for place, kind in enumerate(FEEDBACK_KINDS)}


@dataclass(frozen=True)
class Followed:
    """
    What is asked for of a model, given by its name and number.

    Whether its `delays` are followed, up to its label `horizon` (us), and by which slice: its values are strata, which
    have delay curves of their own and are to be represented; none where it is empty. `metrics` names what is corrected.
    """

    model: str
    number: int
    delays: bool
    strata: tuple[str, ...]
    horizon: int
    metrics: frozenset[str]

    @property
    def tick(self) -> int:
        """Length of a tick of prediction times, us."""
        return max(-(-self.horizon // TICKS), 1)


@dataclass(frozen=True)
class Cohorts:
    """
    What is known of the predictions of a slice, a row a tick: when the tick ends (us), how many, and what came.

    `made` are weights, `squares` their squares; `arrived[kind]` are weights by bin of the delay.
    """

    end: Ints
    made: Floats
    squares: Floats
    arrived: Mapping[Kind, Floats]

    @property
    def design(self) -> float:
        """How many times larger variances are for weights that differ: sum w^2 / sum w."""
        total = float(self.made.sum())
        return max(float(self.squares.sum()) / total, 1.0) if total > 0 else 1.0


class Delays:
    """The delays of all models that are followed; without any it does nothing."""

    def __init__(self, followed: Sequence[Followed], groups: Groups) -> None:
        self._followed, self._groups = [one for one in followed if one.delays], groups
        self._sums = ColumnSums()

    def __bool__(self) -> bool:
        return bool(self._followed)

    def add(self, source: Source, rows: Columns, changes: Changes, model: Ints) -> None:
        """Add changes of one source; `rows` gives their `cohort`, `time`, `known` and `sign`."""
        for one in self._followed if source not in ("timing", "scoring", "summary") else ():
            mine = np.flatnonzero(model == one.number)
            if not len(mine):
                continue
            cells, place = self._cells(one, rows["cohort"][mine], rows["time"][mine])
            for column, chosen, bins, weights in _entries(source, rows, changes, mine, one.horizon):
                self._tally(one, cells, place[chosen], column, bins, weights)

    def positives(self, changes: Changes, model: Ints) -> Ints:
        """Return the rows of labels of the positive class, of models that are followed."""
        rows = np.flatnonzero(changes.y == 1)
        return rows[np.isin(model[rows], [one.number for one in self._followed])]

    def _cells(self, one: Followed, cohorts: Ints, times: Ints) -> tuple[Ints, Ints]:
        """Return the numbers of the cells that rows are in, and for each row the place of its own."""
        pairs, place = pairs_of(times // one.tick, cohorts)
        slices = {cohort: self._groups.slice_of(cohort, one.strata) for cohort in {cohort for _, cohort in pairs}}
        return np.array([self._sums.cell(tick, slices[cohort]) for tick, cohort in pairs], np.int64), place

    def _tally(self, one: Followed, cells: Ints, place: Ints, column: Ints, bins: Ints, weights: Floats) -> None:
        """Add up the weights of equal cells, columns and bins; in whole units, so that the order does not matter."""
        width = len(delay_edges(one.horizon)) + 1
        codes = (place * (int(column.max(initial=0)) + 1) + column) * width + bins
        found, at = distinct(codes)
        sums = np.bincount(at, np.rint(weights * UNIT), len(found)) / UNIT
        rest, bin_ = np.divmod(found, width)
        which, of = np.divmod(rest, int(column.max(initial=0)) + 1)
        self._sums.add(cells[which], of, bin_, sums)

    def forget(self, watermark: int) -> None:
        """Drop the ticks that are older than two horizons."""
        oldest = {one.model: (watermark - 2 * one.horizon) // one.tick for one in self._followed}
        self._sums.drop(lambda tick, slice_: tick < oldest[slice_.model])

    def cohorts(self, one: Followed, before: int) -> dict[Slice, Cohorts]:
        """Return what is known by slice of the ticks that end at `before` (us) or earlier; nothing if not followed."""
        cells, owner, column, bins, weight = self._sums.entries()
        mine = ((tick, slice_, number) for (tick, slice_), number in cells.items() if slice_.model == one.model)
        due = [(number, tick, slice_) for tick, slice_, number in mine if (tick + 1) * one.tick <= before]
        ticks = sorted({tick for _, tick, _ in due})
        row_of = {tick: row for row, tick in enumerate(ticks)}
        row, group = np.full(len(cells), -1), np.full(len(cells), -1)
        slices: dict[Slice, int] = {}
        for number, tick, slice_ in due:
            row[number], group[number] = row_of[tick], slices.setdefault(slice_, len(slices))
        inside = row[owner] >= 0 if len(cells) else np.zeros(0, np.bool_)
        shape = (len(slices), max(_COLUMN_OF.values()) + 1, len(ticks), len(delay_edges(one.horizon)) + 1)
        held = np.zeros(shape)
        place = (group[owner[inside]], column[inside], row[owner[inside]], bins[inside])
        held[place] = weight[inside]
        ends = (np.array(ticks, np.int64) + 1) * one.tick
        return {slice_: _cohorts(ends, held[number]) for slice_, number in slices.items()}

    def collect(self) -> dict[str, Any]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        return self._sums.collect()

    def merge(self, collected: Mapping[str, Any]) -> None:
        """Add what was collected elsewhere under the same configuration."""
        self._sums.merge(collected)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return self._sums.snapshot()

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot under the same configuration."""
        self._sums.restore(saved)


def _entries(
    source: Source, rows: Columns, changes: Changes, mine: Ints, horizon: int
) -> Iterator[tuple[Ints, Ints, Ints, Floats]]:
    """Yield parts of the rows `mine`: their columns, their places in it, bins, and weights."""
    every, sign = np.arange(len(mine)), rows["sign"][mine]
    weight = changes.weight[mine] * sign
    ones = np.ones(len(mine), np.int64)
    if source == "traffic":
        yield _PREDICTIONS * ones, every, 0 * ones, weight
        yield _PREDICTIONS * ones, every, ones, weight * changes.weight[mine]
        return
    bins = np.minimum(delay_bins(rows["known"][mine] - rows["time"][mine]), len(delay_edges(horizon)) - 1)
    if source == "feedback":
        first = changes.first[mine] == 1
        yield (_FEEDBACK + changes.kind[mine])[first], every[first], bins[first], weight[first]
        return
    yield _LABEL * ones, every, bins, changes.prediction_weight[mine] * sign
    for column, y in ((_NEGATIVE, 0), (_POSITIVE, 1)):
        of: Mask = changes.y[mine] == y
        if of.any():
            yield column * ones[of], every[of], bins[of], weight[of]


def _cohorts(ends: Ints, held: Floats) -> Cohorts:
    arrived = {kind: held[column, :, :-1] for kind, column in _COLUMN_OF.items()}
    return Cohorts(ends, held[_PREDICTIONS, :, 0], held[_PREDICTIONS, :, 1], arrived)
