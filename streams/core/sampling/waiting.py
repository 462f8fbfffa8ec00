"""Raw rows of one model that wait until it is known which of them land."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from streams.core.columns import Columns, Floats, Hashes, Ints, length, take
from streams.core.sampling.landing import Landing
from streams.core.sampling.plan import Plan
from streams.core.sampling.raw import WAITING, RawRows, sizes_of
from streams.core.sampling.uniform import kept, uniforms

Make = Callable[[Ints], pa.Table]
"""Makes the texts of rows at some places: of those only that may land."""


class Landed(NamedTuple):
    """Rows that land: whose they are (hashes of the request and the event), with which probability, and their texts."""

    key: Hashes
    of: Hashes
    probability: Floats
    texts: pa.Table


class WaitingRows:
    """Rows of which a budget and a reservoir keep no more than fits."""

    def __init__(self, plan: Plan) -> None:
        self._landing = Landing(plan)
        self.rows = RawRows(WAITING)

    def add(self, events: Columns, make: Make) -> None:
        """
        Take in rows.

        Parameters
        ----------
        events
            `key`, `id` and `of` as `WAITING` has them, `time`, `uniform`, `share` and `known` as `Landing.add`.
        make
            Makes the texts of some of them.
        """
        numbers = self.rows.texts.reserve(length(events))
        uniform, share, known = events["uniform"], events["share"], events["known"]
        likely = kept(uniform, share)
        texts, sizes = make(np.flatnonzero(likely)), np.zeros(len(numbers), np.int64)
        if likely.any():
            sizes[likely] = sizes_of(texts)
        time = np.maximum(events["time"], self._landing.taken)
        self._landing.add(time, uniform, share, sizes, numbers, known)
        held = np.isin(numbers, self._landing.references())
        others = np.flatnonzero(held & ~likely)
        parts = [part for part in (_where(texts, held[likely]), make(others)) if len(part)]
        if parts:
            places = np.concatenate([np.flatnonzero(held & likely), others])
            rows = {name: events[name] for name in ("key", "id", "of", "share", "known")}
            order = np.argsort(places)
            self.rows.add(
                take(rows | {"time": time, "size": sizes, "ref": numbers}, places[order]),
                pa.concat_tables(parts).take(pa.array(order)),
            )

    def release(self, watermark: int) -> Landed | None:
        """Return the rows that land, of the hours that the watermark has passed; None if no hour has been."""
        before = self._landing.taken
        landed = self._landing.take(watermark)
        if self._landing.taken == before:
            return None
        rows = self.rows.runs.snapshot()
        rows = take(rows, np.flatnonzero(np.isin(rows["ref"], landed.reference) & ~rows["gone"]))
        rows = take(rows, np.argsort(rows["ref"]))
        probability = landed.probability[np.searchsorted(landed.reference, rows["ref"])]
        released = Landed(rows["key"], rows["of"], probability, self.rows.texts.fetch(rows["ref"]))
        self.rows.remove(lambda held: held["time"] < self._landing.taken)
        return released if length(rows) else None

    def tidy(self) -> None:
        """Let go of rows that will not land, once there are many."""
        if len(self.rows) > 2 * len(references := self._landing.references()) + _SPARE:
            self.rows.remove(lambda held: ~np.isin(held["ref"], references))

    def head(self) -> dict[str, Any]:
        """Everything but the rows, as plain data."""
        return self._landing.head()

    def restore(self, head: Mapping[str, Any], rows: Columns, salt: str) -> None:
        """Replace everything; `rows` are those of segments, of which some have been let go of since."""
        same = self._landing.begin(head)
        rows = self.rows.restore(rows, rows["time"] >= self._landing.taken)
        known = rows["known"] if same else np.ones(length(rows), np.bool_)
        self._landing.add(rows["time"], uniforms(rows["key"], salt), rows["share"], rows["size"], rows["ref"], known)
        references = self._landing.references()
        self.rows.remove(lambda held: ~np.isin(held["ref"], references))


_SPARE = 1_000  # rows that wait beyond twice those that may land


def _where(texts: pa.Table, some: Any) -> pa.Table:
    return texts.filter(pa.array(some)) if len(texts) else texts
