"""Raw rows of one model that wait until it is known which of them land."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.block import Batch
from streams.core.columns import Floats, Ints, Mask, from_arrow
from streams.core.privacy.treatment import Treatment
from streams.core.sample import TIME, sample_rows
from streams.core.sampling.landing import Landing
from streams.core.sampling.plan import Plan
from streams.core.sampling.uniform import kept


class WaitingRows:
    """Rows by number, of which a budget and a reservoir keep no more than fits."""

    def __init__(self, plan: Plan, treatment: Treatment) -> None:
        self._treatment = treatment
        self._landing = Landing(plan)
        self._rows: dict[int, dict[str, Any]] = {}
        self._next = 0

    def add(self, batch: Batch, rows: Ints, uniform: Floats, probability: Floats) -> None:
        """Take in rows at these places of a batch, with the numbers of their requests and what policies give them."""
        if not len(rows):
            return
        numbers = np.arange(self._next, self._next + len(rows))
        self._next += len(rows)
        likely = np.flatnonzero(kept(uniform, probability))
        self._hold(batch, rows[likely], numbers[likely])
        sizes = np.zeros(len(rows), np.int64)
        sizes[likely] = [len(self._rows[number]["payload"]) for number in numbers[likely].tolist()]
        times = from_arrow(batch.table["event_time"])[rows]
        self._landing.add(times, uniform, probability, sizes, numbers)
        held = set(self._landing.references().tolist())
        others = np.array(
            [place for place, one in enumerate(numbers.tolist()) if one in held - self._rows.keys()], np.int64
        )
        self._hold(batch, rows[others], numbers[others])
        self._keep(held)

    def release(self, watermark: int) -> Iterator[pa.Table]:
        """Yield the rows that land, of the hours that the watermark has passed."""
        landed = self._landing.take(watermark)
        if len(landed.reference):
            rows = [self._rows[number] for number in landed.reference.tolist()]
            own = np.array([row["inclusion_probability"] for row in rows])
            table = _table(rows)
            place = table.schema.get_field_index("inclusion_probability")
            yield table.set_column(place, "inclusion_probability", pa.array(landed.probability * own))
        self._keep(set(self._landing.references().tolist()))

    def forget(self, mine: Callable[[Sequence[Mapping[str, Any]]], Mask]) -> int:
        """Take out the rows that a function of all of them masks; returns how many."""
        numbers = np.fromiter(self._rows, np.int64, len(self._rows))
        gone = numbers[mine(list(self._rows.values()))]
        self._landing.forget(gone)
        self._keep(self._rows.keys() - set(gone.tolist()))
        return len(gone)

    def _hold(self, batch: Batch, rows: Ints, numbers: Ints) -> None:
        if len(rows):
            table = sample_rows(batch, rows, np.ones(len(rows)), self._treatment)
            table = table.set_column(
                table.schema.get_field_index("event_time"), "event_time", table["event_time"].cast(pa.int64())
            )
            self._rows.update(zip(numbers.tolist(), table.to_pylist(), strict=True))

    def _keep(self, held: AbstractSet[int]) -> None:
        self._rows = {number: row for number, row in self._rows.items() if number in held}

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        rows = [[number, row] for number, row in sorted(self._rows.items())]
        return {"landing": self._landing.snapshot(), "rows": rows, "next": self._next}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self._landing.restore(saved["landing"])
        held = set(self._landing.references().tolist())
        self._rows = {number: row for number, row in saved["rows"] if number in held}
        self._next = saved["next"]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    table = pa.table({name: [row[name] for row in rows] for name in rows[0]})
    place = table.schema.get_field_index("event_time")
    return table.set_column(place, "event_time", table["event_time"].cast(TIME))
