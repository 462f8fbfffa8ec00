"""
How many units a row of numbers is about, at least: so that none is shown that is about too few.

Each unit falls into one of some bins by its hash, and a cell keeps, for each bin, how many observations it has there.
Occupied bins are never more than units, so their number is a lower bound; and like all sums these merge in any order,
over partitions, panes and groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.columns import Hashes, Mask
from streams.core.metric.base import Floats, Ints, Metric, Source, Totals
from streams.core.metric.estimators import powers
from streams.core.metric.histograms import HISTOGRAMS
from streams.core.metric.variables import variable

NOBODY = -1
"""Place of what is of no unit that is known."""

LARGEST = 8_192
"""So many units can be asked for: more bins than there are places would be of no use."""

_PLACES = 4 * LARGEST  # as many as fit into 16 bits beside `NOBODY`
_FEWEST_BINS = 64

Places = npt.NDArray[np.int16]


def places_of(units: Hashes) -> Places:
    """Place of each unit, by the lowest bits of its hash."""
    return (units & np.uint64(_PLACES - 1)).astype(np.int16)


def bins_for(smallest: int) -> int:
    """
    How many bins tell whether there are so many units: at least four for each of them, and a power of two.

    >>> bins_for(2), bins_for(20), bins_for(8_192)
    (64, 128, 32768)
    """
    return max(_FEWEST_BINS, 1 << (4 * smallest - 1).bit_length())


@dataclass(frozen=True)
class Headcount:
    """Observations by bin of their units, from changes of one source: `columns` are those counted."""

    source: Source
    bins: int
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name among histograms. Of another number of bins it is another: their bins do not add."""
        return f"units {self.bins} {self.source}"

    def bin_of(self, places: Places) -> Ints:
        """Bin of each place, -1 for that of nobody."""
        return np.where(places == NOBODY, -1, places & np.int16(self.bins - 1)).astype(np.int64)


def populations(metric: Metric) -> tuple[str, ...]:
    """
    Columns that count what a metric rests on: of each variable of which it reads all powers, the number.

    So an unknown metric has none, and is never shown where units are counted.
    """
    read = {*metric.columns, *(column for name in metric.histograms for column in HISTOGRAMS[name].columns)}
    names = sorted({column.partition(":")[2] for column in read})
    return tuple(f"0:{name}" for name in names if read.issuperset(powers(name)))


@dataclass(frozen=True)
class Census:
    """What is counted so that rows about fewer than `smallest` units can be told."""

    smallest: int
    counts: tuple[Headcount, ...]

    @staticmethod
    def of(metrics: Iterable[Metric], smallest: int) -> Census | None:
        """Plan the census for some metrics; none where every row may be shown."""
        if smallest <= 1:
            return None
        wanted = {"0:predictions", *(column for metric in metrics for column in populations(metric))}
        by_source: dict[Source, list[str]] = {}
        for column in sorted(wanted):
            by_source.setdefault(variable(column.partition(":")[2])[0], []).append(column)
        known = {source: columns for source, columns in by_source.items() if source != "summary"}
        bins = bins_for(smallest)
        return Census(smallest, tuple(Headcount(source, bins, tuple(some)) for source, some in known.items()))

    def units(self, totals: Totals, columns: Sequence[str] = ("0:predictions",)) -> Ints:
        """
        At least how many units have made what these columns count, of predictions unless told otherwise, (R,).

        Of several sources the one with most: they are of the same predictions.
        """
        most = np.zeros(len(totals.seconds), np.int64)
        for count in self.counts:
            histogram = totals.histograms[count.name]
            some = [histogram.columns[name] for name in count.columns if name in columns]
            filled = _any_positive(some, len(histogram.row))
            np.maximum(most, np.bincount(histogram.row[filled], minlength=len(most)), out=most)
        return most


def _any_positive(columns: Sequence[Floats], rows: int) -> Mask:
    """Mask of the rows where some column is above zero."""
    positive = np.zeros(rows, np.bool_)
    for column in columns:
        positive |= column > 0
    return positive
