"""
Common causes: which trouble explains which, and what begins together.

What stops the events explains everything about a model, and what stops its labels explains all that needs them. A
whole explains its parts. And whatever begins at the same time, or near the same release, most likely has one cause
even where nobody knows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streams.core.alert.monitor import Monitor
from streams.core.alert.rule import Harm
from streams.core.detect.finding import Finding, Kind, Slice
from streams.core.window_spec import DAY

Scope = Literal["everything", "labelled", "arms"]
"""What trouble explains: all about a model, all that needs labels, or all verdicts of an experiment."""

_LABELLED = ("metric", "threshold", "verdict")
_CONTENTS = ("column", "assertion")  # what events hold explains nothing, whatever its name is

_RANKS: Mapping[Kind, int] = {
    "pipeline": 0,
    "metric": 3,
    "threshold": 3,
    "verdict": 3,
    "traffic": 4,
    "assertion": 5,
    "column": 6,
}


@dataclass(frozen=True)
class Explains:
    """
    What a watch explains: where it has no data, or where its whole interval moved by more than `least`.

    Less than that is trouble of its own at most: a few requests fewer do not explain a model that errs.
    """

    scope: Scope
    when: Harm
    least: float = 0.0


EXPLAINING: Mapping[str, Explains] = {
    "traffic": Explains("everything", "lower", 0.5),  # a logarithm: to three fifths
    "label_coverage": Explains("labelled", "lower", 0.1),
    "label_delay": Explains("labelled", "higher", 0.5),  # a logarithm: to more than one and a half times
}
"""What the usual watches explain. Whatever is wrong with the pipeline itself explains everything."""

_PIPELINE = Explains("everything", "either")
_OF_ARMS = frozenset({"sample_ratio", "crossovers"})  # an experiment with wrong arms has no verdict that counts


@dataclass(frozen=True)
class Grouping:
    """
    When alerts are one alert.

    Attributes
    ----------
    tick
        Length of a tick, us.
    together
        Onsets at most so many ticks apart are one onset.
    outlast
        For how many ticks a consequence may outlast its cause before it is told as trouble of its own.
    lasting
        For how long trouble explains what begins during it, us: it shall not hide what comes weeks later.
    storm
        So many monitors that fire in one tick are one alert, whenever each thinks that it began.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    tick: int
    together: int = 2
    outlast: int = 3
    lasting: int = 7 * DAY
    storm: int = 20

    def __post_init__(self) -> None:
        for name, least in (("tick", 1), ("together", 0), ("outlast", 0), ("lasting", 0), ("storm", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"grouping of alerts: {name} is {getattr(self, name)}, but must be at least {least}")

    @property
    def slack(self) -> int:
        """How far apart two onsets may be, us."""
        return self.together * self.tick


@dataclass(frozen=True)
class Span:
    """When something began: the interval of its onset, and the tick at which it was found; us."""

    low: int
    high: int
    found: int

    def is_near(self, other: Span, slack: int) -> bool:
        """Whether two things may have begun together."""
        return self.low <= other.high + slack and other.low <= self.high + slack

    def explains(self, other: Span, grouping: Grouping) -> bool:
        """Whether another thing began while this one was going on, or together with it."""
        return other.high >= self.low - grouping.slack and other.found <= self.found + grouping.lasting


def span_of(monitor: Monitor) -> Span:
    """When the trouble of a monitor that fires began."""
    episode = monitor.trouble
    return Span(episode.low, episode.high, episode.opened)


def span_of_finding(finding: Finding) -> Span:
    """When what a finding found began; now where it does not say."""
    onset = finding.tick if finding.onset is None else finding.onset
    low = onset if finding.onset_low is None else finding.onset_low
    high = onset if finding.onset_high is None else finding.onset_high
    return Span(low, high, onset)


def scope_of(finding: Finding, explaining: Mapping[str, Explains]) -> Scope | None:
    """What a finding explains if it is of trouble, by what it is of and how far it went; None if nothing."""
    if finding.kind == "verdict":
        return "arms" if finding.watch in _OF_ARMS else None
    explains = _PIPELINE if finding.kind == "pipeline" else explaining.get(finding.watch)
    if explains is None or finding.kind in _CONTENTS:
        return None
    fell, rose = finding.high < -explains.least, finding.low > explains.least
    far = {"lower": fell, "higher": rose, "either": fell or rose}[explains.when]
    return explains.scope if far or finding.kind == "pipeline" or finding.standing == "no data" else None


def rank(finding: Finding, scope: Scope | None) -> int:
    """How close something is to a cause: the lower, the closer."""
    if scope is not None:
        return {"everything": 1, "labelled": 2, "arms": 2}[scope] if finding.kind != "pipeline" else 0
    return _RANKS[finding.kind]


def covers(cause: Finding, scope: Scope | None, effect: Finding, missing: bool) -> bool:
    """
    Whether a cause reaches so far as to explain another finding, by what the two are of.

    `missing` says that the other has no data: then nothing tells of its labels but its kind.
    """
    if not is_within(effect.slice, cause.slice):
        return False
    if scope == "everything":
        return True
    if scope == "arms":
        return effect.kind == "verdict"
    if scope == "labelled":
        return effect.kind in _LABELLED and (missing or not math.isnan(effect.label_coverage))
    return (cause.kind, cause.watch) == (effect.kind, effect.watch) and cause.slice != effect.slice


def is_within(part: Slice, whole: Slice) -> bool:
    """Whether a slice is a part of another, or the same."""
    return not whole or set(whole) <= set(part)
