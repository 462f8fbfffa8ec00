"""A column beside its reference: every number of the table, and what is said where there is none."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from streams.core.columns import Ints
from streams.core.detect.comparison import Comparison, compare
from streams.core.detect.distances import hellinger, jensen_shannon, l_infinity
from streams.core.detect.grid import MISSING, bins_of, value_of
from streams.core.detect.reference import Reference, Verdict

BEFORE = np.random.default_rng(1).normal(10, 3, 5_000)
NUMBERS = Reference.from_histogram("numeric", bins_of(BEFORE), np.ones(5_000), 5_000)
CATEGORIES = Reference.from_histogram(
    "categorical", np.repeat([MISSING, 5, 6, 7], [100, 500, 300, 100]), np.ones(1000), 1e3
)


def of(reference: Reference, grid: Ints) -> Comparison:
    found = compare(reference, grid, np.ones(len(grid)), len(grid))
    assert isinstance(found, Comparison)
    return found


def test_numbers_beside_their_reference() -> None:
    """Shares, distances on the bins and distances on the grid are those of the values."""
    now = np.concatenate([np.random.default_rng(2).normal(11, 3, 991), [math.nan] * 4, [1e6] * 3, [-1e6] * 2])
    missing = np.zeros(1_000, bool)
    missing[:50] = True
    grid = bins_of(now, missing)
    finite = now[50:][np.isfinite(now[50:])]

    found = of(NUMBERS, grid)

    shares = NUMBERS.rebin(grid, np.ones(1_000)) / 1_000
    told = [value_of(bins_of(values)) for values in (finite, BEFORE)]
    assert found.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(*told).statistic)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(*told))
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(finite, BEFORE), rel=0.04)
    assert found.jensen_shannon == pytest.approx(float(jensen_shannon(shares, NUMBERS.shares)))
    assert found.hellinger == pytest.approx(float(hellinger(shares, NUMBERS.shares)))
    assert found.l_infinity == pytest.approx(float(l_infinity(shares, NUMBERS.shares)))
    assert (found.missing, found.missing_before, found.not_a_number) == (0.05, 0.0, 0.004)
    assert found.out_of_range == pytest.approx(0.005)
    assert found.new is None
    assert found.z > 5
    assert found.psi > 3 * found.psi_without_drift
    assert found.p < 1e-6


def test_categories_beside_their_reference() -> None:
    """New and missing categories are counted, chi-square is scipy's, and distances of numbers there are none."""
    now = np.repeat([MISSING, 5, 6, 7, 8], [10, 40, 30, 10, 10])

    found = of(CATEGORIES, now)

    table = np.array([[10, 40, 30, 10, 10], [100, 500, 300, 100, 0]])
    expected = stats.chi2_contingency(table, correction=False)
    assert (found.chi_square, found.degrees) == pytest.approx((expected.statistic, 4))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.new, found.missing, found.missing_before) == (0.1, 0.1, 0.1)
    assert (found.kolmogorov_smirnov, found.wasserstein, found.out_of_range, found.not_a_number) == (None,) * 4
    p, q = np.array([10.5, 40.5, 30.5, 10.5, 10.5]) / 102.5, np.array([100.5, 500.5, 300.5, 100.5, 0.5]) / 1002.5
    assert found.psi == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert found.psi_without_drift == pytest.approx(4 * (1 / 100 + 1 / 1000))


def test_the_bins_tell_what_changed() -> None:
    """The bin whose share changed most contributes most, is named, and contributions have the sum 1."""
    weights = np.array([10.0, 40, 30, 10, 60])

    found = compare(CATEGORIES, np.array([MISSING, 5, 6, 7, 8]), weights, 150, names={5: "UA"})

    assert isinstance(found, Comparison)
    worst = max(found.bins, key=lambda part: part.contribution)
    assert (worst.holds, worst.reference, worst.current) == ("new", 0.0, 0.4)
    assert [part.holds for part in found.bins] == ["missing", "new", "UA", "category 6", "category 7"]
    assert sum(part.contribution for part in found.bins) == pytest.approx(1)


def test_the_same_again_is_no_drift() -> None:
    """A tick that is the reference has no distance from it, by any measure."""
    found = of(NUMBERS, bins_of(BEFORE))

    distances = [found.psi, found.jensen_shannon, found.hellinger, found.l_infinity, found.chi_square]
    assert [*distances, found.kolmogorov_smirnov, found.wasserstein] == pytest.approx([0] * 7, abs=1e-7)
    assert found.p == pytest.approx(1)
    assert found.z < 0


def test_weights_count_by_their_effective_number() -> None:
    """Weights ten times as large change nothing while the effective number is the same."""
    rows = bins_of(np.random.default_rng(3).normal(10.5, 3, 300))

    assert compare(NUMBERS, rows, np.full(300, 10.0), 300) == compare(NUMBERS, rows, np.ones(300), 300)


def test_a_numeric_column_that_became_empty() -> None:
    """Where all is missing there are no numbers to have distances, and all else says how large the change is."""
    found = of(NUMBERS, np.full(200, MISSING))

    assert (found.kolmogorov_smirnov, found.wasserstein) == (None, None)
    assert (found.missing, found.l_infinity, found.hellinger) == pytest.approx((1, 1, 1))
    assert found.z > 20


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (np.full(500, 3.0), [3.0] * 90 + [4.0] * 10),
        (np.full(500, math.nan), [math.nan] * 90 + [4.0] * 10),
        (np.full(500, math.inf), [math.inf] * 90 + [4.0] * 10),
    ],
)
def test_a_reference_with_one_value(before: npt.NDArray[np.float64], now: list[float]) -> None:
    """A constant, only NaN or only infinity is a reference beside which another value is drift, and it is none."""
    reference = Reference.from_histogram("numeric", bins_of(before), np.ones(500), 500)

    assert of(reference, bins_of(np.array(now))).z > 4
    assert of(reference, bins_of(before[:100])).z == 0


def test_what_cannot_be_compared_has_a_reason() -> None:
    """A poor reference, another kind of column and a tick without rows give a verdict that says why."""
    few = Reference.from_histogram("numeric", bins_of(np.arange(10.0)), np.ones(10), 10)
    rows, nothing = bins_of(np.ones(5)), np.array([], np.int64)

    for found, why in (
        (compare(few, rows, np.ones(5), 5), "the reference has 10 effective rows, it needs 100"),
        (
            compare(NUMBERS, rows, np.ones(5), 5, kind="categorical"),
            "the reference is numeric, the column is categorical",
        ),
        (compare(NUMBERS, nothing, np.array([]), 0), "the tick has no rows"),
        (compare(NUMBERS, rows, np.zeros(5), 5), "the tick has no rows"),
        (compare(NUMBERS, rows, np.ones(5), 0), "the tick has no rows"),
    ):
        assert found == Verdict(judges=False, why=why)


@pytest.mark.parametrize("n", [-1.0, math.nan, math.inf])
def test_bad_input_is_refused(n: float) -> None:
    """A number of rows that is none is refused, and so are weights."""
    with pytest.raises(ValueError, match=f"n is {n}"):
        compare(NUMBERS, bins_of(np.ones(1)), np.ones(1), n)
    with pytest.raises(ValueError, match="each must be 0 or more and finite"):
        compare(NUMBERS, bins_of(np.ones(1)), np.array([n]), 1)
