"""The windows of a task, corrected for labels that are still to come and for those that are heard of too seldom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from streams.core.block import FEEDBACK_KINDS
from streams.core.columns import Floats, Ints
from streams.core.groups import Groups, Slice
from streams.core.maturity.corrected import Asked, Late, correct, kinds_of, maturity, nothing
from streams.core.maturity.delays import Delays, Followed, Kind
from streams.core.maturity.shares import Ages, CurveBook
from streams.core.metric.base import Estimate, Metric, Task
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
            some = _asked(windows, mine)
            known = self._late(book, some.pieces, panes.pane, now)
            shares[mine] = maturity(panes, some, known)
            for metric in late:
                estimate = correct(panes, some, known, metric, task)
                for part in fields(Estimate):
                    getattr(estimates[metric.name], part.name)[mine] = getattr(estimate, part.name)
        of_labels = frozenset(one.name for one in late if not kinds_of(one, task) & frozenset(FEEDBACK_KINDS))
        return Correction(shares, of_labels, estimates)

    def _late(self, book: CurveBook, pieces: Pieces, pane: int, now: int) -> Late:
        """Look up the strata of pieces, and the shares that have come of them."""
        cohorts, place = np.unique(pieces.cohort, return_inverse=True)
        numbers: dict[Slice, int] = {}
        of = [self._groups.slice_of(cohort, book.followed.strata) for cohort in cohorts.tolist()]
        stratum = np.array([numbers.setdefault(slice_, len(numbers)) for slice_ in of])[place]
        oldest = (now - pieces.time).astype(np.float64)
        ages = Ages(list(numbers), stratum, oldest - pane, oldest)

        def shares(kind: Kind, shift: float) -> Floats:
            return book.shares(kind, ages, shift)

        return Late(stratum if book.followed.strata else None, shares if book.followed.delays else None)


def _asked(windows: Windows, rows: Ints) -> Asked:
    """Ask about some of the windows, by their numbers."""
    number = np.full(len(windows.start), -1)
    number[rows] = np.arange(len(rows))
    pieces = windows.pieces
    held = number[pieces.window] >= 0
    some = Pieces(pieces.slot[held], number[pieces.window[held]], pieces.cohort[held], pieces.time[held])
    return Asked(some, windows.totals.seconds[rows])
