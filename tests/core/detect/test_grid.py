"""The grid: what is in a bin, how closely a bin tells it, and what a histogram says of numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some_numpy

from streams.core.columns import Floats
from streams.core.detect.grid import (
    CATEGORIES,
    HIGHEST,
    LOWEST,
    MISSING,
    NOT_A_NUMBER,
    RELATIVE_ACCURACY,
    TINY,
    ZERO,
    bins_of,
    category_bins,
    edges,
    extremes,
    mean,
    merged,
    quantiles,
    value_of,
)

LARGEST = np.finfo(np.float64).max
ROUNDING = 1 + 1e-12

finite = st.floats(allow_nan=False, allow_infinity=False)
samples = some_numpy.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e12, 1e12))
histograms = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 1000)), max_size=40)


def one_bin(value: float) -> int:
    return int(bins_of(np.array([value]))[0])


@given(finite)
def test_a_bin_tells_its_numbers_within_the_accuracy(value: float) -> None:
    """A number is within 3.03 % of the value of its bin, or within 5.4e-20 if it is smaller than that."""
    told = float(value_of(bins_of(np.array([value])))[0])

    assert abs(told / 4 - value / 4) <= max(RELATIVE_ACCURACY * abs(value) / 4, TINY) * ROUNDING
    assert pytest.approx(1 / 33) == RELATIVE_ACCURACY


@given(finite)
def test_edges_hold_the_number(value: float) -> None:
    """A number lies between the edges of its bin, and is not the edge farther from zero."""
    (lower,), (upper,) = edges(bins_of(np.array([value])))

    assert lower <= value <= upper
    assert value in (0.0, LARGEST, -LARGEST) or value != (upper if value > 0 else lower)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_bins_go_up_as_numbers_do(a: float, b: float) -> None:
    """A larger number is never in a lower bin, infinities included."""
    low, high = bins_of(np.array(sorted([a, b])))

    assert LOWEST <= low <= high <= HIGHEST


@given(st.floats(allow_nan=False))
def test_bins_are_symmetric(value: float) -> None:
    """The bins of a number and of its negative lie on either side of zero's, equally far."""
    assert one_bin(value) - ZERO == ZERO - one_bin(-value)


def test_every_bin_holds_its_own_value() -> None:
    """Each of the bins of numbers holds the value that stands for it, and begins where the one before it ends."""
    every = np.arange(LOWEST, HIGHEST + 1)
    lower, upper = edges(every)

    np.testing.assert_array_equal(bins_of(value_of(every)), every)
    np.testing.assert_array_equal(lower[2:-1], upper[1:-2])
    assert (lower[1], upper[-2]) == (-LARGEST, LARGEST)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, NOT_A_NUMBER),
        (-math.inf, LOWEST),
        (-LARGEST, LOWEST + 1),
        (-TINY, ZERO - 2),
        (-TINY / 2, ZERO - 1),
        (-5e-324, ZERO - 1),
        (-0.0, ZERO),
        (0.0, ZERO),
        (5e-324, ZERO + 1),
        (math.nextafter(TINY, 0), ZERO + 1),
        (TINY, ZERO + 2),
        (LARGEST, HIGHEST - 1),
        (math.inf, HIGHEST),
    ],
)
def test_special_values_have_bins_of_their_own(value: float, expected: int) -> None:
    """Zero, tiny numbers of each sign, infinities and NaN are in bins of their own."""
    assert one_bin(value) == expected


def test_every_nan_is_not_a_number() -> None:
    """A NaN with any sign and payload is in the bin of NaN, and in none of infinity."""
    payloads = np.array([0x7FF0000000000001, 0x7FF8000000000000, 0xFFF0000000000001, 0xFFFFFFFFFFFFFFFF], np.uint64)

    assert bins_of(payloads.view(np.float64)).tolist() == [NOT_A_NUMBER] * 4


def test_what_is_missing_has_a_bin() -> None:
    """A value under the mask is missing whatever it is, and the values are not changed."""
    values = np.array([1.0, math.nan, 3.0])
    missing = np.array([True, True, False])

    assert bins_of(values, missing).tolist() == [MISSING, MISSING, one_bin(3.0)]
    assert category_bins(np.array([5 << 48, 7 << 48, 9 << 48], np.uint64), missing).tolist() == [MISSING, MISSING, 9]
    assert values[2] == 3.0


def test_any_layout_and_type_of_numbers_will_do() -> None:
    """Strided, two-dimensional, single-precision, whole and no numbers have the bins of the same float64 values."""
    values = np.arange(12.0)

    np.testing.assert_array_equal(bins_of(values[::2]), bins_of(values)[::2])
    np.testing.assert_array_equal(bins_of(values.reshape(3, 4).T), bins_of(values).reshape(3, 4).T)
    np.testing.assert_array_equal(bins_of(values.astype(np.float32)), bins_of(values))
    np.testing.assert_array_equal(bins_of(values.astype(np.int64)), bins_of(values))
    assert bins_of(values[:0]).tolist() == []


def test_categories_are_spread_evenly() -> None:
    """Categories have bins from 1 to 65,535, the least hash too, and random hashes fill them evenly."""
    hashes = np.random.default_rng(1).integers(0, 2**64 - 1, 400_000, np.uint64, endpoint=True)
    bins = category_bins(np.append(hashes, np.array([0, 2**64 - 1], np.uint64)))
    counts = np.bincount(bins >> 12, minlength=16)

    assert (bins.min(), bins.max()) == (1, CATEGORIES)
    assert np.abs(counts - 25_000).max() < 5 * math.sqrt(25_000)


@given(histograms, st.integers(0, 2**32 - 1))
def test_merging_does_not_depend_on_order(entries: list[tuple[int, int]], seed: int) -> None:
    """Entries in any order, or merged in two parts first, give one histogram: each bin once, in order."""
    bins, weights = np.array([b for b, _ in entries], np.int64), np.array([w for _, w in entries], np.float64)
    order = np.random.default_rng(seed).permutation(len(entries))
    half = len(entries) // 2
    parts = merged(bins[:half], weights[:half]), merged(bins[half:], weights[half:])

    whole = merged(bins, weights)
    shuffled = merged(bins[order], weights[order])
    again = merged(np.concatenate([parts[1][0], parts[0][0]]), np.concatenate([parts[1][1], parts[0][1]]))

    assert whole[0].tolist() == sorted({b for b, _ in entries})
    assert whole[1].sum() == weights.sum()
    for other in (shuffled, again):
        np.testing.assert_array_equal(whole[0], other[0])
        np.testing.assert_array_equal(whole[1], other[1])


def test_bins_without_weight_are_left_out() -> None:
    """An entry of weight 0 is in no histogram, and no entries are an empty one."""
    assert [part.tolist() for part in merged(np.array([5, 6, 5]), np.array([0.0, 2.0, 0.0]))] == [[6], [2.0]]
    assert [part.tolist() for part in merged(np.array([], np.int64), np.array([]))] == [[], []]


@given(samples, st.lists(st.sampled_from([0.0, 0.01, 0.25, 0.5, 0.9, 1.0]), min_size=1))
def test_quantiles_are_within_the_stated_error(values: Floats, shares: list[float]) -> None:
    """Quantiles of the histogram are within 3.03 % of numpy's of the values, or within 5.4e-20."""
    told = quantiles(bins_of(values), np.ones(len(values)), np.array(shares))
    exact = np.quantile(values, shares, method="inverted_cdf")

    assert (np.abs(told - exact) <= np.maximum(RELATIVE_ACCURACY * np.abs(exact), TINY) * ROUNDING).all()


def test_quantiles_heed_weights() -> None:
    """Quantiles of a weighted histogram are those of values repeated so often; what is no number does not count."""
    values, times = np.array([1.0, 10.0, 100.0]), np.array([2, 5, 3])
    bins = np.append(bins_of(values), [MISSING, NOT_A_NUMBER])
    shares = np.array([0.1, 0.2, 0.21, 0.7, 0.71])

    told = quantiles(bins, np.append(times, [50, 50]).astype(float), shares)

    np.testing.assert_allclose(told, np.quantile(np.repeat(values, times), shares, method="inverted_cdf"), rtol=1 / 33)


def test_infinities_are_the_ends() -> None:
    """Infinite values are the lowest and the highest quantile, and are left out of the mean."""
    bins = bins_of(np.array([-math.inf, 1.0, math.inf]))

    assert quantiles(bins, np.ones(3), np.array([0.1, 1.0])).tolist() == [-math.inf, math.inf]
    assert extremes(bins, np.ones(3)) == ((-math.inf, -math.inf), (math.inf, math.inf))
    assert mean(bins, np.ones(3))[0] == pytest.approx(1, rel=RELATIVE_ACCURACY)


@given(samples)
def test_the_mean_is_within_its_error(values: Floats) -> None:
    """The mean differs from the exact one by no more than it says, and that is at most 3.3 % of the mean magnitude."""
    told, error = mean(bins_of(values), np.ones(len(values)))

    assert abs(told - values.mean()) <= error * ROUNDING + 1e-12 * np.abs(values).max()
    assert error <= np.abs(values).mean() * 0.033 + 2 * TINY


@given(samples)
def test_the_extremes_lie_where_they_are_said_to(values: Floats) -> None:
    """The smallest and the largest value lie between the edges given for them."""
    (low, least), (most, high) = extremes(bins_of(values), np.ones(len(values)))

    assert low <= values.min() <= least
    assert most <= values.max() <= high


def test_a_bin_without_number_has_none() -> None:
    """What is missing and what is NaN have NaN for a value and for edges."""
    bins = np.array([MISSING, NOT_A_NUMBER])

    assert np.isnan(value_of(bins)).all()
    assert np.isnan(edges(bins)).all()


def test_bad_input_is_refused() -> None:
    """Bins off the grid, bad weights and shares, and histograms without numbers are refused with their values."""
    one = np.ones(1)
    with pytest.raises(ValueError, match=f"bins go from -1 to {HIGHEST + 1}"):
        value_of(np.array([-1, HIGHEST + 1]))
    with pytest.raises(ValueError, match="2 bins and 1 weights"):
        merged(np.array([3, 4]), one)
    for weight in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="each must be 0 or more and finite"):
            merged(np.array([3]), np.array([weight]))
    with pytest.raises(ValueError, match=r"shares are \[1.5\]"):
        quantiles(np.array([ZERO]), one, np.array([1.5]))
    with pytest.raises(ValueError, match="holds no number"):
        quantiles(np.array([MISSING]), one, np.array([0.5]))
    with pytest.raises(ValueError, match="only infinite numbers"):
        mean(np.array([HIGHEST]), one)
