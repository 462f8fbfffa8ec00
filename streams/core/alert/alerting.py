"""Alerting: from the findings of a model, tick by tick, to notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from streams.core.alert.calling import with_call
from streams.core.alert.cause import EXPLAINING, Explains, Grouping, rank, scope_of, span_of_finding
from streams.core.alert.grouping import Incidents
from streams.core.alert.incident import Circumstance, Incident, restored
from streams.core.alert.incident import found as found_by
from streams.core.alert.monitor import Monitor, MonitorKey, key_from_plain
from streams.core.alert.notice import Notice
from streams.core.alert.rule import AlertRule, Harm
from streams.core.alert.telling import end, has_parted, tell
from streams.core.detect.finding import Finding, Kind, Slice
from streams.core.watermark import NEVER

Watched = tuple[Kind, str, Slice]

_NONE: Mapping[str, Harm] = MappingProxyType({})


class Alerting:
    """
    All monitors of a model, and the alerts that they raise.

    The same findings, in whichever order those of a tick come, give the same notices.

    Parameters
    ----------
    model
        Whose findings these are.
    rules
        The rules; those about other models are left out. Each watch has a monitor for each rule that it matches.
    grouping
        When alerts are one alert.
    worse
        Which way is worse, by name of the watch; both ways for others.
    explaining
        What watches explain others, by their names.

    Raises
    ------
    ValueError
        If two rules have the same name.
    """

    def __init__(
        self,
        model: str,
        rules: Sequence[AlertRule],
        grouping: Grouping,
        *,
        worse: Mapping[str, Harm] = _NONE,
        explaining: Mapping[str, Explains] = EXPLAINING,
    ) -> None:
        names = [rule.name for rule in rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"alert rules of the same name: {', '.join(twice)}; give each a name of its own")
        self.model = model
        self._rules = [rule for rule in rules if rule.concerns(model)]
        self._grouping = grouping
        self._worse = worse
        self._explaining = explaining
        self._incidents = Incidents(grouping, explaining, [rule.name for rule in self._rules])
        self._watching: dict[Watched, tuple[Monitor, ...]] = {}
        self._step = 0
        self._last = NEVER

    @property
    def last(self) -> int:
        """End of the last tick, us."""
        return self._last

    @property
    def monitors(self) -> list[Monitor]:
        """All monitors that there are, sorted."""
        return sorted((one for some in self._watching.values() for one in some), key=lambda monitor: monitor.key)

    def step(self, tick: int, findings: Iterable[Finding]) -> list[Notice]:
        """
        Take in the findings of a tick that ends at `tick` (us), and return what is to be told.

        A watch without a finding was not looked at: its monitors stay as they are.

        Raises
        ------
        ValueError
            If the tick is not after the last one, a finding is of another tick or model, or a watch has two.
        """
        found = list(findings)
        self._check(tick, found)
        self._step, self._last = self._step + 1, tick
        begun, around = self._advance(found), self._around(found)
        notices = self._part(tick, around)
        self._incidents.place(begun, tick)
        for incident in list(self._incidents.all):
            if incident.open:
                told = tell(incident, tick, around, self._grouping)
                notices += [_called(incident, one, found) for one in told]
                continue
            self._incidents.end(incident)
            if incident.told is not None:
                notices.append(end(incident, incident.told, tick))
        return notices

    def finish(self, tick: int, reason: str) -> list[Notice]:
        """
        End all alerts because nothing will be found any more, at a tick after the last one; what is left is nothing.

        Raises
        ------
        ValueError
            If the tick is not after the last one.
        """
        self._check(tick, ())
        self._last, self._watching = tick, {}
        told = [(one, one.told) for one in list(self._incidents.all) if one.told is not None]
        notices = [end(incident, notice, tick, reason) for incident, notice in told]
        self._incidents.replace(())
        return notices

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "model": self.model,
            "step": self._step,
            "last": self._last,
            "monitors": [monitor.snapshot() for monitor in self.monitors if not monitor.is_pristine],
            "incidents": [incident.snapshot() for incident in self._incidents.all],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """
        Replace everything by a snapshot.

        Monitors that no rule declares any more are left out; alerts that have none left are over at the next tick.

        Raises
        ------
        ValueError
            If the snapshot is of another model.
        """
        if saved["model"] != self.model:
            raise ValueError(f'these are the alerts of model "{saved["model"]}", not of "{self.model}"')
        self._step, self._last, self._watching = saved["step"], saved["last"], {}
        for one in saved["monitors"]:
            key = key_from_plain(one["key"])
            for monitor in self._of((key.kind, key.watch, key.slice)):
                if monitor.key == key:
                    monitor.restore(one)
        known = {monitor.key: monitor for monitor in self.monitors}
        self._incidents.replace(restored(one, known) for one in saved["incidents"])

    def _check(self, tick: int, findings: Sequence[Finding]) -> None:
        if tick <= self._last:
            raise ValueError(
                f'alerts of model "{self.model}": tick {tick} is not after the last one, {self._last}: keep their order'
            )
        seen = set[Watched]()
        for one in findings:
            if one.model != self.model or one.tick != tick:
                raise ValueError(
                    f'alerts of model "{self.model}" at {tick}: "{one.watch}" is of model "{one.model}" at {one.tick}'
                )
            watched = one.kind, one.watch, one.slice
            if watched in seen:
                raise ValueError(
                    f'alerts of model "{self.model}" at {tick}: {watched} has two findings: bring one a tick'
                )
            seen.add(watched)

    def _advance(self, findings: Iterable[Finding]) -> list[Monitor]:
        """Take in the findings; those that recovered leave their incidents, those that begin to fire are returned."""
        begun, over = [], []
        for one in findings:
            for monitor in self._of((one.kind, one.watch, one.slice)):
                before = monitor.episode
                monitor.advance(one, self._step)
                if monitor.episode is before:
                    continue
                if before is not None:
                    over.append(monitor.key)
                if monitor.episode is not None:
                    begun.append(monitor)
        self._incidents.leave(over)
        return begun

    def _of(self, watched: Watched) -> tuple[Monitor, ...]:
        """Return the monitors of a watch."""
        known = self._watching.get(watched)
        if known is None:
            kind, watch, slice_ = watched
            probe = Finding(self.model, slice_, watch, kind, 0, "quiet")
            harm = self._worse.get(watch, "either")
            rules = [rule for rule in self._rules if rule.matches(probe)]
            known = tuple(Monitor(MonitorKey(rule.name, *watched), rule, rule.harm(harm)) for rule in rules)
            self._watching[watched] = known
        return known

    def _part(self, tick: int, around: Sequence[Circumstance]) -> list[Notice]:
        """End the alerts whose cause is over, and let what outlasts it be trouble of its own."""
        notices = []
        for incident in list(self._incidents.all):
            if incident.told is not None and has_parted(incident, tick, around, self._grouping):
                told = end(incident, incident.told, tick)
                notices.append(told)
                self._incidents.place(self._incidents.end(incident), tick, f"outlasts {told.dedup_key}")
        return notices

    def _around(self, findings: Iterable[Finding]) -> list[Circumstance]:
        """Return what explains other things, whether or not a rule is about it: the closest to a cause first."""
        around = []
        for one in findings:
            scope = scope_of(one, self._explaining) if one.standing in ("changed", "no data") else None
            if scope is not None:
                around.append(Circumstance(one, scope, span_of_finding(one)))
        return sorted(around, key=lambda one: (rank(one.finding, one.scope), one.finding.slice, one.finding.watch))


def _called(incident: Incident, notice: Notice, findings: Sequence[Finding]) -> Notice:
    """Say what an incident is to be called in the notice that tells what it is now; others leave it as it was."""
    if notice is not incident.told or incident.subject is None:
        return notice
    incident.told = with_call(notice, found_by(incident.subject), findings)
    return incident.told
