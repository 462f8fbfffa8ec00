"""A notice in words and times, as several routes write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from streams.core.alert.notice import Notice

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS: Mapping[str, str] = MappingProxyType({"firing": "FIRING", "updated": "STILL FIRING", "resolved": "RESOLVED"})

_TOLD_APART = frozenset({"severity", "title", "runbook"})


def utc(time: int) -> datetime:
    """Return microseconds since 1970 as a time."""
    return EPOCH + timedelta(microseconds=time)


def rfc3339(time: int) -> str:
    """
    Write microseconds since 1970.

    >>> rfc3339(1_356_998_400_000_001)
    '2013-01-01T00:00:00.000001Z'
    """
    return f"{utc(time):%Y-%m-%dT%H:%M:%S.%f}Z"


def cut(text: str, longest: int) -> str:
    """
    Shorten a text to so many characters.

    >>> cut("a long story", 9)
    'a long...'
    """
    return text if len(text) <= longest else text[: longest - 3] + "..."


def headline(notice: Notice) -> str:
    """Return status, severity and title on one line."""
    return " ".join(f"[{_STATUS[notice.status]} {notice.severity}] {notice.title}".split())


def details(notice: Notice) -> dict[str, str]:
    """Return what a reader wants to know besides status, severity, title and runbook, by name."""
    told = {**notice.labels(), **notice.annotations()}
    return {name: text for name, text in told.items() if name not in _TOLD_APART}
