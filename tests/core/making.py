"""Small batches, configurations and joiners for the tests of the core, made from events as dicts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streams.codecs.write import to_batch
from streams.config import Config, parse_config
from streams.core.block import Batch, EventType
from streams.core.columns import Columns, Hashes, Ints, Mask, ordered, take
from streams.core.flatten import Shape, flatten_feedback, flatten_outcomes, flatten_predictions, identify
from streams.core.groups import Groups, SlicePlan
from streams.core.ids import hash_text
from streams.core.join import Joiner
from streams.core.metric.base import Task
from streams.core.runs import Runs

Event = dict[str, Any]
Told = list[tuple[int, int, float | str | None]]

DISORDER = 10
HORIZON = 100


def ints(values: Iterable[int]) -> Ints:
    """64-bit integers, of none as well."""
    return np.array(list(values), np.int64)


def make_config(models: Mapping[str, Any], **others: Any) -> Config:
    """Read a configuration as a file would be read."""
    return parse_config(json.dumps({"models": models, **others}), "the test's configuration")


def prediction(name: str, time: int, **fields: Any) -> Event:
    """Give the fields of a prediction that is valid for a model `m`."""
    ids = {"request_id": f"r-{name}", "prediction_id": name}
    return {**ids, "event_time": time, "model": "m", "version": "1", **fields}


def make_batch(kind: EventType, events: Sequence[Mapping[str, Any]], source: str = "input") -> Batch:
    """One batch whose positions begin at 100 and whose original bytes are the row's number."""
    positions = np.arange(100, 100 + len(events), dtype=np.int64)
    return Batch(kind, to_batch(kind, events), source, positions, lambda row: str(row).encode())


P = prediction("p", 1_000)


def outcome(time: int, value: float | None = None, **fields: object) -> Event:
    """Tell the truth about the request of `p`."""
    return {"request_id": "r-p", "event_time": time, "value": value, **fields}


def feedback(name: str, time: int, kind: str = "click", **fields: object) -> Event:
    """React to the request of `p`."""
    return {"feedback_id": name, "request_id": "r-p", "event_time": time, "kind": kind, **fields}


class Desk:
    """
    A joiner for one model `m` (regression unless told otherwise), fed with events as dicts.

    Repeated events are left out, as the intake does. Label and feedback changes come back as sorted tuples of
    (time of the prediction, sign, what was said).
    """

    def __init__(self, *tasks: Task, horizon: int = HORIZON) -> None:
        self.groups = Groups({"m": SlicePlan(((),), 1_000)})
        self.shape = Shape(frozenset(tasks or ("regression",)))
        self.joiner = Joiner(self.shape, DISORDER, lambda cohorts: np.full(len(cohorts), horizon, np.int64))
        self.refs = 0

    def predict(self, *events: Event) -> tuple[Told, Told]:
        """Take in predictions; return the label changes and the feedback changes."""
        table = to_batch("prediction", events)
        ids = identify(table)
        chosen, known = self._fresh(self.joiner.predictions, ids["key"], ids["target"])
        rows = flatten_predictions(table, ids, chosen, self.groups, self.shape)
        labels, feedback = self.joiner.add_predictions(rows, known)
        return told(labels), told(feedback)

    def learn(self, *events: Event) -> Told:
        """Take in outcomes; return the label changes."""
        return told(self.settle(*events))

    def settle(self, *events: Event) -> Columns:
        """Take in outcomes; return the label changes with all their columns."""
        table = to_batch("outcome", events)
        rows = self._waiting(flatten_outcomes(table, identify(table)))
        chosen, known = self._fresh(self.joiner.outcomes, rows["key"], rows["id"])
        rows = take(rows, chosen)
        changes = self.joiner.match_outcomes(rows, known)
        self.joiner.hold(self.joiner.outcomes, rows)
        return changes

    def hear(self, *events: Event) -> Told:
        """Take in feedback; return the feedback changes."""
        table = to_batch("feedback", events)
        rows = self._waiting(flatten_feedback(table, identify(table)))
        chosen, _ = self._fresh(self.joiner.feedback, rows["key"], rows["id"])
        rows = take(rows, chosen)
        changes = self.joiner.match_feedback(rows)
        self.joiner.hold(self.joiner.feedback, rows)
        return told(changes)

    def sweep(self, watermark: int, *, ended: bool = False) -> tuple[list[tuple[int, bool]], list[tuple[int, bool]]]:
        """Return orphaned outcomes and feedback as (ordinal of arrival within its type's calls, came late)."""
        self.joiner.watermark = watermark
        outcomes, feedback = self.joiner.sweep(watermark, ended=ended)
        pairs = [zip(one.refs.tolist(), one.late.tolist(), strict=True) for one in (outcomes, feedback)]
        return sorted(pairs[0]), sorted(pairs[1])

    def _fresh(self, store: Runs, key: Hashes, identity: Hashes) -> tuple[Ints, Mask]:
        order = ordered(key)
        fresh, known = self.joiner.fresh(store, key[order], identity[order])
        return order[fresh], known[fresh]

    def _waiting(self, rows: Columns) -> Columns:
        count = len(rows["key"])
        self.refs += count
        flags = np.zeros(count, np.uint8)
        return rows | {"ref": np.arange(self.refs - count, self.refs, dtype=np.int64), "flags": flags}


def told(changes: Columns) -> Told:
    """Changes as (time, sign, value), or with the label's text where the task reads labels, as sorted tuples."""
    said: list[Any] = [None] * len(changes["time"])
    if "value" in changes:
        said = [None if np.isnan(each) else each for each in changes["value"].tolist()]
    elif "label" in changes:
        said = [_LABELS[each] for each in changes["label"].tolist()]
    rows = zip(changes["time"].tolist(), changes["sign"].astype(int).tolist(), said, strict=True)
    return sorted(rows, key=lambda row: (row[0], row[1], str(row[2])))


_LABELS: Mapping[int, str | None] = {0: None, **{hash_text(label): label for label in ("0", "1", "a", "b", "c")}}


def net(changes: Iterable[Told]) -> Told:
    """What is left when changes have been added up, as (time, how often, said)."""
    total: Counter[tuple[int, float | str | None]] = Counter()
    for part in changes:
        for time, sign, said in part:
            total[time, said] += sign
    left = [(time, times, said) for (time, said), times in total.items() if times]
    return sorted(left, key=lambda row: (row[0], str(row[2])))


def tally(desk: Desk, *names: str) -> list[int]:
    return [desk.joiner.tally[name] for name in names]
