"""
The grid: one set of bins for every column of every model, so that histograms merge wherever they were made.

A number's bin is its sign, its power of two and the first bits of what follows: a logarithmic grid, as DDSketch's
(Masson, Rim & Lee, VLDB 2019, section 2), with the logarithm read off the number's own bits and straight lines between
the powers of two. It needs no data to be laid out, and any number in a bin is told to within `RELATIVE_ACCURACY`.
The price is that a column is seen only as finely as that: values from 1000 to 1050 may all be in one bin.

A category's bin is 16 bits of its hash, so two of K categories share one with a chance of K in 65,535.
"""

from __future__ import annotations

import numpy as np

from streams.core.columns import Floats, Hashes, Ints, Mask

_BITS = 4  # of the fraction: 16 bins for every doubling
_PER_DOUBLING = 1 << _BITS
_FRACTION, _BIAS, _LARGEST_EXPONENT = 52, 1023, 1023  # of IEEE 754's binary64
_SMALLEST_EXPONENT = -64

RELATIVE_ACCURACY = 1 / (2 * _PER_DOUBLING + 1)
"""A number differs from `value_of` its bin by at most this share of itself, 3.03 %, unless it is tiny."""

TINY = 2.0**_SMALLEST_EXPONENT
"""Smaller magnitudes than this, 5.4e-20, share one bin for each sign; zero has its own."""

MISSING = 0
"""Bin of what is not there, of numbers and of categories."""

NOT_A_NUMBER = 1
"""Bin of NaN."""

_INFINITE = 2 + (_LARGEST_EXPONENT + 1 - _SMALLEST_EXPONENT) * _PER_DOUBLING  # from zero; tiny is 1

LOWEST = 2
"""Bin of minus infinity; the bins of numbers go up from here as the numbers do."""

ZERO = LOWEST + _INFINITE
"""Bin of exactly 0."""

HIGHEST = ZERO + _INFINITE
"""Bin of infinity, and the last one of all."""

CATEGORIES = 65_535
"""Categories have bins from 1 to this."""


def bins_of(values: Floats, missing: Mask | None = None) -> Ints:
    """
    Bin of each number, any shape; `MISSING` where the mask says so, whatever the value there is.

    >>> bins_of(np.array([-np.inf, -1.0, 0.0, 1e-30, 1.0, np.nan])).tolist()
    [2, 16386, 17412, 17413, 18438, 1]
    """
    numbers = np.ascontiguousarray(values, np.float64)
    steps = numbers.view(np.int64) >> (_FRACTION - _BITS)
    steps &= ((1 << 11) << _BITS) - 1  # without the sign
    steps -= (_BIAS + _SMALLEST_EXPONENT) * _PER_DOUBLING - 2
    np.maximum(steps, 1, out=steps)
    steps *= np.subtract(numbers > 0, numbers < 0, dtype=np.int8)
    steps += ZERO
    steps[np.isnan(numbers)] = NOT_A_NUMBER
    if missing is not None:
        steps[missing] = MISSING
    return steps


def category_bins(hashes: Hashes, missing: Mask | None = None) -> Ints:
    """
    Bin of each category by the upper bits of its hash: 1 to `CATEGORIES`, or `MISSING` where the mask says so.

    >>> category_bins(np.array([0, 1 << 48, 2**64 - 1], np.uint64)).tolist()
    [1, 1, 65535]
    """
    bins: Ints = np.maximum(np.asarray(hashes, np.uint64) >> np.uint64(48), np.uint64(1)).astype(np.int64)
    if missing is not None:
        bins[missing] = MISSING
    return bins


def edges(bins: Ints) -> tuple[Floats, Floats]:
    """
    Lower and upper edge of the bins of numbers; NaN for the bins that hold none.

    A bin holds the edge that is nearer to zero, and not the other.

    Raises
    ------
    ValueError
        If a bin is not one of the grid.

    >>> [edge.tolist() for edge in edges(bins_of(np.array([1.0, -1.0])))]
    [[1.0, -1.0625], [1.0625, -1.0]]
    """
    near, far = _magnitudes(bins)
    negative = bins < ZERO
    return np.where(negative, -far, near) + 0.0, np.where(negative, -near, far) + 0.0  # no negative zeros


def value_of(bins: Ints) -> Floats:
    """
    Return the number that stands for each bin; NaN for the bins that hold none.

    It is the harmonic mean of the edges, from which neither is farther than `RELATIVE_ACCURACY` of itself.

    Raises
    ------
    ValueError
        If a bin is not one of the grid.

    >>> value_of(bins_of(np.array([100.0, 0.0]))).round(2).tolist()
    [101.96, 0.0]
    """
    near, far = _magnitudes(bins)
    shape = np.divide(near, far, out=np.ones_like(near), where=np.isfinite(far) & (far > 0))
    middle = np.where(shape > 0, near * (2 / (1 + shape)), far / 2)
    return np.where(bins < ZERO, -middle, middle)


def merged(bins: Ints, weights: Floats) -> tuple[Ints, Floats]:
    """
    Histogram of all entries: each bin once, in order, with the sum of its weights; bins without weight are left out.

    Raises
    ------
    ValueError
        If there is not one weight a bin, or a weight is negative or not finite.
    """
    if np.shape(bins) != np.shape(weights):
        raise ValueError(f"{np.size(bins)} bins and {np.size(weights)} weights: give one weight a bin")
    weights = np.asarray(weights, np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(f"weights go from {weights.min()} to {weights.max()}: each must be 0 or more and finite")
    some = weights > 0
    each, place = np.unique(np.asarray(bins, np.int64)[some], return_inverse=True)
    sums: Floats = np.bincount(place, weights[some], minlength=len(each)).astype(np.float64)
    return each, sums


def quantiles(bins: Ints, weights: Floats, shares: Floats) -> Floats:
    """
    Smallest numbers that have the given shares of the numbers' weight at or below them.

    Each is within `RELATIVE_ACCURACY` of the exact quantile, or within `TINY`. What is no number does not count.

    Raises
    ------
    ValueError
        If a share is not from 0 to 1, or the histogram holds no number.

    >>> quantiles(bins_of(np.arange(1.0, 101)), np.ones(100), np.array([0.5, 0.9])).round(2).tolist()
    [50.98, 89.96]
    """
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"shares are {np.asarray(shares).tolist()}: each must be from 0 to 1")
    bins, weights = _numbers(bins, weights)
    below = np.cumsum(weights)
    place = np.searchsorted(below, np.asarray(shares) * below[-1])
    return value_of(bins[np.minimum(place, len(bins) - 1)])


def mean(bins: Ints, weights: Floats) -> tuple[float, float]:
    """
    Mean of the finite numbers, and by how much it may be off.

    That is `RELATIVE_ACCURACY` of the mean magnitude of the largest numbers that the bins can hold.

    Raises
    ------
    ValueError
        If the histogram holds no finite number.
    """
    bins, weights = _numbers(bins, weights)
    finite = (bins > LOWEST) & (bins < HIGHEST)
    if not finite.any():
        raise ValueError("the histogram holds only infinite numbers: they have no mean")
    parts = weights[finite] / weights[finite].sum()
    values = value_of(bins[finite])
    largest = np.abs(values) / (1 - RELATIVE_ACCURACY)
    return float(parts @ values), float(parts @ largest) * RELATIVE_ACCURACY + TINY


def extremes(bins: Ints, weights: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """
    Where the smallest number lies, and where the largest one does: the edges of their bins.

    Raises
    ------
    ValueError
        If the histogram holds no number.
    """
    bins, _ = _numbers(bins, weights)
    lower, upper = edges(bins[[0, -1]])
    return (float(lower[0]), float(upper[0])), (float(lower[1]), float(upper[1]))


def is_grid(bins: Ints) -> bool:
    """Whether all of these can be bins of numbers."""
    return bool(((bins >= MISSING) & (bins <= HIGHEST)).all())


def _magnitudes(bins: Ints) -> tuple[Floats, Floats]:
    """Edges of the bins' magnitudes, the one nearer to zero first."""
    if not is_grid(bins):
        raise ValueError(f"bins go from {np.min(bins)} to {np.max(bins)}: those of the grid are {MISSING} to {HIGHEST}")
    steps = np.abs(np.asarray(bins, np.int64) - ZERO)
    step = np.clip(steps - 2, 0, _INFINITE - 3)
    exponent = step // _PER_DOUBLING + _SMALLEST_EXPONENT
    fraction = 1 + step % _PER_DOUBLING / _PER_DOUBLING
    most = np.where(exponent == _LARGEST_EXPONENT, np.nextafter(2.0, 1.0), 2.0)  # the next number up is infinite
    near, far = np.ldexp(fraction, exponent), np.ldexp(np.minimum(fraction + 1 / _PER_DOUBLING, most), exponent)
    special = [bins < LOWEST, steps == _INFINITE, steps == 1, steps == 0]
    return np.select(special, [np.nan, np.inf, 0.0, 0.0], near), np.select(special, [np.nan, np.inf, TINY, 0.0], far)


def _numbers(bins: Ints, weights: Floats) -> tuple[Ints, Floats]:
    """Return the part of a histogram that holds numbers, merged."""
    bins, weights = merged(bins, weights)
    some = bins >= LOWEST
    if not some.any():
        raise ValueError("the histogram holds no number: there is nothing to describe")
    return bins[some], weights[some]
