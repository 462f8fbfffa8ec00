"""A partition that a worker works on: its join, its windows, and what waits to be sent of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from streams.runtime.joining import Joining, Message
from streams.runtime.log import Record
from streams.runtime.windowing import Windowing


@dataclass
class Part:
    """
    One partition.

    Attributes
    ----------
    heard : dict[str, float]
        When something last came of each topic.
    accounted, saved_at, windowed, show_at : float
        When its accounts were last stored, its join saved and its windows saved, and when they may be shown again.
    outbox : list[Message]
        Summaries that a checkpoint has and that are not sent yet.
    rejected : list[Record]
        Dead letters that are not sent yet.
    skipped : int
        Records that were gone before they were read.
    """

    joining: Joining
    windowing: Windowing
    heard: dict[str, float] = field(default_factory=dict)
    accounted: float = 0.0
    show_at: float = 0.0
    saved_at: float = 0.0
    windowed: float = 0.0
    outbox: list[Message] = field(default_factory=list)
    rejected: list[Record] = field(default_factory=list)
    skipped: int = 0

    @property
    def key(self) -> bytes:
        """Key of its summaries."""
        return str(self.joining.partition).encode()

    def settled(self) -> bool:
        """Whether its inputs have ended, and everything that follows is sent and shown."""
        return self.joining.ended and not self.outbox and self.windowing.settled()


def dead_letters(rows: pa.Table) -> list[Record]:
    """Rows of the table `rejected` as records: JSON with the bytes in Base64, by the place where each was read."""
    return [
        (f"{row['source']}/{row['position']}".encode(), msgspec.json.encode(row))  # msgspec writes bytes as Base64
        for row in rows.to_pylist()
    ]
