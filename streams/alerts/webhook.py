"""Any program that takes JSON: the notice as on the topic of alerts, signed as `streams.alerts.signature` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.alerts.answer import Answer
from streams.alerts.encoding import encoded
from streams.alerts.http import Http
from streams.alerts.signature import sign
from streams.core.alert.notice import Notice


@dataclass(frozen=True)
class Webhook:
    """
    One receiver.

    Attributes
    ----------
    name
        The route's name.
    url
        Where it listens.
    now
        The time, us.
    http
        How to reach it.
    secret
        What requests are signed with.
    """

    name: str
    url: str
    now: Callable[[], int]
    http: Http
    secret: str = field(repr=False)

    async def send(self, notice: Notice) -> Answer:
        """Send one notice once."""
        body = encoded(notice)
        return await self.http.post(self.url, body, sign(self.secret, body, self.now() // 1_000_000))
