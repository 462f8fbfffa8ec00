"""Grouping: which monitors that fire are one incident."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from streams.core.alert.cause import Explains, Grouping, Scope, covers, rank, scope_of, span_of
from streams.core.alert.incident import Incident, found, is_missing
from streams.core.alert.monitor import Monitor, MonitorKey
from streams.core.detect.finding import Kind, Slice

_OF_METRICS: tuple[Kind, ...] = ("metric", "threshold")

Firing = tuple[Monitor, Scope | None]
"""A monitor that fires, and what it explains."""


class Incidents:
    """
    The incidents of a model.

    Whoever begins to fire belongs to an incident that explains it, whosever that is, or to one of the same team that
    is about the same watch, began when it did, or is about the same release; else it is one of its own. Incidents that
    have just been told become part of one that explains them.
    """

    def __init__(self, grouping: Grouping, explaining: Mapping[str, Explains], rules: Iterable[str]) -> None:
        self._grouping = grouping
        self._explaining = explaining
        self._rules = tuple(rules)
        self._where: dict[MonitorKey, Incident] = {}
        self._heads: dict[Slice, dict[MonitorKey, Firing]] = {}  # those that explain others
        self.all: list[Incident] = []

    def replace(self, incidents: Iterable[Incident]) -> None:
        """Replace everything."""
        self.all, self._where, self._heads = list(incidents), {}, {}
        for incident in self.all:
            for key, monitor in incident.open.items():
                self._enter(incident, (monitor, incident.scopes.get(key)))

    def leave(self, keys: Iterable[MonitorKey]) -> None:
        """Let go monitors that fire no more."""
        for key in keys:
            self._where[key].leave(key)
            self._forget(key)

    def end(self, incident: Incident) -> list[Monitor]:
        """Forget an incident, and return who is still firing."""
        self.all.remove(incident)
        for key in incident.open:
            self._forget(key)
        return list(incident.open.values())

    def place(self, monitors: Iterable[Monitor], tick: int, reason: str = "new") -> None:
        """Find the incident of each monitor that begins to fire: causes first, and wholes before their parts."""
        firing = [(one, scope_of(found(one), self._explaining)) for one in monitors]
        firing.sort(key=_order)
        for explains in (True, False):
            self._place([one for one in firing if (one[1] is not None) == explains], tick, reason)

    def _place(self, firing: Iterable[Firing], tick: int, reason: str) -> None:
        homeless: dict[str, list[Firing]] = {}
        for one in firing:
            home = self._home(one[0]) or self._adopted(one, tick)
            if home is None:
                homeless.setdefault(one[0].rule.team, []).append(one)
            else:
                self._join(home, one, tick)
        for team in sorted(homeless):
            self._settle(homeless[team], tick, reason)

    def _settle(self, homeless: list[Firing], tick: int, reason: str) -> None:
        """Make incidents of those that nothing explains: one of very many, else those of one onset together."""
        storm = self._begin(homeless[0][0], tick, reason) if len(homeless) >= self._grouping.storm else None
        for one in homeless:
            self._join(storm or self._home(one[0]) or self._begin(one[0], tick, reason), one, tick)

    def _begin(self, monitor: Monitor, tick: int, reason: str) -> Incident:
        self.all.append(Incident(tick, span_of(monitor), monitor.rule.team, reason=reason))
        return self.all[-1]

    def _join(self, home: Incident, one: Firing, tick: int) -> None:
        """Make a monitor part of an incident, and with it other new incidents that it explains."""
        home.join(*one)
        self._enter(home, one)
        for other in self._explained(one, tick):
            if other is not home:
                self._merge(home, other)

    def _merge(self, home: Incident, other: Incident) -> None:
        home.absorbed += other.absorbed if other.told is None else [*other.absorbed, other.told]
        scopes = dict(other.scopes)
        for monitor in self.end(other):
            one = monitor, scopes.get(monitor.key)
            home.join(*one)
            self._enter(home, one)

    def _home(self, monitor: Monitor) -> Incident | None:
        """Return the incident that a monitor belongs to, if there is one."""
        causes = [one for one in self._above(monitor) if self._explains(one, monitor)]
        if causes:
            return self._where[min(causes, key=_order)[0].key]
        for key in self._alike(monitor.key):
            if key in self._where and self._where[key].team == monitor.rule.team:
                return self._where[key]
        return next((incident for incident in self.all if self._is_one(incident, monitor)), None)

    def _is_one(self, incident: Incident, monitor: Monitor) -> bool:
        """
        Whether a monitor began when an incident did, or was found with it if that is a storm.

        Or, for some time after, whether it has been part of it, or is about the same release.
        """
        span, slack = span_of(monitor), self._grouping.slack
        if incident.team != monitor.rule.team:
            return False
        late = span.found - incident.span.found
        known = monitor.key in incident.ever or found(monitor).release in incident.releases
        storm = len(incident.ever) >= self._grouping.storm and abs(late) <= slack
        return incident.span.is_near(span, slack) or storm or (known and late <= self._grouping.lasting)

    def _adopted(self, one: Firing, tick: int) -> Incident | None:
        """Return the oldest of the same team's new incidents that a monitor turns out to explain."""
        team = one[0].rule.team
        return next((incident for incident in self._explained(one, tick) if incident.team == team), None)

    def _explained(self, one: Firing, tick: int) -> list[Incident]:
        oldest = tick - self._grouping.slack
        new = [incident for incident in self.all if incident.opened >= oldest and incident.open]
        return [incident for incident in new if self._explains(one, incident.first())]

    def _explains(self, one: Firing, effect: Monitor) -> bool:
        """Whether a monitor that fires explains another."""
        cause, scope = one
        if cause is effect or not covers(found(cause), scope, found(effect), missing=is_missing(effect)):
            return False
        return span_of(cause).explains(span_of(effect), self._grouping)

    def _above(self, monitor: Monitor) -> Iterator[Firing]:
        """Return what could explain a monitor: what explains others, and its watch, where its slice is a part."""
        _, kind, watch, slice_ = monitor.key
        for whole in _wholes(slice_):
            yield from self._heads.get(whole, {}).values()
            keys = (MonitorKey(rule, kind, watch, whole) for rule in self._rules)
            yield from ((self._where[key].open[key], None) for key in keys if key in self._where)

    def _alike(self, key: MonitorKey) -> Iterator[MonitorKey]:
        """Return the monitors of the same watch and slice under all rules; a metric and its limit are alike."""
        kinds = _OF_METRICS if key.kind in _OF_METRICS else (key.kind,)
        return (MonitorKey(rule, kind, key.watch, key.slice) for kind in kinds for rule in self._rules)

    def _enter(self, incident: Incident, one: Firing) -> None:
        monitor, scope = one
        self._where[monitor.key] = incident
        if scope is not None:
            self._heads.setdefault(monitor.key.slice, {})[monitor.key] = one

    def _forget(self, key: MonitorKey) -> None:
        del self._where[key]
        self._heads.get(key.slice, {}).pop(key, None)


def _wholes(slice_: Slice) -> Iterator[Slice]:
    """Return the slices that hold a slice, the largest first, and itself."""
    for size in range(len(slice_) + 1):
        yield from combinations(slice_, size)


def _order(one: Firing) -> tuple[int, int, MonitorKey]:
    monitor, scope = one
    return rank(found(monitor), scope), len(monitor.key.slice), monitor.key
