"""
Rules about the events of one unit or request, whatever order and blocks these come in.

An event waits until the watermark has passed it; then all that came before it in event time is known, and it is looked
at in that order, events of one time in the order of their ids. So the result does not depend on how events were cut
into blocks, as long as none is later than the watermark; those that are cannot be looked at and are not applicable.

Where events come in several partitions, each reduces its own to what rules compare (`collect`), and they are looked at
where these meet (`merge`): a unit's predictions may lie in any of them.

What is kept: 58 bytes, and one for each rule, of each event that waits, which are those of the time that events may be
out of order; and what `follow` says of each unit or request seen in a rule's `within`. Both are bounded. If more than
`MOST_WAITING` wait, the earliest half is looked at before its time, and what comes for that time is late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.assertion.events import Events
from streams.core.assertion.follow import Follower, follower_of
from streams.core.assertion.latest import in_time
from streams.core.assertion.rules import Agree, Assertions, Checked, Compiled, Expect, Rule, of_models
from streams.core.assertion.waiting import Waiting
from streams.core.columns import Columns, Ints, Mask, empty, length, take
from streams.core.ids import hash_repeated, hash_strings
from streams.core.watermark import NEVER

MOST_WAITING = 1 << 22


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
        self._waiting = Waiting(
            empty(
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
        )
        self._reached = NEVER

    def __len__(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    def latest(self) -> int:
        """Return the largest time, us, of the events that wait; `NEVER` where none does."""
        return self._waiting.latest()

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
        Look at all events earlier than this time, us, which the watermark has reached, and at more if too many wait.

        Returns
        -------
        checked
            Of each rule that concerns any: the events that could be compared with earlier ones, in the order of time.
        """
        self._reached = max(self._reached, before, self._waiting.crowded(MOST_WAITING))
        due = in_time(self._waiting.due(self._reached))
        checked = []
        for number, (one, follower) in enumerate(self._followed):
            some = take(due, due["concerns"][:, number])
            if length(some):
                checked.append(self._look(one, follower, some))
            follower.forget(self._reached)
        return checked

    def collect(self) -> dict[str, Any]:
        """Return the events that wait, as plain data and arrays, and let go of them: they are looked at elsewhere."""
        collected = self._held_back()
        self._waiting.clear()
        return collected

    def merge(self, collected: Mapping[str, Any]) -> list[Checked]:
        """
        Take in what was collected elsewhere, as far as it concerns rules that are declared alike.

        Returns
        -------
        checked
            The events of which nothing will be said, by rule: those that are later than the watermark.
        """
        rows = self._adopted(collected)
        late = rows["time"] < self._reached
        said = [_not_applicable(one.rule, take(rows, late & concerns)) for one, concerns in self._by_rule(rows)]
        self._waiting.add(take(rows, ~late))
        return [checked for some in said for checked in some]

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return self._held_back() | {
            "followers": [follower.snapshot() for _, follower in self._followed],
            "reached": self._reached,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; a rule that was declared otherwise begins anew."""
        self._reached = saved["reached"]
        for one, follower in self._followed:
            if declared(one.rule) in saved["rules"]:
                follower.restore(saved["followers"][saved["rules"].index(declared(one.rule))])
        self._waiting.clear()
        self._waiting.add(self._adopted(saved))

    def _held_back(self) -> dict[str, Any]:
        """The events that wait, with what their columns mean."""
        rules = [declared(one.rule) for one, _ in self._followed]
        return {"models": list(self._models), "rules": rules, "rows": self._waiting.rows()}

    def _adopted(self, held: Mapping[str, Any]) -> Columns:
        """Events that were held back under other rules: those that concern one of ours, with our numbers."""
        rows = dict(held["rows"])
        concerns = np.zeros((length(rows), len(self._followed)), np.bool_)
        for number, (one, _) in enumerate(self._followed):
            if declared(one.rule) in held["rules"]:
                concerns[:, number] = rows["concerns"][:, held["rules"].index(declared(one.rule))]
        codes = np.array([self._models.index(m) if m in self._models else -1 for m in held["models"]], np.int16)
        rows |= {"concerns": concerns, "model": codes[rows["model"]]}
        return take(rows, np.flatnonzero(concerns.any(axis=1)))

    def _by_rule(self, rows: Columns) -> Iterator[tuple[Compiled, Mask]]:
        """Each rule, with a mask of the rows that concern it."""
        for number, (one, _) in enumerate(self._followed):
            yield one, rows["concerns"][:, number]

    def _held(self, events: Events, ids: Columns, references: Ints, model: str) -> Columns:
        """Events of one model as they wait; which rules they concern is not known yet. What no rule needs is 0."""
        nothing = np.zeros(len(events), np.uint64)
        return {
            "time": ids["time"],
            "id": ids["target"],
            "reference": references,
            "request": ids["key"] if "request" in self._needs else nothing,
            "unit": hash_strings(events.texts("unit_id")) if "unit" in self._needs else nothing,
            "score": events.numbers("score") if "score" in self._needs else np.zeros(len(events)),
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
        self._waiting.add(take(held, waits))  # a copy, which does not hold on to the block
        return said

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
