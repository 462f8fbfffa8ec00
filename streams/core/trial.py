"""
Trials: what is summed for each experiment, by the event time from which it is known.

A trial is one experiment on one model. Its sums are kept by *tick*, arm and bucket of units: ticks, so that a look
taken at the end of one sees what was known by then and nothing else; buckets, because how much they differ says how
uncertain the sums are. Like windows, trials are sums and nothing else, and merge in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.core.columns import Columns, Floats, Ints
from streams.core.crossing import Crossing
from streams.core.exposure import BUCKETS
from streams.core.metric.base import Changes, Source, Task
from streams.core.metric.ratio import Ratio, Sum
from streams.core.metric.variables import variable

Sums = npt.NDArray[np.float64]
"""Sums of one tick or of many: shape (..., columns, arms, buckets)."""

LATENCY_EDGES: Floats = np.geomspace(0.1, 1e6, 318)
"""Milliseconds, each 5 % above the last: a quantile of latencies is known to within that."""

# Columns of sums that a histogram fills: a bin below each edge and one above, and one for what has a weight.
_PAGES = (len(LATENCY_EDGES) + 2) // BUCKETS
_ALWAYS = ((1, "predictions"), (0, "covered"))  # for the share of predictions that have a label


@dataclass(frozen=True)
class Trial:
    """One experiment on one model: its arms, and the metrics that they are compared by."""

    model: str
    experiment: str
    task: Task
    arms: tuple[str, ...]
    ratios: Mapping[str, Ratio]
    quantiles: Mapping[str, float]

    @cached_property
    def columns(self) -> Mapping[str, tuple[int, Sum]]:
        """What is summed: the weight's power and the sum, by name ("1:tp + tn")."""
        needed = [(power, Sum(name, *variable(name))) for power, name in _ALWAYS]
        for ratio in self.ratios.values():
            needed += [(power, ratio.numerator) for power in ((0, 1) if ratio.is_share else (1,))]
            needed += [(power, ratio.denominator) for power in range(3)]
        return {f"{power}:{one.name}": (power, one) for power, one in needed}

    def place(self, column: str) -> int:
        """Return the place of a column among the sums."""
        return self._places[column]

    def reads(self, source: Source) -> bool:
        """Whether changes of a source are summed up."""
        return bool(self.of_source(source)) or (source == "timing" and bool(self.quantiles))

    def of_source(self, source: Source) -> list[tuple[int, int, Sum]]:
        """Return what is summed of one source: (place, the weight's power, sum)."""
        return self._of_source.get(source, [])

    @cached_property
    def _of_source(self) -> Mapping[Source, list[tuple[int, int, Sum]]]:
        found: dict[Source, list[tuple[int, int, Sum]]] = {}
        for place, (power, one) in enumerate(self.columns.values()):
            found.setdefault(one.source, []).append((place, power, one))
        return found

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self.columns)}

    def signature(self) -> list[Any]:
        """What sums must have been made for to be of use, as plain data."""
        return [list(self.arms), list(self.columns), BUCKETS, self.width]

    @property
    def width(self) -> int:
        """How many columns of sums there are, those that hold the histogram of latencies included."""
        return len(self.columns) + (_PAGES if self.quantiles else 0)

    def latencies(self, sums: Floats, arm: int) -> tuple[Ints, int]:
        """
        Return how many answers of an arm, of all sums (columns, arms, buckets), are in each bin, and how many weigh.

        Bins lie between `LATENCY_EDGES`, with one below and one above. Those that do not weigh 1 are not in them.
        """
        bins = sums[len(self.columns) :, arm].reshape(-1).astype(np.int64)
        return bins[:-1], int(bins[-1])


class TrialSums:
    """Sums of one trial, by tick."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._shape = (trial.width, len(trial.arms), BUCKETS)
        self._rows: dict[int, int] = {}
        self._sums: Sums = np.zeros((0, *self._shape))

    def add(self, column: int, rows: Ints, sums: Sums) -> None:
        """Add to one column of distinct rows, shape (rows, arms, buckets)."""
        self._sums[rows, column] += sums

    def count(self, rows: Ints, bins: Sums) -> None:
        """Add to the histograms of distinct rows, shape (rows, arms, bins)."""
        pages = bins.reshape(len(rows), len(self.trial.arms), _PAGES, BUCKETS).transpose(0, 2, 1, 3)
        self._sums[rows, len(self.trial.columns) :] += pages

    def collect(self) -> dict[str, Any] | None:
        """Return all sums since this was last called, and begin anew; None if there are none."""
        if not self._rows:
            return None
        collected = self.snapshot()
        self._rows, self._sums = {}, np.zeros((0, *self._shape))
        return collected

    def merge(self, collected: Mapping[str, Any]) -> None:
        """Add what was collected elsewhere; what was made for another declaration is of no use any more."""
        if collected["signature"] == self.trial.signature():
            rows = self.rows(collected["ticks"])
            self._sums[rows] += collected["sums"]

    def take(self, before: int) -> list[tuple[int, Sums]]:
        """Take out the ticks before this one, in order."""
        due = sorted(tick for tick in self._rows if tick < before)
        taken = [(tick, self._sums[self._rows[tick]].copy()) for tick in due]
        if due:
            kept = [tick for tick in self._rows if tick >= before]
            self._sums = self._sums[[self._rows[tick] for tick in kept]]
            self._rows = {tick: row for row, tick in enumerate(kept)}
        return taken

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        ticks = np.array(list(self._rows), np.int64)
        return {"signature": self.trial.signature(), "ticks": ticks, "sums": self._sums[: len(ticks)].copy()}

    def rows(self, ticks: Ints) -> Ints:
        """Return the row of each tick; those of new ones begin at zero."""
        for tick in ticks.tolist():
            self._rows.setdefault(tick, len(self._rows))
        if len(self._rows) > len(self._sums):
            more = max(len(self._rows), 2 * len(self._sums)) - len(self._sums)
            self._sums = np.concatenate([self._sums, np.zeros((more, *self._shape))])
        return np.array([self._rows[tick] for tick in ticks.tolist()], np.int64)


class Values:
    """What the changes of one source add to columns, each made once for all trials."""

    def __init__(self, source: Source, rows: Columns, changes: Changes) -> None:
        self._source, self._changes = source, changes
        sign, weight = rows["sign"], changes.weight
        self._alike = bool((weight == 1).all())  # then all powers are one
        self._weights = (sign,) if self._alike else (sign, sign * weight, sign * weight * weight)
        self._made: dict[str, Floats] = {}
        self._named: dict[str, str] = {}

    def add_to(self, trials: Sequence[TrialSums], crossing: Crossing, here: Ints | slice, ticks: Ints) -> None:
        """Add the rows that are `here` to trials whose experiments they are crossed by."""
        crossed: dict[str, Mapping[str, Sums]] = {}
        for sums in trials:
            rows = sums.rows(ticks)
            for place, power, one in sums.trial.of_source(self._source):
                name, values = self._of(power, one)
                if name not in crossed:
                    crossed[name] = crossing.sums(values[here])
                sums.add(place, rows, crossed[name][sums.trial.experiment])
            if self._source == "timing" and sums.trial.quantiles:
                many, name = len(LATENCY_EDGES) + 2, sums.trial.experiment
                sums.count(rows, crossing.histogram(name, self._bins[here], many, self._weights[0][here]))

    @cached_property
    def _bins(self) -> Ints:
        """In which bin each latency is: those that do not weigh 1 are in the last, as a quantile needs whole counts."""
        found = np.searchsorted(LATENCY_EDGES, self._changes.latency)
        return np.where(self._changes.weight == 1, found, len(LATENCY_EDGES) + 1)

    def _of(self, power: int, one: Sum) -> tuple[str, Floats]:
        """Return what each row adds, and a name that sums which add the same share: labels, and those with a score."""
        wanted = one.name if self._alike else f"{power}:{one.name}"
        if wanted not in self._named:
            values = one.of(self._changes) * self._weights[0 if self._alike else power]
            same = (name for name, known in self._made.items() if np.array_equal(known, values))
            self._named[wanted] = next(same, wanted)
            self._made.setdefault(self._named[wanted], values)
        name = self._named[wanted]
        return name, self._made[name]
