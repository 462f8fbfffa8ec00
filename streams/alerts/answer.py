"""What came of sending one notice once: it was sent, it may be tried again, or it was refused for good."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

_LONGEST = 300  # characters of what a server said that are kept
HIDDEN = "[secret]"


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has it."""

    detail: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not now; `after` is how many seconds the other side asks to wait, None where it does not say."""

    detail: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side will never take this."""

    detail: str


Answer = Sent | TryAgain | Refused


def told(text: str, secrets: Iterable[str]) -> str:
    r"""
    Return what a server said, fit for logs and records: secrets hidden, on one line, and not long.

    >>> told("no such key:\n  hunter2", ["hunter2"])
    'no such key: [secret]'
    """
    for secret in secrets:
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, HIDDEN)
    line = " ".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
