"""Titles: an alert in one line that a person reads."""

from __future__ import annotations

from streams.core.alert.incident import Incident, found, is_missing, phrase, release_of
from streams.core.alert.monitor import Monitor
from streams.core.alert.notice import Cause, Notice
from streams.core.alert.wording import moment, name_of, slice_text, subject
from streams.core.detect.finding import Slice
from streams.core.window_spec import format_duration

_SECOND = 1_000_000
_WELL = ("recovered", "the cause is over")


def title_of(incident: Incident, main: Monitor, cause: Cause, explanation: str, worst: tuple[Slice, ...]) -> str:
    """Say in one line what is wrong since when, where most, with what else, and what explains it."""
    model = found(main).model
    if main.key not in incident.open:
        return f"{model}: {subject(found(main))} recovered, what is left: {phrase(incident.in_order()[0])}"
    since = f"since {moment(main.trouble.since)}"
    if cause == "release":
        said = f"{incident.size} watches changed near {release_of(incident)}: {phrase(main)} {since}"
    elif cause == "columns":
        said = f"{incident.size} columns changed {since}, most of all {phrase(main)}"
    else:
        said = f"{phrase(main)} {since}{_details(incident, main, worst)}"
    while_ = f", while {explanation}" if explanation else ""
    advice = f": {main.rule.advice}" if main.rule.advice and not explanation else ""
    return f"{model}: {said}{while_}{', flapping' if main.flapping else ''}{advice}"


def title_of_end(told: Notice, tick: int, members: int, left: int, reason: str) -> str:
    """Say in one line that an alert with so many members is over and why, while `left` of them still fire."""
    lasted = max(tick - told.since, 0) // _SECOND * _SECOND
    name = name_of(told.kind, told.watch, told.slice)
    rest = f", but not {left} more" if left else f", with {members - 1} more" if members > 1 else ""
    over = f"recovered after {format_duration(lasted)}{rest}"
    return f"{told.model}: {name} {over if reason in _WELL else reason}"


def _details(incident: Incident, main: Monitor, worst: tuple[Slice, ...]) -> str:
    """Near which release, in which slice most, and with how much else."""
    release, more = found(main).release, incident.size - 1
    near = f", near {release}" if release else ""
    said = is_missing(main) or main.key.kind == "verdict"
    where = f", worst where {slice_text(worst[0])}" if worst and worst[0] and not said else ""
    return f"{near}{where}{f'; with it {more} more' if more else ''}"
