"""Error rates of the normal mixture, looked at again and again: with heavy tails, few units and rare events."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from streams.core.judge import mixture as m
from streams.core.judge.evidence import Alternative
from streams.core.judge.fixed import Measurement
from streams.core.judge.moments import Moments
from streams.core.judge.proportions import share

ALPHA = 0.05

Judge = Callable[[float, float, float], float]
"""P-value of an estimate, its standard error and n."""


def share_erring(sigma: float, judge: Judge, *, first: int, block: int, looks: int, runs: int) -> float:
    """Share of comparisons of two like arms that ever err: lognormal values, or normal ones where sigma is 0."""
    rng = np.random.default_rng(11)
    erred, sums, squares = np.zeros(runs, np.bool_), np.zeros((2, runs)), np.zeros((2, runs))
    for look in range(looks):
        normal = rng.standard_normal((2, runs, block if look else first))
        values = np.exp(sigma * normal) if sigma else normal
        sums, squares = sums + values.sum(axis=2), squares + (values**2).sum(axis=2)
        n = first + block * look
        variances = (squares - sums**2 / n) / (n - 1)
        apart, error = (sums[1] - sums[0]) / n, np.sqrt(variances.sum(axis=0) / n)
        for run in np.flatnonzero(~erred):
            erred[run] = judge(float(apart[run]), float(error[run]), 2 * n) <= ALPHA
    return float(erred.mean())


def most(runs: int) -> float:
    """Share of runs that may err: alpha, and 4 standard errors of it."""
    return ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_error_rate_under_heavy_tails() -> None:
    """2,000 comparisons of lognormal arms, sigma 2, at 57 looks from 200 units an arm on; measured: 1 % err."""

    def judge(effect: float, error: float, n: float) -> float:
        return m.sequence(effect, error, n, planned=5000, alpha=ALPHA).p

    assert share_erring(2.0, judge, first=200, block=50, looks=57, runs=2000) <= most(2000)


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_one_sided_error_rate(alternative: Alternative) -> None:
    """1,000 comparisons of lognormal arms, sigma 1, at 40 looks from 100 units an arm on; measured: 2.4 and 1.6 %."""

    def judge(effect: float, error: float, n: float) -> float:
        return m.sequence(effect, error, n, planned=2000, alpha=ALPHA, alternative=alternative).p

    assert share_erring(1.0, judge, first=100, block=50, looks=40, runs=1000) <= most(1000)


def test_error_rate_from_the_fourth_unit_on() -> None:
    """2,000 comparisons of normal arms at every pair of units: the t mixture errs in 2 %, the normal one in 11 %."""

    def judge(effect: float, error: float, n: float) -> float:
        return m.t_sequence(Measurement(effect, error, n - 2), n, planned=40, alpha=ALPHA).p

    def asymptotic(effect: float, error: float, n: float) -> float:
        return m.sequence(effect, error, n, planned=40, alpha=ALPHA).p

    assert share_erring(0.0, judge, first=2, block=1, looks=60, runs=2000) <= most(2000)
    assert share_erring(0.0, asymptotic, first=2, block=1, looks=60, runs=2000) > 1.5 * ALPHA


def share_missing(sigma: float, runs: int = 1000) -> float:
    """Share of intervals for a lognormal mean that ever miss it, at 40 looks of 100 units each."""
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(runs):
        values, miss = Moments.of([]), False
        for _ in range(40):
            values = values.merged(Moments.of(rng.lognormal(0, sigma, 100)))
            shown = m.sequence(values.mean, values.error, values.n, planned=1000, alpha=ALPHA)
            miss |= not shown.interval.contains(math.exp(sigma * sigma / 2))
        missed += miss
    return missed / runs


def test_coverage_at_every_look() -> None:
    """Of 1,000 intervals for a skewed mean few ever miss it: 4 %. But for one with a kurtosis of 9 million, 33 % do."""
    assert share_missing(1.0) <= most(1000)
    assert share_missing(2.0) > 0.2


def share_erring_canary(rate: float, runs: int = 1000, looks: int = 60) -> tuple[float, float]:
    """Share of 90/10 canaries without an effect that ever alarm, with and without waiting for enough events."""
    rng = np.random.default_rng(3)
    control = np.cumsum(rng.binomial(180, rate, (runs, looks)), axis=1)
    treatment = np.cumsum(rng.binomial(20, rate, (runs, looks)), axis=1)
    guarded, naive = np.zeros(runs, np.bool_), np.zeros(runs, np.bool_)
    for run, look in np.ndindex(runs, looks):
        arms = (int(control[run, look]), 180 * (look + 1)), (int(treatment[run, look]), 20 * (look + 1))
        guarded[run] |= m.share_difference(*arms, planned=5000, alpha=ALPHA).p <= ALPHA
        unguarded = m.difference(share(arms[0]), share(arms[1]), 200 * (look + 1), planned=5000, alpha=ALPHA)
        naive[run] |= unguarded.p <= ALPHA
    return float(guarded.mean()), float(naive.mean())


def test_rare_events_wait_until_there_are_enough() -> None:
    """A small canary with rare events keeps its error rate; without waiting it alarms one time in three."""
    guarded, naive = share_erring_canary(0.005)

    assert guarded <= most(1000)
    assert naive > 0.25
