"""Scenarios of latencies: their quantiles in two arms as the pipeline compares them, from counts in fixed bins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from streams.core.judge.comparison import compare_quantiles
from streams.core.trial import LATENCY_EDGES
from tests.statistical.scenario import ALPHA, Ints, Kind, Mask, Scenario

_LOOKS = 40
_PLANNED = 10_000


@dataclass(frozen=True)
class Answers:
    """
    Lognormal latencies of units, so many new ones a look.

    `own` is the share of the spread that is a unit's own, `sigma` the spread of the logarithm of how many answers one
    gets; with None each gets one.
    """

    units: int
    share: float
    own: float = 0.0
    sigma: float | None = None

    def bins(self, rng: Generator) -> Ints:
        """Count a look's latencies by arm and bin."""
        many = np.ones(self.units) if self.sigma is None else np.exp(self.sigma * rng.standard_normal(self.units))
        unit = np.repeat(np.arange(self.units), np.ceil(many).astype(np.int64))
        arm, speed = rng.random(self.units) < self.share, rng.standard_normal(self.units)
        spread = math.sqrt(self.own) * speed[unit] + math.sqrt(1 - self.own) * rng.standard_normal(len(unit))
        place = np.searchsorted(LATENCY_EDGES, np.exp(4 + 0.7 * spread))
        bins = len(LATENCY_EDGES) + 1
        return np.bincount(arm[unit] * bins + place, minlength=2 * bins).reshape(2, bins)


@dataclass(frozen=True)
class Quantiles:
    """The comparison of one quantile, in arms that are alike."""

    level: float
    answers: Answers

    def errs(self, rng: Generator) -> bool:
        """Say whether a path ever finds a difference."""
        bins = np.zeros((2, len(LATENCY_EDGES) + 1), np.int64)
        for _ in range(_LOOKS):
            bins += self.answers.bins(rng)
            found, _ = compare_quantiles((bins[0], 0), (bins[1], 0), self.level, planned=_PLANNED, alpha=ALPHA)
            if found.evidence is not None and not found.evidence.interval.contains(0.0):
                return True
        return False

    def __call__(self, rng: Generator, paths: int) -> Mask:
        """Simulate so many paths."""
        return np.array([self.errs(rng) for _ in range(paths)])


def _scenarios() -> Iterator[Scenario]:
    users, heavy = "of users, half of the spread their own", "of users, sigma 1.5, half of the spread their own"
    cases: tuple[tuple[str, float, Answers, str, Kind], ...] = (
        ("p50-50/50", 0.5, Answers(50, 0.5), "", "promise"),
        ("p95-90/10", 0.95, Answers(250, 0.1), "", "promise"),
        ("p99-90/10", 0.99, Answers(250, 0.1), "", "promise"),
        ("users-p50", 0.5, Answers(30, 0.5, 0.5, 1.0), users, "promise"),
        ("users-p95", 0.95, Answers(150, 0.1, 0.5, 1.0), users, "promise"),
        ("users-heavy-p50", 0.5, Answers(30, 0.5, 0.5, 1.5), heavy, "limit"),
    )
    for name, level, answers, whose, kind in cases:
        split = "50/50" if answers.share == 0.5 else "90/10"
        about = " ".join(filter(None, (f"{level:.0%} quantiles of latencies", whose))) + f", {split}, no effect"
        simulate = Quantiles(level, answers)
        yield Scenario(
            f"latency-{name}", "comparison.compare_quantiles", about, ALPHA, _LOOKS, simulate, (60, 1000), kind
        )


SCENARIOS = tuple(_scenarios())
