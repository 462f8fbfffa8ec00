"""
A bounded sample of each window of event time, taken once the window's time has passed.

That its rows are waited for is what keeps the bound exact, whatever burst comes: a rate that is steered from minute to
minute by what came before is too high until it has seen the burst, and what it gave away cannot be had back, and one
that saves for a burst that does not come leaves room. `docs/sampling.md` has the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from streams.core.columns import Floats, Ints, segments
from streams.core.sampling.bottom_k import BottomK, Kept
from streams.core.watermark import NEVER


class Reservoir:
    """
    The sample of each window of `per` us, of at most `rows` and of at most `size` bytes; None where it is no matter.

    Windows begin at multiples of `per` since 1970, UTC.
    """

    def __init__(self, per: int, rows: int | None = None, size: int | None = None) -> None:
        if per < 1:
            raise ValueError(f"windows are {per} us long: they must be longer than 0")
        self._per = per
        self._bounds = (rows, size)
        self._samples: dict[int, BottomK] = {}
        self._taken = NEVER

    def __len__(self) -> int:
        """How many rows are kept as of now, in all windows."""
        return sum(map(len, self._samples.values()))

    def add(self, times: Ints, uniform: Floats, probability: Floats, size: Ints, reference: Ints) -> None:
        """
        Take in rows, with their event times (us); `BottomK.add` describes the others.

        A row whose window has been taken belongs to the first that has not, where it is one row as any other.
        """
        starts = np.maximum(times - times % self._per, self._taken)
        order = np.argsort(starts, kind="stable")
        for first, many in zip(*segments(starts[order]), strict=True):
            rows = order[first : first + many]
            self._sample(int(starts[rows[0]])).add(uniform[rows], probability[rows], size[rows], reference[rows])

    def take(self, before: int) -> Kept:
        """Return what is kept of the windows that end at this time (us) or earlier, and forget them."""
        self._taken = max(self._taken, before - before % self._per)
        due = sorted(start for start in self._samples if start < self._taken)
        return together([self._samples.pop(start).kept() for start in due])

    def merge(self, other: Self) -> None:
        """Take in the rows of another part, as `BottomK.merge` does."""
        self._taken = max(self._taken, other._taken)
        for start, sample in other._samples.items():
            self._sample(start).merge(sample)

    def references(self) -> Ints:
        """By what the caller refers to the rows that may yet be kept, in ascending order."""
        held = [sample.references() for sample in self._samples.values()]
        return np.sort(np.concatenate([np.empty(0, np.int64), *held]))

    def forget(self, references: Ints) -> None:
        """Take out rows."""
        for sample in self._samples.values():
            sample.forget(references)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        samples = {start: sample.snapshot() for start, sample in sorted(self._samples.items())}
        return {"taken": self._taken, "samples": samples}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; the bounds are this one's."""
        self._taken = saved["taken"]
        self._samples = {}
        for start, sample in saved["samples"].items():
            self._sample(start).restore(sample)

    def _sample(self, start: int) -> BottomK:
        if start not in self._samples:
            self._samples[start] = BottomK(*self._bounds)
        return self._samples[start]


def together(parts: list[Kept]) -> Kept:
    """
    Return the rows of several samples; one that is in more than one has the largest of its probabilities.

    >>> one, other = Kept(np.array([3, 5]), np.array([0.5, 0.5])), Kept(np.array([2, 3]), np.array([0.1, 1.0]))
    >>> [column.tolist() for column in together([one, other])]
    [[2, 3, 5], [0.1, 1.0, 0.5]]
    """
    reference = np.concatenate([np.empty(0, np.int64), *(part.reference for part in parts)])
    probability = np.concatenate([np.empty(0), *(part.probability for part in parts)])
    order = np.lexsort((-probability, reference))
    first, _ = segments(reference[order])
    return Kept(reference[order][first], probability[order][first])
