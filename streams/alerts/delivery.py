"""What came of one notice at one route, as it stands on record; and what the deliverer needs of the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from streams.alerts.muting import Muting
from streams.core.alert.notice import Notice, Status
from streams.core.alert.rule import Severity

Outcome = Literal["sent", "refused", "failed", "silenced", "acknowledged", "superseded", "unrouted", "unreadable"]
"""
It was sent; the other side refused it; it was given up; somebody silenced it, or looks after the alert; a later notice
of the alert came while this one waited for the end of quiet hours; no route is for it; the record is no notice.
"""

Settled = tuple[str, int, str]
"""Key and revision of a notice, and a route: together they say which delivery it is."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What came of one notice at one route.

    Attributes
    ----------
    dedup_key, sequence, status, model, rule, severity, tick
        Those of the notice, `sequence` being its revision; empty or 0 where the record was none.
    route
        Its name; empty where no route was concerned.
    position
        Offset of the notice in its topic.
    outcome, detail
        What came of it, and what the other side, or somebody, said.
    attempts
        How often it was sent.
    at
        When that was known, us.
    """

    dedup_key: str
    sequence: int
    status: Status | Literal[""]
    model: str
    rule: str
    severity: Severity | Literal[""]
    tick: int
    route: str
    position: int
    outcome: Outcome
    detail: str
    attempts: int
    at: int

    @property
    def settled(self) -> Settled:
        """Which delivery it is."""
        return self.dedup_key, self.sequence, self.route


def delivery(  # noqa: PLR0913, PLR0917 - a column each
    notice: Notice, route: str, position: int, outcome: Outcome, detail: str, attempts: int, at: int
) -> Delivery:
    """Return what came of a notice."""
    about = (notice.dedup_key, notice.revision, notice.status, notice.model, notice.rule, notice.severity, notice.tick)
    return Delivery(*about, route, position, outcome, detail, attempts, at)


def unreadable(position: int, detail: str, at: int) -> Delivery:
    """Return that a record was no notice."""
    return Delivery("", 0, "", "", "", "", 0, "", position, "unreadable", detail, 0, at)


@dataclass(frozen=True)
class History:
    """
    What is on record when a deliverer starts.

    Attributes
    ----------
    settled
        The deliveries that are on record.
    told
        Keys of open alerts and the routes that were told of them.
    """

    settled: frozenset[Settled] = frozenset()
    told: frozenset[tuple[str, str]] = frozenset()


class Book(Protocol):
    """The record, as the deliverer needs it. Each call may raise `StoreUnavailable`, and is then repeated later."""

    async def history(self, now: int) -> History:
        """Return what is on record of the time for which the topic is kept."""

    async def muting(self, now: int) -> Muting:
        """Return what people have said and is not over."""

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries on record; when this returns they are there to stay."""
