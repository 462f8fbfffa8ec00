"""
Single errors of each model, slice and tick: the same few, wherever and in whatever order their events were read.

Detectors of single errors would see every label of a tick, which has no bound. They are given those with the smallest
ranks instead. A rank is drawn from the exponential distribution whose rate is the weight of the label, and the draw is
a hash of the prediction's id: a sample without replacement with chances in proportion to the weights (bottom-k sketches
with exponential ranks: Cohen & Kaplan, PODC 2007), which merges, and whose smaller sizes are parts of the larger ones.

Only the first label of a prediction counts, by event time, and no correction of it; of several at one time it is the
one that the others replace. It may be taken back all the same, when an outcome with an earlier time is read after it.
What was taken back is held as well, so that it makes no difference what was read first, and twice as much is held as is
asked for, to make up for it. The sample is exact while fewer than half of what is held was taken back.

A label is in the samples of all slices that it is in and that are asked for. Whether a slice is shown is known when the
tick is over: those that are refused are added to the sample of the rest, which is then what it would have been.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Columns, Floats, Hashes, Ints, length, take
from streams.core.detect.cut import Cut, where
from streams.core.detect.smallest import Smallest
from streams.core.groups import Groups, Slice
from streams.core.ids import mix
from streams.core.metric.base import Changes, Task

Key = tuple[str, int]
"""A model, and the number of a tick."""

Wanted = Mapping[Cut, int]
"""How many errors of a tick are asked for, by the slices that they are to be of."""

_HELD = 2  # times as many as are asked for
_KEY = np.uint64(0x6572726F72730001)  # of the hash, so that no other sample has the same predictions
_FRACTION_BITS = 53
_WHOLE: list[list[list[str]]] = [[[], []]]  # slices, as they are written


@dataclass(frozen=True)
class Errors:
    """Errors of one tick, those with the smallest ranks first: their predictions, when each was known, how large."""

    id: Hashes
    time: Ints
    value: Floats

    def first(self, most: int) -> Floats:
        """Return the errors with the smallest ranks, at most so many, in the order in which they became known."""
        return np.asarray(self.value[:most][np.lexsort((self.id[:most], self.time[:most]))])


class ErrorSample:
    """
    The errors of all ticks that are still summed up.

    Parameters
    ----------
    wanted
        What is asked for, by model; attributes as the model declares them. Other models are passed over.
    groups
        The slices that there are.
    """

    def __init__(self, wanted: Mapping[str, Wanted], groups: Groups) -> None:
        self._wanted = {model: some for model, some in wanted.items() if some}
        self._groups = groups
        self._held: dict[Key, Smallest] = {}

    def asks(self, model: str) -> bool:
        """Whether errors of a model are asked for."""
        return model in self._wanted

    def add(self, model: str, ticks: Ints, errors: Floats, rows: Columns) -> None:
        """
        Add labels of one model: the tick and the error of each, NaN where there is no telling.

        `rows` gives their `id`, `cohort`, `known`, `weight` and `sign`, and which are the `first` of their predictions.
        """
        known = np.flatnonzero(rows["first"] & ~np.isnan(errors))
        rows = take({name: rows[name] for name in ("id", "cohort", "known", "weight", "sign")}, known)
        hashes = mix(rows["id"], np.full(len(known), _KEY))
        told = {
            "rank": ranks(hashes, rows["weight"]),
            "id": hashes,
            "time": rows["known"],
            "value": errors[known],
            "count": rows["sign"].astype(np.int64),
        }
        for tick in np.unique(ticks[known]).tolist():
            mine = ticks[known] == tick
            self._put(self._held.setdefault((model, tick), Smallest()), model, take(told, mine), rows["cohort"][mine])

    def _put(self, sample: Smallest, model: str, rows: Columns, cohorts: Ints) -> None:
        """Add labels to the samples of the slices that they are in."""
        for attributes in dict.fromkeys(cut.attributes for cut in self._wanted[model]):
            number = self._numbers(sample, model, attributes, cohorts)
            sample.add(take({"slice": number, **rows}, number >= 0))

    def _numbers(self, sample: Smallest, model: str, attributes: tuple[str, ...], cohorts: Ints) -> Ints:
        """Return the number of each label's slice by some attributes; -1 where it is not asked for."""
        if not attributes:
            return np.full(len(cohorts), sample.number(Slice(model, (), ()), self._most))
        each, inverse = np.unique(cohorts, return_inverse=True)
        numbers = [sample.number(self._groups.slice_of(cohort, attributes), self._most) for cohort in each.tolist()]
        return np.array(numbers, np.int64)[inverse]

    def _most(self, slice_: Slice) -> int:
        """Return how many errors of a slice are held."""
        wanted = self._wanted[slice_.model].items()
        return _HELD * max((most for cut, most in wanted if cut.may_hold(slice_)), default=0)

    def collect(self) -> list[dict[str, Any]]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        collected, self._held = self.snapshot(), {}
        return collected

    def merge(self, collected: list[dict[str, Any]]) -> None:
        """Add what was collected elsewhere; by those who know of no slices, it is of the whole."""
        for one in collected:
            if one["model"] not in self._wanted:
                continue
            sample, rows = self._held.setdefault((one["model"], one["tick"]), Smallest()), one["rows"]
            named = [Slice(one["model"], tuple(names), tuple(values)) for names, values in one.get("slices", _WHOLE)]
            numbers = np.array([sample.number(slice_, self._most) for slice_ in named], np.int64)
            number = numbers[rows["slice"] if "slice" in rows else np.zeros(length(rows), np.int64)]
            sample.add(take({**rows, "slice": number}, number >= 0))

    def take(self, before: int) -> Iterator[tuple[Key, dict[Slice, Errors]]]:
        """Take out the ticks before this one, by the slices that are shown."""
        for key in sorted(key for key in self._held if key[1] < before):
            sample = self._counted(self._held.pop(key))
            rows = take(sample.rows(), sample.rows()["count"] > 0)
            found = {}
            for number, slice_ in enumerate(sample.slices):
                low, high = np.searchsorted(rows["slice"], (number, number + 1))
                if low < high and self._is_asked(slice_):
                    found[slice_] = Errors(*(rows[name][low:high] for name in ("id", "time", "value")))
            yield key, found

    def _is_asked(self, slice_: Slice) -> bool:
        """Whether a slice is shown, and its errors are asked for."""
        return self._groups.is_shown(slice_) and any(cut.holds(where(slice_)) for cut in self._wanted[slice_.model])

    def _counted(self, sample: Smallest) -> Smallest:
        """Return the same samples, those of refused slices in the one in which these count."""
        counted = [self._groups.counted_in(slice_) for slice_ in sample.slices]
        if counted == list(sample.slices):
            return sample
        rows, found = sample.rows(), Smallest()
        numbers = np.array([found.number(slice_, self._most) for slice_ in counted], np.int64)
        number = numbers[rows["slice"]]
        found.add(take({**rows, "slice": number}, number >= 0))
        return found

    def snapshot(self) -> list[dict[str, Any]]:
        """Everything as plain data and arrays."""
        return [
            {
                "model": model,
                "tick": tick,
                "slices": [[list(one.attributes), list(one.values)] for one in sample.slices],
                "rows": dict(sample.rows()),
            }
            for (model, tick), sample in self._held.items()
        ]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Replace everything by a snapshot."""
        self._held = {}
        self.merge(saved)


def ranks(hashes: Hashes, weights: Floats) -> Floats:
    """Exponential variates, of which the weights are the rates: the same for the same hash and weight."""
    uniform = ((hashes >> np.uint64(64 - _FRACTION_BITS)).astype(np.float64) + 0.5) * 2.0**-_FRACTION_BITS
    return np.asarray(-np.log(uniform) / weights)


def errors_of(task: Task, changes: Changes) -> Floats:
    """
    Return the error of each label as its task reads it, NaN where there is no telling.

    Of answers with classes and of rankings it is 1 where the answer, or the first item, is wrong, else 0; of numbers it
    is how far the answer is from the truth.

    Raises
    ------
    ValueError
        If the task has no truth.
    """
    if task == "regression":
        return np.abs(changes.score - changes.value)
    if task == "binary":
        told, wrong = ~np.isnan(changes.y) & ~np.isnan(changes.yhat), changes.y != changes.yhat
    elif task == "multiclass":
        told, wrong = (changes.actual >= 0) & (changes.predicted >= 0), changes.actual != changes.predicted
    elif task == "ranking":
        told, wrong = changes.rank >= 0, changes.rank != 1
    else:
        raise ValueError(f"a model of the task {task} has no truth, and so no errors")
    return np.where(told, wrong.astype(np.float64), np.nan)
