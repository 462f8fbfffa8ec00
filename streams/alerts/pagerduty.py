"""
PagerDuty, version 2 of its Events API: trigger, acknowledge and resolve under the alert's one key.

An event has at most 512 KB, a summary 1,024 characters and a key 255, which no alert's key has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from streams.alerts.answer import Answer
from streams.alerts.http import Http
from streams.alerts.words import cut, rfc3339
from streams.core.alert.notice import Notice

MOST_BYTES = 512_000
_LONGEST_SUMMARY = 1_024
_LONGEST_DETAIL = 2_000  # characters of each detail of an event that would be too large
_SEVERITIES: Mapping[str, str] = MappingProxyType({"page": "critical", "warning": "warning", "info": "info"})


@dataclass(frozen=True)
class PagerDuty:
    """
    One service of PagerDuty.

    Attributes
    ----------
    name
        The route's name.
    url
        Where events are taken: that of the United States or of Europe.
    http
        How to reach it.
    routing_key
        The service's key, a secret.
    """

    name: str
    url: str
    http: Http
    routing_key: str = field(repr=False)

    async def send(self, notice: Notice) -> Answer:
        """Send one notice once: it triggers, updates or resolves."""
        return await self.http.post(self.url, self._encoded(notice), {})

    async def acknowledge(self, dedup_key: str) -> Answer:
        """Say that somebody looks after an alert."""
        return await self.http.post(self.url, msgspec.json.encode(self._event("acknowledge", dedup_key)), {})

    def event(self, notice: Notice) -> dict[str, object]:
        """Return a notice as PagerDuty takes it."""
        action = "resolve" if notice.status == "resolved" else "trigger"
        return {
            **self._event(action, notice.dedup_key),
            "client": "streams",
            "payload": {
                "summary": cut(notice.title, _LONGEST_SUMMARY),
                "source": notice.model,
                "severity": _SEVERITIES[notice.severity],
                "timestamp": rfc3339(notice.since),
                "component": notice.watch,
                "group": notice.model,
                "class": notice.kind,
                "custom_details": {**notice.labels(), **notice.annotations()},
            },
        } | ({"links": [{"href": notice.runbook, "text": "Runbook"}]} if notice.runbook else {})

    def _event(self, action: str, dedup_key: str) -> dict[str, object]:
        return {"routing_key": self.routing_key, "event_action": action, "dedup_key": dedup_key}

    def _encoded(self, notice: Notice) -> bytes:
        event = self.event(notice)
        body = msgspec.json.encode(event)
        if len(body) <= MOST_BYTES:
            return body
        short = msgspec.json.decode(body)
        details = short["payload"]["custom_details"]
        short["payload"]["custom_details"] = {name: cut(text, _LONGEST_DETAIL) for name, text in details.items()}
        return msgspec.json.encode(short)
