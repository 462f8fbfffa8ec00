"""
One decision: the steps from a unit to an arm, made ready once and then walked for every unit.

In this order: the kill switch, the whitelist, holdouts, the slot of the layer, the rules, the arm. Two walks use the
same steps: `Lane.choose`, which is fast and only says who is in, and `Lane.explain`, which says why.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.experiments.declaration import Experiment, Holdout
from streams.experiments.draws import thresholds
from streams.experiments.hashing import message, position
from streams.experiments.slots import Layer, Ranges, members
from streams.experiments.subject import Subject

Status = Literal["running", "waiting", "ended"]
Reason = Literal[
    "whitelist",  # in: it is named there
    "rule",  # in: a rule's condition is true
    "split",  # in: by its slot and its share alone
    "disabled",  # the kill switch is off
    "ended",  # the experiment has had its time
    "no_unit",  # there is no id of the experiment's kind of unit
    "excluded",  # it is on the whitelist of another experiment of the layer
    "holdout",  # it is kept out of the layer
    "waiting",  # the experiment waits for traffic
    "slot",  # its slot is not one of the experiment's
    "no_rule",  # no rule is for it
    "share",  # a rule is, but not for its share
]
INSIDE: frozenset[Reason] = frozenset({"whitelist", "rule", "split"})


@dataclass(frozen=True)
class Decision:
    """
    What was decided for one unit and experiment, and why.

    `arm` is None where the unit is not in the experiment; `slot`, `rule` (an index) and `holdout` are there where it
    came to them.
    """

    experiment: str
    arm: str | None
    reason: Reason
    slot: int | None = None
    rule: int | None = None
    holdout: str | None = None


class Candidate:
    """
    An experiment with everything prepared that does not depend on the unit.

    It `is_open` if any unit can be in it.
    """

    __slots__ = (
        "_arm_prefix",
        "_arms",
        "_share_prefix",
        "_thresholds",
        "experiment",
        "is_open",
        "name",
        "rules",
        "status",
    )

    def __init__(self, experiment: Experiment, status: Status) -> None:
        self.experiment = experiment
        self.name = experiment.name
        self.status = status
        self.is_open = experiment.enabled and status != "ended"
        self.rules = tuple((rule.condition, rule.share) for rule in experiment.rules)
        self._arms = experiment.arms
        self._arm_prefix = message("arm", experiment.salt)
        self._share_prefix = message("share", experiment.salt)
        self._thresholds = thresholds(experiment.weights)

    def arm_of(self, key: bytes) -> str:
        """Return the arm of a unit that is in."""
        return self._arms[bisect_right(self._thresholds, position(self._arm_prefix + key))]

    def enter(self, subject: Subject, key: bytes) -> tuple[Reason, int | None]:
        """Apply the rules: the first whose condition is true says which share is in."""
        if not self.rules:
            return "split", None
        for index, (condition, share) in enumerate(self.rules):
            if condition is None or condition(subject):
                if position(self._share_prefix + key) >= share:
                    return "share", index
                return ("split" if condition is None else "rule"), index
        return "no_rule", None


class Guard:
    """A holdout."""

    __slots__ = ("_holdout", "_prefix", "name")

    def __init__(self, holdout: Holdout) -> None:
        self.name = holdout.name
        self._holdout = holdout
        self._prefix = message("holdout", holdout.salt)

    def holds(self, subject: Subject) -> bool:
        """Whether it keeps a subject out of what it covers; units without an id are not kept out."""
        key = subject.keys[self._holdout.unit]
        return key is not None and position(self._prefix + key) < self._holdout.share

    def covers(self, layer: str) -> bool:
        """Whether it is about a layer."""
        return self._holdout.layers is None or layer in self._holdout.layers


class Lane:
    """
    A layer with its experiments.

    Parameters
    ----------
    layer : Layer
        Number of slots, and salt.
    candidates : Sequence of Candidate
        Its experiments, in the order of the declaration.
    ranges : Mapping
        The slots of those that run, by name.
    """

    def __init__(self, layer: Layer, candidates: Sequence[Candidate], ranges: Mapping[str, Ranges]) -> None:
        self._name = layer.name
        self._prefix = message("layer", layer.salt)
        self._slots = layer.slots
        self._unit = candidates[0].experiment.unit
        self._owners: list[Candidate | None] = [None] * layer.slots
        self._listed: dict[str, tuple[Candidate, str]] = {}
        for candidate in candidates:
            for slot in members(ranges.get(candidate.name, ())):
                self._owners[slot] = candidate
            if candidate.is_open:
                for unit, arm in candidate.experiment.whitelist.items():
                    self._listed.setdefault(unit, (candidate, arm))

    def choose(self, subject: Subject, held: Sequence[Guard]) -> tuple[str, str] | None:
        """Return the experiment that a subject is in, and its arm; `held` are the holdouts that it is in."""
        key = subject.keys[self._unit]
        if key is None:
            return None
        if self._listed and (listed := self._listed.get(subject.ids[self._unit] or "")):
            return listed[0].name, listed[1]
        if held and holding(held, self._name):
            return None
        candidate = self._owners[int(position(self._prefix + key) * self._slots)]
        if candidate is None or not candidate.is_open:
            return None
        if candidate.rules and candidate.enter(subject, key)[0] not in INSIDE:
            return None
        return candidate.name, candidate.arm_of(key)

    def explain(self, candidate: Candidate, subject: Subject, held: Sequence[Guard]) -> Decision:
        """Say whether a subject is in one of the layer's experiments, and why."""
        name, key = candidate.name, subject.keys[self._unit]
        if key is None or not candidate.is_open:
            closed: Reason = "no_unit" if candidate.is_open else "ended" if candidate.experiment.enabled else "disabled"
            return Decision(name, None, closed)
        slot = int(position(self._prefix + key) * self._slots)
        if listed := self._listed.get(subject.ids[self._unit] or ""):
            is_it = listed[0] is candidate
            return Decision(name, listed[1] if is_it else None, "whitelist" if is_it else "excluded", slot)
        if guard := holding(held, self._name):
            return Decision(name, None, "holdout", slot, holdout=guard.name)
        if self._owners[slot] is not candidate:
            return Decision(name, None, "waiting" if candidate.status == "waiting" else "slot", slot)
        reason, rule = candidate.enter(subject, key)
        return Decision(name, candidate.arm_of(key) if reason in INSIDE else None, reason, slot, rule)


def holding(held: Iterable[Guard], layer: str) -> Guard | None:
    """Return the first of some holdouts that is about a layer."""
    return next((guard for guard in held if guard.covers(layer)), None)
