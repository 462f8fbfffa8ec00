"""
Forgetting: what waits of a unit is taken out, at a place in the order of events.

An order to forget stands in each input. It is *open* from the first one in which it is met until it has been met in
all of them, and what is forgotten does not depend on which that is:

- predictions that are for the unit, and feedback that is from it, as far as they stand before the order,
- all events of the requests of these predictions that come before the order is closed. Inputs are read side by side,
  so the requests are remembered until then: the outcome of a forgotten prediction may be read after it.

What comes later is new: a prediction waits, an outcome of a forgotten request finds no prediction and is an orphan.

Segments that were written before still have the rows. So the next one says of each that it is gone, and a row that was
written before that does not come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from streams.core.archive import Archive
from streams.core.columns import Columns, Hashes, Mask, concat, length
from streams.core.flatten import LABELLED
from streams.core.ids import hash_twice, mix
from streams.core.join import MATCHED, Joiner
from streams.core.privacy.owner import NOBODY, Owners
from streams.core.runs import Runs
from streams.core.sampling.stage import Sampling

REQUEST = {"key": np.uint64, "check": np.uint64}
INPUTS = ("predictions", "outcomes", "feedback")
"""The inputs, which have the names of the stores in which their events wait."""

KINDS = (*INPUTS, "samples")
"""What may wait of a unit: events by their store, and raw events that may yet land as samples."""

_COUNTED = {"predictions": LABELLED, "outcomes": MATCHED, "feedback": MATCHED}  # flags of what another counter has
_INPUT_OF = {"prediction": "predictions", "outcome": "outcomes", "feedback": "feedback"}
_MOST_OPEN = 1_000


@dataclass(frozen=True)
class Order:
    """
    Whom to forget.

    Attributes
    ----------
    name
        What the order is known by; it says nothing of the unit.
    owners
        Hashes of all names of the unit, as `Owners` makes them.
    requests
        Hashes of requests that are the unit's whatever their predictions say: the columns `key` and `check`.
    """

    name: str
    owners: Hashes
    requests: Columns


@dataclass(frozen=True)
class Forgotten:
    """What was taken out, and how much of the unit was there afterwards, by kind."""

    removed: Mapping[str, int]
    remaining: Mapping[str, int]


class Forgetter:
    """Takes what waits of units out of the join, the texts of possible orphans, and the sample stage."""

    def __init__(self, joiner: Joiner, sampling: Sampling, owners: Owners | None) -> None:
        self._joiner, self._sampling, self._owners = joiner, sampling, owners
        self._open: dict[str, tuple[Columns, frozenset[str]]] = {}
        self._gone: dict[str, list[Columns]] = {}

    def forget(self, order: Order, met: str, archive: Archive) -> Forgotten:
        """Carry out an order that was met in one of `INPUTS`."""
        requests, before = self._open.pop(order.name, (order.requests, frozenset()))
        search = _Search(order.owners, requests, before, self._owners)
        search.know(self._joiner.predictions)
        samples, stores = self._sampling.forget(search.raw), self._joiner.stores()
        removed = {name: self._take_out(name, search.rows(name, stores[name]), archive) for name in INPUTS}
        remaining = {name: int(search.rows(name, stores[name]).sum()) for name in INPUTS}
        found = Forgotten(removed | {"samples": samples}, remaining | {"samples": self._sampling.forget(search.raw)})
        if before | {met} < set(INPUTS):
            self._open[order.name] = (search.requests, before | {met})
        while len(self._open) > _MOST_OPEN:  # an order that was not written into every input is never closed
            del self._open[next(iter(self._open))]
        return found

    def gone(self) -> dict[str, Columns]:
        """Return `key` and `id` of the rows that were taken out since this was last called, by store."""
        gone, self._gone = {name: concat(parts) for name, parts in self._gone.items()}, {}
        return gone

    def head(self) -> list[Any]:
        """The open orders, as plain data and arrays; what is gone stands in segments."""
        return [[name, requests, sorted(met)] for name, (requests, met) in self._open.items()]

    def restore(self, head: Sequence[Any]) -> None:
        """Replace the open orders."""
        self._open = {name: (dict(requests), frozenset(met)) for name, requests, met in head}
        self._gone = {}

    def _take_out(self, name: str, mine: Mask, archive: Archive) -> int:
        gone = self._joiner.stores()[name].remove(mine)
        if length(gone):
            self._gone.setdefault(name, []).append({column: gone[column] for column in ("key", "id")})
            self._joiner.tally[f"forgotten_{name}"] += int(((gone["flags"] & _COUNTED[name]) == 0).sum())
            if "ref" in gone:
                archive.erase(gone["ref"][gone["ref"] >= 0])
        return length(gone)


@dataclass
class _Search:
    """
    What is looked for where an order is met: by owner in the inputs where it was not met `before`, and by request.

    Of predictions nothing is looked for once the order was met among them: those that came since are new.
    """

    owners: Hashes
    requests: Columns
    before: frozenset[str]
    hashing: Owners | None

    def know(self, predictions: Runs) -> None:
        """Add the requests of the unit's predictions."""
        mine = np.flatnonzero(predictions.where(partial(self._owned, "predictions")))
        self.requests = concat([self.requests, predictions.take(mine, tuple(REQUEST))])

    def rows(self, name: str, store: Runs) -> Mask:
        """Mask of the rows of a store that are to go."""
        mine = store.where(partial(self._owned, name))
        if name == "predictions" and name in self.before:
            return mine
        query, at = store.find(self.requests["key"])
        mine[at[store.gather("check", at) == self.requests["check"][query]]] = True
        return mine

    def raw(self, rows: Sequence[Mapping[str, Any]]) -> Mask:
        """Mask of the raw events that are to go, rows of the table `samples`; adds requests of predictions."""
        key, check = hash_twice(pa.array([row["request_id"] for row in rows], pa.string()))
        inputs = [_INPUT_OF[row["type"]] for row in rows]
        predicted = np.array([name == "predictions" for name in inputs], np.bool_)
        named = self._named(rows) & np.array([name not in self.before for name in inputs], np.bool_)
        told = named & predicted
        self.requests = concat([self.requests, {"key": key[told], "check": check[told]}])
        asked = _among(self.requests, key, check)
        return named | (asked & ~predicted if "predictions" in self.before else asked)

    def _named(self, rows: Sequence[Mapping[str, Any]]) -> Mask:
        """Mask of the raw events that name the unit."""
        if self.hashing is None:
            return np.zeros(len(rows), np.bool_)
        units = [msgspec.json.decode(row["payload"]).get("unit_id") for row in rows]
        return self._owned_by(self.hashing.of(pa.array(units, pa.string())))

    def _owned(self, name: str, rows: Columns) -> Mask:
        """Mask of the rows of a store that are the unit's, where they are looked for by owner."""
        if "owner" not in rows or name in self.before:
            return np.zeros(length(rows), np.bool_)
        return self._owned_by(rows["owner"])

    def _owned_by(self, owners: Hashes) -> Mask:
        mine: Mask = np.isin(owners, self.owners) & (owners != NOBODY)
        return mine


def _among(requests: Columns, key: Hashes, check: Hashes) -> Mask:
    """Mask of the requests, by their two hashes, that are among some."""
    found: Mask = np.isin(mix(key, check), mix(requests["key"], requests["check"]))
    return found
