"""
Raw rows that wait, as checkpoints write them: each once when it is new, and some of the old ones with every one.

They are rows of a `Runs` with their texts beside them, so that a segment has them as it has the rows of the join.
Rows are let go of by rules that can be applied again, to what old segments still say: by time, and by thresholds that
only fall. What is `gone` for another reason stays as a row that says so, until its time has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.columns import Columns, Hashes, Ints, Mask, from_arrow, length, take
from streams.core.runs import Runs
from streams.core.sampling.texts import Texts

_ROW = {"key": np.uint64, "id": np.uint64, "size": np.int64, "gone": np.bool_, "ref": np.int64}

WAITING = _ROW | {"of": np.uint64, "time": np.int64, "share": np.float64, "known": np.bool_}
"""Rows that wait for their hour: `of` is the event (`id` but for what is known of it), `share` what policies give."""

HELD = _ROW | {"hour": np.int64, "landed": np.float64}
"""Predictions that wait for what shows later: when their hour began, and with which probability they have landed."""

EARLY = _ROW | {"time": np.int64}
"""Outcomes and feedback that wait for their prediction."""


Whose = Callable[[Sequence[Mapping[str, Any]]], Mask]
"""Says which of some rows, as the table `samples` has them, are somebody's."""


class RawRows:
    """Rows of one of these sorts, with `size` the bytes of their payloads."""

    def __init__(self, dtypes: Mapping[str, npt.DTypeLike]) -> None:
        self.dtypes = dtypes
        self.runs = Runs(dtypes)
        self.texts = Texts()

    def __len__(self) -> int:
        return len(self.runs)

    def add(self, rows: Columns, texts: pa.Table) -> None:
        """Take in rows, whose `ref` are numbers that were reserved, ascending."""
        if length(rows):
            self.texts.keep(rows["ref"], texts)
            self.runs.insert(rows | {"gone": np.zeros(length(rows), np.bool_)})

    def find(self, keys: Hashes, ids: Hashes) -> tuple[Ints, Ints]:
        """Return all pairs (query, at) of rows that are not gone."""
        query, at = self.runs.find(keys)
        found = self.runs.take(at, ("id", "gone"))
        same = (found["id"] == ids[query]) & ~found["gone"]
        return query[same], at[same]

    def leave(self, at: Ints) -> None:
        """Note that rows at these places are gone; texts that nobody has are forgotten in time."""
        self.runs.put(at, {"gone": np.ones(len(at), np.bool_)})

    def remove(self, test: Callable[[Columns], Mask]) -> None:
        """Let go of the rows that pass a test."""
        self.runs.remove(self.runs.where(test))
        self.tidy()

    def tidy(self) -> None:
        """Forget texts that nobody has, once there are many."""
        if self.texts.has_much_that_is_old(len(self.runs)):
            self.texts.retain(self.runs.snapshot()["ref"])

    def forget(self, mine: Whose) -> int:
        """Have rows gone, with their texts, of which `mine` says so; return how many."""
        at = np.flatnonzero(self.runs.where(lambda rows: ~rows["gone"]))
        at = at[mine(self.texts.fetch(self.runs.gather("ref", at)).to_pylist())]
        self.leave(at)
        rows = self.runs.snapshot()
        self.texts.retain(rows["ref"][~rows["gone"]])
        return len(at)

    def pack(self, rows: Columns) -> tuple[Columns, pa.Table]:
        """Return rows as a segment has them, and the texts of those that are not gone."""
        packed = {name: column for name, column in rows.items() if name != "ref"}
        return packed, self.texts.fetch(rows["ref"][~rows["gone"]])

    def unpack(self, rows: Columns, texts: pa.Table) -> Columns:
        """Return rows of a segment with numbers, and keep their texts."""
        numbers = self.texts.reserve(length(rows))
        if len(texts):
            self.texts.keep(numbers[~rows["gone"]], texts)
        return rows | {"ref": numbers}

    def restore(self, rows: Columns, left: Mask) -> Columns:
        """Replace everything by the rows that are left of what was unpacked; return them."""
        rows = take(rows, left)
        self.runs.restore(rows)
        self.texts.retain(rows["ref"])
        return rows


def sizes_of(texts: pa.Table) -> Ints:
    """Bytes of each payload."""
    return from_arrow(pc.binary_length(texts["payload"])).astype(np.int64)


def scaled(texts: pa.Table, probability: Any) -> pa.Table:
    """Rows whose own probability is multiplied by that of being kept."""
    place = texts.schema.get_field_index("inclusion_probability")
    own = texts["inclusion_probability"].to_numpy()
    return texts.set_column(place, "inclusion_probability", pa.array(own * probability))
