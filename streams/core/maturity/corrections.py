"""The windows of a task, corrected for labels that are still to come and for those that are heard of too seldom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from streams.core.block import FEEDBACK_KINDS
from streams.core.columns import Floats, Ints
from streams.core.groups import Groups, Slice
from streams.core.maturity.corrected import Late, correct, kinds_of, maturity, nothing
from streams.core.maturity.delays import Delays, Followed, Kind
from streams.core.maturity.parts import Parts, parts_of
from streams.core.maturity.shares import Ages, CurveBook
from streams.core.metric.base import Estimate, Metric, Task
from streams.core.metric.layout import layout
from streams.core.panes import Panes
from streams.core.window import Pieces, Windows


@dataclass(frozen=True)
class Correction:
    """
    What is known of R windows: which share of their labels has come, and corrected estimates by metric.

    NaN where a model does not ask for it, where a metric rests on nothing that is late, and where too little is known.
    `of_labels` names the metrics that rest on labels.
    """

    maturity: Floats
    of_labels: frozenset[str]
    estimates: Mapping[str, Estimate]


class Corrections:
    """The delay curves of all models that ask for corrections, and what is corrected by them."""

    def __init__(self, asked: Iterable[Followed], delays: Delays, groups: Groups) -> None:
        self._books = [CurveBook(delays, one) for one in asked]
        self._delays, self._groups = delays, groups

    def draw(self, watermark: int) -> None:
        """Draw the curves from what is known at a watermark, and forget what is older than they need."""
        self._delays.forget(watermark)
        for book in self._books:
            book.draw(watermark)

    def of(self, panes: Panes, windows: Windows, metrics: Sequence[Metric], task: Task, now: int) -> Correction:
        """Correct windows of a task; labels are there up to `now` (us)."""
        rows = len(windows.start)
        shares, estimates = np.full(rows, np.nan), {metric.name: nothing(rows) for metric in metrics}
        late = [metric for metric in metrics if kinds_of(metric, task)]
        asked = windows.group.tolist() if self._books else []  # where nobody asks, nobody is looked for
        models = np.array([self._groups.groups[group].slice.model for group in asked])
        for book in self._books:
            mine = np.flatnonzero(models == book.followed.model)
            if not len(mine):
                continue
            corrected = [metric for metric in late if metric.name in book.followed.metrics]
            parts, slices = self._parts(panes, windows, mine, book.followed, corrected)
            known = _late(book, parts, slices, panes.pane, now)
            shares[mine] = maturity(parts, known)
            for metric in corrected:
                estimate = correct(parts, known, metric, task)
                for part in fields(Estimate):
                    getattr(estimates[metric.name], part.name)[mine] = getattr(estimate, part.name)
        of_labels = frozenset(one.name for one in late if not kinds_of(one, task) & frozenset(FEEDBACK_KINDS))
        return Correction(shares, of_labels, estimates)

    def _parts(
        self, panes: Panes, windows: Windows, rows: Ints, followed: Followed, metrics: Sequence[Metric]
    ) -> tuple[Parts, list[Slice]]:
        """Take some windows, by their numbers, into parts, and tell the slice of each stratum."""
        number = np.full(len(windows.start), -1)
        number[rows] = np.arange(len(rows))
        pieces = windows.pieces
        held = number[pieces.window] >= 0
        some = Pieces(pieces.slot[held], number[pieces.window[held]], pieces.cohort[held], pieces.time[held])
        cohorts, place = np.unique(some.cohort, return_inverse=True)
        numbers: dict[Slice, int] = {}
        of = [self._groups.slice_of(cohort, followed.strata) for cohort in cohorts.tolist()]
        stratum = np.array([numbers.setdefault(slice_, len(numbers)) for slice_ in of])[place]
        wanted = layout(metrics, followed.metrics if followed.delays else ())
        return parts_of(panes, some, stratum, windows.totals.seconds[rows], wanted), list(numbers)


def _late(book: CurveBook, parts: Parts, slices: Sequence[Slice], pane: int, now: int) -> Late:
    """Look up the shares that have come of parts."""
    oldest = (now - parts.time).astype(np.float64)
    ages = Ages(slices, parts.stratum, oldest - pane, oldest)

    @cache
    def shares(kind: Kind, shift: float) -> Floats:
        return book.shares(kind, ages, shift)

    return Late(bool(book.followed.strata), shares if book.followed.delays else None)
