"""
Rules: what is declared of a model's predictions, and what came of it for each event.

A rule is about the predictions of one model, or about those for which its condition `when` holds. It holds for an
event or fails, or it is not applicable: something that it needs is missing, so there is no telling.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from streams.core.assertion.errors import ExpressionError
from streams.core.assertion.events import Events
from streams.core.assertion.logic import Truth, Truthful
from streams.core.assertion.parse import parse_condition
from streams.core.columns import Ints, Mask, from_arrow

Severity = Literal["info", "warning", "critical"]
"""How bad it is when a rule fails."""


@dataclass(frozen=True)
class Expect:
    """An expression is true of every event."""

    expression: str


@dataclass(frozen=True)
class Stable:
    """The score of a unit moves by no more than `by` from one prediction to its next, if that is less than `within`."""

    by: float
    within: int  # us


@dataclass(frozen=True)
class Flicker:
    """A unit's label does not come back less than `within` after it was given, if there was another between."""

    within: int  # us


@dataclass(frozen=True)
class Rate:
    """A unit has no more than `at_most` predictions in any period of the length `within`."""

    at_most: int
    within: int  # us


@dataclass(frozen=True)
class Agree:
    """
    Two predictions of one request, less than `within` apart, agree.

    Their scores lie no more than `by` apart; where that is None, their labels are the same. `other` is the model that
    the rule's own is compared with; it may be the same, as for live and shadow.
    """

    other: str
    within: int  # us
    by: float | None = None


OverTime = Stable | Flicker | Rate | Agree
"""What may be asked of the events of one unit or request; an earlier event counts that is less than `within` ago."""


@dataclass(frozen=True)
class Rule:
    """What must hold, of which model's predictions, when, and how bad it is if it does not."""

    name: str
    model: str
    check: Expect | OverTime
    when: str | None = None
    severity: Severity = "warning"


class RulesError(ValueError):
    """Rules have problems: for each the rule's name, what of it is wrong ("when", "expect" or "name"), and why."""

    def __init__(self, problems: Iterable[tuple[str, str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"assertion {name}, {part}: {text}" for name, part, text in self.problems))


@dataclass(frozen=True)
class Checked:
    """
    What came of one rule for some events.

    Attributes
    ----------
    rule
        The rule.
    rows
        Which events: their places in the block, or for rules about sequences the references that they came with.
        Events for which `when` is false are not among them.
    times
        Their event times, us.
    failed, not_applicable
        For which of them the rule fails, and for which there is no telling; where neither, it holds.
    """

    rule: Rule
    rows: Ints
    times: Ints
    failed: Mask
    not_applicable: Mask


@dataclass(frozen=True)
class Compiled:
    """A rule with its expressions read; `expect` is None for a rule about sequences."""

    rule: Rule
    when: Truthful | None
    expect: Truthful | None

    def concerned(self, events: Events) -> tuple[Mask, Mask]:
        """Masks of the events for which its condition holds, and for which it is unknown."""
        if self.when is None:
            return np.ones(len(events), np.bool_), np.zeros(len(events), np.bool_)
        holds = _of_all(self.when, events)
        return holds.true, ~(holds.true | holds.false)


class Assertions:
    """Compiled rules."""

    def __init__(self, rules: Sequence[Compiled]) -> None:
        self.compiled = tuple(rules)
        self._by_model: dict[str, list[Compiled]] = {}
        for one in rules:
            if one.expect is not None:
                self._by_model.setdefault(one.rule.model, []).append(one)

    def check(self, table: pa.RecordBatch, rows: Ints | None = None) -> list[Checked]:
        """
        Check single events.

        Parameters
        ----------
        table
            Valid predictions, in the columns of `SCHEMAS["prediction"]`.
        rows
            Places of those to be checked, such as the ones that did not come before; None for all.

        Returns
        -------
        checked
            What came of each rule about single events, in the order of the rules within each model, for those models
            that have events here.
        """
        block = Events(table)
        found = []
        with np.errstate(all="ignore"):  # what comes to no number is missing, which is said
            for model, at in of_models(table, rows, self._by_model):
                events = block if at is None else block.at(at)
                found += [_check(one, events, at) for one in self._by_model[model]]
        return found


def compile_rules(rules: Iterable[Rule], columns: Mapping[str, Collection[str]] | None = None) -> Assertions:
    """
    Read the expressions of rules.

    Parameters
    ----------
    rules
        The rules; their names differ.
    columns
        The columns that were declared for each model, such as "features.amount"; `parse_expression` says how names
        are checked against them.

    Raises
    ------
    RulesError
        With everything that is wrong with any of them.
    """
    rules = list(rules)
    problems: list[tuple[str, str, str]] = []
    compiled = [_compile(rule, (columns or {}).get(rule.model), problems) for rule in rules]
    names = [rule.name for rule in rules]
    problems += [(name, "name", "several rules have it") for name in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise RulesError(problems)
    return Assertions(compiled)


def of_models(table: pa.RecordBatch, rows: Ints | None, models: Collection[str]) -> list[tuple[str, Ints | None]]:
    """Return which of the rows are of each of these models, for those that have any; None where they are the table."""
    encoded = table["model"].dictionary_encode()
    codes = from_arrow(encoded.indices)
    present = encoded.dictionary.to_pylist()
    if rows is None and len(present) == 1:
        return [(present[0], None)] if present[0] in models else []
    rows = np.arange(len(codes)) if rows is None else rows
    found = [(model, rows[codes[rows] == code]) for code, model in enumerate(present) if model in models]
    return [(model, at) for model, at in found if len(at)]


def _compile(rule: Rule, columns: Collection[str] | None, problems: list[tuple[str, str, str]]) -> Compiled:
    expect = rule.check.expression if isinstance(rule.check, Expect) else None
    parsed: dict[str, Truthful | None] = {}
    for part, text in (("when", rule.when), ("expect", expect)):
        try:
            parsed[part] = None if text is None else parse_condition(text, columns)
        except ExpressionError as error:
            problems.append((rule.name, part, str(error)))
    return Compiled(rule, parsed.get("when"), parsed.get("expect"))


def _check(one: Compiled, events: Events, at: Ints | None) -> Checked:
    if one.expect is None:
        raise ValueError(f"assertion {one.rule.name} is about sequences, not about single events")
    rows = np.arange(len(events)) if at is None else at
    times = events.times
    true, false = _of_all(one.expect, events)
    if one.when is None:
        return Checked(one.rule, rows, times, false, ~(true | false))
    holds, unknown = one.concerned(events)
    some = np.flatnonzero(holds | unknown)
    return Checked(one.rule, rows[some], times[some], (holds & false)[some], (unknown | ~(true | false))[some])


def _of_all(condition: Truthful, events: Events) -> Truth:
    """Return the truth of each event, also of a condition that says the same of all."""
    true, false = condition.truth(events)
    return Truth(np.broadcast_to(true, len(events)), np.broadcast_to(false, len(events)))
