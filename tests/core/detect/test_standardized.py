"""The distance that is freed of noise: its moments by enumeration, and by simulation how it behaves."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Floats, Ints
from streams.core.detect.distances import psi, shares_of, smoothed
from streams.core.detect.standardized import Standardized, contributions, effective_size, standardized, terms

SIMULATIONS = 2_000
EQUAL = np.full(20, 0.05)
ZIPF = shares_of(1 / np.arange(1, 21))
SKEWED = np.array([0.4, 0.3, 0.2, 0.09, 0.01])
RARE = np.concatenate([[0.97, 0.02], np.full(18, 0.01 / 18)])
EVEN = np.array([0.5, 0.5])


def compared(counts: Floats | Ints, n: Floats | float, reference: Floats | Ints, m: float) -> Standardized:
    rows = len(counts)
    shares = np.broadcast_to(np.asarray(reference, np.float64), counts.shape)
    return standardized(counts, np.full(rows, n, float), shares, np.full(rows, m))


def stationary(shares: Floats, n: int, m: int, seed: int, runs: int = SIMULATIONS) -> Standardized:
    """Ticks of n and references of m, all drawn from the same shares."""
    rng = np.random.default_rng([seed, n, m])
    return compared(rng.multinomial(n, shares, runs), n, rng.multinomial(m, shares, runs) / m, m)


@pytest.mark.parametrize(
    ("both", "n"), [((3, 4, 5), 4), ((1, 1, 7, 2), 3), ((9, 1), 2), ((2, 2, 2, 2, 0), 5), ((8, 1, 1), 6), ((5, 5), 1)]
)
def test_moments_are_exact(both: tuple[int, ...], n: int) -> None:
    """Over all tables with these margins, weighed by their chances, the distance has mean 0 and the standard error."""
    margins, m = np.array(both), sum(both) - n
    tables = np.array([table for table in product(*(range(count + 1) for count in both)) if sum(table) == n])
    chances = np.array([math.prod(math.comb(*cell) for cell in zip(both, table, strict=True)) for table in tables])
    chances = chances / math.comb(n + m, n)

    left = margins - tables  # the reference is what is not in the tick
    found = standardized(tables, np.full(len(tables), float(n)), left, np.full(len(tables), float(m)))

    assert chances @ found.distance == pytest.approx(0, abs=1e-12)
    assert chances @ found.distance**2 == pytest.approx(found.standard_error[0] ** 2, rel=1e-9)


@pytest.mark.parametrize("shares", [EVEN, SKEWED, EQUAL, ZIPF, RARE], ids=["even", "skewed", "equal", "zipf", "rare"])
@pytest.mark.parametrize("m", [1_000, 1_000_000])
def test_without_drift_it_has_mean_0_and_deviation_1(shares: Floats, m: int) -> None:
    """At any size of tick and of reference, mean and deviation of z are 0 and 1, to 5 standard errors and 0.15."""
    for n in (30, 300, 3_000, 100_000):
        z = stationary(shares, n, m, seed=3).z

        assert abs(z.mean()) <= 0.15 + 5 / math.sqrt(SIMULATIONS)
        assert abs(z.std() - 1) <= 0.15 + 5 / math.sqrt(2 * SIMULATIONS)


@pytest.mark.parametrize("shares", [EVEN, EQUAL, ZIPF, RARE], ids=["even", "equal", "zipf", "rare"])
def test_without_drift_it_is_seldom_large(shares: Floats) -> None:
    """Of 8,000 ticks of four sizes without drift, z is above 3 in at most 6 of 1,000, and never above 8."""
    z = np.concatenate([stationary(shares, n, 20_000, seed=4).z for n in (30, 300, 3_000, 30_000)])

    assert (z > 3).mean() <= 0.006
    assert z.max() <= 8


def test_a_drop_of_traffic_is_no_drift() -> None:
    """When ten of eleven events stay away, z stays where it was, while PSI is above its usual limit of 0.1."""
    busy, quiet = (stationary(ZIPF, n, 100_000, seed=5).z for n in (660, 60))
    rng = np.random.default_rng(6)
    counts, occupied = rng.multinomial(60, ZIPF, SIMULATIONS), np.ones((1, 20), bool)
    folklore = psi(smoothed(counts / 60, 60, occupied), ZIPF)

    assert abs(busy.mean() - quiet.mean()) <= 5 * math.sqrt(2 / SIMULATIONS)
    assert (quiet > 3).mean() <= 0.006
    assert (folklore > 0.1).mean() >= 0.95


@pytest.mark.parametrize(
    ("draw", "most"),
    [("exponential", 1.15), ("by a factor of 100", 1.15), ("tenfold in half the bins", 1.45)],
)
def test_weighted_samples(draw: str, most: float) -> None:
    """With weights, mean and deviation are nearly those without, the deviation less nearly if bins differ in weight."""
    rng, n, runs = np.random.default_rng(7), 2_000, 1_000
    bins = rng.choice(20, (runs, n), p=ZIPF)
    if draw == "exponential":
        weight = rng.exponential(1, bins.shape)
    elif draw == "by a factor of 100":
        weight = rng.choice([1.0, 10.0, 100.0], bins.shape, p=[0.6, 0.3, 0.1])
    else:
        kept = np.where(bins % 2 == 0, 1.0, 0.1)
        weight = np.where(rng.random(bins.shape) < kept, 1 / kept, 0.0)
    cell = (np.arange(runs)[:, None] * 20 + bins).ravel()
    counts, squares = (
        np.bincount(cell, (weight**power).ravel(), runs * 20).reshape(runs, 20).astype(np.float64) for power in (1, 2)
    )

    z = compared(counts, effective_size(counts, squares), ZIPF, 1e6).z

    assert abs(z.mean()) <= 0.2 + 5 / math.sqrt(runs)
    assert 0.9 <= z.std() <= most
    if most < 1.2:
        assert (z > 3).mean() <= 0.012


def test_drift_is_found_and_measured() -> None:
    """A change of a tenth of the traffic is found at 3,000 events, and its distance is the same at any size."""
    rng = np.random.default_rng(8)
    moved = np.roll(EQUAL * 0.9, 1)
    moved[3] += 0.1
    truth = ((moved - EQUAL) ** 2 / ((moved + EQUAL) / 2)).sum()

    found = [compared(rng.multinomial(n, moved, 500), n, rng.multinomial(n, EQUAL, 500), n) for n in (3_000, 30_000)]

    assert found[0].z.min() > 4
    assert found[1].z.mean() > 3 * found[0].z.mean() / 2
    for one in found:
        assert one.distance.mean() == pytest.approx(truth, rel=0.03)


def test_a_rare_bin_weighs_little_until_it_is_filled() -> None:
    """One event in a bin that a large reference never had moves z by less than 1, and ten of them by more than 5."""
    usual = np.append(np.random.default_rng(9).multinomial(1_000, EQUAL), 0)
    counts = np.array([usual, usual, usual])
    counts[1:, 0] -= [1, 10]
    counts[1:, 20] += [1, 10]

    z = compared(counts, 1_000, np.append(EQUAL, 0.0), 1e6).z

    assert abs(z[0]) < 2
    assert abs(z[1] - z[0]) < 1
    assert z[2] - z[0] > 5


def test_a_constant_column_is_judged_by_what_else_comes() -> None:
    """Where the reference has one value, z is 0 while it comes, about 1 with one other event, and large with more."""
    counts = np.array([[1000.0, 0.0], [999.0, 1.0], [990.0, 10.0]])

    z = compared(counts, 1_000, np.array([1.0, 0.0]), 1e6).z

    assert z[0] == 0
    assert 0 < z[1] < 1.5
    assert z[2] > 8


@pytest.mark.parametrize(
    ("counts", "n", "m"),
    [([0.0, 0.0], 0, 1000), ([0.0, 0.0], 5, 1000), ([5.0, 5.0], 10, 0), ([1.0, 1.0], 2, 2), ([7.0, 0.0], 7, 1000)],
)
def test_nothing_to_compare_is_0(counts: list[float], n: float, m: float) -> None:
    """Without events, without a reference, with fewer than five in both, or in one bin only, all is 0."""
    reference = np.array([1.0, 0.0]) if counts[1] == 0 else np.array([0.5, 0.5])

    found = compared(np.array([counts]), n, reference, m)

    assert [part.tolist() for part in (found.z, found.distance, found.standard_error)] == [[0.0]] * 3


def test_unused_bins_change_nothing() -> None:
    """Columns may be filled up with bins that both lack, and stand beside other columns."""
    counts, reference = np.array([[30.0, 50, 20], [1, 1, 98]]), np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    wide = [np.pad(part, ((0, 0), (2, 5))) for part in (counts, reference)]
    sizes = np.full(2, 100.0), np.full(2, 5e3)

    alone = [standardized(counts[[i]], sizes[0][[i]], reference[[i]], sizes[1][[i]]).z[0] for i in range(2)]

    np.testing.assert_allclose(standardized(wide[0], sizes[0], wide[1], sizes[1]).z, alone, rtol=1e-12)


@given(
    st.floats(0, 1e9),
    st.floats(0, 1e12),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_it_is_finite_for_anything(n: float, m: float, bins: list[tuple[float, float]]) -> None:
    """Any counts and sizes, whole or not, give finite numbers and an error that is not negative."""
    counts, reference = (np.array([side]) for side in zip(*bins, strict=True))

    found = compared(counts, n, reference, m)

    for part in (found.z, found.distance, found.standard_error, effective_size(counts, counts**2)):
        assert np.isfinite(part).all()
    assert found.standard_error >= 0


def test_it_stays_exact_at_a_billion_events() -> None:
    """At 1e9 events against as many, small and huge changes have the z of chi-square's cube root."""
    for shift in (0.0, 1e-5, 0.1):
        now = np.array([[0.5 + shift, 0.5 - shift]])
        statistic = (2 * shift) ** 2 / (1 - shift**2) * 0.5e9
        first, second = (math.gamma(0.5 + power) / math.gamma(0.5) for power in (1 / 3, 2 / 3))
        expected = (math.cbrt(statistic / 2) - first) / math.sqrt(second - first**2)

        assert compared(now, 1e9, EVEN, 1e9).z == pytest.approx(expected, rel=1e-5)


def test_contributions_name_what_changed() -> None:
    """The bins whose shares changed have all of the change, in equal parts if they changed alike."""
    now = EQUAL.copy()
    now[[4, 9]] += [0.03, -0.03]
    parts = contributions(terms(now[None], np.array([1e4]), EQUAL[None], np.array([1e9])))[0]

    assert parts[[4, 9]].sum() == pytest.approx(1)
    assert parts[4] == pytest.approx(0.5, abs=0.01)
    assert contributions(np.array([[2.0, -5.0, 6.0], [0.0, -1.0, 0.0]])).tolist() == [[0.25, 0.0, 0.75], [0, 0, 0]]


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=20), st.floats(0.01, 100))
def test_effective_size_of_equal_weights(counts: list[int], weight: float) -> None:
    """Observations of one weight count as many as they are, whatever the weight."""
    rows = np.array([counts], np.float64)

    assert effective_size(rows * weight, rows * weight**2) == pytest.approx(sum(counts))


def test_effective_size() -> None:
    """Without weights it is 0, in one bin it is Kish's, and else that at which chi-square has the mean that it has."""
    weights, squares = np.array([[0.0, 0.0], [30.0, 0.0], [1e7, 1e8]]), np.array([[0, 0], [90.0, 0], [1e7, 1e10]])
    shares = weights[2] / weights[2].sum()
    variance = (squares[2] * (1 - shares) ** 2 + squares[2][::-1] * shares**2) / weights[2].sum() ** 2

    found = effective_size(weights, squares)

    assert found[:2].tolist() == [0.0, 10.0]
    assert found[2] == pytest.approx(1 / (variance / shares).sum(), rel=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_bad_input_is_refused(bad: float) -> None:
    """Values that are negative or not finite, and shapes that do not fit, are refused."""
    good, one = np.array([[1.0, 2.0]]), np.array([3.0])
    for arguments in (
        (np.array([[bad, 2.0]]), one, good, one),
        (good, np.array([bad]), good, one),
        (good, one, np.array([[bad, 2.0]]), one),
        (good, one, good, np.array([bad])),
    ):
        with pytest.raises(ValueError, match="negative or not finite"):
            standardized(*arguments)
    with pytest.raises(ValueError, match=r"give \(columns, bins\) and \(columns,\)"):
        standardized(good[0], one, good, one)
    with pytest.raises(ValueError, match="bins must be the same"):
        standardized(good, one, np.ones((1, 3)), one)
