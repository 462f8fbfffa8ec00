"""Exact sequences for shares: published intervals, exact expectations, and error rates down to one in ten thousand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from streams.core.judge import bernoulli
from streams.core.judge.boundaries import best_rho
from streams.core.judge.evidence import p_of
from tests.core.judge.published import Method, assert_agrees, vectors

Numbers = dict[str, float | None]
ALPHA = 0.05
SHARES = [0.5, 0.1, 1e-3, 1e-4]
levels = st.floats(1e-9, 0.9)


def limits(i: Mapping[str, Any]) -> Numbers:
    found = bernoulli.sequence(i["successes"], i["trials"], planned=i["t_opt"], alpha=i["alpha"]).interval
    return {"low": found.low, "high": found.high}


def of_beta(i: Mapping[str, Any]) -> Numbers:
    log_e = bernoulli.beta_log_e(i["k"], i["n"] - i["k"], i["p0"], a=i["a"], b=i["b"])
    return {"log_e": log_e, "p": p_of(log_e)}


def of_pairs(i: Mapping[str, Any]) -> Numbers:
    shown = bernoulli.paired(i["discordant_b"], i["discordant_c"], alpha=ALPHA)
    return {"log_e": shown.log_e, "p": shown.p}


METHODS: dict[str, Method] = {"sequence": limits, "beta_log_e": of_beta, "paired": of_pairs}


@pytest.mark.parametrize("vector", vectors("bernoulli"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published counts give the published intervals and e-values."""
    assert_agrees(METHODS, vector)


@pytest.mark.parametrize("null", [0.5, 0.1, 1e-3])
@pytest.mark.parametrize("n", [1, 7, 60])
def test_the_expected_e_value_is_1(null: float, n: int) -> None:
    """Under the null the e-values of all possible counts have mean 1, exactly."""
    k = np.arange(n + 1)
    weights = stats.binom.pmf(k, n, null)
    for planned in (1, 50, 5000):
        e = [math.exp(bernoulli.log_e(int(each), n, null, planned=planned, alpha=ALPHA)) for each in k]
        assert weights @ e == pytest.approx(1, abs=1e-9)
    e = [math.exp(bernoulli.beta_log_e(int(each), n - int(each), null)) for each in k]
    assert weights @ e == pytest.approx(1, abs=1e-9)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(1e-6, 1 - 1e-6), st.floats(1, 1e5))
def test_e_values_are_beta_functions(successes: int, failures: int, null: float, planned: float) -> None:
    """The e-value is a ratio of scipy's beta functions, with the prior centred on the null."""
    size = max(best_rho(planned, ALPHA) - 1, 1e-3)
    a, b = size * null, size * (1 - null)
    direct = float(special.betaln(a + successes, b + failures) - special.betaln(a, b))
    direct -= float(special.xlogy(successes, null) + special.xlog1py(failures, -null))

    found = bernoulli.log_e(successes, successes + failures, null, planned=planned, alpha=ALPHA)
    assert found == pytest.approx(direct, rel=1e-9, abs=1e-7)


def counted(rng: np.random.Generator, share: float, runs: int, looks: int, block: int) -> np.ndarray:
    """Successes so far, shape (runs, looks), looking after every block of trials."""
    return np.cumsum(rng.binomial(block, share, (runs, looks)), axis=1)


def most(runs: int) -> float:
    """Share of runs that may err: alpha, and 4 standard errors of it."""
    return ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


@pytest.mark.parametrize("share", SHARES)
def test_error_rate_at_every_look(share: float) -> None:
    """4,000 streams, looked at 100 times, ever reject their own share at most alpha of the time plus 4 SE."""
    block = 200
    successes = counted(np.random.default_rng(21), share, runs=4000, looks=100, block=block)
    rejects = np.zeros(successes.shape, np.bool_)
    for look in range(successes.shape[1]):
        seen, where = np.unique(successes[:, look], return_inverse=True)
        log_e = [bernoulli.log_e(k, block * (look + 1), share, planned=5000, alpha=ALPHA) for k in map(int, seen)]
        rejects[:, look] = (np.array(log_e) >= -math.log(ALPHA))[where]

    assert rejects.any(axis=1).mean() <= most(4000)


@pytest.mark.parametrize("share", SHARES)
def test_coverage_at_every_look(share: float) -> None:
    """Of 300 streams, at most alpha plus 4 SE have an interval, at any of 15 looks, without their share."""
    successes = counted(np.random.default_rng(22), share, runs=300, looks=15, block=500)
    missed = [
        any(
            not bernoulli.sequence(int(k), 500 * (look + 1), planned=2000, alpha=ALPHA).interval.contains(share)
            for look, k in enumerate(path)
        )
        for path in successes
    ]
    assert np.mean(missed) <= most(300)


@pytest.mark.parametrize("share", SHARES)
def test_error_rate_of_differences(share: float) -> None:
    """400 canaries of one unit in ten, looked at 20 times: no effect is found at most alpha of the time plus 4 SE."""
    rng = np.random.default_rng(23)
    control, treatment = (counted(rng, share, runs=400, looks=20, block=block) for block in (900, 100))
    rejects = np.zeros(control.shape, np.bool_)
    for look in range(20):
        seen, where = np.unique(np.stack((control[:, look], treatment[:, look])), axis=1, return_inverse=True)
        n = look + 1
        arms = [((int(k), 900 * n), (int(j), 100 * n)) for k, j in seen.T]
        log_e = [bernoulli.difference_log_e(*pair, planned=5000, alpha=ALPHA) for pair in arms]
        rejects[:, look] = (np.array(log_e) >= -math.log(ALPHA))[where]

    assert rejects.any(axis=1).mean() <= most(400)


def test_coverage_of_differences() -> None:
    """Of 80 experiments, at most alpha plus 4 SE have an interval, at any of 4 looks, without the true difference."""
    rng = np.random.default_rng(24)
    control, treatment = (counted(rng, share, runs=80, looks=4, block=500) for share in (0.1, 0.14))
    missed = np.zeros(80, np.bool_)
    for run, look in np.ndindex(80, 4):
        n = 500 * (look + 1)
        arms = (int(control[run, look]), n), (int(treatment[run, look]), n)
        missed[run] |= not bernoulli.difference(*arms, planned=4000, alpha=ALPHA).interval.contains(0.04)

    assert missed.mean() <= most(80)


def test_error_rate_of_pairs() -> None:
    """4,000 pairs of like judges, seen after each of 300 disagreements, err at most alpha of the time plus 4 SE."""
    wins = np.cumsum(np.random.default_rng(25).integers(0, 2, (4000, 300)), axis=1)
    n = np.arange(1, 301)
    log_e = special.betaln(0.5 + wins, 0.5 + n - wins) - special.betaln(0.5, 0.5) + n * math.log(2)

    assert log_e[7, 99] == pytest.approx(bernoulli.paired(100 - int(wins[7, 99]), int(wins[7, 99]), alpha=ALPHA).log_e)
    assert (log_e >= -math.log(ALPHA)).any(axis=1).mean() <= most(4000)


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.floats(1, 1e9), levels, st.floats(1e-9, 1 - 1e-9))
def test_p_values_and_intervals_agree(k: int, n: int, planned: float, alpha: float, null: float) -> None:
    """P is at most alpha exactly when the interval excludes the null, up to a billion trials; all is finite."""
    shown = bernoulli.sequence(min(k, n), n, planned=planned, alpha=alpha, null=null)

    assert math.isfinite(shown.log_e)
    assert 0 <= shown.interval.low <= shown.estimate <= shown.interval.high <= 1
    if abs(shown.log_e + math.log(alpha)) > 1e-4:
        assert (shown.p < alpha) == (not shown.interval.contains(null))


@given(st.integers(0, 200), st.integers(1, 200), st.floats(1, 1e4), levels)
def test_failures_are_successes_mirrored(k: int, n: int, planned: float, alpha: float) -> None:
    """Counting failures instead of successes mirrors the interval, and with it the p-value."""
    k = min(k, n)
    shown = bernoulli.sequence(k, n, planned=planned, alpha=alpha, null=0.3)
    mirrored = bernoulli.sequence(n - k, n, planned=planned, alpha=alpha, null=0.7)

    assert mirrored.interval.low == pytest.approx(1 - shown.interval.high, abs=1e-10)
    assert mirrored.interval.high == pytest.approx(1 - shown.interval.low, abs=1e-10)
    assert mirrored.log_e == pytest.approx(shown.log_e, abs=1e-9)


@given(st.integers(0, 200), st.integers(1, 200), st.floats(1, 1e4), levels)
def test_more_certainty_needs_wider_intervals(k: int, n: int, planned: float, alpha: float) -> None:
    """An interval at half the error rate contains the one before, for one plan's mixture."""
    wide, narrow = (bernoulli.paired(k, n, alpha=level).interval for level in (alpha / 2, alpha))
    assert wide.low <= narrow.low <= narrow.high <= wide.high

    more = bernoulli.sequence(min(k, n), n, planned=planned, alpha=alpha).interval
    assert more.contains(min(k, n) / n)


counts = st.tuples(st.integers(0, 2000), st.integers(1, 2000)).map(lambda pair: (min(pair), pair[1]))


@given(counts, counts, st.floats(2, 1e4), st.floats(1e-6, 0.5))
@settings(max_examples=60)
def test_differences_agree_and_mirror(
    control: tuple[int, int], treatment: tuple[int, int], planned: float, alpha: float
) -> None:
    """P and interval of a difference agree about 0, and swapping the arms mirrors the interval."""
    shown = bernoulli.difference(control, treatment, planned=planned, alpha=alpha)
    swapped = bernoulli.difference(treatment, control, planned=planned, alpha=alpha)

    if abs(shown.log_e + math.log(alpha)) > 1e-4:
        assert (shown.p < alpha) == (not shown.interval.contains(0))
    assert swapped.log_e == pytest.approx(shown.log_e, abs=1e-6)
    assert swapped.interval.low == pytest.approx(-shown.interval.high, abs=1e-6)
    assert -1 <= shown.interval.low <= shown.estimate <= shown.interval.high <= 1


@pytest.mark.parametrize(
    ("control", "treatment"), [((100, 1000), (120, 1000)), ((2, 300), (9, 250)), ((0, 50), (9, 10))]
)
def test_a_difference_is_the_best_of_all_pairs_of_shares(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    """The limits are the farthest differences among all pairs of shares whose e-values multiply to below 1/alpha."""
    shares = np.linspace(0.0005, 0.9995, 1000)

    def logs(arm: tuple[int, int]) -> np.ndarray:
        return np.array([bernoulli.log_e(*arm, float(p), planned=500, alpha=ALPHA) for p in shares])

    possible = np.add.outer(logs(control), logs(treatment)) < -math.log(ALPHA)
    before, after = np.nonzero(possible)
    apart = shares[after] - shares[before]
    shown = bernoulli.difference(control, treatment, planned=1000, alpha=ALPHA)
    assert shown.interval.low == pytest.approx(apart.min(), abs=0.002)
    assert shown.interval.high == pytest.approx(apart.max(), abs=0.002)


@pytest.mark.parametrize("control", [(0, 40), (1, 40), (2, 40), (39, 40), (400, 1000)])
@pytest.mark.parametrize("treatment", [(1, 40), (5, 40), (390, 1000)])
def test_the_e_value_of_a_difference_is_the_least_product(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    """The e-value against equal shares is the smallest product of the arms' e-values, over all shares."""
    shares = np.concatenate((np.logspace(-9, -3, 100), np.linspace(0.001, 0.999, 2000)))
    products = [
        sum(bernoulli.log_e(*arm, float(p), planned=500, alpha=ALPHA) for arm in (control, treatment)) for p in shares
    ]

    found = bernoulli.difference_log_e(control, treatment, planned=1000, alpha=ALPHA)
    assert found == pytest.approx(min(products), abs=1e-3)


def test_a_difference_is_narrower_than_two_intervals_leave_it() -> None:
    """With arms alike the interval is a quarter narrower than what two intervals at alpha / 2 leave possible."""
    shown = bernoulli.difference((5000, 50_000), (5100, 50_000), planned=100_000, alpha=ALPHA)
    one, other = (bernoulli.sequence(k, 50_000, planned=50_000, alpha=ALPHA / 2).interval for k in (5000, 5100))
    assert shown.interval.width / (one.width + other.width) == pytest.approx(0.74, abs=0.02)


def test_extremes() -> None:
    """Nothing, everything, and one or two events in a billion trials give finite limits on the right side."""
    n = 10**9
    none, two, every = (bernoulli.sequence(k, n, planned=n, alpha=ALPHA).interval for k in (0, 2, n))

    assert (none.low, every.high) == (0, 1)
    assert none.high == pytest.approx(4.1376e-9, rel=1e-3)
    assert 1 - every.low == pytest.approx(none.high, rel=1e-4)
    assert 0 < two.low < 2e-9 < two.high < 1.1e-8


def test_what_cannot_be_is_refused() -> None:
    """Counts, nulls and priors that cannot be are refused by name."""
    for k, n in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match=f"{k}/{n}"):
            bernoulli.sequence(k, n, planned=10, alpha=ALPHA)
    for null in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match=f"null {null}"):
            bernoulli.sequence(1, 5, planned=10, alpha=ALPHA, null=null)
    with pytest.raises(ValueError, match="a and b positive"):
        bernoulli.beta_log_e(1, 5, 0.5, a=0)
    with pytest.raises(ValueError, match="0/0"):
        bernoulli.paired(0, 0, alpha=ALPHA)
    with pytest.raises(ValueError, match="alpha is 0"):
        bernoulli.paired(1, 0, alpha=0)
