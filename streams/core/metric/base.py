"""
What a metric is: the sums it needs, and a function from those sums to an estimate with its interval.

The summarize stage turns each change (a prediction that came, a label that was set or replaced, a piece of
feedback) into *variables*, and keeps for every window and group exact sums of `weight**power * variable`.
A column is named `"power:variable"`: `"0:tp"` counts true positives, `"1:tp"` adds their weights, `"2:tp"` the
squares of their weights. A metric reads columns and histograms and never sees an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from streams.core.exact import Exact

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Source = Literal["traffic", "summary", "timing", "scoring", "label", "positive", "feedback"]
Task = Literal["binary", "multiclass", "regression", "ranking", "none"]


@dataclass(frozen=True)
class Changes:
    """
    Columns of one kind of change, one row a change; what is absent is NaN (or -1 for `kind`, `rank`, codes).

    All rows: `weight` (1 / inclusion probability). From predictions as they come ("traffic"),
    and from summaries of those that do not ("summary"): nothing more.
    From predictions and feedback that say how long an answer took ("timing"): `latency` in ms.
    From predictions with a score, as they come ("scoring"): `answers`, how many they are, `score` and `score_squared`;
    of a summary each of the three may be 0 where another is not.
    From labels ("label"): `prediction_weight`, the weight of the labelled prediction by itself, where `weight` is
    that of the prediction and its outcome together; `score`; binary `y`, `yhat` in {0, 1}; multiclass `actual`,
    `predicted` class codes; regression `value`; ranking `rank` (1-based place of the relevant item, 0 when it is
    not in the list).
    From labels of the positive class, once more ("positive"), of models whose classes have delays of their own: as from
    labels.
    From feedback: `kind` (index into FEEDBACK_KINDS), `value`, `first` (1 when it is the first of its kind for
    its prediction, else 0).
    """

    weight: Floats
    prediction_weight: Floats
    latency: Floats
    answers: Floats
    score: Floats
    score_squared: Floats
    y: Floats
    yhat: Floats
    actual: Ints
    predicted: Ints
    value: Floats
    rank: Ints
    kind: Ints
    first: Floats

    def take(self, rows: Ints | npt.NDArray[np.bool_]) -> Changes:
        """Return some of the rows."""
        return Changes(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


Variable = Callable[[Changes], Floats]
"""Values of one variable for each row of the changes; 0 where the row does not belong to its population."""


@dataclass(frozen=True)
class HistogramSpec:
    """
    A mergeable histogram: which bin a change falls in (-1: in none), and which columns are summed a bin.

    `bins` is the number of bins when it is fixed (bin numbers are 0 .. bins-1); None when bins are sparse codes.
    """

    name: str
    bin_of: Callable[[Changes], Ints]
    columns: tuple[str, ...]
    bins: int | None = None


@dataclass(frozen=True)
class Histogram:
    """Sparse histogram of many rows at once: entries sorted by (row, bin), `columns[name]` aligned with them."""

    rows: int
    row: Ints
    bin: Ints
    columns: Mapping[str, Floats]

    def dense(self, name: str, first: int, last: int, bins: int) -> Floats:
        """Column `name` of rows first..last-1 as a (last - first, bins) matrix."""
        lo, hi = np.searchsorted(self.row, (first, last))
        out = np.zeros((last - first, bins))
        out[self.row[lo:hi] - first, self.bin[lo:hi]] = self.columns[name][lo:hi]
        return out

    def chunks(self, size: int = 512) -> Iterator[tuple[int, int]]:
        """Row ranges (first, last) small enough to be made dense."""
        for first in range(0, self.rows, size):
            yield first, min(first + size, self.rows)


@dataclass(frozen=True)
class Totals:
    """The sums of R windows at once: what `estimate` reads. `seconds` is the length of each window."""

    sums: Mapping[str, Exact]
    histograms: Mapping[str, Histogram]
    seconds: Floats

    def __getitem__(self, column: str) -> Floats:
        """Return a column's sums as plain floats, shape (R,)."""
        return self.sums[column].value()


@dataclass(frozen=True)
class Estimate:
    """Estimates for R windows, each of shape (R,): NaN where the sums do not define a value."""

    value: Floats
    low: Floats
    high: Floats
    n: Floats
    n_effective: Floats


@dataclass(frozen=True)
class Metric:
    """
    One metric: its name, the tasks it makes sense for, the sums it needs and how it is estimated.

    `columns` are dense columns ("power:variable", each variable known to `VARIABLES` with its source),
    `histograms` names of `HISTOGRAMS`.
    """

    name: str
    tasks: frozenset[Task]
    columns: tuple[str, ...]
    histograms: tuple[str, ...]
    estimate: Callable[[Totals], Estimate]
