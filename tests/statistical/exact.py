"""Scenarios of methods that are exact: of shares, of bounded means, and Wald's test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator

from streams.core.judge import bernoulli, boundaries, bounded, sprt
from streams.core.judge.betting import Betting
from streams.core.judge.bounded import Bernstein, PredictableMixture
from tests.statistical.formulas import difference_at_most, share_log_e
from tests.statistical.scenario import ALPHA, Floats, Mask, Scenario, Simulate, confirm, ever

_THRESHOLD = -math.log(ALPHA)
_ROUNDING = 1e-6


def one_share(share: float, block: int, looks: int, planned: float) -> Simulate:
    """Say which streams of trials ever reject their own share; their intervals then leave it out."""
    strength = boundaries.beta_strength(boundaries.best_rho(planned, ALPHA))

    def simulate(rng: Generator, paths: int) -> Mask:
        successes = np.cumsum(rng.binomial(block, share, (looks, paths)), axis=0)

        def errs(look: int) -> Mask:
            k, n = successes[look], block * (look + 1)
            log_e = share_log_e(k, n, share, strength)
            wrong = log_e >= _THRESHOLD
            confirm(
                log_e, lambda path: bernoulli.log_e(int(k[path]), n, share, planned=planned, alpha=ALPHA), wrong, rng
            )
            for path in np.flatnonzero(wrong)[:1].tolist():
                shown = bernoulli.sequence(int(k[path]), n, planned=planned, alpha=ALPHA)
                assert not shown.interval.contains(share), (path, shown)
            return np.asarray(wrong)

        return ever(errs(look) for look in range(looks))

    return simulate


def two_shares(share: float, blocks: tuple[int, int], looks: int) -> Simulate:
    """Say which pairs of like arms are ever told apart; whoever might be is put to the public function."""
    planned = sum(blocks) * looks / 2
    strength = boundaries.beta_strength(boundaries.best_rho(planned / 2, ALPHA))

    def simulate(rng: Generator, paths: int) -> Mask:
        events, n, wrong = np.zeros((2, paths)), np.zeros(2), np.zeros(paths, np.bool_)
        for _ in range(looks):
            n += blocks
            events += rng.binomial(np.array(blocks)[:, None], share, (2, paths))
            bound = difference_at_most((events[0], n[0]), (events[1], n[1]), 0.0, strength)
            for path in np.flatnonzero((bound > _THRESHOLD - _ROUNDING) & ~wrong).tolist():
                arms = [(int(events[arm, path]), int(n[arm])) for arm in (0, 1)]
                wrong[path] = bernoulli.difference_log_e(*arms, planned=planned, alpha=ALPHA) >= _THRESHOLD
        return wrong

    return simulate


def paired(rng: Generator, paths: int) -> Mask:
    """Say which streams of items, on which one of two judges alone is right, ever prefer one of them."""
    wins = np.cumsum(rng.integers(0, 2, (300, paths)), axis=0)

    def errs(look: int) -> Mask:
        k, n = wins[look], look + 1
        log_e = share_log_e(k, n, 0.5, 1.0)  # Beta(1/2, 1/2)
        wrong = log_e >= _THRESHOLD
        confirm(log_e, lambda path: bernoulli.paired(n - int(k[path]), int(k[path]), alpha=ALPHA).log_e, wrong, rng)
        return np.asarray(wrong)

    return ever(errs(look) for look in range(300))


_MEAN, _BLOCK, _BLOCKS = 0.1, 25, 40


def of_bounded(errs: Callable[[list[Floats]], bool]) -> Simulate:
    """Say which streams of values between 0 and 1, with a mean of 0.1, err; each comes in blocks."""

    def simulate(rng: Generator, paths: int) -> Mask:
        values = rng.beta(0.5, 4.5, (paths, _BLOCKS, _BLOCK))
        return np.array([errs(list(path)) for path in values])

    return simulate


def hoeffding_errs(blocks: list[Floats]) -> bool:
    """By Hoeffding's variance, which is far larger than that of these values."""
    total, n = 0.0, 0
    for block in blocks:
        total, n = total + float(block.sum()), n + len(block)
        if bounded.hoeffding(total / n, n, planned=500, alpha=ALPHA, null=_MEAN).p <= ALPHA:
            return True
    return False


def bernstein_errs(blocks: list[Floats]) -> bool:
    """By the empirical Bernstein sequence."""
    state = Bernstein()
    for block in blocks:
        state = state.extended(block)
        if state.evidence(planned=8, alpha=ALPHA, null=_MEAN).p <= ALPHA:
            return True
    return False


def predictable_errs(blocks: list[Floats]) -> bool:
    """By the predictable mixture."""
    state = PredictableMixture(ALPHA)
    for block in blocks:
        state = state.extended(block)
        if state.evidence(_MEAN).p <= ALPHA:
            return True
    return False


def betting_errs(blocks: list[Floats]) -> bool:
    """By bets against the true mean, looked at after each single value."""
    state = Betting.begin(ALPHA, [_MEAN])
    for block in blocks:
        state = state.extended(block)
    return bool(state.highest.max() >= math.log(2 / ALPHA))


def stitched(rng: Generator, paths: int) -> Mask:
    """Say which sums of standard normal values ever cross the stitched boundary, at 200 looks."""
    sums = np.cumsum(rng.standard_normal((200, paths)) * math.sqrt(10), axis=0)
    limits = [boundaries.poly_stitching_bound(10.0 * (look + 1), ALPHA, 10.0) for look in range(200)]
    return np.asarray((sums >= np.array(limits)[:, None]).any(axis=0))


def wald(true: float, wrong: str) -> Simulate:
    """Say which streams of trials with a true share, 0.1 or 0.15, end in the wrong decision of Wald's test."""

    def simulate(rng: Generator, paths: int) -> Mask:
        successes, trials = np.cumsum(rng.random((2000, paths)) < true, axis=0), np.arange(1, 2001)[:, None]
        step = sprt.bernoulli(1, 1, 0.1, 0.15), sprt.bernoulli(0, 1, 0.1, 0.15)
        ratio = successes * step[0] + (trials - successes) * step[1]
        low, high = sprt.thresholds(ALPHA, 0.2)
        decided = (ratio <= low) | (ratio >= high)
        first = np.where(decided.any(axis=0), decided.argmax(axis=0), len(ratio) - 1)
        return np.array([sprt.decide(float(ratio[at, path]), ALPHA, 0.2) == wrong for path, at in enumerate(first)])

    return simulate


def _shares() -> Iterator[Scenario]:
    for share, block, planned in ((0.5, 20, 1000), (0.01, 200, 5000), (0.0001, 10_000, 500_000)):
        about = f"a share of {share:g} rejects itself"
        simulate = one_share(share, block, 100, planned)
        yield Scenario(f"bernoulli-{share:g}", "bernoulli.sequence", about, ALPHA, 100, simulate, (1000, 20_000))
    for share, blocks in ((0.1, (50, 50)), (0.001, (9000, 1000)), (0.001, (99_000, 1000))):
        about = f"shares of {share:g}, {blocks[0] * 100 // sum(blocks)}/{blocks[1] * 100 // sum(blocks)}, no effect"
        name = f"difference-{share:g}-{about.split()[3][:-1]}"
        simulate = two_shares(share, blocks, 60)
        yield Scenario(name, "bernoulli.difference", about, ALPHA, 60, simulate, (1000, 10_000))
    about = "two judges who are right equally often, after every item on which they differ"
    yield Scenario("paired", "bernoulli.paired", about, ALPHA, 300, paired, (1000, 20_000))


def _means() -> Iterator[Scenario]:
    about = "beta values with a mean of 0.1, no effect"
    for name, method, errs, looks in (
        ("hoeffding", "bounded.hoeffding", hoeffding_errs, _BLOCKS),
        ("bernstein", "bounded.Bernstein", bernstein_errs, _BLOCKS),
        ("predictable", "bounded.PredictableMixture", predictable_errs, _BLOCKS),
        ("betting", "betting.Betting", betting_errs, _BLOCKS * _BLOCK),
    ):
        yield Scenario(name, method, about, ALPHA, looks, of_bounded(errs), (200, 4000))
    method, about = "boundaries.poly_stitching_bound", "sums of normal values, one side"
    yield Scenario("stitching", method, about, ALPHA, 200, stitched, (2000, 20_000))


def _walds() -> Iterator[Scenario]:
    """Error rates within Wald's inequalities: alpha / (1 - beta) and beta / (1 - alpha)."""
    sizes = (500, 5000)
    for name, true, wrong, promised in (
        ("sprt-alpha", 0.1, "accept_H1", ALPHA / 0.8),
        ("sprt-beta", 0.15, "accept_H0", 0.2 / 0.95),
    ):
        about = f"0.1 against 0.15, alpha 0.05, beta 0.2, after every trial; {true:g} is true"
        yield Scenario(name, "sprt.decide", about, promised, 2000, wald(true, wrong), sizes)


SCENARIOS = (*_shares(), *_means(), *_walds())
