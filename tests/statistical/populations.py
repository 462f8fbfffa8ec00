"""Who comes to two arms: populations that yield, look by look, the sums that the pipeline would hold of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from streams.core.exposure import BUCKETS
from tests.statistical.arms import Population, Sums
from tests.statistical.scenario import Floats, Ints


class Draw(Protocol):
    """Random values of a shape."""

    def __call__(self, rng: Generator, shape: tuple[int, ...], /) -> Floats: ...


@dataclass(frozen=True)
class Traffic:
    """So many units a look, of which a share is the treatment's, at so many looks."""

    block: int
    looks: int
    share: float = 0.5

    @property
    def middle(self) -> float:
        """How many come in half of the looks: a plan that the looks go beyond."""
        return self.block * self.looks / 2

    def counts(self, rng: Generator, paths: int, block: int | None = None) -> Ints:
        """Divide the units of a look among arms and buckets, shape (paths, 2, BUCKETS)."""
        cells = np.repeat([(1 - self.share) / BUCKETS, self.share / BUCKETS], BUCKETS)
        counts = rng.multinomial(self.block if block is None else block, cells, size=paths)
        return counts.reshape(paths, 2, BUCKETS)

    def cells(self, rng: Generator, paths: int, units: int | None = None) -> Ints:
        """Draw the cell, of path, arm and bucket, of each of a look's units, shape (paths, units)."""
        shape = paths, self.block if units is None else units
        arm = rng.random(shape) < self.share
        return (np.arange(paths)[:, None] * 2 + arm) * BUCKETS + rng.integers(0, BUCKETS, shape)


def summed(cells: Ints, values: npt.NDArray[np.generic], paths: int) -> Floats:
    """Sum the values of units, shape (paths, units), by their cells."""
    sums = np.bincount(cells.ravel(), values.ravel(), minlength=paths * 2 * BUCKETS).astype(np.float64)
    return sums.reshape(paths, 2, BUCKETS)


def shares(traffic: Traffic, control: float, effect: float = 0.0) -> Population:
    """Each unit is one observation, an event with this probability."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        for _ in range(traffic.looks):
            counts = traffic.counts(rng, paths)
            events = rng.binomial(counts, np.array([control, control + effect])[:, None])
            n = counts.astype(np.float64)
            yield Sums(events.astype(np.float64), n, n, n, is_share=True, once=True)

    return population


def means(traffic: Traffic, draw: Draw, effect: float = 0.0) -> Population:
    """Each unit is one value, larger by the effect in the treatment."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        for _ in range(traffic.looks):
            cells = traffic.cells(rng, paths)
            n = summed(cells, np.ones(cells.shape), paths)
            total = summed(cells, draw(rng, cells.shape), paths)
            total[:, 1] += effect * n[:, 1]
            yield Sums(total, n, n, n)

    return population


def lognormal(sigma: float) -> Draw:
    """Values whose logarithms are normal."""
    return lambda rng, shape: np.exp(sigma * rng.standard_normal(shape))


def normal(rng: Generator, shape: tuple[int, ...], /) -> Floats:
    """Standard normal values."""
    return rng.standard_normal(shape)


def brier_of_rare(rng: Generator, shape: tuple[int, ...], /) -> Floats:
    """Squared errors of a score of about 0.01 for a class that is 1 % of all: hardly anything, and seldom much."""
    score = rng.beta(1.0, 99.0, shape)
    return np.asarray((score - (rng.random(shape) < score)) ** 2)


@dataclass(frozen=True)
class Users:
    """
    Units that make many predictions.

    `sigma` is the spread of the logarithm of how many one makes, `alike` the correlation of what two predictions of
    one unit come to.
    """

    share: float
    alike: float
    sigma: float = 1.0

    def shares(self, rng: Generator, shape: tuple[int, ...]) -> Floats:
        """Chance of an event of each unit."""
        if self.alike == 0:
            return np.full(shape, self.share)
        if self.alike == 1:
            return (rng.random(shape) < self.share).astype(np.float64)
        strength = 1 / self.alike - 1
        return rng.beta(self.share * strength, (1 - self.share) * strength, shape)


def users(traffic: Traffic, kind: Users) -> Population:
    """Users who come once, with all their predictions."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        for _ in range(traffic.looks):
            cells = traffic.cells(rng, paths)
            predictions = np.ceil(np.exp(kind.sigma * rng.standard_normal(cells.shape))).astype(np.int64)
            events = rng.binomial(predictions, kind.shares(rng, cells.shape))
            n = summed(cells, predictions, paths)
            yield Sums(summed(cells, events, paths), n, n, n, is_share=True)

    return population


def returning(traffic: Traffic, kind: Users, visits: float) -> Population:
    """Users who come again at every look from their first on, some more often than others."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        every = traffic.block * traffic.looks
        cells, chances = traffic.cells(rng, paths, every), kind.shares(rng, (paths, every))
        activity = visits * np.exp(kind.sigma * rng.standard_normal((paths, every)) - kind.sigma**2 / 2)
        for look in range(traffic.looks):
            here = slice(0, (look + 1) * traffic.block)
            predictions = rng.poisson(activity[:, here])
            events = rng.binomial(predictions, chances[:, here])
            n = summed(cells[:, here], predictions, paths)
            yield Sums(summed(cells[:, here], events, paths), n, n, n, is_share=True)

    return population


def f1(traffic: Traffic, kind: Users) -> Population:
    """F1 of users: twice the true positives, over these and both kinds of error, each a user's own chance."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        for _ in range(traffic.looks):
            cells = traffic.cells(rng, paths)
            relevant = rng.poisson(np.exp(kind.sigma * rng.standard_normal(cells.shape)))
            found = rng.binomial(relevant, kind.shares(rng, cells.shape))
            wrong = relevant - found + rng.poisson(0.2, cells.shape)
            numerator, errors = 2 * summed(cells, found, paths), summed(cells, wrong, paths)
            n = numerator + errors
            yield Sums(numerator, n, n, n)

    return population


def weighted(traffic: Traffic, share: float) -> Population:
    """A sample: a fifth of what is kept stood for itself, and four fifths for ten such each."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        for _ in range(traffic.looks):
            parts = []
            for weight, block in ((1.0, traffic.block // 5), (10.0, traffic.block - traffic.block // 5)):
                counts = traffic.counts(rng, paths, block)
                events, n = rng.binomial(counts, share).astype(np.float64), counts.astype(np.float64)
                parts.append(Sums(weight * events, weight * n, n, weight**2 * n, is_share=True))
            yield parts[0].plus(parts[1])

    return population


def corrected(traffic: Traffic, share: float, wrong: float, later: int) -> Population:
    """Labels of which some are wrong at first, and put right so many looks later, in both arms alike."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        pending: deque[Floats] = deque([np.zeros((paths, 2, BUCKETS))] * later)
        for _ in range(traffic.looks):
            counts = traffic.counts(rng, paths)
            events = rng.binomial(counts, share)
            missed, invented = rng.binomial(events, wrong), rng.binomial(counts - events, wrong)
            pending.append((missed - invented).astype(np.float64))
            n = counts.astype(np.float64)
            yield Sums(events - missed + invented + pending.popleft(), n, n, n, is_share=True, once=True)

    return population


def late(traffic: Traffic, share: float, later: int) -> Population:
    """Labels of which those of events come so many looks later than the others, in both arms alike."""

    def population(rng: Generator, paths: int) -> Iterator[Sums]:
        pending: deque[Floats] = deque([np.zeros((paths, 2, BUCKETS))] * later)
        for _ in range(traffic.looks):
            counts = traffic.counts(rng, paths)
            events = rng.binomial(counts, share)
            pending.append(events.astype(np.float64))
            known = pending.popleft()
            n = counts - events + known
            yield Sums(known, n, n, n, is_share=True)

    return population
