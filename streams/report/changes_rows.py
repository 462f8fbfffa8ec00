"""Changes for programs: a row, as an object for JSON, for each watch, jump, trend and release of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from streams.core.detect.movers import Movement, Mover, Part
from streams.core.detect.release import BeforeAfter, Marker
from streams.core.judge.evidence import Interval
from streams.report.changes import Jump, Report, Watched
from streams.report.changes_slow import Trend


def rows(report: Report) -> Iterator[dict[str, Any]]:
    """
    Yield an object for each watch, then for each of its jumps, trends and comparisons by release: `row` says which.

    Times are ISO 8601 in UTC. A side of an interval of which nothing is known is infinite, which JSON has as null.
    """
    for watched in report.watched:
        subject = {"model": report.asked.span.model, "watch": watched.name, "kind": watched.kind}
        for kind, told in _of_watch(watched):
            yield {"row": kind, **subject, **told}


def _of_watch(watched: Watched) -> Iterator[tuple[str, dict[str, Any]]]:
    ticks = {"ticks": watched.ticks, "first": _time(watched.first), "last": _time(watched.last)}
    yield "watch", {**ticks, "jumps": len(watched.jumps)}
    for jump in watched.jumps:
        yield "jump", _jump(jump)
    for trend in watched.trends:
        yield "trend", _trend(trend)
    for marker, compared in watched.releases:
        yield "release", {"release": marker.name, "time": _time(marker.time), "compared": _compared(compared)}


def _jump(jump: Jump) -> dict[str, Any]:
    point = jump.point
    return {
        "onset": _time(point.onset),
        "onset_low": _time(point.low),
        "onset_high": _time(point.high),
        "before": point.before,
        "after": point.after,
        "p": point.p,
        "gradual": jump.gradual,
        "nearby": _compared(jump.nearby),
        "release": _released(jump.release),
        "calls": [{"cause": call.cause, "evidence": call.evidence} for call in jump.calls],
        "slices": [{"attributes": list(names), **_movement(moved)} for names, moved in jump.movements],
    }


def _trend(trend: Trend) -> dict[str, Any]:
    found = trend.decay
    ends = {"first": _time(trend.first), "last": _time(trend.last), "whole": trend.whole, "ticks": found.ticks}
    return {**ends, "a_week": found.slope, **_ends(found.interval), "verdict": found.verdict}


def _compared(found: BeforeAfter | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "before": found.before.value,
        "after": found.after.value,
        "effect": found.effect.value,
        **_ends(found.interval),
        "verdict": found.verdict,
        "ticks_before": found.ticks[0],
        "ticks_after": found.ticks[1],
        "season_removed": found.season_removed,
    }


def _released(marker: Marker | None) -> dict[str, Any] | None:
    return None if marker is None else {"name": marker.name, "time": _time(marker.time)}


def _movement(moved: Movement) -> dict[str, Any]:
    parts = {"total": _part(moved.total), "within": _part(moved.within), "mix": _part(moved.mix)}
    return {**parts, "movers": [_mover(one) for one in moved.movers]}


def _mover(mover: Mover) -> dict[str, Any]:
    effect = mover.effect
    return {
        "slice": dict(mover.slice),
        "share_before": mover.share_before,
        "share_after": mover.share_after,
        "effect": None if effect is None else {"value": float(effect.value), **_ends(effect.interval)},
        "within": _part(mover.within),
        "mix": _part(mover.mix),
    }


def _part(part: Part) -> dict[str, float]:
    return {"value": float(part.value), **_ends(part.interval)}


def _ends(interval: Interval) -> dict[str, float]:
    return {"low": float(interval.low), "high": float(interval.high)}


def _time(us: int) -> str:
    return f"{np.datetime64(us, 'us').astype('datetime64[s]')}Z"
