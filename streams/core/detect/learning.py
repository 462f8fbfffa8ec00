"""
From which ticks a model's watches learn what is usual: the first ones, those of a pinned period, or ever newer ones.

Watches learn from the ticks that they look at until they have seen as many as were asked for. A *span* says that they
do so by the calendar: columns have the first half of its ticks for their references, and with its end learning ends for
every watch that has enough; one that has not goes on with the ticks that come.

Where the reference trails, one span follows the other, and a second set of watches learns from each. What it has
learned by the end is usual from then on, but for watches in which something changed in the span, or seems to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.core.detect.column_sums import Entries
from streams.core.detect.column_watch import ColumnWatch
from streams.core.detect.measuring import Signal
from streams.core.detect.signal_group import Looked, Name, SignalGroup
from streams.core.detect.texts import Names
from streams.core.groups import Slice

Signals = Mapping[Name, Signal]
Cells = Mapping[Slice, Entries]


@dataclass(frozen=True)
class Span:
    """Ticks to learn from: the first, the first of the second half, and the first after them."""

    first: int
    half: int
    end: int

    @classmethod
    def of(cls, first: int, ticks: int) -> Span:
        """Return the span of so many ticks from the first one on."""
        return cls(first, first + ticks // 2, first + ticks)


@dataclass(frozen=True)
class Least:
    """With how many ticks learning may end where those that were asked for did not come: `ticks` for a metric."""

    ticks: int

    @property
    def drawn(self) -> int:
        """Ticks for the reference of a column; the others teach how far ticks are from it."""
        return self.ticks // 2

    @property
    def distances(self) -> int:
        """Ticks for the distances of a column."""
        return self.ticks - self.drawn


class Watches:
    """All that is watched of one model by what is usual: metrics and traffic, and columns by their distances."""

    def __init__(self, columns: ColumnWatch, levels: SignalGroup, distances: SignalGroup, least: Least) -> None:
        self.columns, self.levels, self.distances, self.least = columns, levels, distances, least

    def look(self, number: int, levels: Signals, cells: Cells, names: Names | None = None) -> list[Looked]:
        """Look at a tick; `names` are those of categories."""
        distances = self._distances(number, cells, names)
        looked = self.levels.look(number, levels), self.distances.look(number, distances)
        return [one for one in looked if one is not None]

    def settle_columns(self, ticks: int) -> None:
        """End learning for the references of columns that have seen so many ticks."""
        self.columns.settle(ticks)

    def settle(self) -> None:
        """End learning for all that has enough."""
        self.levels.settle(self.least.ticks)
        self.distances.settle(self.least.distances)

    def adopt(self, other: Watches, since: int) -> None:
        """Take over what another has learned `since` a tick, but of what changed."""
        self.levels.adopt(other.levels, since)
        self.columns.adopt(other.columns, self.distances.adopt(other.distances, since))

    def _distances(self, number: int, cells: Cells, names: Names | None) -> Signals:
        return {
            (one.slice, one.column): Signal(number, one.slice, one.column, one.value, one.error, one.n, one.n, math.nan)
            for one in self.columns.look(cells, names)
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {
            "columns": self.columns.snapshot(),
            "levels": self.levels.snapshot(),
            "distances": self.distances.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.columns.restore(saved["columns"])
        self.levels.restore(saved["levels"])
        self.distances.restore(saved["distances"])


class Course:
    """
    What is learned when, over the ticks of one model.

    Parameters
    ----------
    make
        Makes watches that know nothing.
    span
        The pinned period, if there is one: ticks before it are not looked at.
    every
        Where the reference trails, after how many ticks it is learned anew; 0 if it does not.
    waits
        Whether nothing is looked at before `learn` was called.
    """

    def __init__(
        self, make: Callable[[], Watches], *, span: Span | None = None, every: int = 0, waits: bool = False
    ) -> None:
        self._make, self._every = make, every
        self.watches = make()
        self._next: Watches | None = None
        self._span = span
        self._begins: int | None = None if waits else 0 if span is None else span.first

    @property
    def waits(self) -> bool:
        """Whether ticks to learn from have to be handed over first."""
        return self._begins is None

    def learn(self, ticks: Sequence[tuple[int, Signals, Cells, Names]]) -> None:
        """
        Learn from consecutive ticks of a file, at least one; what lies before their end is not looked at any more.

        If there are too few for distances of columns, all of them make up the references, and distances are learned
        from the ticks that come.
        """
        first, last = ticks[0][0], ticks[-1][0]
        count, least = last + 1 - first, self.watches.least
        if count >= least.ticks:
            self._span = Span.of(first, count)
        for number, levels, cells, names in ticks:
            self._turn(number)
            self.watches.look(number, levels, cells, names)
        self._turn(last + 1)
        self.watches.settle_columns(least.drawn if count >= least.ticks else 1)
        self._begins = last + 1

    def look(self, number: int, levels: Signals, cells: Cells, names: Names | None = None) -> list[Looked]:
        """
        Look at a tick; `names` are those of categories.

        Raises
        ------
        ValueError
            If ticks have to be handed over first.
        """
        if self._begins is None:
            raise ValueError("the reference's ticks have not been handed over: call `learn` before the first tick")
        if number < self._begins:
            return []
        if self._every and self._span is None:
            self._span = Span.of(number, self._every)
        self._turn(number)
        if self._next is not None:
            self._next.look(number, levels, cells, names)
        return self.watches.look(number, levels, cells, names)

    def _turn(self, number: int) -> None:
        """Do what is due before a tick: in the second half of a span references of columns end, with its end all."""
        if self._span is None:
            return
        learner = self.watches if self._next is None else self._next
        if number >= self._span.half:
            learner.settle_columns(learner.least.drawn)
        if number >= self._span.end:
            learner.settle()
            self._renew(self._span.first, number)

    def _renew(self, since: int, number: int) -> None:
        """Begin the next span where there is one."""
        if self._next is not None:
            self.watches.adopt(self._next, since)
        self._next = self._make() if self._every else None
        self._span = Span.of(number, self._every) if self._every else None

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        span = None if self._span is None else [self._span.first, self._span.half, self._span.end]
        following = None if self._next is None else self._next.snapshot()
        return self.watches.snapshot() | {"course": {"begins": self._begins, "span": span, "next": following}}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; those of before there were courses learned from the first ticks."""
        self.watches.restore(saved)
        course = saved.get("course")
        if course is None:
            return
        self._begins = course["begins"]
        self._span = None if course["span"] is None else Span(*course["span"])
        self._next = None
        if course["next"] is not None:
            self._next = self._make()
            self._next.restore(course["next"])
