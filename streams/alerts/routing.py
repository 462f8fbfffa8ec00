"""Which routes a notice goes to, and until when it can wait there. Asks no clock: the time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from streams.alerts.words import EPOCH, utc
from streams.config.alerting import AlertingConfig, QuietConfig, RouteRule
from streams.config.alerting_fields import matches
from streams.core.alert.notice import Notice

_MICROSECOND = timedelta(microseconds=1)


def routes_for(notice: Notice, alerting: AlertingConfig) -> tuple[str, ...]:
    """
    Return the names of the routes of a notice, each once.

    The first rule that matches decides, with those after it as long as each says `continue`; where none matches, the
    default does.
    """
    named: dict[str, None] = {}
    matched = False
    for rule in alerting.rules:
        if is_for(rule, notice):
            named.update(dict.fromkeys(rule.routes))
            matched = True
            if not rule.further:
                break
    return tuple(named if matched else dict.fromkeys(alerting.default))


def is_for(rule: RouteRule, notice: Notice) -> bool:
    """Whether a rule is about a notice."""
    return (
        notice.severity in rule.severities
        and any(matches(one, notice.model) for one in rule.models)
        and any(matches(one, notice.team) for one in rule.teams)
    )


def held_until(notice: Notice, quiet: QuietConfig | None, now: int) -> int | None:
    """
    Return when the quiet hours end for which a notice has to wait, us; None if it need not.

    Hours are those of the clock on the wall: on the day on which it is set forward or back, quiet hours are shorter or
    longer. An hour that does not exist on a day is the one after it.
    """
    if quiet is None or (notice.severity == "page" and quiet.pages == "pass"):
        return None
    zone = ZoneInfo(quiet.zone)
    start, until = time.fromisoformat(quiet.start), time.fromisoformat(quiet.until)
    here = utc(now).astimezone(zone)
    at = here.time()
    overnight = until <= start
    inside = (at >= start or at < until) if overnight else start <= at < until
    if not inside:
        return None
    day = here.date() + timedelta(days=1 if overnight and at >= start else 0)
    end = datetime.combine(day, until, zone)
    return max((end.astimezone(UTC) - EPOCH) // _MICROSECOND, now)
