"""Raw rows of outcomes and feedback that come before their predictions: not known yet is whose they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from streams.core.columns import Columns, Ints, length, take
from streams.core.sampling.raw import EARLY, RawRows, sizes_of
from streams.core.sampling.waiting import Make


class EarlyRows:
    """They wait as long as the join waits for their prediction."""

    def __init__(self) -> None:
        self.rows = RawRows(EARLY)

    def add(self, events: Columns, make: Make) -> None:
        """Take in events (`key`, `id` and `time`), whose texts `make` makes."""
        if length(events):
            texts = make(np.arange(length(events)))
            rows = {name: events[name] for name in ("key", "id", "time")}
            self.rows.add(rows | {"size": sizes_of(texts), "ref": self.rows.texts.reserve(len(texts))}, texts)

    def meet(self, met: Columns) -> tuple[Columns, Make] | None:
        """Return those of the events met (`Pairs.take_met`) that have waited, and their texts; None if none has."""
        query, at = self.rows.find(met["key"], met["id"])
        if not len(query):
            return None
        numbers = self.rows.runs.gather("ref", at)
        self.rows.leave(at)
        return take(met, query), lambda places: self.rows.texts.fetch(numbers[places])

    def sweep(self, before: int) -> tuple[Columns, Make]:
        """Return those from before a time, of which nobody asks any more, and their texts."""
        gone = self.rows.runs.remove(self.rows.runs.where(lambda held: held["time"] < before))
        orphans = take(gone, np.flatnonzero(~gone["gone"]))
        texts = self.rows.texts.fetch(orphans["ref"])
        self.rows.tidy()
        return orphans, lambda places: _taken(texts, places)


def _taken(texts: pa.Table, places: Ints) -> pa.Table:
    return texts.take(pa.array(places)) if len(places) else texts
