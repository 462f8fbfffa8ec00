"""
Assertions about several predictions as sums of a tick: what came of each prediction, in the tick in which it was made.

A unit's predictions may lie in any partition. So each partition only reduces its own to what rules compare, and sends
them with its sums; they are looked at where all partitions of the rule's model meet, once the watermark has passed them
and before the sums of their tick are taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.assertion.rules import Checked, compile_rules
from streams.core.assertion.sequences import Sequences
from streams.core.columns import Array, Columns, Hashes, Ints, length
from streams.core.detect.assertion_watch import bins_of
from streams.core.detect.column_sums import ColumnSums
from streams.core.detect.plan import PREFIX, Watch
from streams.core.groups import Slice
from streams.core.watermark import FOREVER

_UNIT = float(1 << 20)  # weights travel as whole numbers of a millionth each, as they are summed up


class Following:
    """The rules about several predictions of all models that are watched; what they say goes into `sums`."""

    def __init__(self, watches: Sequence[Watch], tick: int, sums: ColumnSums) -> None:
        self._tick, self._sums = tick, sums
        self._watches = {watch.model: watch for watch in watches if watch.followed}
        self._sequences = {model: Sequences(compile_rules(one.followed)) for model, one in self._watches.items()}

    def see(self, table: pa.RecordBatch, places: Ints, keys: Hashes, rows: Columns) -> None:
        """Take in new predictions; parameters as for `Watched.see`, `rows` have their `id` as well."""
        if not self._sequences:
            return
        weights = np.rint(rows["weight"] * _UNIT).astype(np.int64)
        held = {"key": keys, "target": rows["id"], "time": rows["time"], "weight": weights}
        ids = {name: _placed(column, places, len(table)) for name, column in held.items()}
        for model, sequences in self._sequences.items():
            self._count(model, sequences.see(table, ids, ids["weight"], places))

    def advance(self, watermark: int) -> None:
        """Look at the predictions that the watermark has passed; at all, once nothing more will come."""
        for model, sequences in self._sequences.items():
            before = sequences.latest() + 1 if watermark >= FOREVER else watermark
            self._count(model, sequences.advance(before))

    def collect(self) -> list[dict[str, Any]]:
        """Return what was taken in since this was last called, by the model of its rules, and begin anew."""
        collected = [{"model": model} | sequences.collect() for model, sequences in self._sequences.items()]
        return [one for one in collected if length(one["rows"])]

    def merge(self, collected: Sequence[Mapping[str, Any]]) -> None:
        """Take in what was collected elsewhere."""
        for one in collected:
            if one["model"] in self._sequences:
                self._count(one["model"], self._sequences[one["model"]].merge(one))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {model: sequences.snapshot() for model, sequences in self._sequences.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; what was declared otherwise begins anew."""
        for model, sequences in self._sequences.items():
            if model in saved:
                sequences.restore(saved[model])

    def _count(self, model: str, said: Sequence[Checked]) -> None:
        """Add what was said of predictions to the sums of the whole model."""
        numbers, whole = self._watches[model].numbers, Slice(model, (), ())
        for checked in said:
            ticks, inverse = np.unique(checked.times // self._tick, return_inverse=True)
            cells = np.array([self._sums.cell(tick, whole) for tick in ticks.tolist()], np.int64)[inverse]
            number = np.full(len(cells), numbers[PREFIX + checked.rule.name])
            self._sums.add(cells, number, bins_of(checked), checked.rows / _UNIT)


def _placed(column: Array, places: Ints, many: int) -> Array:
    """Put values at their places in the table, of so many rows; elsewhere is 0."""
    placed = np.zeros(many, column.dtype)
    placed[places] = column
    return placed
