"""
Crossing: sums by tick, bucket of units and arm, for several experiments with one pass over the rows.

Whoever is in one experiment is in others as well. So rows are added up by the arms of some experiments at once, in a
table that is small beside the rows, and what each experiment asks for is added up from that table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from streams.core.columns import Floats, Hashes, Ints, Mask
from streams.core.exposure import BUCKETS, Exposures

_MOST_BITS = 8  # of arms: larger tables do not stay in the processor's nearest memory


class Crossing:
    """
    Rows by tick, bucket, and the arms of some experiments.

    Parameters
    ----------
    names
        Experiments whose arms are next to each other in the numbers.
    numbers
        Exposures of the rows.
    cells
        Tick and bucket of the rows: the tick's place, times BUCKETS, plus the bucket.
    ticks
        How many ticks there are.
    """

    def __init__(self, exposures: Exposures, names: Sequence[str], numbers: Hashes, cells: Ints, ticks: int) -> None:
        low, bits = exposures.span(names)
        self._exposures, self._ticks = exposures, ticks
        self._combined: Hashes = np.arange(1 << bits, dtype=np.uint64) << np.uint64(low)
        digits = (numbers >> np.uint64(low)) & np.uint64((1 << bits) - 1)
        self._rows = (cells << bits) | digits.view(np.int64)
        self.names = names

    def sums(self, values: Floats) -> Mapping[str, Floats]:
        """Add up a value a row: for each experiment, shape (ticks, arms, BUCKETS)."""
        shape = self._ticks * BUCKETS, len(self._combined)
        table = np.bincount(self._rows, values, minlength=shape[0] * shape[1]).reshape(shape)
        added = (table @ self._weights).reshape(self._ticks, BUCKETS, -1).transpose(0, 2, 1)
        ends = np.cumsum([len(self._exposures.arms[name]) for name in self.names])
        return dict(zip(self.names, np.split(added, ends[:-1], axis=1), strict=True))

    def histogram(self, name: str, bins: Ints, many: int, values: Floats) -> Floats:
        """Add up a value a row by its bin, of so `many`: for one experiment, shape (ticks, arms, bins)."""
        cells, combination = np.divmod(self._rows, len(self._combined))
        arm, arms = self._exposures.arm(name, self._combined)[combination], len(self._exposures.arms[name])
        inside = (arm >= 0) & (arm < arms)
        place = ((cells // BUCKETS * arms + arm) * many + bins)[inside]
        counted = np.bincount(place, values[inside], minlength=self._ticks * arms * many)
        return counted.astype(np.float64, copy=False).reshape(self._ticks, arms, many)

    def present(self, name: str) -> tuple[bool, Mask]:
        """Return whether any row is in a declared arm of an experiment, and in which ticks some are in another one."""
        arm, arms = self._exposures.arm(name, self._combined), len(self._exposures.arms[name])
        strays = np.asarray(self._counts[:, arm == arms].any(axis=1))
        return bool(self._counts[:, (arm >= 0) & (arm < arms)].any()), strays

    @cached_property
    def _counts(self) -> Ints:
        """How many rows there are by tick and combination of arms."""
        shape = self._ticks, BUCKETS, len(self._combined)
        counted: Ints = np.bincount(self._rows, minlength=int(np.prod(shape))).reshape(shape).sum(axis=1)
        return counted

    @cached_property
    def _weights(self) -> Floats:
        """Which combinations of arms count for which arm, shape (combinations, arms of all experiments)."""
        found = []
        for name in self.names:
            arm = self._exposures.arm(name, self._combined)
            found.append(arm[:, None] == np.arange(len(self._exposures.arms[name])))
        return np.concatenate(found, axis=1).astype(np.float64)


def crossings(
    exposures: Exposures, names: Sequence[str], numbers: Hashes, cells: Ints, ticks: int
) -> Iterator[Crossing]:
    """Cross as many experiments at a time as keep the table smaller than the rows; parameters as for `Crossing`."""
    most = min(_MOST_BITS, (len(numbers) // (ticks * BUCKETS)).bit_length() - 1)
    together: list[str] = []
    for name in exposures.arms:
        if name not in names:
            continue
        if together and exposures.span([*together, name])[1] > most:
            yield Crossing(exposures, together, numbers, cells, ticks)
            together = []
        together.append(name)
    if together:
        yield Crossing(exposures, together, numbers, cells, ticks)
