"""Notices: what leaves when an alert fires, is told anew, and is over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from streams.core.alert.monitor import STATES, MonitorKey, State
from streams.core.alert.rule import SEVERITIES, Severity
from streams.core.alert.wording import figure, moment, slice_text
from streams.core.detect.finding import Kind, Slice

Status = Literal["firing", "updated", "resolved"]

Cause = Literal["outage", "labels", "arms", "release", "columns", "slices", "together", "alone"]
"""
What an alert is about: events that do not come, labels that do not, units that are not in the arms of an experiment as
declared, a release, many columns, one watch in many slices, several things that began together, or one.
"""

CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True)
class Notice:
    """
    What is told of an alert; flat, so that it is a record of a topic and a row of a table as it is.

    Attributes
    ----------
    dedup_key
        Names the alert: the same in all its notices, after a restart, and in a replay.
    revision
        Counts the notices of an alert, from 1.
    status, reason
        What it is told for, and why.
    tick
        End of the tick in which it is told, us.
    model, rule, kind, watch, slice, severity, team
        What it is about, how urgent and whose it is: the same in all notices of an alert.
    state
        How the watch stands.
    cause, explanation
        What sort of trouble it is, and what explains it, where that is something else.
    title
        One line for a person.
    value, reference, effect, low, high, n, n_effective, label_coverage
        What was found of the watch at last, as in a finding; None where it is unknown or without bounds.
    since, since_low, since_high, opened
        When the trouble began, with its interval, and when it was first told, us.
    flapping
        Whether it has come and gone so often that it is held open.
    worst_slices, worst_effects
        Where the effect is largest, the worst first.
    release
        The release nearest to the onset; empty where there was none.
    members, worst_members
        How many monitors have been part of it, and what the worst others say.
    query
        SQL that shows the numbers.
    runbook
        Where to read what to do.
    called, account
        What a change of a metric, of traffic or of labels is to be called, as in `streams.core.detect.explain`, and the
        evidence for that in a sentence or two; empty for others.
    """

    dedup_key: str
    revision: int
    status: Status
    reason: str
    tick: int
    model: str
    rule: str
    kind: Kind
    watch: str
    slice: Slice
    severity: Severity
    team: str
    state: State
    cause: Cause
    explanation: str
    title: str
    value: float | None
    reference: float | None
    effect: float | None
    low: float | None
    high: float | None
    n: float
    n_effective: float
    label_coverage: float | None
    since: int
    since_low: int
    since_high: int
    opened: int
    flapping: bool
    worst_slices: tuple[Slice, ...]
    worst_effects: tuple[float, ...]
    release: str
    members: int
    worst_members: tuple[str, ...]
    query: str
    runbook: str
    called: str = ""
    account: str = ""

    def labels(self) -> dict[str, str]:
        """
        Return what identifies the alert, and nothing that changes while it lasts.

        Receivers tell alerts apart by all of their labels, so that one with a number in it would be another alert at
        each notice. Empty ones are left out, because some receivers refuse them.
        """
        where = slice_text(self.slice)
        named = {"model": self.model, "rule": self.rule, "severity": self.severity, "team": self.team}
        return {name: text for name, text in (named | {"watch": self.watch, "slice": where}).items() if text}

    def annotations(self) -> dict[str, str]:
        """Return everything else that a person wants to know, as texts; what is unknown is left out."""
        return {name: text for name, text in self._annotations() if text}

    def _annotations(self) -> Iterator[tuple[str, str]]:
        yield "title", self.title
        for name in ("value", "reference", "effect", "n", "n_effective", "label_coverage"):
            number = getattr(self, name)
            yield name, "" if number is None else figure(number)
        if self.low is not None and self.high is not None:
            yield "interval", f"{figure(self.low)} to {figure(self.high)}"
        yield "since", f"{moment(self.since)} ({moment(self.since_low)} to {moment(self.since_high)})"
        worst = zip(self.worst_slices, self.worst_effects, strict=True)
        yield (
            "worst_slices",
            "; ".join(f"{slice_text(where) or 'everything'}: {figure(effect)}" for where, effect in worst),
        )
        yield "members", str(self.members)
        yield "worst_members", "; ".join(self.worst_members)
        for name in ("cause", "explanation", "called", "account", "release", "query", "runbook"):
            yield name, getattr(self, name)


def dedup_key(model: str, cause: Cause, key: MonitorKey, opened: int) -> str:
    """
    Name an alert by what it was when it began, so that whoever computes it again gives it the same name.

    128 bits of SHA-256: two of 10^9 alerts have the same name with a probability of less than 10^-20.
    """
    told = [model, cause, *key[:3], [list(pair) for pair in key.slice], opened]
    text = json.dumps(told, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def to_json(notice: Notice) -> dict[str, Any]:
    """Return a notice as a record: one flat object of texts, numbers, and lists and maps of these."""
    record = {field.name: getattr(notice, field.name) for field in fields(notice)}
    return record | {
        "slice": dict(notice.slice),
        "worst_slices": [dict(one) for one in notice.worst_slices],
        "worst_effects": list(notice.worst_effects),
        "worst_members": list(notice.worst_members),
    }


def from_json(record: Mapping[str, Any]) -> Notice:
    """
    Read a notice from a record; what a later version added is left out, and what an earlier one did not know is empty.

    Raises
    ------
    ValueError
        If a field is missing, or says what no notice says.
    """
    names = [field.name for field in fields(Notice) if field.name in record]
    absent = [field.name for field in fields(Notice) if field.name not in record and field.default is MISSING]
    if absent:
        raise ValueError(f"this is no notice of an alert: it has no {', '.join(absent)}")
    for name, known in (("status", get_args(Status)), ("severity", SEVERITIES), ("state", STATES), ("cause", CAUSES)):
        if record[name] not in known:
            raise ValueError(f'the {name} of a notice is "{record[name]}": it must be one of {", ".join(known)}')
    values = {name: record[name] for name in names}
    tuples = {
        "slice": _slice(record["slice"]),
        "worst_slices": tuple(_slice(one) for one in record["worst_slices"]),
        "worst_effects": tuple(record["worst_effects"]),
        "worst_members": tuple(record["worst_members"]),
    }
    return Notice(**(values | tuples))


def _slice(pairs: Mapping[str, str]) -> Slice:
    return tuple(sorted(pairs.items()))
