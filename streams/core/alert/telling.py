"""Telling: from incidents to the few notices that they are worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from streams.core.alert.cause import Grouping, covers
from streams.core.alert.incident import (
    Circumstance,
    Explained,
    Incident,
    cause,
    explanation,
    found,
    is_missing,
    phrase,
    release_of,
)
from streams.core.alert.monitor import Monitor
from streams.core.alert.notice import CAUSES, Cause, Notice, dedup_key
from streams.core.alert.rule import SEVERITIES
from streams.core.alert.title import title_of, title_of_end
from streams.core.alert.wording import query
from streams.core.detect.finding import Slice

WORST = 5
"""So many slices and members are named."""

GROWTH = 10
"""An alert is told again when it has so many times the members that were told."""

_EXPLAINED = CAUSES[:3]
_WORTH_TELLING = CAUSES[:4]


def tell(incident: Incident, tick: int, around: Sequence[Circumstance], grouping: Grouping) -> Iterator[Notice]:
    """
    Say what is new about an incident that goes on.

    `around` is what else was found in this tick that explains other things. What an alert is about, and how urgent it
    is, never change: one that becomes more urgent is over, and told anew.
    """
    old = incident.told
    if old is None:
        yield _begin(incident, tick, around, grouping)
    elif SEVERITIES.index(incident.severity) > SEVERITIES.index(old.severity):
        incident.opened, incident.reason = tick, "more urgent"
        fresh = _begin(incident, tick, around, grouping)
        yield _moved(old, tick, fresh)
        yield fresh
    else:
        yield from _again(incident, old, tick, around, grouping)
    if incident.told is not None:
        yield from (_moved(one, tick, incident.told) for one in incident.absorbed)
    incident.absorbed, incident.changed = [], False


def end(incident: Incident, told: Notice, tick: int, reason: str = "") -> Notice:
    """Say that an alert is over, be it that some of what it explained is not; a `reason` ends it all."""
    left = 0 if reason else len({key[1:] for key in incident.open})
    reason = reason or ("the cause is over" if left else "recovered")
    numbers: dict[str, Any] = {} if incident.subject is None else _numbers(incident.subject, told.since_low, tick)
    ending: dict[str, Any] = {"status": "resolved", "state": "ok", "flapping": False, "members": incident.size}
    return replace(
        told,
        **(_next(told, tick, reason) | numbers | ending),
        title=title_of_end(told, tick, incident.size, left, reason),
    )


def has_parted(incident: Incident, tick: int, around: Sequence[Circumstance], grouping: Grouping) -> bool:
    """
    Whether what an alert was about has been over for so long that the rest should be told by itself.

    That is the rest of what it explained, and what is less urgent: columns that stay as they are shall not keep a page
    open.
    """
    told, subject = incident.told, incident.subject
    if told is None or subject is None or not incident.open or subject.key in incident.open:
        return False
    parts = (covers(found(subject), None, found(one), missing=is_missing(one)) for one in incident.open.values())
    minor = SEVERITIES.index(incident.severity) < SEVERITIES.index(told.severity)
    rest = minor or told.cause in _EXPLAINED or all(parts)
    alone = rest and explanation(incident, incident.in_order()[0], around, grouping) is None
    return _outlasts(incident, tick, grouping, alone=alone)


def _outlasts(incident: Incident, tick: int, grouping: Grouping, *, alone: bool) -> bool:
    """Whether an incident has been without its cause for too long."""
    if not alone:
        incident.parted = None
        return False
    incident.parted = tick if incident.parted is None else incident.parted
    return tick - incident.parted >= grouping.outlast * grouping.tick


def _begin(incident: Incident, tick: int, around: Sequence[Circumstance], grouping: Grouping) -> Notice:
    """Tell an incident for the first time: from now on it is known as what it is now."""
    members = incident.in_order()
    main = members[0]
    explained = explanation(incident, main, around, grouping)
    sort = cause(incident, explained)
    when, rule, model = main.trouble, main.rule, found(main).model
    incident.subject, incident.team = main, rule.team
    incident.told = Notice(
        dedup_key=dedup_key(model, sort, main.key, tick),
        revision=1,
        status="firing",
        reason=incident.reason,
        tick=tick,
        model=model,
        severity=incident.severity,
        team=rule.team,
        runbook=rule.runbook,
        since=when.since,
        since_low=when.low,
        since_high=when.high,
        opened=tick,
        **main.key._asdict(),
        **_numbers(main, when.low, tick),
        **_story(incident, members, main, sort, _elsewhere(explained, main)),
    )
    return incident.told


def _again(
    incident: Incident, told: Notice, tick: int, around: Sequence[Circumstance], grouping: Grouping
) -> Iterator[Notice]:
    """Tell an alert again, if that is worth it."""
    rule = None if incident.subject is None else incident.subject.rule
    due = rule is not None and 0 < rule.remind_after <= tick - told.tick
    if not (incident.changed or around or due or told.explanation):
        return
    members = incident.in_order()
    explained = explanation(incident, members[0], around, grouping)
    alone = bool(told.explanation) and explained is None
    late = bool(told.explanation) and _outlasts(incident, tick, grouping, alone=alone)
    sort = told.cause if alone and not late else cause(incident, explained)  # until then it may be a consequence
    reason = "outlasts its cause" if late else _why(incident, told, sort, due=due)
    if not reason:
        return
    shown = incident.subject or members[0]
    elsewhere = told.explanation if alone and not late else _elsewhere(explained, shown)
    fresh = {**_numbers(shown, told.since_low, tick), **_story(incident, members, shown, sort, elsewhere)}
    incident.told = replace(told, **_next(told, tick, reason), **fresh, status="updated")
    yield incident.told


def _why(incident: Incident, told: Notice, cause_now: Cause, *, due: bool) -> str:
    """Why an alert is worth telling again; empty if it is not."""
    if cause_now in _WORTH_TELLING and CAUSES.index(cause_now) < CAUSES.index(told.cause):
        return "its cause is known"
    if incident.size >= GROWTH * told.members:
        return "many more"
    return "reminder" if due else ""


def _moved(old: Notice, tick: int, home: Notice) -> Notice:
    """Say that an alert is told as another one from now on."""
    title = f"{old.model}: now told as: {home.title.removeprefix(f'{home.model}: ')}"
    return replace(old, **_next(old, tick, f"part of {home.dedup_key}"), status="resolved", title=title)


def _next(told: Notice, tick: int, reason: str) -> dict[str, Any]:
    return {"revision": told.revision + 1, "tick": tick, "reason": reason}


def _numbers(monitor: Monitor, since: int, tick: int) -> dict[str, Any]:
    """What a monitor last found."""
    finding = found(monitor)
    names = ("value", "reference", "effect", "low", "high", "label_coverage")
    return {
        **{name: _known(getattr(finding, name)) for name in names},
        "n": finding.n,
        "n_effective": finding.n_effective,
        "query": query(finding, since, tick),
        "state": monitor.state,
        "flapping": monitor.flapping,
    }


def _elsewhere(explained: Explained | None, main: Monitor) -> str:
    """What explains an incident, unless that is what it is about."""
    return "" if explained is None or explained.monitor == main.key else explained.text


def _story(
    incident: Incident, members: Sequence[Monitor], main: Monitor, sort: Cause, elsewhere: str
) -> dict[str, Any]:
    """What an incident is, and who else is part of it."""
    others = [one for one in members if one.key[1:] != main.key[1:]]
    worst = found(main).worst or _parts(main, others)
    return {
        "cause": sort,
        "explanation": elsewhere,
        "title": title_of(incident, main, sort, elsewhere, tuple(where for where, _ in worst)),
        "worst_slices": tuple(where for where, _ in worst[:WORST]),
        "worst_effects": tuple(effect for _, effect in worst[:WORST]),
        "release": found(main).release or release_of(incident),
        "members": incident.size,
        "worst_members": tuple(phrase(one) for one in others[:WORST]),
    }


def _parts(main: Monitor, others: Sequence[Monitor]) -> tuple[tuple[Slice, float], ...]:
    """Return the parts of a monitor's slice that fire for the same watch, and how far each moved."""
    parts = [one for one in others if not is_missing(one) and covers(found(main), None, found(one), missing=False)]
    effects = [(one.key.slice, found(one).effect) for one in parts if math.isfinite(found(one).effect)]
    return tuple(sorted(effects, key=lambda pair: (-abs(pair[1]), pair[0])))


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None
