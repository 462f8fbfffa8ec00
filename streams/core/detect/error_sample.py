"""
Single errors of each model and tick: the same few of them, wherever and in whatever order their events were read.

Detectors of single errors would see every label of a tick, which has no bound. They are given those with the smallest
ranks instead. A rank is drawn from the exponential distribution whose rate is the weight of the label, and the draw is
a hash of the prediction's id: a sample without replacement with chances in proportion to the weights (bottom-k sketches
with exponential ranks: Cohen & Kaplan, PODC 2007), which merges, and whose smaller sizes are parts of the larger ones.

Only the first label of a prediction counts, by event time, and no correction of it; of several at one time it is the
one that the others replace. It may be taken back all the same, when an outcome with an earlier time is read after it.
What was taken back is held as well, so that it makes no difference what was read first, and twice as much is held as is
asked for, to make up for it. The sample is exact while fewer than half of what is held was taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Columns, Floats, Hashes, Ints, concat, empty, length, segments, take
from streams.core.ids import mix
from streams.core.metric.base import Changes, Task

Key = tuple[str, int]
"""A model, and the number of a tick."""

_ROWS = {"rank": np.float64, "id": np.uint64, "time": np.int64, "value": np.float64, "count": np.int64}
_HELD = 2  # times as many as are asked for
_KEY = np.uint64(0x6572726F72730001)  # of the hash, so that no other sample has the same predictions
_FRACTION_BITS = 53


@dataclass(frozen=True)
class Errors:
    """Errors of one tick, those with the smallest ranks first: their predictions, when each was known, how large."""

    id: Hashes
    time: Ints
    value: Floats

    def first(self, most: int) -> Floats:
        """Return the errors with the smallest ranks, at most so many, in the order in which they became known."""
        return np.asarray(self.value[:most][np.lexsort((self.id[:most], self.time[:most]))])


NO_ERRORS = Errors(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0))


class ErrorSample:
    """
    The errors of all ticks that are still summed up.

    Parameters
    ----------
    sizes
        How many errors of a tick are asked for, by model; those of other models are passed over.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = {model: size for model, size in sizes.items() if size}
        self._held: dict[Key, Columns] = {}

    def asks(self, model: str) -> bool:
        """Whether errors of a model are asked for."""
        return model in self._sizes

    def add(self, model: str, ticks: Ints, errors: Floats, rows: Columns) -> None:
        """
        Add labels of one model: the tick and the error of each, NaN where there is no telling.

        `rows` gives their `id`, `known`, `weight` and `sign`, and which are the `first` of their predictions.
        """
        known = np.flatnonzero(rows["first"] & ~np.isnan(errors))
        rows = take({name: rows[name] for name in ("id", "known", "weight", "sign")}, known)
        hashes = mix(rows["id"], np.full(len(known), _KEY))
        told = {
            "rank": ranks(hashes, rows["weight"]),
            "id": hashes,
            "time": rows["known"],
            "value": errors[known],
            "count": rows["sign"].astype(np.int64),
        }
        for tick in np.unique(ticks[known]).tolist():
            self._put((model, tick), take(told, ticks[known] == tick))

    def _put(self, key: Key, rows: Columns) -> None:
        held, most = self._held.get(key), _HELD * self._sizes[key[0]]
        if held is not None and length(held) >= most:
            rows = take(rows, rows["rank"] <= held["rank"][-1])
        self._held[key] = _smallest(rows if held is None else concat([held, rows]), most)

    def collect(self) -> list[dict[str, Any]]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        collected, self._held = self.snapshot(), {}
        return collected

    def merge(self, collected: list[dict[str, Any]]) -> None:
        """Add what was collected elsewhere."""
        for one in collected:
            if one["model"] in self._sizes:
                self._put((one["model"], one["tick"]), one["rows"])

    def take(self, before: int) -> Iterator[tuple[Key, Errors]]:
        """Take out the ticks before this one."""
        for key in sorted(key for key in self._held if key[1] < before):
            rows = self._held.pop(key)
            rows = take(rows, rows["count"] > 0)
            yield key, Errors(rows["id"], rows["time"], rows["value"])

    def snapshot(self) -> list[dict[str, Any]]:
        """Everything as plain data and arrays."""
        return [{"model": model, "tick": tick, "rows": dict(rows)} for (model, tick), rows in self._held.items()]

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


def _smallest(rows: Columns, most: int) -> Columns:
    """Add up rows that say the same, and return those with the smallest ranks, sorted by rank."""
    if not length(rows):
        return empty(_ROWS)
    rows = take(rows, np.lexsort((rows["value"], rows["time"], rows["id"], rows["rank"])))
    changed = np.zeros(length(rows), np.bool_)
    for name in ("rank", "id", "time", "value"):
        changed[1:] |= rows[name][1:] != rows[name][:-1]
    starts, _ = segments(np.cumsum(changed))
    summed = take(rows, starts) | {"count": np.add.reduceat(rows["count"], starts)}
    return {name: column[:most] for name, column in summed.items()}
