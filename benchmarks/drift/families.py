"""Errors and scores of a model that change in known ways, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import special

from benchmarks.drift.cases import Case, Floats, Ints, Signal

LENGTH, EARLIEST, LATEST = 21_000, 10_000, 11_000
RATE, WORSE = 0.10, 0.15
TRANSITION = 5_000
PHASE = 2_500  # how long a recurring change stays, and stays away
EPISODE = 250  # a gradual change comes and goes in pieces of this length, and stays more and more often
SLICES, WORSE_SLICE = 10, 0.30
CORRELATION = 0.5

Draws = np.random.Generator


def _errors(draws: Draws, rate: Floats, name: str = "error rate") -> Signal:
    return Signal(name, "error", np.arange(len(rate)), (draws.random(len(rate)) < rate).astype(np.float64))


def _share(start: int) -> Floats:
    """How far a slow change has come at each observation, from 0 to 1."""
    return np.clip((np.arange(LENGTH) - start) / TRANSITION, 0.0, 1.0)


def steady(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:  # noqa: ARG001
    """Nothing changes."""
    return (_errors(draws, np.full(LENGTH, RATE)),), ()


def abrupt(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:
    """The error rate goes from one value to another at once."""
    rate = np.where(np.arange(LENGTH) < start, RATE, WORSE)
    return (_errors(draws, rate),), ((start, start),)


def gradual(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:
    """The new error rate comes in episodes, more and more often, until it stays."""
    episode = np.arange(LENGTH) // EPISODE
    worse = draws.random(int(episode[-1]) + 1)[episode] < _share(start)
    return (_errors(draws, np.where(worse, WORSE, RATE)),), ((start, start + TRANSITION),)


def incremental(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:
    """The error rate rises a little with every observation."""
    return (_errors(draws, RATE + (WORSE - RATE) * _share(start)),), ((start, start + TRANSITION),)


def recurring(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:
    """The error rate doubles, and comes back, twice."""
    phase = (np.arange(LENGTH) - start) // PHASE
    worse = (phase == 0) | (phase == 2)
    switches = tuple((start + number * PHASE, start + number * PHASE) for number in range(4))
    return (_errors(draws, np.where(worse, 2 * RATE, RATE)),), switches


def one_slice(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:
    """Of ten slices of traffic, each a signal beside that of all, one gets three times as many errors."""
    slices = draws.integers(0, SLICES, LENGTH)
    worse = (slices == 0) & (np.arange(LENGTH) >= start)
    whole = _errors(draws, np.where(worse, WORSE_SLICE, RATE))
    parts = [np.flatnonzero(slices == number) for number in range(SLICES)]
    each = [Signal(f"error rate of slice {number}", "error", at, whole.values[at]) for number, at in enumerate(parts)]
    return (whole, *each), ((start, start),)


def covariance(draws: Draws, start: int) -> tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]:
    """Two columns become correlated: each keeps its distribution, errors stay, the score that reads both spreads."""
    correlation = np.where(np.arange(LENGTH) < start, 0.0, CORRELATION)
    first, other = draws.normal(size=(2, LENGTH))
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    at: Ints = np.arange(LENGTH)
    columns = [Signal(f"column {number}", "score", at, special.ndtr(x)) for number, x in enumerate((first, second))]
    score = Signal("score", "score", at, special.ndtr((first + second) / np.sqrt(2)))
    return (_errors(draws, np.full(LENGTH, RATE)), *columns, score), ((start, start),)


FAMILIES: Mapping[str, Callable[[Draws, int], tuple[tuple[Signal, ...], tuple[tuple[int, int], ...]]]] = {
    "steady": steady,
    "abrupt": abrupt,
    "gradual": gradual,
    "incremental": incremental,
    "recurring": recurring,
    "one slice": one_slice,
    "covariance": covariance,
}


def case_of(family: str, seed: int) -> Case:
    """Draw a case of a family."""
    draws = np.random.default_rng([seed, list(FAMILIES).index(family)])
    start = int(draws.integers(EARLIEST, LATEST))
    signals, changes = FAMILIES[family](draws, start)
    return Case(family, signals, changes, LENGTH)
