"""
Decisions: what the newest verdicts on the arms of an experiment say of the experiment as a whole.

- While a check of it is a mismatch, its verdicts are *not to be trusted*, and decide nothing.
- An arm is *harmed* if one of its primary metrics or guardrails is worse.
- An arm is *settled* if it is harmed, or if each of its primary metrics is better, worse or equivalent and each of its
  guardrails better or equivalent. Where nothing is primary there is no question, and so no answer.
- The experiment is *harmful* if every arm is harmed; else it is *decided* if every arm is settled.

The control is no arm here: the others are compared with it. Only the newest look counts, so a verdict that was lost
decides nothing; and only what is declared, so that a metric that was taken off stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Verdict = Literal["decided", "harmful"]

_KNOWN: Mapping[str, frozenset[str]] = {
    "primary": frozenset({"better", "worse", "equivalent"}),
    "guardrail": frozenset({"better", "equivalent"}),
}
_CHECKS = ("sample_ratio", "crossovers")


@dataclass(frozen=True)
class Row:
    """What is needed of a row of the view `current_verdicts`; docs/store.md says what each column is."""

    experiment: str
    model: str
    kind: str
    metric: str
    arm: str
    verdict: str
    first_reached: datetime | None
    tick: datetime

    @property
    def since(self) -> datetime:
        """When the verdict was first reached, in event time."""
        return self.first_reached or self.tick


@dataclass(frozen=True)
class Judged:
    """By what an experiment is judged: models, arms that get units (the control aside), and metrics."""

    models: tuple[str, ...]
    arms: tuple[str, ...]
    primary: tuple[str, ...] = ()
    guardrail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """
    What is known of an experiment.

    Attributes
    ----------
    decision
        Whether it is decided or harmful; None: it is neither.
    since
        From when on each verdict that the decision rests on had been reached, in event time; None without a decision.
    grounds
        The verdicts that the decision rests on.
    harmed
        Verdicts by which arms are harmed, whether or not that makes the experiment harmful.
    mismatches
        Checks that have failed: while there are some, there is nothing else.
    """

    decision: Verdict | None = None
    since: datetime | None = None
    grounds: tuple[Row, ...] = ()
    harmed: tuple[Row, ...] = ()
    mismatches: tuple[Row, ...] = ()


def findings(judged: Mapping[str, Judged], rows: Iterable[Row]) -> dict[str, Finding]:
    """
    Say what is known of each experiment.

    Parameters
    ----------
    judged
        By what each is judged, by its name.
    rows
        The newest look at each arm by each metric, and at each check, in any order.
    """
    of_experiment: dict[str, list[Row]] = {name: [] for name in judged}
    for row in sorted(rows, key=lambda row: (row.arm, row.model, row.metric)):
        if row.experiment in judged and row.model in judged[row.experiment].models:
            of_experiment[row.experiment].append(row)
    return {name: _finding(judged[name], own) for name, own in of_experiment.items()}


def _finding(judged: Judged, rows: list[Row]) -> Finding:
    mismatches = tuple(row for row in rows if row.kind in _CHECKS and row.verdict == "mismatch")
    if mismatches:
        return Finding(mismatches=mismatches)
    arms = [_Arm.of(judged, name, rows) for name in judged.arms]
    worse = tuple(row for arm in arms for row in arm.worse)
    harmed = _all_since(arm.harmed_since for arm in arms)
    if harmed is not None:
        return Finding("harmful", harmed, worse, worse)
    settled = _all_since(arm.settled_since for arm in arms)
    if settled is not None:
        return Finding("decided", settled, tuple(row for arm in arms for row in arm.grounds), worse)
    return Finding(harmed=worse)


def _all_since(times: Iterable[datetime | None]) -> datetime | None:
    """Return when the last of some things had happened; None if one has not, or there are none."""
    known: list[datetime] = []
    for time in times:
        if time is None:
            return None
        known.append(time)
    return max(known, default=None)


@dataclass(frozen=True)
class _Arm:
    """The verdicts on one arm by what is declared, and how many each kind should have."""

    rows: tuple[Row, ...]
    declared: Mapping[str, int]

    @staticmethod
    def of(judged: Judged, name: str, rows: Iterable[Row]) -> _Arm:
        metrics = {"primary": judged.primary, "guardrail": judged.guardrail}
        own = tuple(row for row in rows if row.arm == name and row.metric in metrics.get(row.kind, ()))
        return _Arm(own, {kind: len(names) * len(judged.models) for kind, names in metrics.items()})

    @property
    def worse(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.verdict == "worse")

    @property
    def known(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.verdict in _KNOWN[row.kind])

    @property
    def harmed_since(self) -> datetime | None:
        return min((row.since for row in self.worse), default=None)

    @property
    def settled_since(self) -> datetime | None:
        if self.worse:
            return self.harmed_since
        is_asked = self.declared["primary"] > 0
        is_known = len(self.known) == sum(self.declared.values())
        return max(row.since for row in self.known) if is_asked and is_known else None

    @property
    def grounds(self) -> tuple[Row, ...]:
        """What settles the arm, without the guardrails that nothing is wrong with."""
        return self.worse or tuple(row for row in self.known if row.kind == "primary")
