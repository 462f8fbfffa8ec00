"""Delay curves against the published numbers, brute force and simulated cohorts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.maturity.curve import SECOND, Curve, arrival_curve, delay_bins, delay_edges, kaplan_meier

DAY = 86_400 * SECOND

# Freireich et al. (1963): weeks of remission under 6-MP; the second list was still in remission when last seen.
REMITTED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def test_published_survival() -> None:
    """The remission times of Freireich et al. give the survival that textbooks print for them."""
    edges = np.arange(1.0, 36.0)
    ages = np.array([36.0] * len(REMITTED) + CENSORED)
    arrived = np.zeros((len(ages), len(edges)))
    arrived[np.arange(len(REMITTED)), np.array(REMITTED) - 1] = 1
    arrived_ages = np.where(ages > 35, 36.0, ages)

    curve = kaplan_meier(arrived, np.ones(len(ages)), arrived_ages, edges)

    assert curve is not None
    survival = 1 - curve.share * curve.ever
    at = survival[np.array([6, 7, 10, 13, 16, 22, 23]) - 1]
    assert at == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)


def test_bins_and_edges_agree() -> None:
    """A delay lies in the bin whose edges it lies between, at every horizon."""
    for horizon in (SECOND // 2, SECOND, 90 * SECOND, DAY, 30 * DAY, 366 * DAY):
        edges = delay_edges(horizon)
        assert edges[-1] == max(horizon, SECOND)
        assert (np.diff(edges) > 0).all()
        delays = np.unique(np.linspace(0, horizon, 1_001).astype(np.int64))
        bins = delay_bins(delays)
        assert (delays <= edges[bins] * (1 + 1e-9)).all()
        assert (delays[bins > 0] > edges[bins[bins > 0] - 1] * (1 - 1e-9)).all()


@given(st.lists(st.integers(0, 50), min_size=6, max_size=6), st.integers(0, 40))
def test_all_known(counts: list[int], extra: int) -> None:
    """When every cohort is old enough, both curves are the plain share of labels with at most this delay."""
    arrived = np.array([counts[:3], counts[3:]], np.float64)
    edges, ages = np.array([1.0, 2.0, 3.0]), np.array([3.0, 9.0])
    total = arrived.sum()
    curves = (
        kaplan_meier(arrived, arrived.sum(axis=1) + extra, ages, edges),
        arrival_curve(arrived, ages, edges),
    )

    for curve in curves:
        if total == 0:
            assert curve is None
        else:
            assert curve is not None
            assert curve.share == pytest.approx(np.cumsum(arrived.sum(axis=0)) / total)
            assert (curve.error >= 0).all()
    if curves[0] is not None:
        assert curves[0].ever == pytest.approx(total / (total + 2 * extra))


def test_too_young() -> None:
    """Without a cohort as old as the horizon there is no curve; nor without labels."""
    edges = np.array([1.0, 2.0])
    assert kaplan_meier(np.ones((1, 2)), np.ones(1) * 5, np.array([1.5]), edges) is None
    assert arrival_curve(np.ones((1, 2)), np.array([1.5]), edges) is None
    assert kaplan_meier(np.zeros((1, 2)), np.ones(1) * 5, np.array([2.0]), edges) is None
    assert arrival_curve(np.zeros((1, 2)), np.array([2.0]), edges) is None


def test_corrections_take_back() -> None:
    """A class whose labels are taken back later has a curve above 1 before that, cut at 1, and no warnings."""
    arrived = np.array([[10.0, 0.0, -2.0]])
    curve = arrival_curve(arrived, np.array([9.0]), np.array([1.0, 2.0, 3.0]))

    assert curve is not None
    assert curve.share.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("estimator", ["kaplan_meier", "arrival_curve"])
def test_errors_cover(estimator: str) -> None:
    """Over 2,000 streams cut off at random ages, share +- 1.96 errors holds the truth 95 % of the time, within 2 %."""
    rng = np.random.default_rng(20261122)
    edges = np.arange(1.0, 9.0)
    chance = np.array([0.05, 0.1, 0.15, 0.1, 0.05, 0.05, 0.05, 0.05])
    truth = np.cumsum(chance) / chance.sum()
    ages = np.arange(1.0, 17.0)
    made, place, inside = 300, 3, 0
    for _ in range(2_000):
        drawn = rng.multinomial(made, [*chance, 1 - chance.sum()], len(ages))[:, :-1].astype(np.float64)
        arrived = np.where(ages[:, None] >= edges, drawn, 0.0)
        if estimator == "kaplan_meier":
            curve = kaplan_meier(arrived, np.full(len(ages), float(made)), ages, edges)
        else:
            curve = arrival_curve(arrived, ages, edges)
        assert curve is not None
        inside += abs(np.log(curve.share[place] / truth[place])) <= 1.96 * curve.error[place]

    assert abs(inside / 2_000 - 0.95) <= 0.02


def test_mean_over_ages() -> None:
    """Between two ages the share is the mean of the straight lines, by brute force; no age is below 0."""
    curve = Curve(np.array([2.0, 4.0, 10.0]), np.array([0.5, 0.6, 1.0]), np.zeros(3))
    low, high = np.array([0.0, 1.0, 3.0, 5.0, 9.0, -4.0, 6.0]), np.array([1.0, 3.0, 3.0, 20.0, 10.0, 4.0, 6.0])

    shares = curve.between(low, high)

    for share, one, other in zip(shares, low, high, strict=True):
        ages = np.linspace(max(one, 0.0), other, 200_001)
        each = np.interp(ages, [0, 2, 4, 10], [0, 0.5, 0.6, 1.0])
        assert share == pytest.approx(each.mean(), abs=2e-5)


def test_shifted_stays_a_share() -> None:
    """A shifted curve stays between 0 and 1, and goes the way of the shift."""
    curve = Curve(np.array([1.0, 2.0]), np.array([0.0, 0.9]), np.array([np.inf, 0.5]))

    assert curve.shifted(1).share.tolist() == [0.0, 1.0]
    assert curve.shifted(-1).share[1] == pytest.approx(0.9 * np.exp(-0.5))
