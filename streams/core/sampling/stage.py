"""
The sample stage: which raw events land, each with the probability of being there.

A prediction is decided about when it comes, and its row in the join says with which probability: its outcome and its
feedback have the same one, or 1 where they tell what is to be kept in full. Where that is asked for predictions are
held, so that their rows land too. Outcomes and feedback that come before their prediction wait for it. Where a budget
or a reservoir is declared events wait until the watermark has passed their hour. What waits is part of the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from streams.config.sampling import plan_of
from streams.core.assertion.events import Events
from streams.core.block import Batch
from streams.core.catalog import Catalog
from streams.core.columns import Columns, Floats, Ints, from_arrow, length, take
from streams.core.runs import Runs
from streams.core.sample import sample_rows
from streams.core.sampling.early import EarlyRows
from streams.core.sampling.holding import CLAIM, Holding
from streams.core.sampling.plan import Sampler
from streams.core.sampling.raw import RawRows, Whose, scaled
from streams.core.sampling.shown import Pairs, of_events
from streams.core.sampling.state import pack, unpack
from streams.core.sampling.uniform import kept, uniforms
from streams.core.sampling.waiting import Landed, Make, WaitingRows
from streams.core.segment import Segment
from streams.core.window_spec import HOUR

Rows = Iterator[pa.Table]


class Sampling:
    """The plans of all models, for one of `parts` equal shares of the requests, and what they have learned."""

    def __init__(self, catalog: Catalog, parts: int = 1) -> None:
        config = catalog.config
        self._catalog, self._base, self._salt = catalog, config.samples, config.sampling.salt
        lag = -(-config.disorder // HOUR)
        plans = [plan_of(config.sampling, m.name, config.samples, m.label_horizon) for m in catalog.models]
        self._plans = [plan.share(parts) for plan in plans]
        self._samplers = [Sampler(plan, lag) for plan in self._plans]
        self._waiting = {number: WaitingRows(plan) for number, plan in enumerate(self._plans) if plan.waits}
        self._holding = {
            number: Holding(plan.hold, plan.step, self._salt) for number, plan in enumerate(self._plans) if plan.hold
        }
        self._early = EarlyRows()
        self._pairs = Pairs(catalog, self._plans)

    def decide(self, table: pa.RecordBatch, places: Ints, cohorts: Ints) -> Floats:
        """Return the probability with which policies keep each prediction, at these places of a table."""
        model = self._catalog.model_of(cohorts)
        shares, events = np.full(len(places), self._base), Events(table)
        for number in np.unique(model).tolist():
            mine = model == number
            plan = self._plans[number]
            shares[mine] = self._samplers[number].decide(events.at(places[mine])) if plan.policies else plan.rate
        return shares

    def follow(self, predictions: Columns, events: Columns) -> None:
        """Take in aligned rows of predictions and of the outcomes or feedback that the join has found for them."""
        self._pairs.see(predictions, events)

    def sample(self, batch: Batch, rows: Ints, events: Columns, made: Columns | None) -> Rows:
        """
        Yield what lands at once of a batch and of what has waited for it, and let wait what may land.

        Parameters
        ----------
        rows
            Places of new events in the batch.
        events
            The hashes of their requests, `key`, and of themselves, `id`.
        made
            Of predictions the `cohort` of each, and the `share` that policies give it; None where there are none.
        """
        events = {"key": events["key"], "id": events["id"], "of": events["id"]}
        events |= {"uniform": uniforms(events["key"], self._salt), "known": np.zeros(len(rows), np.bool_)}
        make = partial(self._texts, batch, rows)
        if not self._catalog.shape.sampled:
            yield from _kept(events | {"share": np.full(len(rows), self._base)}, make)
            return
        events["time"] = from_arrow(batch.table["event_time"])[rows]
        met = self._pairs.take_met()
        if made is not None:
            model = self._catalog.model_of(made["cohort"])
            events["share"] = made["share"]
            self._hold(events, model, make)
            yield from self._land(events, model, make)
            yield from self._meet(met)
        else:
            yield from self._follow(events, met, make)
        for number, claims in self._pairs.take_shown():
            if number in self._holding:
                self._holding[number].show(claims)
        yield from self._settle()

    def _follow(self, events: Columns, met: Columns, make: Make) -> Rows:
        """Treat outcomes and feedback as the predictions that they are about; those without one wait for it."""
        some, at = of_events(met, events)
        alone = np.ones(len(events["key"]), np.bool_)
        alone[some] = False
        self._early.add(*_some(events, make, np.flatnonzero(alone)))
        said = take(events, some) | {"share": met["share"][at], "time": met["time"][at]}
        yield from self._land(said, met["model"][at], lambda places: make(some[places]))

    def _meet(self, met: Columns) -> Rows:
        """Treat events likewise that have waited for a prediction."""
        found = self._early.meet(met)
        if found is not None:
            said, make = found
            said |= {"of": said["id"], "uniform": uniforms(said["key"], self._salt)}
            yield from self._land(said | {"known": np.zeros(length(said), np.bool_)}, said["model"], make)

    def release(self, watermark: int) -> Rows:
        """Yield what has waited, of hours that the watermark has passed."""
        for holding in self._holding.values():
            holding.passed(watermark)
        yield from self._settle()
        for number, waiting in self._waiting.items():
            landed = waiting.release(watermark)
            if landed is not None:
                yield from self._largest(number, landed)
        for holding in self._holding.values():
            holding.expire(watermark)

    def sweep(self, before: int) -> Rows:
        """Yield of outcomes and feedback for which no prediction has come what `samples` keeps, from before a time."""
        orphans, make = self._early.sweep(before)
        if length(orphans):
            uniform = uniforms(orphans["key"], self._salt)
            yield from _kept({"uniform": uniform, "share": np.full(len(uniform), self._base)}, make)

    def forget(self, mine: Whose) -> int:
        """Let go of raw rows that wait, of which `mine` says so; returns how many there were."""
        return sum(raw.forget(mine) for raw in self._raw().values())

    @property
    def let_go(self) -> int:
        """How many predictions were not held for what shows later, because there were too many."""
        return sum(holding.let_go for holding in self._holding.values())

    def _texts(self, batch: Batch, rows: Ints, places: Ints) -> pa.Table:
        return sample_rows(batch, rows[places], np.ones(len(places)), self._catalog.treatment)

    def _hold(self, events: Columns, model: Ints, make: Make) -> None:
        """Have predictions wait for what shows of them, but for those that are kept anyway."""
        for number, holding in self._holding.items():
            mine = np.flatnonzero((model == number) & (events["share"] < 1))
            if len(mine):
                some, texts = _some(events, make, mine)
                at_once = kept(some["uniform"], some["share"]) & (number not in self._waiting)
                holding.add(some | {"landed": np.where(at_once, some["share"], 0.0)}, texts)

    def _land(self, events: Columns, model: Ints, make: Make) -> Rows:
        """Yield what is kept of events, or let it wait."""
        at_once = np.ones(len(model), np.bool_)
        for number, waiting in self._waiting.items():
            mine = np.flatnonzero(model == number)
            at_once[mine] = False
            if len(mine):
                waiting.add(*_some(events, make, mine))
        yield from _kept(*_some(events, make, np.flatnonzero(at_once)))

    def _settle(self) -> Rows:
        """Have predictions land of which something has shown, or wait for the budget of the hour in which it did."""
        for number, holding in self._holding.items():
            due = holding.due()
            if not length(due):
                continue
            due |= {"uniform": uniforms(due["key"], self._salt), "share": due["chance"]}
            make = partial(_fetched, holding, due["ref"])
            if number in self._waiting:
                self._waiting[number].add(due | {"known": np.ones(length(due), np.bool_)}, make)
            else:
                landed = Landed(due["key"], due["of"], due["share"], make(np.arange(length(due))))
                yield from self._largest(number, landed)

    def _largest(self, number: int, landed: Landed) -> Rows:
        """Yield rows that have not landed with as large a probability before; of several of an event the likeliest."""
        order = np.lexsort((-landed.probability, landed.of, landed.key))
        again = (np.diff(landed.key[order]) == 0) & (np.diff(landed.of[order]) == 0)
        some = np.sort(order[~np.concatenate([[False], again])])
        key, of, probability = landed.key[some], landed.of[some], landed.probability[some]
        if number in self._holding:
            more = self._holding[number].landed(key, of, probability)
            some, probability = some[more], probability[more]
        if len(some):
            yield scaled(landed.texts.take(pa.array(some)), probability)

    # State.

    def _raw(self) -> dict[str, RawRows]:
        """Everything that waits and has texts, by name."""
        names = [model.name for model in self._catalog.models]
        raw = {f"raw waiting of {names[number]}": waiting.rows for number, waiting in self._waiting.items()}
        raw |= {f"raw held of {names[number]}": holding.rows for number, holding in self._holding.items()}
        return raw | {"raw early": self._early.rows}

    def _claims(self) -> dict[str, Runs]:
        """What has shown of held predictions, by name."""
        names = [model.name for model in self._catalog.models]
        return {f"shown of {names[number]}": holding.claims for number, holding in self._holding.items()}

    def stores(self) -> dict[str, Runs]:
        """The rows that wait, by the name of their store."""
        return {name: raw.runs for name, raw in self._raw().items()} | self._claims()

    def changes(self) -> dict[str, Any]:
        """Return what a delta segment has: the rows that are new or changed since this was last called."""
        for waiting in self._waiting.values():
            waiting.tidy()
        return pack(self._raw(), {name: store.changed() for name, store in self.stores().items()})

    def rows(self, first: int, last: int) -> dict[str, Any]:
        """Return what a base segment has: all rows whose keys lie between these."""
        return pack(self._raw(), {name: store.between(first, last) for name, store in self.stores().items()})

    def head(self) -> dict[str, Any]:
        """Everything but the rows, as plain data and arrays, by model."""
        names = [model.name for model in self._catalog.models]
        return {
            "samplers": dict(zip(names, (one.snapshot() for one in self._samplers), strict=True)),
            "landing": {names[number]: waiting.head() for number, waiting in self._waiting.items()},
            "holding": {names[number]: holding.head() for number, holding in self._holding.items()},
        }

    def restore(self, head: Mapping[str, Any], segments: Sequence[Segment], swept: int, cut: int) -> None:
        """
        Replace everything; of a model that was sampled in another way what can be used.

        The last sweep, which came after the segment with the sequence `swept`, let go of what was early before `cut`.
        """
        stores, sequences = unpack(self._raw(), dict.fromkeys(self._claims(), CLAIM), segments)
        early = stores["raw early"]
        self._early.rows.restore(early, (early["time"] >= cut) | (sequences["raw early"] > swept))
        for number, model in enumerate(self._catalog.models):
            if model.name in head["samplers"]:
                self._samplers[number].restore(head["samplers"][model.name])
            if number in self._waiting and model.name in head.get("landing", {}):
                rows = stores[f"raw waiting of {model.name}"]
                self._waiting[number].restore(head["landing"][model.name], rows, self._salt)
            if number in self._holding and model.name in head.get("holding", {}):
                rows, claims = stores[f"raw held of {model.name}"], stores[f"shown of {model.name}"]
                self._holding[number].restore(head["holding"][model.name], rows, claims)


def _some(events: Columns, make: Make, some: Ints) -> tuple[Columns, Make]:
    """Return some of the events, and what makes their texts."""
    return take(events, some), lambda places: make(some[places])


def _kept(events: Columns, make: Make) -> Rows:
    """Yield the rows of events that are kept."""
    chosen = np.flatnonzero(kept(events["uniform"], events["share"]))
    if len(chosen):
        yield scaled(make(chosen), events["share"][chosen])


def _fetched(holding: Holding, numbers: Ints, places: Ints) -> pa.Table:
    return holding.texts(numbers[places])
