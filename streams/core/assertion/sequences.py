"""
Rules about the events of one unit or request, whatever order and blocks these come in.

An event waits until the watermark has passed it; then all that came before it in event time is known, and it is looked
at in that order, events of one time in the order of their ids. So the result does not depend on how events were cut
into blocks, as long as none is later than the watermark; those that are cannot be looked at and are not applicable.

What is kept: 58 bytes, and one for each rule, of each event that waits, which are those of the time that events may be
out of order; and what `follow` says of each unit or request seen in a rule's `within`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from heapq import heappop, heappush
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.assertion.events import Events
from streams.core.assertion.follow import Follower, follower_of
from streams.core.assertion.latest import in_time
from streams.core.assertion.rules import Agree, Assertions, Checked, Compiled, Expect, Rule, of_models
from streams.core.columns import Columns, Ints, Mask, concat, empty, length, take
from streams.core.ids import hash_repeated, hash_strings
from streams.core.watermark import NEVER


class Sequences:
    """What is known of units and requests, for the rules about sequences of some assertions."""

    def __init__(self, assertions: Assertions) -> None:
        self._followed = [
            (one, follower_of(one.rule.check, one.rule.model))
            for one in assertions.compiled
            if not isinstance(one.rule.check, Expect)
        ]
        self._needs = {name for _, follower in self._followed for name in follower.needs}
        self._models = sorted({model for one, _ in self._followed for model in models_of(one.rule)})
        self._empty = empty(
            {
                "time": np.int64,
                "id": np.uint64,
                "reference": np.int64,
                "request": np.uint64,
                "unit": np.uint64,
                "score": np.float64,
                "label": np.uint64,
                "model": np.int16,
                "concerns": (np.bool_, len(self._followed)),
            }
        )
        self._waiting: list[tuple[int, int, Columns]] = []  # a heap: the earliest time of each part, and its number
        self._parts = 0
        self._reached = NEVER

    def __len__(self) -> int:
        """How many events wait."""
        return sum(length(part) for _, _, part in self._waiting)

    def see(
        self, table: pa.RecordBatch, ids: Columns, references: Ints | None = None, rows: Ints | None = None
    ) -> list[Checked]:
        """
        Take in predictions.

        Parameters
        ----------
        table
            Valid predictions, in the columns of `SCHEMAS["prediction"]`.
        ids
            Their hashes, as `identify` gives them.
        references
            A number of each that comes back with what is said of it, such as its cohort; its place in the table.
        rows
            Places of those to be taken in, each of which must come once; None for all.

        Returns
        -------
        checked
            The events of which nothing will be said, by rule: a unit, score or label that the rule is about is
            missing, the condition of the rule is unknown, or the event is later than the watermark.
        """
        references = np.arange(len(table)) if references is None else references
        block, said = Events(table), []
        with np.errstate(all="ignore"):  # what comes to no number is missing
            for model, at in of_models(table, rows, self._models):
                events = block if at is None else block.at(at)
                hashes = ids if at is None else take(ids, at)
                held = self._held(events, hashes, references if at is None else references[at], model)
                said += self._take_in(events, held, model)
        return said

    def advance(self, before: int) -> list[Checked]:
        """
        Look at all events earlier than this time, us, which the watermark has reached.

        Returns
        -------
        checked
            Of each rule that concerns any: the events that could be compared with earlier ones, in the order of time.
        """
        self._reached = max(self._reached, before)
        due = in_time(self._due(self._reached))
        checked = []
        for number, (one, follower) in enumerate(self._followed):
            some = take(due, due["concerns"][:, number])
            if length(some):
                checked.append(self._look(one, follower, some))
            follower.forget(self._reached)
        return checked

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {
            "models": list(self._models),
            "rules": [declared(one.rule) for one, _ in self._followed],
            "followers": [follower.snapshot() for _, follower in self._followed],
            "waiting": concat([self._empty, *(part for _, _, part in self._waiting)]),
            "reached": self._reached,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; a rule that was declared otherwise begins anew."""
        self._reached = saved["reached"]
        waiting = dict(saved["waiting"])
        concerns = np.zeros((length(waiting), len(self._followed)), np.bool_)
        for number, (one, follower) in enumerate(self._followed):
            if declared(one.rule) in saved["rules"]:
                before = saved["rules"].index(declared(one.rule))
                concerns[:, number] = waiting["concerns"][:, before]
                follower.restore(saved["followers"][before])
        codes = np.array([self._models.index(m) if m in self._models else -1 for m in saved["models"]], np.int16)
        waiting |= {"concerns": concerns, "model": codes[waiting["model"]]}
        self._waiting = []
        self._wait(take(waiting, np.flatnonzero(concerns.any(axis=1))))

    def _held(self, events: Events, ids: Columns, references: Ints, model: str) -> Columns:
        """Events of one model as they wait; which rules they concern is not known yet. What no rule needs is 0."""
        nothing = np.zeros(len(events), np.uint64)
        return {
            "time": ids["time"],
            "id": ids["target"],
            "reference": references,
            "request": ids["key"],
            "unit": hash_strings(events.texts("unit_id")) if "unit" in self._needs else nothing,
            "score": events.numbers("score"),
            "label": hash_repeated(events.texts("label")) if "label" in self._needs else nothing,
            "model": np.full(len(events), self._models.index(model), np.int16),
            "concerns": np.zeros((len(events), len(self._followed)), np.bool_),
        }

    def _take_in(self, events: Events, held: Columns, model: str) -> list[Checked]:
        """Let the events wait that concern a rule; return those of which there is no telling."""
        said = []
        for number, (one, follower) in enumerate(self._followed):
            if model in models_of(one.rule):
                holds, unknown = one.concerned(events)
                ready = _complete(held, follower) & (held["time"] >= self._reached)
                held["concerns"][:, number] = holds & ready
                silent: Mask = unknown | (holds & ~ready)
                said += _not_applicable(one.rule, take(held, silent))
        waits = np.flatnonzero(held["concerns"].any(axis=1))
        self._wait(take(held, waits))  # a copy, which does not hold on to the block
        return said

    def _wait(self, part: Columns) -> None:
        if length(part):
            self._parts += 1
            heappush(self._waiting, (int(part["time"].min()), self._parts, part))

    def _due(self, before: int) -> Columns:
        """Take out the events earlier than this."""
        due = [self._empty]
        while self._waiting and self._waiting[0][0] < before:
            _, _, part = heappop(self._waiting)
            early: Mask = part["time"] < before
            due.append(take(part, early))
            self._wait(take(part, ~early))
        return concat(due)

    def _look(self, one: Compiled, follower: Follower, events: Columns) -> Checked:
        others = events["model"] != self._models.index(one.rule.model)
        compared, failed = follower.follow(events, others)
        some = np.flatnonzero(compared)
        nothing = np.zeros(len(some), np.bool_)
        return Checked(one.rule, events["reference"][some], events["time"][some], failed[some], nothing)


def models_of(rule: Rule) -> set[str]:
    """Return the models whose predictions a rule looks at."""
    return {rule.model, rule.check.other} if isinstance(rule.check, Agree) else {rule.model}


def declared(rule: Rule) -> dict[str, Any]:
    """Return what a rule's state depends on, as plain data."""
    return {
        "name": rule.name,
        "model": rule.model,
        "when": rule.when,
        "kind": type(rule.check).__name__,
        "check": asdict(rule.check),
    }


def _complete(held: Columns, follower: Follower) -> Mask:
    """Mask of the events that have all that is needed: hashes are 0 and scores NaN where there is none."""
    complete = np.ones(length(held), np.bool_)
    for name in follower.needs:
        complete &= ~np.isnan(held[name]) if name == "score" else held[name] != 0
    return complete


def _not_applicable(rule: Rule, events: Columns) -> list[Checked]:
    many = length(events)
    nothing = np.zeros(many, np.bool_)
    return [Checked(rule, events["reference"], events["time"], nothing, ~nothing)] if many else []
