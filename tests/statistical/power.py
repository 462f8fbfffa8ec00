"""How often an effect is found, and when: the mixture and the pipeline beside group-sequential tests and fixed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from streams.core.judge import group_sequential
from streams.core.judge.group_sequential import Design, Spending
from streams.core.judge.power import size_z
from streams.core.judge.sequential_power import mixture_limits, simulated_power, size_for_power
from tests.statistical.arms import Rule, watched
from tests.statistical.populations import Traffic, shares
from tests.statistical.scenario import ALPHA

SHARE = 0.1
EFFECTS = (0.0, 0.005, 0.01, 0.015, 0.02)
"""Added to the share; at 0.0125 a test at the end would find it four times in five."""

LOOKS = 20
TOTAL = 20_000
_SIZES = [TOTAL * (look + 1) / LOOKS for look in range(LOOKS)]
_NEVER = 1e9
_ONE_LOOK = size_z(1.0) / 2
"""Size at which one look finds, four times in five, an effect of 1 whose squared error is 1 / size."""


@dataclass(frozen=True)
class Found:
    """Share of paths that found an effect, and the mean size, of both arms, at which they stopped, with errors."""

    power: float
    power_error: float
    size: float
    size_error: float


@dataclass(frozen=True)
class Method:
    """A method, what it finds at each effect, and how far it would have to go for a power of 80 % (a fixed test: 1)."""

    name: str
    looks: int
    found: tuple[Found, ...]
    largest: float | None


def fixed_limits() -> list[float]:
    """One look, at the end."""
    return [_NEVER] * (LOOKS - 1) + [1.959964]


def group_limits(spending: Spending) -> list[float]:
    """Limits of a group-sequential test with all looks."""
    return list(group_sequential.bounds(Design(planned=TOTAL, alpha=ALPHA, spending=spending), _SIZES))


def by_limits(name: str, limits: Sequence[float], rng: Generator, paths: int, *, valid: bool = True) -> Method:
    """Simulate a test by its limits of |z|."""
    found = []
    for effect in EFFECTS:
        treated = SHARE + effect
        variance = 2 * (SHARE * (1 - SHARE) + treated * (1 - treated))  # of both arms together
        one = simulated_power(effect, variance, _SIZES, limits, rng=rng, paths=paths)
        found.append(Found(one.power, one.power_error, one.expected_size, one.expected_size_error))
    largest = size_for_power(1.0, 1.0, limits, power=0.8, rng=rng, paths=paths) / _ONE_LOOK if valid else None
    return Method(name, sum(limit < _NEVER for limit in limits), tuple(found), largest)


def of_pipeline(rng: Generator, paths: int) -> Method:
    """Simulate the pipeline itself: buckets, and its own estimate of the error."""
    found = []
    for effect in EFFECTS:
        population = shares(Traffic(TOTAL // LOOKS, LOOKS), SHARE, effect)
        first = watched(population, Rule(TOTAL), rng, paths).first
        stopped = np.where(first >= 0, first + 1, LOOKS) * (TOTAL / LOOKS)
        power = float((first >= 0).mean())
        errors = np.sqrt(power * (1 - power) / paths), stopped.std() / np.sqrt(paths)
        found.append(Found(power, float(errors[0]), float(stopped.mean()), float(errors[1])))
    return Method("the pipeline", LOOKS, tuple(found), None)


def methods(rng: Generator, paths: int) -> list[Method]:
    """Simulate all of them."""
    limits: tuple[tuple[str, list[float]], ...] = (
        ("fixed, one look", fixed_limits()),
        ("group sequential, O'Brien-Fleming", group_limits("obrien-fleming")),
        ("group sequential, alpha t²", group_limits("power")),
        ("mixture, planned 20,000", mixture_limits(_SIZES, planned=TOTAL, alpha=ALPHA)),
        ("mixture, planned 5,000", mixture_limits(_SIZES, planned=TOTAL / 4, alpha=ALPHA)),
    )
    found = [by_limits(name, one, rng, paths) for name, one in limits]
    found[0] = replace(found[0], largest=1.0)  # known, and not only simulated
    naive = by_limits("naive, z > 1.96 at every look", [1.959964] * LOOKS, rng, paths, valid=False)
    return [*found, of_pipeline(rng, max(paths // 10, 100)), naive]
