"""Hold the alerts of worlds against what happened in them: what was found, how late, what was missed or made up."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.incidents.plan import DAY, HOUR, KINDS, WATCHED, Incident, Kind, World

ADMISSIBLE: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        "label flips": frozenset({"quality-dropped", "calibration-moved"}),
        "one-slice bias": frozenset({"quality-dropped", "calibration-moved", "column-drifted"}),
        "latency": frozenset({"latency-grew"}),
        "missing outcomes": frozenset({"labels-missing", "labels-delayed", "no-data"}),
        "delayed outcomes": frozenset({"labels-missing", "labels-delayed", "no-data"}),
        "feature corruption": frozenset(
            {"column-drifted", "assertion-failing", "quality-dropped", "calibration-moved"}
        ),
        "traffic drop": frozenset({"traffic-changed", "no-data"}),
        "calibration shift": frozenset({"quality-dropped", "calibration-moved", "column-drifted"}),
    }
)
"""Alerts that call an incident what it is; outcomes that are late are missing until they come."""

GRACE: Mapping[Kind, int] = MappingProxyType(
    {kind: (DAY if kind in {"latency", "traffic drop"} else 2 * DAY) for kind in KINDS}
)
"""
How long after its end an incident may still be found, us: until the day in which it ended is over, or, where it can
take labels to find it, until these have come, which takes up to two days.
"""


@dataclass(frozen=True)
class Notice:
    """
    What was told of an alert: one row of the table `alerts`.

    Attributes
    ----------
    model, watch, severity, status, dedup_key, title
        As in the table.
    kind
        The alert's name, as its page in docs/runbooks is called.
    tick, onset
        When it was told, and since when it is so, us.
    """

    model: str
    watch: str
    kind: str
    severity: str
    tick: int
    onset: int | None
    status: str
    dedup_key: str
    title: str


@dataclass(frozen=True)
class Result:
    """An incident, and the first page that called it what it is."""

    world: str
    incident: Incident
    page: Notice | None
    repeats: int

    @property
    def delay(self) -> float | None:
        """Hours from its start to the page; None: it was missed."""
        return None if self.page is None else (self.page.tick - self.incident.start) / HOUR


@dataclass(frozen=True)
class FalsePage:
    """A page that is about no incident; `during` is the kind of the one that it calls by a wrong name, if it does."""

    world: str
    notice: Notice
    during: Kind | None


@dataclass(frozen=True)
class Score:
    """
    How good the alerts are.

    Attributes
    ----------
    results
        Of each incident.
    false
        Pages about nothing, or about something else than they say.
    days
        Days watched, in all worlds together; false pages of the days of learning count too.
    """

    results: tuple[Result, ...]
    false: tuple[FalsePage, ...]
    days: int

    @property
    def found(self) -> float:
        """Share of the incidents that were found; 1 where there was none."""
        return sum(result.page is not None for result in self.results) / len(self.results) if self.results else 1.0

    @property
    def false_in_30_days(self) -> float:
        """False pages in 30 days, of all models of a world together."""
        return 30 * len(self.false) / self.days


def pages(notices: Iterable[Notice], severities: Collection[str] | None = None) -> list[Notice]:
    """
    Return the notices that page somebody: those with which an alert begins to fire, in the order of their time.

    Parameters
    ----------
    notices : iterable of Notice
        Of one world, in any order.
    severities : collection of str, optional
        Which severities page; all if not given.
    """
    firing: set[str] = set()
    found = []
    for notice in sorted(notices, key=lambda notice: notice.tick):
        if notice.status == "resolved":
            firing.discard(notice.dedup_key)
        elif notice.status == "firing" and (severities is None or notice.severity in severities):
            found += [notice] * (notice.dedup_key not in firing)
            firing.add(notice.dedup_key)
    return found


def score(
    notices: Mapping[str, Sequence[Notice]], worlds: Sequence[World], severities: Collection[str] | None = None
) -> Score:
    """
    Hold the notices of each world, by its name, against its incidents.

    An incident is found by a page about its model, of an admissible kind, from its start until `GRACE` after its end.
    Every other page is false, be it about another model or another cause.

    Raises
    ------
    ValueError
        A world has no entry in `notices`: it was not looked at.
    """
    results: list[Result] = []
    false: list[FalsePage] = []
    for world in worlds:
        if world.name not in notices:
            raise ValueError(f"{world.name} was not looked at; replay it first")
        found = pages(notices[world.name], severities)
        results += [_result(world, incident, found) for incident in world.incidents]
        false += [
            FalsePage(world.name, page, _misnamed(page, world))
            for page in found
            if not any(_calls(page, incident) for incident in world.incidents)
        ]
    return Score(tuple(results), tuple(false), WATCHED * len(worlds))


def _result(world: World, incident: Incident, found: Sequence[Notice]) -> Result:
    calling = [page for page in found if _calls(page, incident)]
    return Result(world.name, incident, calling[0] if calling else None, max(len(calling) - 1, 0))


def _is_during(page: Notice, incident: Incident) -> bool:
    return page.model == incident.model and incident.start <= page.tick <= incident.end + GRACE[incident.kind]


def _calls(page: Notice, incident: Incident) -> bool:
    return _is_during(page, incident) and page.kind in ADMISSIBLE[incident.kind]


def _misnamed(page: Notice, world: World) -> Kind | None:
    return next((incident.kind for incident in world.incidents if _is_during(page, incident)), None)


@dataclass(frozen=True)
class Row:
    """One kind of incident: how many there were and were found, and the median delay of these, in hours."""

    kind: str
    incidents: int
    found: int
    median_delay: float | None
    slowest: float | None


def by_kind(results: Iterable[Result]) -> list[Row]:
    """Return a row for each kind, and one for all."""
    given = list(results)
    groups = {kind: [result for result in given if result.incident.kind == kind] for kind in KINDS}
    return [_row(kind, group) for kind, group in groups.items()] + [_row("all", given)]


def _row(kind: str, results: Sequence[Result]) -> Row:
    delays = [delay for result in results if (delay := result.delay) is not None]
    median = statistics.median(delays) if delays else None
    return Row(kind, len(results), len(delays), median, max(delays, default=None))
