"""Alerts as text for people, and as objects for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from streams.alerts.delivery import Delivery
from streams.alerts.muting import Muting
from streams.core.alert.notice import Notice, to_json
from streams.core.alert.wording import moment

SHORT_KEY = 10
"""Characters of a key that are shown in a list; commands take as many as tell it from other keys."""


def listed(notices: Iterable[Notice], muting: Muting, now: int) -> Iterator[str]:
    """Yield a line for each alert: its key, since when it is, how urgent, what it is, and what people said."""
    for notice in notices:
        said = said_of(notice, muting, now)
        since = moment(notice.since)
        line = f"{notice.dedup_key[:SHORT_KEY]}  {since}  {notice.severity:<7}  {notice.title}"
        yield line + (f"  ({said})" if said else "")


def said_of(notice: Notice, muting: Muting, now: int) -> str:
    """Return what people said of an alert; empty if nothing."""
    if notice.status == "resolved":
        return "resolved"
    muted = muting.of(notice, now, is_known=True)
    return "" if muted is None else " ".join(muted)


def as_object(notice: Notice, muting: Muting, now: int) -> dict[str, Any]:
    """Return a notice as on its topic, with what people said of the alert as `said`."""
    return {**to_json(notice), "said": said_of(notice, muting, now)}


def told_in_full(notices: Sequence[Notice], deliveries: Iterable[Delivery], said: str) -> Iterator[str]:
    """Yield all that is known of one alert, from its notices in their order."""
    newest = notices[-1]
    yield f"{newest.title}" + (f"  ({said})" if said else "")
    yield f"  dedup_key: {newest.dedup_key}"
    for name, text in (newest.labels() | newest.annotations()).items():
        if name not in {"title", "query"}:
            yield f"  {name}: {text}"
    yield "told:"
    for notice in notices:
        yield f"  {notice.revision}  {moment(notice.tick)}  {notice.status}  {notice.reason}"
    yield "delivered:"
    for one in deliveries:
        tries = f", {one.attempts} attempts" if one.attempts > 1 else ""
        where = one.route or "nowhere"
        yield f"  {one.sequence}  {moment(one.at)}  {where}: {one.outcome}{tries}; {one.detail}"
    if newest.query:
        yield "query:"
        yield from (f"  {line}" for line in newest.query.splitlines())
