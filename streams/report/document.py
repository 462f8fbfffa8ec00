"""The report for programs: every field of every look, and what follows from them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from streams.core.judge.fixed import Comparison
from streams.report.fixed import fixed_test
from streams.report.looks import Look, Report, newest_tick


def document(report: Report) -> dict[str, Any]:
    """
    Return the report as an object for JSON.

    Times are ISO 8601 in UTC. `verdicts` are in reading order, with the columns of the table `verdicts`, the effect
    relative to the control (null where the control's value is 0), whether the verdict is to be trusted, and the test
    for one look: null unless the experiment is finished.
    """
    return {
        "experiment": report.experiment,
        "newest_look": _time(newest_tick(report.looks)),
        "finished": report.finished,
        "verdicts": [_verdict(report, look) for look in report.looks],
    }


def _verdict(report: Report, look: Look) -> dict[str, Any]:
    first = look.first_reached
    return asdict(look) | {
        "tick": _time(look.tick),
        "first_reached": None if first is None else _time(first),
        "relative_effect": look.relative(look.effect),
        "relative_low": look.relative(look.low),
        "relative_high": look.relative(look.high),
        "trusted": report.trusts(look),
        "fixed": _fixed(look) if report.finished and not look.is_check else None,
    }


def _fixed(look: Look) -> dict[str, Any]:
    found = fixed_test(look)
    if not isinstance(found, Comparison):
        return {"test": None, "why": found}
    interval = found.interval
    return {
        "test": found.name.method,
        "formula": found.name.formula,
        "effect": found.effect,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "p": found.p,
    }


def _time(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
