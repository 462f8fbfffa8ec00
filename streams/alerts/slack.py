"""
Slack, by an incoming webhook: one message a notice, in blocks, with plain text for notifications.

A webhook can only post, neither change nor thread, so each message says the whole alert and carries its key. Its URL
lets whoever has it post, so it is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from streams.alerts.answer import Answer
from streams.alerts.http import Http
from streams.alerts.words import cut, details, headline
from streams.core.alert.notice import Notice

_MOST_TEXT, _MOST_HEADER, _MOST_BLOCKS = 3_000, 150, 50  # Slack's limits
_MARKS: Mapping[str, str] = MappingProxyType({"page": ":red_circle:", "warning": ":warning:", "info": ":blue_book:"})
_RESOLVED = ":white_check_mark:"


@dataclass(frozen=True)
class Slack:
    """
    One channel of Slack.

    Attributes
    ----------
    name
        The route's name.
    http
        How to reach it.
    url
        The webhook's URL, a secret.
    """

    name: str
    http: Http
    url: str = field(repr=False)

    async def send(self, notice: Notice) -> Answer:
        """Send one notice once."""
        return await self.http.post(self.url, msgspec.json.encode(message(notice)), {})


def message(notice: Notice) -> dict[str, object]:
    """Return a notice as Slack takes it."""
    mark = _RESOLVED if notice.status == "resolved" else _MARKS[notice.severity]
    title = headline(notice)
    sections = [_section(f"*{_escaped(name)}*\n{_escaped(text)}") for name, text in details(notice).items()]
    links = [_section(f"<{_escaped(notice.runbook)}|What to do>")] if notice.runbook else []
    key = {"type": "context", "elements": [{"type": "plain_text", "text": cut(notice.dedup_key, _MOST_TEXT)}]}
    head = {"type": "header", "text": {"type": "plain_text", "text": cut(title, _MOST_HEADER), "emoji": False}}
    return {
        "text": f"{mark} {_escaped(cut(title, _MOST_TEXT - 100))}",
        "blocks": [head, *sections[: _MOST_BLOCKS - 3], *links, key],
    }


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, _MOST_TEXT)}}


def _escaped(text: str) -> str:
    """Take the meaning out of what Slack would read as links and mentions: <!channel> wakes everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
