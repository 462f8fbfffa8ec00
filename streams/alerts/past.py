"""What a backtest found, as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from streams.alerts.routing import routes_for
from streams.config.alerting import AlertingConfig
from streams.core.alert.notice import Notice, from_json
from streams.core.alert.rule import SEVERITIES
from streams.core.alert.wording import moment
from streams.core.window_spec import DAY
from streams.runtime.backtest import Backtest


def backtested(found: Backtest, alerting: AlertingConfig) -> Iterator[str]:
    """Yield two lines for each alert: when it was told, until when, how urgent and to which routes; and what it was."""
    alerts: dict[str, list[Notice]] = {}
    for record in found.notices:
        notice = from_json(record)
        alerts.setdefault(notice.dedup_key, []).append(notice)
    for notices in alerts.values():
        first, last = notices[0], notices[-1]
        until = f"to {moment(last.tick)}" if last.status == "resolved" else "still open"
        where = ", ".join(routes_for(first, alerting)) or "no route"
        yield f"{moment(first.tick)}  {first.severity:<7}  {until}  ({where})"
        yield f"    {_telling(notices).title}"
    yield _summary(found, [notices[0] for notices in alerts.values()])


def _telling(notices: Sequence[Notice]) -> Notice:
    """The last notice that says what is wrong, not that it is over."""
    return next((one for one in reversed(notices) if one.status != "resolved"), notices[-1])


def _summary(found: Backtest, firsts: Sequence[Notice]) -> str:
    days = (found.last - found.first) / DAY
    urgent = Counter(one.severity for one in firsts)
    told = ", ".join(f"{urgent[severity]} {severity}" for severity in reversed(SEVERITIES) if urgent[severity])
    alerts = f"{len(firsts)} alert{'' if len(firsts) == 1 else 's'} ({told})" if firsts else "no alerts"
    return f"{alerts}, {len(found.notices)} notices in {days:,.0f} days; {found.looks:,} looks were taken"
