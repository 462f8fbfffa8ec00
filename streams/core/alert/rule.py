"""An alert rule: what is worth telling of which watches, from how far on, after how long, and to whom."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from streams.core.alert.wording import slice_text
from streams.core.detect.cut import Cut
from streams.core.detect.finding import Finding, Kind

Severity = Literal["info", "warning", "page"]
"""How urgent an alert is: to be read some day, in working hours, or now."""

Harm = Literal["lower", "higher", "either"]
"""Which way is worse."""

OnNoData = Literal["ignore", "warn", "fire"]
"""What it means that there is nothing to look at: nothing, at most a warning, or as much as what the rule is about."""

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "page")


@dataclass(frozen=True)
class AlertRule:
    """
    What is worth telling of which watches.

    Attributes
    ----------
    name
        Unique among the rules.
    severity, team, runbook
        How urgent it is, whom it concerns, and where to read what to do.
    advice
        What to do at once, in a few words that end its titles; empty where that depends.
    models, watches, slices
        Patterns of names, in which `*` stands for any text; a slice is written as `carrier=EV, origin=JFK`, everything
        as an empty text.
    cut
        Slices that it is about; None for all.
    kinds
        Kinds of watches; empty for all.
    margin
        How large an effect does not matter, in the effect's unit. A monitor fires only when the whole interval of the
        effect lies beyond it.
    recovery_margin
        It recovers only when the interval is back inside this one; None for the same as `margin`.
    direction
        Which effects matter: "worse" for what is worse for the metric, and both ways where it has no direction.
    for_ticks, recover_ticks
        For how many ticks in a row the interval must be beyond, or back inside.
    on_no_data, no_data_ticks
        What it means that there was nothing to look at, for so many ticks in a row.
    min_n_effective, min_label_coverage
        With fewer observations in a tick, or a smaller share of labels, the tick proves nothing either way.
    flap_count, flap_ticks
        A monitor that begins to fire so many times within so many ticks is flapping: it then recovers only after
        `flap_ticks` quiet ones.
    remind_after
        For how long an alert is open until it is told again, us; 0 for never.

    Raises
    ------
    ValueError
        If a number is out of its range, or the monitor could never recover.
    """

    name: str
    severity: Severity = "warning"
    team: str = ""
    runbook: str = ""
    advice: str = ""
    models: tuple[str, ...] = ("*",)
    watches: tuple[str, ...] = ("*",)
    slices: tuple[str, ...] = ("*",)
    cut: Cut | None = None
    kinds: tuple[Kind, ...] = ()
    margin: float = 0.0
    recovery_margin: float | None = None
    direction: Literal["worse", "lower", "higher", "either"] = "worse"
    for_ticks: int = 1
    recover_ticks: int = 2
    on_no_data: OnNoData = "ignore"
    no_data_ticks: int = 1
    min_n_effective: float = 0.0
    min_label_coverage: float = 0.0
    flap_count: int = 3
    flap_ticks: int = 24
    remind_after: int = 0

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(f'alert rule "{self.name}": {problem}')

    @property
    def inner(self) -> float:
        """The margin inside which a monitor recovers."""
        return self.margin if self.recovery_margin is None else self.recovery_margin

    def matches(self, finding: Finding) -> bool:
        """Whether the rule is about what a finding is of."""
        if self.kinds and finding.kind not in self.kinds:
            return False
        if self.cut is not None and not self.cut.holds(finding.slice):
            return False
        named = ((finding.model, self.models), (finding.watch, self.watches), (slice_text(finding.slice), self.slices))
        return all(_any(name, patterns) for name, patterns in named)

    def concerns(self, model: str) -> bool:
        """Whether the rule is about a model."""
        return _any(model, self.models)

    def harm(self, watch: Harm) -> Harm:
        """Which effects matter of a watch for which `watch` is worse."""
        return watch if self.direction == "worse" else self.direction


def most_severe(severities: set[Severity]) -> Severity:
    """
    Return the most urgent of some severities.

    >>> most_severe({"warning", "info"})
    'warning'
    """
    return max(severities, key=SEVERITIES.index)


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(re.fullmatch(".*".join(map(re.escape, one.split("*"))), name, re.DOTALL) for one in patterns)


def _problem(rule: AlertRule) -> str:
    """What is wrong with a rule; empty if nothing is."""
    if not rule.name:
        return "it has no name: give it one, by which its alerts are known"
    if rule.severity not in SEVERITIES:
        return f'its severity is "{rule.severity}": write one of {", ".join(SEVERITIES)}'
    counts = ("for_ticks", "recover_ticks", "no_data_ticks", "flap_ticks")
    for name, least in (*((name, 1) for name in counts), ("flap_count", 2), ("remind_after", 0)):
        if getattr(rule, name) < least:
            return f"{name} is {getattr(rule, name)}: it must be at least {least}"
    for name in ("margin", "min_n_effective", "min_label_coverage"):
        if not 0 <= getattr(rule, name) < math.inf:
            return f"{name} is {getattr(rule, name)}: it must be a number from 0 on"
    return _recovery_problem(rule)


def _recovery_problem(rule: AlertRule) -> str:
    if rule.min_label_coverage > 1:
        return f"min_label_coverage is {rule.min_label_coverage}: a share is at most 1"
    if not -math.inf < rule.inner <= rule.margin:
        return f"recovery_margin is {rule.inner}: it must not be larger than the margin, {rule.margin}"
    if rule.inner < 0 and rule.direction not in ("lower", "higher"):
        return f'recovery_margin is {rule.inner}: below 0 it needs the direction "lower" or "higher"'
    return ""
