"""
Watermarks: how far event time is known to have come.

An input's watermark is the largest event time it has shown, less a trail that is no shorter than the input is out of
order; the pipeline's is the smallest of its inputs'. An input that has ended holds nothing back; when all have ended,
no event is missing any more and the watermark is the largest event time itself (Akidau et al. 2015, the dataflow
model, section 2.3). Nor does an input that is idle, until it shows an event again; when no other is left, the
watermark stays.

Where silence is to be told, it is told until the latest prediction of all: that a recording ends is no outage, though
labels come for weeks after it. Only where an input rests, at its end and as time goes by, is its silence real.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

NEVER = -(2**62)
FOREVER = 2**62


@dataclass
class Watermarks:
    """
    The watermark over named inputs; times in integer microseconds.

    >>> marks = Watermarks(trail=10)
    >>> marks.open("a"); marks.open("b")
    >>> marks.see("a", 100); marks.value() == NEVER
    True
    >>> marks.see("b", 50); marks.value()
    40
    >>> marks.close("b"); marks.value()
    90
    >>> marks.close("a"); marks.value()
    100
    """

    trail: int
    largest: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    reached: int = NEVER

    def open(self, source: str) -> None:
        """Declare an input; until it shows an event, the watermark stays where it is."""
        self.largest.setdefault(source, NEVER)

    def see(self, source: str, time: int) -> None:
        """Note the largest event time of a block of an input; one that had ended has not, and is idle no longer."""
        self.largest[source] = max(self.largest.get(source, NEVER), time)
        self.ended.discard(source)
        self.idle.discard(source)

    def close(self, source: str) -> None:
        """Note that an input has ended."""
        self.ended.add(source)

    def rest(self, source: str) -> None:
        """Note that an input is idle: nothing has come for long, and nothing is waiting to be read."""
        self.idle.add(source)

    def all_ended(self) -> bool:
        """Whether there are inputs and each has ended."""
        return bool(self.largest) and self.ended >= self.largest.keys()

    def of(self, source: str) -> int:
        """One input's own watermark."""
        return self.largest[source] - self.trail if self.largest[source] > NEVER else NEVER

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "trail": self.trail,
            "largest": dict(self.largest),
            "ended": sorted(self.ended),
            "idle": sorted(self.idle),
            "reached": self.reached,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.largest = dict(saved["largest"])
        self.ended, self.idle = set(saved["ended"]), set(saved["idle"])
        self.trail, self.reached = saved["trail"], saved["reached"]

    def value(self) -> int:
        """The watermark; it never goes back."""
        live = [self.of(source) for source in self.largest.keys() - self.ended - self.idle]
        if live:
            self.reached = max(self.reached, min(live))
        elif self.all_ended():
            self.reached = max(self.reached, *self.largest.values())
        return self.reached


@dataclass
class Recorded:
    """
    Until when it is known what was predicted: the latest prediction, and for ever while an input rests that has some.

    >>> recorded = Recorded()
    >>> recorded.see("a", 50); recorded.see("b", 20)
    >>> recorded.until(resting=set())
    50
    >>> recorded.until(resting={"b"}) == FOREVER
    True
    """

    sources: set[str] = field(default_factory=set)
    latest: int = NEVER

    def open(self, source: str) -> None:
        """Note that an input is there for predictions."""
        self.sources.add(source)

    def see(self, source: str, time: int) -> None:
        """Note the time of the latest prediction of a block of an input."""
        self.open(source)
        self.latest = max(self.latest, time)

    def until(self, resting: AbstractSet[str]) -> int:
        """Return that time, us."""
        return self.latest if self.sources.isdisjoint(resting) else FOREVER

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"sources": sorted(self.sources), "latest": self.latest}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.sources, self.latest = set(saved["sources"]), saved["latest"]
