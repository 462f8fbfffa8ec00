"""Scenarios of quantiles and whole distributions, looked at after every block of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator

from streams.core.judge import distribution, quantile
from streams.core.judge.quantile import Cumulative
from tests.statistical.scenario import ALPHA, Ints, Mask, Scenario, Simulate

_EDGES = np.arange(1, 100) / 100
"""Edges of values that are uniform between 0 and 1: what is promised does not depend on the distribution."""

_BLOCK, _LOOKS = 50, 60
_Judge = Callable[[Ints, int], Mask]
"""From counts at or below the edges, shape (paths, edges), and the number of values, to which paths err."""


def at_every_look(judge: _Judge) -> Simulate:
    """Return the simulation of one stream of uniform values."""

    def simulate(rng: Generator, paths: int) -> Mask:
        counts, wrong = np.zeros((paths, len(_EDGES)), np.int64), np.zeros(paths, np.bool_)
        for look in range(1, _LOOKS + 1):
            counts += block_of(rng, paths)
            wrong |= judge(counts, _BLOCK * look)
        return wrong

    return simulate


def block_of(rng: Generator, paths: int, block: int = _BLOCK) -> Ints:
    """Counts at or below the edges of one block of values, shape (paths, edges)."""
    within: Ints = rng.multinomial(block, np.full(len(_EDGES) + 1, 1 / (len(_EDGES) + 1)), size=paths)
    return np.cumsum(within[:, :-1], axis=1)


def fixed_quantile(p: float) -> _Judge:
    """Say which intervals of one quantile miss it."""
    place = round(p * 100) - 1

    def judge(counts: Ints, n: int) -> Mask:
        above, below = quantile.fixed_quantile_radii(p, n, planned=1000, alpha=ALPHA)
        share = counts[:, place] / n - p
        wrong = (share > above) | (share < -below)
        values = Cumulative(_EDGES, counts[0], n)
        shown = quantile.quantile_interval_of_counts(values, p, (above, below))
        assert shown.contains(p) or wrong[0], shown  # a closed interval holds an edge that the radii leave out
        return np.asarray(wrong)

    return judge


def every_quantile(counts: Ints, n: int) -> Mask:
    """Say which intervals of any of 99 quantiles miss it."""
    radii = [quantile.every_quantile_radii(p, n, planned=500, alpha=ALPHA) for p in _EDGES.tolist()]
    above, below = np.array(radii).T
    share = counts / n - _EDGES
    return np.asarray(((share > above) | (share < -below)).any(axis=1))


def banded(counts: Ints, n: int) -> Mask:
    """Say which bands around the distribution leave it anywhere."""
    wrong = np.asarray((np.abs(counts / n - _EDGES) > quantile.lil_radius(n, ALPHA)).any(axis=1))
    band = distribution.band(Cumulative(_EDGES, counts[0], n), alpha=ALPHA)
    outside = (band.low > _EDGES) | (band.high < _EDGES)
    assert bool(wrong[0]) == bool(outside.any())
    return wrong


def banded_once(counts: Ints, n: int) -> Mask:
    """Say which bands for one look leave the distribution anywhere."""
    return np.asarray((np.abs(counts / n - _EDGES) > distribution.dkw_radius(n, ALPHA)).any(axis=1))


def told_apart(blocks: tuple[int, int]) -> Simulate:
    """Say which pairs of like distributions are ever told apart; whoever is, is put to the public function."""

    def simulate(rng: Generator, paths: int) -> Mask:
        arms, wrong = np.zeros((2, paths, len(_EDGES)), np.int64), np.zeros(paths, np.bool_)
        for look in range(1, _LOOKS + 1):
            arms += np.stack([block_of(rng, paths, block) for block in blocks])
            n = blocks[0] * look, blocks[1] * look
            gap = np.abs(arms[0] / n[0] - arms[1] / n[1]).max(axis=1)
            apart = gap > sum(quantile.lil_radius(size, ALPHA / 2) for size in n)
            for path in [*np.flatnonzero(apart & ~wrong).tolist(), 0]:
                values = [Cumulative(_EDGES, arms[arm, path], n[arm]) for arm in (0, 1)]
                found = distribution.compare(values[0], values[1], alpha=ALPHA)
                assert (found.verdict == "fail") == apart[path], found
            wrong |= apart
        return wrong

    return simulate


def quantiles_differ(p: float) -> Simulate:
    """Say which pairs of like streams ever differ in a quantile, 90/10."""
    sizes = 900, 100

    def simulate(rng: Generator, paths: int) -> Mask:
        arms, wrong = np.zeros((2, paths, len(_EDGES)), np.int64), np.zeros(paths, np.bool_)
        for look in range(1, _LOOKS // 2 + 1):
            arms += np.stack([block_of(rng, paths, block) for block in sizes])
            for path in np.flatnonzero(~wrong).tolist():
                control, arm = (Cumulative(_EDGES, arms[place, path], size * look) for place, size in enumerate(sizes))
                found = quantile.quantile_difference(control, arm, p, planned=1500, alpha=ALPHA)
                wrong[path] = found.p <= ALPHA
        return wrong

    return simulate


def _scenarios() -> Iterator[Scenario]:
    sizes = (1000, 20_000)
    for p in (0.5, 0.9, 0.99):
        method, about = "quantile.fixed_quantile_radii", f"an interval of the {p:.0%} quantile misses it"
        yield Scenario(f"quantile-{p:g}", method, about, ALPHA, _LOOKS, at_every_look(fixed_quantile(p)), sizes)
    method, about = "quantile.every_quantile_radii", "an interval of any of 99 quantiles misses it"
    yield Scenario("quantile-every", method, about, ALPHA, _LOOKS, at_every_look(every_quantile), (500, 4000))
    for p in (0.5, 0.99):
        method, about = "quantile.quantile_difference", f"the {p:.0%} quantiles of like arms, 90/10, differ"
        simulate = quantiles_differ(p)
        yield Scenario(f"quantiles-{p:g}", method, about, ALPHA, _LOOKS // 2, simulate, (60, 600))
    about = "a band around a distribution leaves it, at any of 99 edges"
    yield Scenario("band", "distribution.band", about, ALPHA, _LOOKS, at_every_look(banded), sizes)
    for name, blocks in (("50/50", (50, 50)), ("90/10", (450, 50))):
        about = f"distributions of like arms, {name}, are told apart"
        yield Scenario(
            f"distributions-{name}", "distribution.compare", about, ALPHA, _LOOKS, told_apart(blocks), (500, 10_000)
        )
    about = "a band for one look, after every block"
    simulate = at_every_look(banded_once)
    yield Scenario("naive-band", "distribution.dkw_band", about, ALPHA, _LOOKS, simulate, sizes, "contrast")


SCENARIOS = tuple(_scenarios())
