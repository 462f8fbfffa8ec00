"""Distances of binned distributions, against published numbers and scipy's."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from streams.core.columns import Floats
from streams.core.detect.distances import (
    chi_square,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    psi,
    psi_without_drift,
    shares_of,
    smoothed,
    wasserstein,
)

REFERENCE = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
CURRENT = np.array([0.05, 0.15, 0.35, 0.3, 0.15])

Distance = Callable[[Floats, Floats], Floats]
ALL: list[Distance] = [psi, jensen_shannon, hellinger, l_infinity, kolmogorov_smirnov]

pairs = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 500), min_size=bins, max_size=bins).filter(any)] * 2)
)


def test_published_numbers() -> None:
    """PSI and the Jensen-Shannon distance give published numbers, the latter in base 2 with an unseen category too."""
    before, now = shares_of(np.array([100, 60, 40, 0])), shares_of(np.array([80, 60, 50, 10]))

    assert psi(CURRENT, REFERENCE) == pytest.approx(0.1165377984980371, abs=1e-12)
    assert jensen_shannon(CURRENT, REFERENCE) == pytest.approx(0.12010030597004687, abs=1e-12)
    assert jensen_shannon(now, before) / math.sqrt(math.log(2)) == pytest.approx(0.17613534457683402, abs=1e-10)


def test_published_kolmogorov_smirnov() -> None:
    """With a bin for each distinct value, the distance is the published one of the two samples."""
    draws = np.random.RandomState(2)
    a, b = draws.normal(0, 1, 300).round(5), draws.normal(0.3, 1, 200).round(5)
    values = np.union1d(a, b)
    p, q = (shares_of((sample == values[:, None]).sum(axis=1)) for sample in (a, b))

    assert kolmogorov_smirnov(p, q) == pytest.approx(0.18333333333333335, abs=1e-12)


@given(pairs)
def test_distances_equal_scipys(counts: tuple[list[int], list[int]]) -> None:
    """All distances that scipy has are scipy's on the same bins."""
    now, before = (np.array(side) for side in counts)
    p, q = shares_of(now), shares_of(before)
    places = np.square(np.arange(len(now), dtype=np.float64))
    samples = [np.repeat(places, side) for side in (now, before)]

    assert jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q), abs=1e-9)
    assert hellinger(p, q) == pytest.approx(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / math.sqrt(2), abs=1e-12)
    assert l_infinity(p, q) == pytest.approx(distance.chebyshev(p, q), abs=1e-12)
    assert wasserstein(p, q, places) == pytest.approx(stats.wasserstein_distance(places, places, p, q), abs=1e-9)
    assert kolmogorov_smirnov(p, q) == pytest.approx(stats.ks_2samp(*samples, method="asymp").statistic, abs=1e-12)
    with np.errstate(divide="ignore"):
        expected = stats.entropy(p, q) + stats.entropy(q, p)
    assert psi(p, q) == pytest.approx(expected, abs=1e-9)


@given(pairs)
def test_chi_square_equals_scipys(counts: tuple[list[int], list[int]]) -> None:
    """Chi-square, its degrees of freedom and p-value are scipy's of the table without its empty columns."""
    now, before = (np.array(side) for side in counts)
    table = np.stack([now, before])[:, now + before > 0]

    statistic, degrees, p = chi_square(now, before)

    expected = stats.chi2_contingency(table, correction=False)
    assert (statistic, degrees, p) == pytest.approx((expected.statistic, expected.dof, expected.pvalue), abs=1e-9)


def test_chi_square_against_known_shares() -> None:
    """With a reference of very many observations, it is the test of the tick against known shares."""
    now, shares = np.array([30, 50, 20]), np.array([0.25, 0.5, 0.25])

    statistic, _, p = chi_square(now, shares * 1e12)

    expected = stats.power_divergence(now, shares * 100, lambda_="pearson")
    assert (statistic, p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


@pytest.mark.parametrize(
    ("now", "before"), [([5, 0], [3, 0]), ([0, 0], [3, 4]), ([3, 4], [0, 0]), ([0, 0], [0, 0]), ([7], [9])]
)
def test_chi_square_without_anything_to_compare(now: list[int], before: list[int]) -> None:
    """Without observations on both sides in at least two bins there is no difference."""
    assert [float(part) for part in chi_square(np.array(now), np.array(before))] == [0.0, 0.0, 1.0]


@given(pairs)
def test_distances_are_distances(counts: tuple[list[int], list[int]]) -> None:
    """Distances are symmetric, not negative, 0 to itself and within their bounds."""
    p, q = (shares_of(np.array(side)) for side in counts)

    for measure in ALL:
        assert measure(p, q) == pytest.approx(float(measure(q, p)), abs=1e-12)
        assert measure(p, q) >= 0
        assert measure(p, p) == 0
    assert jensen_shannon(p, q) <= math.sqrt(math.log(2)) + 1e-9
    assert hellinger(p, q) <= 1 + 1e-9
    assert l_infinity(p, q) <= kolmogorov_smirnov(p, q) * 2 + 1e-9


def test_many_columns_at_once() -> None:
    """Columns that are stacked have the distances that they have alone."""
    rng = np.random.default_rng(2)
    p, q = (rng.dirichlet(np.ones(6), 5) for _ in range(2))
    values = np.arange(6.0)

    for measure in ALL:
        np.testing.assert_allclose(measure(p, q), [measure(*pair) for pair in zip(p, q, strict=True)])
    np.testing.assert_allclose(
        wasserstein(p, q, values), [wasserstein(*pair, values) for pair in zip(p, q, strict=True)]
    )
    np.testing.assert_allclose(
        chi_square(p * 50, q * 90), np.transpose([chi_square(*pair) for pair in zip(p * 50, q * 90, strict=True)])
    )
    np.testing.assert_allclose(psi(p, q[0]), [psi(row, q[0]) for row in p])


def test_wasserstein_has_the_unit_of_the_values() -> None:
    """A distribution that is moved by 3 is 3 away, and in another unit it is as many of those."""
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.5, 0.5])

    assert wasserstein(p, q, np.array([0.0, 1.0, 3.0, 4.0])) == pytest.approx(3)
    assert wasserstein(p, q, np.array([0.0, 1.0, 3.0, 4.0]) * 60) == pytest.approx(180)


def test_psi_is_infinite_until_it_is_smoothed() -> None:
    """A bin that is empty on one side makes it infinite; half an observation more in each does not."""
    p, q = np.array([0.5, 0.4, 0.1, 0.0]), np.array([0.5, 0.5, 0.0, 0.0])
    occupied = (p > 0) | (q > 0)

    few, many = (psi(smoothed(p, n, occupied), smoothed(q, n, occupied)) for n in (100, 1e12))

    assert psi(p, q) == math.inf
    np.testing.assert_allclose(smoothed(p, 100, occupied), np.array([50.5, 40.5, 10.5, 0]) / 101.5)
    assert 0 < few < many < math.inf
    np.testing.assert_allclose(smoothed(p, 1e12, occupied), p, atol=1e-11)


def test_smoothing_many_columns() -> None:
    """Each column is smoothed by its own number of observations."""
    shares, n = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([10.0, 3.0])

    np.testing.assert_allclose(smoothed(shares, n, np.ones((2, 2), bool)), [[0.5, 0.5], [3.5 / 4, 0.5 / 4]])


@pytest.mark.parametrize(("n", "m"), [(1_000, 1_000), (2_000, 50_000)])
def test_psi_without_drift(n: int, m: int) -> None:
    """Without drift PSI is on average what is said, to 5 standard errors and 2 % for what the formula leaves out."""
    rng = np.random.default_rng(n)
    shares = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    found = psi(rng.multinomial(n, shares, 4_000) / n, rng.multinomial(m, shares, 4_000) / m)
    expected = psi_without_drift(5, n, m)

    assert abs(found.mean() - expected) <= 5 * found.std() / math.sqrt(4_000) + 0.02 * expected


def test_bad_input_is_refused() -> None:
    """Counts that are negative, not finite or all zero, and shares that are none, are refused."""
    for counts in ([-1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0]):
        with pytest.raises(ValueError, match="negative or not finite"):
            shares_of(np.array(counts))
        with pytest.raises(ValueError, match="negative or not finite"):
            chi_square(np.array(counts), np.ones(2))
    with pytest.raises(ValueError, match="no observations"):
        shares_of(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="the bins must be the same"):
        psi(REFERENCE, np.ones(1))
    for shares in ([0.5, 0.6], [1.5, -0.5], [math.nan, 1.0]):
        with pytest.raises(ValueError, match="use shares_of"):
            hellinger(np.array(shares), np.array([0.5, 0.5]))
    for values in ([1.0, 0.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0, math.inf]):
        with pytest.raises(ValueError, match="rising order"):
            wasserstein(REFERENCE, CURRENT, np.array(values))
    with pytest.raises(ValueError, match="0 and 5 observations"):
        psi_without_drift(4, 0, 5)
