"""Incidents: monitors that fire for one reason, and are told as one alert."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.core.alert.cause import Grouping, Scope, Span, covers, rank
from streams.core.alert.monitor import Monitor, MonitorKey, key_from_plain, key_to_plain
from streams.core.alert.notice import Cause, Notice, from_json, to_json
from streams.core.alert.reading import strength
from streams.core.alert.rule import SEVERITIES, Severity, most_severe
from streams.core.alert.wording import put
from streams.core.detect.finding import Finding

MANY_COLUMNS = 3
_CAUSES: Mapping[Scope, Cause] = {"everything": "outage", "labelled": "labels", "arms": "arms"}


@dataclass(frozen=True)
class Circumstance:
    """What was found in a tick that explains other things, whether or not a rule is about it."""

    finding: Finding
    scope: Scope
    span: Span


@dataclass(frozen=True)
class Explained:
    """What explains an incident: how it is put, what else it explains, and its monitor, if it has one."""

    text: str
    scope: Scope
    monitor: MonitorKey | None


@dataclass(eq=False, slots=True)
class Incident:
    """
    Monitors that fire for one reason.

    `opened` is the tick in which it began to be told as what it is, `span` when the trouble began, `open` who is part
    of it and `ever` who has been, `scopes` what those that explain others explain, `subject` the monitor whose numbers
    are told. `parted` is the tick since which nothing explains any more what still goes on; `absorbed` are alerts that
    have just become part of this one.
    """

    opened: int
    span: Span
    team: str
    open: dict[MonitorKey, Monitor] = field(default_factory=dict)
    ever: set[MonitorKey] = field(default_factory=set)
    scopes: dict[MonitorKey, Scope] = field(default_factory=dict)
    releases: set[str] = field(default_factory=set)
    subject: Monitor | None = None
    told: Notice | None = None
    parted: int | None = None
    reason: str = "new"
    changed: bool = True
    absorbed: list[Notice] = field(default_factory=list)

    def join(self, monitor: Monitor, scope: Scope | None) -> None:
        """Take in a monitor that fires; `scope` is what it explains."""
        self.open[monitor.key] = monitor
        self.ever.add(monitor.key)
        if scope is not None:
            self.scopes[monitor.key] = scope
            self.parted = None
        release = found(monitor).release
        if release:
            self.releases.add(release)
        self.changed = True

    def leave(self, key: MonitorKey) -> None:
        """Let go a monitor that fires no more."""
        self.open.pop(key, None)
        self.scopes.pop(key, None)
        self.changed = True

    @property
    def severity(self) -> Severity:
        """How urgent it is by what is open."""
        return most_severe({monitor.severity for monitor in self.open.values()})

    @property
    def size(self) -> int:
        """How many watches have been part of it, whatever number of rules each is under."""
        return len({key[1:] for key in self.ever})

    def first(self) -> Monitor:
        """Return who has been part of it for longest, of those that are."""
        return next(iter(self.open.values()))

    def in_order(self) -> list[Monitor]:
        """Return who is part of it: what explains most first, then wholes before parts, then the largest effect."""
        return sorted(self.open.values(), key=lambda monitor: order(monitor, self.scopes.get(monitor.key)))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "opened": self.opened,
            "span": [self.span.low, self.span.high, self.span.found],
            "team": self.team,
            "open": [key_to_plain(key) for key in self.open],
            "ever": [key_to_plain(key) for key in sorted(self.ever)],
            "scopes": [[key_to_plain(key), scope] for key, scope in self.scopes.items()],
            "releases": sorted(self.releases),
            "subject": None if self.subject is None else key_to_plain(self.subject.key),
            "told": None if self.told is None else to_json(self.told),
            "parted": self.parted,
        }


def restored(saved: Mapping[str, Any], monitors: Mapping[MonitorKey, Monitor]) -> Incident:
    """Return an incident from its snapshot; monitors that are not there any more have left it."""
    keys = [key for key in map(key_from_plain, saved["open"]) if key in monitors]
    scopes = {key_from_plain(key): scope for key, scope in saved["scopes"]}
    return Incident(
        opened=saved["opened"],
        span=Span(*saved["span"]),
        team=saved["team"],
        open={key: monitors[key] for key in keys},
        ever={key_from_plain(key) for key in saved["ever"]},
        scopes={key: scope for key, scope in scopes.items() if key in monitors},
        releases=set(saved["releases"]),
        subject=None if saved["subject"] is None else monitors.get(key_from_plain(saved["subject"])),
        told=None if saved["told"] is None else from_json(saved["told"]),
        parted=saved["parted"],
        changed=False,
    )


def found(monitor: Monitor) -> Finding:
    """Return what a monitor last found."""
    if monitor.finding is None:
        raise ValueError(f"monitor {monitor.key} has found nothing yet")
    return monitor.finding


def is_missing(monitor: Monitor) -> bool:
    """Whether a monitor fires because there is nothing to look at."""
    return monitor.episode is not None and monitor.episode.reason == "no data"


def phrase(monitor: Monitor) -> str:
    """Say what is wrong with a watch."""
    return put(found(monitor), missing=is_missing(monitor))


def order(monitor: Monitor, scope: Scope | None) -> tuple[int, int, int, float, MonitorKey]:
    """Return by what monitors are sorted: causes first, wholes before parts, then the urgent, the largest effect."""
    finding = found(monitor)
    urgent = SEVERITIES.index(monitor.severity)
    return rank(finding, scope), len(finding.slice), -urgent, -strength(finding), monitor.key


def explanation(
    incident: Incident, first: Monitor, circumstances: Iterable[Circumstance], grouping: Grouping
) -> Explained | None:
    """
    Return what explains an incident: one of its own monitors, or what else was found in this tick, or nothing.

    `first` is who comes first in the incident.
    """
    if first.key in incident.scopes:
        return Explained(phrase(first), incident.scopes[first.key], first.key)
    for one in circumstances:
        fits = covers(one.finding, one.scope, found(first), missing=is_missing(first))
        if fits and one.finding.watch != found(first).watch and one.span.explains(incident.span, grouping):
            return Explained(put(one.finding, missing=one.finding.standing == "no data"), one.scope, None)
    return None


def release_of(incident: Incident) -> str:
    """Return the release near which several watches changed, if at least half of all did; else an empty text."""
    watches = {key[1:]: found(monitor).release for key, monitor in incident.open.items()}
    shared = Counter(release for release in watches.values() if release)
    release, count = min(shared.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    return release if count >= 2 and 2 * count >= len(watches) else ""


def cause(incident: Incident, explained: Explained | None) -> Cause:
    """Say what sort of trouble an incident is."""
    if explained is not None:
        return _CAUSES[explained.scope]
    if release_of(incident):
        return "release"
    watches = {key[1:] for key in incident.open}
    if len(watches) < 2:
        return "alone"
    kinds = Counter(kind for kind, _, _ in watches)
    if kinds["column"] >= MANY_COLUMNS and kinds["column"] == len(watches):
        return "columns"
    return "slices" if len({(kind, watch) for kind, watch, _ in watches}) == 1 else "together"
