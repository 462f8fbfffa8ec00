"""What delivery has come to since the process started, as numbers; whoever asks reads them here."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from streams.alerts.delivery import Delivery, Outcome

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0)
"""Upper bounds of seconds that are told apart; what is above the last counts in all."""


@dataclass
class Delays:
    """How long something took, in seconds: how often, by bucket, and all of it together."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """
        Yield each bound and how many were at most that, as Prometheus has it.

        >>> delays = Delays()
        >>> delays.add(0.25)
        >>> list(delays.cumulative())[:3]
        [('0.1', 0), ('0.25', 1), ('0.5', 1)]
        """
        return zip((*map(str, BUCKETS), "+Inf"), accumulate(self.counts), strict=True)


@dataclass
class Tally:
    """
    What delivery has come to.

    Attributes
    ----------
    outcomes
        How many deliveries, by route and outcome; the route of what none is for is empty.
    attempts
        How often something was sent, by route.
    delays
        By route, from when a notice could be sent until the other side had it.
    """

    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    delays: dict[str, Delays] = field(default_factory=dict)

    def settled(self, delivery: Delivery) -> None:
        """Count an outcome."""
        self.outcomes[delivery.route, delivery.outcome] += 1

    def sent(self, route: str, since: int, now: int) -> None:
        """Count how long it took until a route had what could be sent `since`, both us; clocks may differ a little."""
        self.delays.setdefault(route, Delays()).add(max(now - since, 0) / 1e6)
