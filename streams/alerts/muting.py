"""What people said about alerts: silences, and acknowledgements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from streams.config.alerting_fields import matches
from streams.core.alert.notice import Notice


@dataclass(frozen=True, slots=True)
class Silence:
    """
    For some time nobody wants to hear of some alerts.

    Attributes
    ----------
    silence_id
        Names it.
    model, rule, dedup_key
        Patterns of what it is about, in which `*` stands for any text.
    starts, ends
        From when, and until before when, us.
    author, why
        Who said so, and for what reason.
    """

    silence_id: str
    model: str
    rule: str
    dedup_key: str
    starts: int
    ends: int
    author: str
    why: str

    def covers(self, notice: Notice, now: int) -> bool:
        """Whether it is about a notice, now."""
        named = ((self.model, notice.model), (self.rule, notice.rule), (self.dedup_key, notice.dedup_key))
        return self.starts <= now < self.ends and all(matches(pattern, text) for pattern, text in named)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody looks after an alert: until it is resolved, nothing more has to be told of it."""

    dedup_key: str
    author: str
    why: str
    at: int


@dataclass(frozen=True)
class Muting:
    """All that was said, as it is known now."""

    silences: tuple[Silence, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()

    def of(self, notice: Notice, now: int, *, is_known: bool) -> tuple[Literal["silenced", "acknowledged"], str] | None:
        """
        Say whether a notice is to be kept back, and why; None if it is to be sent.

        `is_known` is whether the route was told of the alert before: then it is told as well that it is over.
        """
        if notice.status == "resolved" and is_known:
            return None
        silence = next((one for one in self.silences if one.covers(notice, now)), None)
        if silence is not None:
            return "silenced", f"by {silence.author}: {silence.why}"
        acknowledgement = _first(self.acknowledgements, notice.dedup_key)
        if acknowledgement is not None and is_known:
            return "acknowledged", f"by {acknowledgement.author}: {acknowledgement.why}"
        return None


def _first(acknowledgements: Iterable[Acknowledgement], dedup_key: str) -> Acknowledgement | None:
    return next((one for one in acknowledgements if one.dedup_key == dedup_key), None)
