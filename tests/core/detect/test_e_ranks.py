"""Bets on ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from scipy import integrate, stats

from streams.core.detect import e_ranks
from streams.core.detect.e_ranks import BETS, SHIFTS


@pytest.mark.parametrize("n", [*range(10, 70), 336, 5000])
def test_bins_hold_all_gaps_and_are_finest_outside(n: int) -> None:
    """Gaps sum to n + 1, are the same from both ends, and one each at the ends."""
    gaps = e_ranks.gaps_of_bins(n)

    assert gaps.sum() == n + 1
    assert gaps.tolist() == gaps[::-1].tolist()
    assert gaps[0] == 1
    assert gaps.max() <= (n + 1) / 2
    assert len(gaps) < 25


@given(counts=of_numpy.arrays(np.float64, (2, 9), elements=st.integers(0, 10_000)))
def test_bets_are_fair(counts: np.ndarray) -> None:
    """Whatever came before, the mean of what a bet earns, over the bins as the urn has them, is exactly 1."""
    gaps = e_ranks.gaps_of_bins(30)
    older, urn = gaps + counts[0], gaps + counts[0] + counts[1]
    earned = np.exp(e_ranks.log_bets(np.arange(9), np.tile(older, (9, 1)), np.tile(urn, (9, 1))))

    assert (urn / urn.sum()) @ earned == pytest.approx(np.ones(BETS))


def test_the_urn_is_the_law_of_ranks() -> None:
    """Skewed scores, 20 of them and then 3: bins come up as the urn says, so products of bets have the mean 1."""
    rng = np.random.default_rng(1)
    rows, gaps = 200_000, e_ranks.gaps_of_bins(20)
    scores = rng.exponential(size=(rows, 23)) ** 3
    edges = e_ranks.edges_of_bins(np.sort(scores[:, :20], axis=1), gaps)
    older, urn = np.tile(gaps.astype(float), (rows, 1)), np.tile(gaps.astype(float), (rows, 1))
    product = np.zeros((rows, BETS))
    for at in range(20, 23):
        bins = e_ranks.bins_of(scores[:, at], edges)
        product += e_ranks.log_bets(bins, older, urn)
        urn[np.arange(rows), bins] += 1
    earned = np.exp(product)

    assert np.all(np.abs(earned.mean(axis=0) - 1) < 4.5 * earned.std(axis=0) / math.sqrt(rows))


def test_a_bet_earns_most_on_the_shift_it_is_made_for() -> None:
    """Of all bets, the one on the true shift of normal scores has the highest mean logarithm."""
    rng = np.random.default_rng(2)
    gaps = e_ranks.gaps_of_bins(2000).astype(float)
    edges = np.tile(stats.norm.ppf(np.cumsum(gaps)[:-1] / gaps.sum()), (20_000, 1))
    counts = np.tile(gaps * 1000, (20_000, 1))
    for at, shift in enumerate((*SHIFTS, *(-shift for shift in SHIFTS))):
        bins = e_ranks.bins_of(rng.standard_normal(20_000) + shift, edges)
        assert e_ranks.log_bets(bins, counts, counts).mean(axis=0).argmax() == at


@pytest.mark.parametrize("edge", [2.0, 2.5, 4.0, 10.0])
def test_beyond_the_reference_bets_stay_fair_with_heavy_tails(edge: float) -> None:
    """The mean factor of scores outside is at most 1 for Student's distribution with 3 degrees of freedom."""
    t = stats.t(3)

    def weighted(score: float) -> float:
        factor = e_ranks.log_beyond(np.array([score]), np.array([[-edge, edge]]))[0, len(SHIFTS) - 1]
        return math.exp(factor) * float(t.pdf(score))

    mean = integrate.quad(weighted, edge, 1000, limit=200)[0] / t.sf(edge)

    assert 0.5 < mean <= 1


def test_beyond_the_reference_only_the_bet_on_that_side_gains() -> None:
    """Inside, and for a reference that never moved, nothing is gained; 40 sd above an edge of 4 a factor of 5 is."""
    edges = np.array([[-4.0, 4.0], [-4.0, 4.0], [-4.0, 4.0], [0.0, 0.1]])
    gained = e_ranks.log_beyond(np.array([3.9, 40.0, -40.0, 40.0]), edges)
    expected = np.zeros((4, BETS))
    expected[1, len(SHIFTS) - 1] = expected[2, BETS - 1] = math.log(5)

    assert gained == pytest.approx(expected)


def test_detectors_add_up_bets_started_at_each_tick() -> None:
    """M after three ticks is e3 + e2 e3 + e1 e2 e3."""
    earned = np.log([[2.0], [0.25], [3.0]])
    log_m = np.full(1, -np.inf)
    for log_e in earned:
        log_m = e_ranks.added(log_m, log_e)

    assert np.exp(log_m) == pytest.approx([3 + 0.25 * 3 + 2 * 0.25 * 3])


def test_averages_stay_finite() -> None:
    """Logarithms far beyond what exp can take are averaged; bets on a side that is not asked about count nothing."""
    log_m = np.full((2, BETS), -np.inf)
    log_m[0, 0], log_m[1, :] = 5000.0, -5000.0
    shares = np.stack((e_ranks.shares(up=True, down=False), e_ranks.shares(up=True, down=True)))
    nothing = e_ranks.log_average(np.full((1, BETS), -np.inf), shares[:1])

    assert shares[0].tolist() == [0.2, 0.2, 0.2, 0.4, 0, 0, 0, 0]
    assert e_ranks.log_average(log_m, shares) == pytest.approx([5000 + math.log(0.2), -5000])
    assert nothing[0] == -math.inf


def test_shared_errors_are_paid_for() -> None:
    """Normal scores that share an error earn 1 on average once their bets are tempered, and far more before."""
    rng = np.random.default_rng(3)
    shift, n, rows = 0.5, 20, 400_000
    scores = rng.standard_normal((rows, n)) + rng.standard_normal((rows, 1)) * math.sqrt(0.5 / n)
    log_e = shift * scores.sum(axis=1) - n * shift**2 / 2
    tempered = np.exp(e_ranks.tempered(np.repeat(log_e[:, None], BETS, axis=1), np.full(rows, 1.5)))

    assert tempered[:, 0].mean() == pytest.approx(1, abs=0.05)
    assert tempered[:, len(SHIFTS) - 1].mean() > 2


def test_tie_breakers_are_uniform_and_always_the_same() -> None:
    """They follow from key and tick alone, and 10,000 of them look uniform, for ticks in a row and keys in a row."""
    keys = np.arange(100, dtype=np.uint64)[:, None]
    numbers = e_ranks.tie_breakers(keys, np.arange(100))

    assert np.array_equal(numbers[7:9], e_ranks.tie_breakers(keys[7:9], np.arange(100)))
    assert len(np.unique(numbers)) == 10_000
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 0.001
