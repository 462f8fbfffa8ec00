"""
The sample stage: which raw events land, each with the probability of being there.

A prediction is decided about when it comes, and its row in the join says with which probability: its outcome and its
feedback have the same one, or 1 where they tell what is to be kept in full. Where a budget or a reservoir is declared
events wait until the watermark has passed their hour; what waits is part of the state, and no more than fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streams.config.sampling import plan_of
from streams.core.assertion.events import Events
from streams.core.block import FEEDBACK_KINDS, Batch
from streams.core.catalog import Catalog
from streams.core.columns import Columns, Floats, Hashes, Ints, Mask, length
from streams.core.panes import Slots
from streams.core.sample import sample_rows
from streams.core.sampling.plan import Plan, Sampler
from streams.core.sampling.uniform import kept, uniforms
from streams.core.sampling.waiting import WaitingRows
from streams.core.summarize import label_changes
from streams.core.window_spec import HOUR


class Sampling:
    """The plans of all models, for one of `parts` equal shares of the requests, and what they have learned."""

    def __init__(self, catalog: Catalog, parts: int = 1) -> None:
        config = catalog.config
        self._catalog, self._base, self._salt = catalog, config.samples, config.sampling.salt
        lag = -(-config.disorder // HOUR)
        names = [model.name for model in catalog.models]
        self._plans = [plan_of(config.sampling, name, config.samples).share(parts) for name in names]
        self._samplers = [Sampler(plan, lag) for plan in self._plans]
        self._waiting = {
            number: WaitingRows(plan, catalog.treatment) for number, plan in enumerate(self._plans) if plan.waits
        }

    def decide(self, table: pa.RecordBatch, places: Ints, cohorts: Ints) -> Floats:
        """Return the probability with which policies keep each prediction, at these places of a table."""
        model = self._catalog.model_of(cohorts)
        shares, events = np.full(len(places), self._base), Events(table)
        for number in np.unique(model).tolist():
            mine = model == number
            plan = self._plans[number]
            shares[mine] = self._samplers[number].decide(events.at(places[mine])) if plan.policies else plan.rate
        return shares

    def follow(self, predictions: Columns, events: Columns) -> Floats:
        """Return the probability of each outcome or piece of feedback, aligned with the prediction that it is about."""
        shares = predictions["share"].astype(np.float64)
        model = self._catalog.model_of(predictions["cohort"])
        for number in np.unique(model).tolist():
            plan, mine = self._plans[number], np.flatnonzero(model == number)
            if plan.once_known:
                some = {name: column[mine] for name, column in predictions.items()}
                said = {name: column[mine] for name, column in events.items()}
                shares[mine] = plan.in_full(shares[mine], self._found(number, plan, some, said))
        return shares

    def _found(self, number: int, plan: Plan, predictions: Columns, events: Columns) -> Mapping[str, Mask]:
        """Return what events show of their predictions, such as an error."""
        if "kind" in events:
            return {name: events["kind"] == FEEDBACK_KINDS.index(name) for name in plan.once_known - {"error"}}
        return {"error": self._wrong(self._catalog.models[number].task, predictions | {"label": events["label"]})}

    def _wrong(self, task: str, rows: Columns) -> Mask:
        ones = np.ones(length(rows))
        changes = label_changes(
            task, rows | {"weight": ones, "prediction_weight": ones}, self._catalog.terms(), Slots()
        )
        if task == "binary":
            binary: Mask = np.abs(changes.y - changes.yhat) == 1
            return binary
        wrong: Mask = (changes.actual >= 0) & (changes.predicted >= 0) & (changes.actual != changes.predicted)
        return wrong

    def sample(
        self, batch: Batch, rows: Ints, keys: Hashes, shares: Floats | None, cohorts: Ints | None
    ) -> Iterator[pa.Table]:
        """
        Yield what of a batch lands at once, and let wait what may land.

        Parameters
        ----------
        rows, keys
            Places of new events in the batch, and the hashes of their requests.
        shares
            The probability that policies give each; None: that of all models.
        cohorts
            The cohort that each is of, -1 where it is not known; None: of none.
        """
        uniform = uniforms(keys, self._salt)
        probability = np.full(len(rows), self._base) if shares is None else shares
        at_once = np.ones(len(rows), np.bool_)
        of = np.full(len(rows), -1) if cohorts is None else cohorts
        known = np.flatnonzero(of >= 0)
        for number, waiting in self._waiting.items():
            mine = known[self._catalog.model_of(of[known]) == number]
            at_once[mine] = False
            waiting.add(batch, rows[mine], uniform[mine], probability[mine])
        chosen = np.flatnonzero(at_once & kept(uniform, probability))
        chosen = chosen[np.argsort(rows[chosen], kind="stable")]
        if len(chosen):
            yield sample_rows(batch, rows[chosen], probability[chosen], self._catalog.treatment)

    def release(self, watermark: int) -> Iterator[pa.Table]:
        """Yield what has waited, of hours that the watermark has passed."""
        for waiting in self._waiting.values():
            yield from waiting.release(watermark)

    def forget(self, mine: Callable[[Sequence[Mapping[str, Any]]], Mask]) -> int:
        """Take out waiting rows; returns how many. `mine` says which of some rows of the table `samples` they are."""
        return sum(waiting.forget(mine) for waiting in self._waiting.values())

    def head(self) -> dict[str, Any]:
        """Everything as plain data and arrays, by model."""
        names = [model.name for model in self._catalog.models]
        return {
            "samplers": dict(zip(names, (one.snapshot() for one in self._samplers), strict=True)),
            "waiting": {names[number]: waiting.snapshot() for number, waiting in self._waiting.items()},
        }

    def restore(self, head: Mapping[str, Any]) -> None:
        """Replace everything; of a model that was sampled in another way what can be used."""
        for number, model in enumerate(self._catalog.models):
            if model.name in head["samplers"]:
                self._samplers[number].restore(head["samplers"][model.name])
            if number in self._waiting and model.name in head["waiting"]:
                self._waiting[number].restore(head["waiting"][model.name])
