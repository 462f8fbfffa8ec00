"""
Alertmanager, version 2 of its API: POST /api/v2/alerts.

Two alerts are the same there if their labels are, so labels say only what the alert is about, with its key, and
everything that changes stands in annotations. Alertmanager forgets an alert whose end has come, so one that fires is
given an end in the future, which each notice moves; one that is resolved ends now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from streams.alerts.answer import Answer
from streams.alerts.http import Http
from streams.alerts.words import rfc3339
from streams.core.alert.notice import Notice

_PATH = "/api/v2/alerts"


@dataclass(frozen=True)
class Alertmanager:
    """
    One Alertmanager.

    Attributes
    ----------
    name
        The route's name.
    url
        Where it is, without the path of its API.
    lasts
        Microseconds after which an alert ends that nothing more is heard of.
    now
        The time, us.
    http
        How to reach it.
    token
        A bearer token; empty where none is asked for.
    """

    name: str
    url: str
    lasts: int
    now: Callable[[], int]
    http: Http
    token: str = field(default="", repr=False)

    async def send(self, notice: Notice) -> Answer:
        """Send one notice once."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = msgspec.json.encode([self.alert(notice)])
        return await self.http.post(self.url.rstrip("/") + _PATH, body, headers)

    def alert(self, notice: Notice) -> dict[str, object]:
        """Return a notice as Alertmanager takes it."""
        now = self.now()
        end = now if notice.status == "resolved" else now + self.lasts
        alert: dict[str, object] = {
            "labels": {"alertname": notice.rule, **notice.labels(), "dedup_key": notice.dedup_key},
            "annotations": {**notice.annotations(), "status": notice.status},
            "startsAt": rfc3339(notice.since),
            "endsAt": rfc3339(max(end, notice.since)),  # event time may run ahead of this machine's clock
        }
        return alert | ({"generatorURL": notice.runbook} if notice.runbook else {})
