"""What goes wrong without the methods: tests for one look, looked at again and again, or made of the wrong units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from scipy import special

from streams.core.judge import proportions
from tests.statistical.arms import Population, so_far
from tests.statistical.populations import Traffic, Users, shares, users
from tests.statistical.scenario import ALPHA, Floats, Mask, Scenario, Simulate, ever


def by_z(population: Population, *, only_last: bool = False) -> Simulate:
    """Say which paths the unpooled z test of two shares, which takes every observation for a unit, ever errs on."""

    def simulate(rng: Generator, paths: int) -> Mask:
        looks = [(sums.numerator.sum(axis=2), sums.n.sum(axis=2)) for sums in so_far(population(rng, paths))]
        return ever(_errs(events, n) for events, n in (looks[-1:] if only_last else looks))

    return simulate


def _errs(events: Floats, n: Floats) -> Mask:
    share = events / n
    error = np.sqrt((share * (1 - share) / n).sum(axis=1))
    z = np.divide(share[:, 1] - share[:, 0], error, out=np.zeros_like(error), where=error > 0)
    wrong = 2 * special.ndtr(-np.abs(z)) <= ALPHA
    (control, arm), counted = events[0].tolist(), n[0].tolist()
    found = proportions.unpooled_z((round(control), round(counted[0])), (round(arm), round(counted[1])))
    assert (found.p <= ALPHA) == wrong[0], found
    return np.asarray(wrong)


def _scenarios() -> Iterator[Scenario]:
    method, sizes = "proportions.unpooled_z", (200, 4000)
    for looks in (20, 100):
        about = f"shares of 0.1, 50/50, no effect, z beyond 1.96 after any of {looks} blocks"
        simulate = by_z(shares(Traffic(100, looks), 0.1))
        yield Scenario(f"naive-z-{looks}", method, about, ALPHA, looks, simulate, sizes, "contrast")
    about = "predictions of users taken for users, alike with a correlation of 0.2, at one look"
    simulate = by_z(users(Traffic(1000, 1), Users(0.3, 0.2)), only_last=True)
    yield Scenario("naive-users", method, about, ALPHA, 1, simulate, sizes, "contrast")


SCENARIOS = tuple(_scenarios())
