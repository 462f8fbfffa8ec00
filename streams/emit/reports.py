"""
What was dropped, told: in a line of the log, and as events, so that who judges the models knows what is missing.

A report is a prediction of the model `streams.emit` for each reason, recorded with the chance of one in as many as
were dropped: so it weighs what is missing, and counts of that model are counts of drops.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Mapping

from streams.emit.backlog import DROP_REASONS, DropReason, Stats
from streams.emit.events import Prediction
from streams.emit.packing import Packed, pack

MODEL = "streams.emit"
VERSION = "1"


class DropReports:
    """
    Makes reports of what was dropped and not reported yet.

    A report's id says how many were reported before, so that one whose fate is not known is replaced by the next.
    """

    def __init__(self) -> None:
        self._told: Mapping[DropReason, int] = Counter()
        self._sender = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"

    def news(self, stats: Stats) -> dict[DropReason, int]:
        """Return how many were dropped since the last report that was told, by reason, where there are any."""
        found = {reason: stats.dropped[reason] - self._told.get(reason, 0) for reason in DROP_REASONS}
        return {reason: count for reason, count in found.items() if count}

    def events(self, stats: Stats) -> list[Packed]:
        """Return the reports of them, packed."""
        made = [pack(self._report(reason, count)) for reason, count in self.news(stats).items()]
        return [packed for packed in made if isinstance(packed, Packed)]

    def _report(self, reason: DropReason, count: int) -> Prediction:
        return Prediction(
            prediction_id=f"{MODEL}/{self._sender}/{reason}/{self._told.get(reason, 0)}",
            model=MODEL,
            version=VERSION,
            attributes={"reason": reason, "host": self._sender.partition("/")[0]},
            features={"dropped": float(count)},
            inclusion_probability=1 / count,
        )

    def told(self, stats: Stats) -> None:
        """Know that the drops of an account were reported."""
        self._told = stats.dropped


def in_words(drops: Mapping[DropReason, int], stats: Stats) -> str:
    """Return a line for the log."""
    words = ", ".join(f"{count:,} {reason}" for reason, count in drops.items())
    text = f"dropped {sum(drops.values()):,} events: {words}; {stats.queued:,} wait"
    if drops.keys() & {"invalid", "too_large"}:
        text += f"; last refused: {stats.refusal}"
    return text + (f"; not delivering: {stats.problem}" if stats.problem else "")
