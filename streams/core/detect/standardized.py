"""
A tick's histogram against the reference's as one number, which has mean 0 and standard deviation 1 without drift.

The distances of `distances.py` grow as the samples shrink, so that a quiet hour looks like drift. Here the sampling
noise of both histograms is taken out: what is expected of a statistic, and how much it varies, is computed from the
two sizes, given how often each bin occurs in both together. That is exact for plain samples of any size, however rare
a bin is (Haldane, Biometrika 31, 1940, and Dawson, Biometrika 41, 1954, have it for chi-square), and near for weighted
ones; where weights differ tenfold between bins, the standard deviation is up to 1.3.

The same reference stands against every tick. With m rows in it and n in each of two ticks, their numbers correlate by
about (n / (n + m))**2: take a reference several times larger than a tick. That also keeps out of sight that the bins
were made of the reference (see `reference.py`); with ticks much larger than it, z is up to 1 or 2 without drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from streams.core.columns import Floats, Ints

_SPARE = 1.0
"""
What is added to each bin's variance before a deviation is divided by it, in squared observations.

One event in a bin that had none is then one step, not the thousands of chi-square, while ten are a hundred.
"""

_SMALLEST_SHAPE = 0.25  # of the gamma distribution, as of chi-square with half a degree of freedom: below, too skewed
_LARGEST_SHAPE = 1e6  # above, the statistic cannot but be what it is, as that of a single event in equal bins
_ADDED = 4.0  # observations of average weight, to those of each bin
_LEAST = 0.5  # observations: fewer are none
_FEWEST_TOGETHER = 4.0  # observations: the fourth moments divide by (n - 1) (n - 2) (n - 3)


@dataclass(frozen=True)
class Standardized:
    """
    How far distributions are from their references, each of shape (columns,).

    Attributes
    ----------
    z
        Mean 0 and standard deviation 1 without drift, and near to normal. The deviation is smaller where less than
        about one observation is expected outside the commonest bin, as in a column that is nearly constant.
    distance
        Estimate of sum((p - q)**2 / r), with p and q the shares and r those of both together, as far as the bins are
        not very rare: 0 without drift, whatever the sizes, so it may be negative.
    standard_error
        Standard deviation of `distance` without drift.

    All are 0 where there is nothing to compare: no observations in either, fewer than five in both, or only one bin.
    """

    z: Floats
    distance: Floats
    standard_error: Floats


def standardized(
    counts: Floats | Ints, n_effective: Floats, reference: Floats | Ints, reference_n: Floats
) -> Standardized:
    """
    Distance of histograms from their references, freed of the noise of both, many columns at once.

    The statistic is sum((o - e)**2 / (v + 1)): o what is observed in a bin, e and v the mean and the variance of that
    when both histograms are samples of one distribution. Its cube root, nearly normal as that of chi-square (Wilson &
    Hilferty, PNAS 17, 1931), is standardized as if it were of the gamma distribution with the same mean and variance.

    Parameters
    ----------
    counts
        Counts or sums of weights by bin, shape (columns, bins). Bins that both lack do not count, so columns with
        fewer bins can be filled up with zeros.
    n_effective
        How many equally weighted observations tell as much as the counts do (see `effective_size`), shape (columns,).
    reference
        Share of each bin in the reference, or anything in proportion to it, shape (columns, bins).
    reference_n
        The same of the reference, shape (columns,).

    Raises
    ------
    ValueError
        If the shapes differ, or a value is negative or not finite.

    >>> found = standardized(np.array([[60, 40]]), np.array([100]), np.array([[0.5, 0.5]]), np.array([1e6]))
    >>> found.z.round(3).tolist(), found.distance.round(3).tolist()
    ([1.818], [0.029])
    """
    seen, known = _in_observations(counts, n_effective), _in_observations(reference, reference_n)
    if seen.shape != known.shape:
        raise ValueError(f"histograms of shape {seen.shape} and references of {known.shape}: bins must be the same")
    statistic, mean, variance = _moments(seen, known)
    sizes = seen.sum(axis=1), known.sum(axis=1)
    scale = sum(1 / np.maximum(size, _LEAST) for size in sizes)
    return Standardized(
        z=_normal(statistic, mean, variance),
        distance=(statistic - mean) * scale,
        standard_error=np.sqrt(variance) * scale,
    )


def terms(counts: Floats | Ints, n_effective: Floats, reference: Floats | Ints, reference_n: Floats) -> Floats:
    """Contribution of each bin to the statistic that `standardized` reads, shape (columns, bins)."""
    deviation, weight, _, _ = _deviations(
        _in_observations(counts, n_effective), _in_observations(reference, reference_n)
    )
    parts: Floats = weight * deviation**2
    return parts


def effective_size(weights: Floats, squares: Floats) -> Floats:
    """
    How many equally weighted observations tell as much as histograms of weighted ones, shape (columns,).

    It is the size at which chi-square has the mean that it has with these weights (Rao & Scott, JASA 76, 1981): weights
    may differ from bin to bin, and where they do not it is near to Kish's (sum w)**2 / sum w**2. As a few observations
    say little about the weights of their bin, four of the average weight are added to them. 0 without weights.

    Parameters
    ----------
    weights, squares
        Sums of the weights and of their squares by bin, shape (columns, bins).

    >>> effective_size(np.array([[10.0, 30.0]]), np.array([[10.0, 30.0]])).tolist()
    [40.0]
    """
    weights, squares = np.asarray(weights, np.float64), np.asarray(squares, np.float64)
    some = weights > 0
    total, all_squares = weights.sum(axis=1, keepdims=True), squares.sum(axis=1, keepdims=True)
    average = np.divide(all_squares, total, out=np.zeros_like(total), where=total > 0)
    added = _ADDED * average
    typical = np.divide(squares + added * average, weights + added, out=np.zeros_like(weights), where=some)
    spread = (typical * (total - weights)).sum(axis=1)
    degrees = some.sum(axis=1) - 1
    kish = np.divide(total, average, out=np.zeros_like(total), where=average > 0)[:, 0]
    size: Floats = np.divide(degrees * total[:, 0] ** 2, spread, out=kish, where=spread > 0)
    return size


def contributions(amounts: Floats) -> Floats:
    """
    Share of each amount in the sum along the last axis; 0 for amounts below 0, and for all where none is above.

    Of `terms`: what each bin contributes. Of `Standardized.z`: what each column does.

    >>> contributions(np.array([3.0, -1.0, 1.0])).tolist()
    [0.75, 0.0, 0.25]
    """
    positive = np.maximum(amounts, 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    shares: Floats = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    return shares


def _in_observations(counts: Floats | Ints, n: Floats) -> Floats:
    """Scale counts or shares so that each column has n; nothing where it has none."""
    counts, n = np.asarray(counts, np.float64), np.asarray(n, np.float64)
    if counts.ndim != 2 or n.shape != counts.shape[:1]:
        raise ValueError(f"counts of shape {counts.shape} and sizes of {n.shape}: give (columns, bins) and (columns,)")
    if not (np.isfinite(counts).all() and np.isfinite(n).all() and (counts >= 0).all() and (n >= 0).all()):
        raise ValueError("a count, a share or a size is negative or not finite: each must be 0 or more")
    total = counts.sum(axis=1, keepdims=True)
    scaled: Floats = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0) * n[:, None]
    return scaled


def _deviations(seen: Floats, known: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Deviation of each bin from what both together let expect, its weight, and both sizes, shape (columns, 1)."""
    n, m = seen.sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
    total = np.maximum(n + m, 1.0)
    both = seen + known
    return (seen * m - known * n) / total, 1 / (both * (n / total) * (m / total) + _SPARE), n, m


def _moments(seen: Floats, known: Floats) -> tuple[Floats, Floats, Floats]:
    """
    Return the statistic sum(a x**2), its mean and its variance given the bins' counts in both together.

    The deviations x are then those of a multivariate hypergeometric distribution. Of two bins, one given the other is
    hypergeometric too, which gives E[x**2 y**2] from the moments of x alone.
    """
    deviation, weight, n, m = _deviations(seen, known)
    statistic = (weight * deviation**2).sum(axis=1)
    both, total = seen + known, n + m
    fit = (n >= _LEAST) & (m >= _LEAST) & (total > _FEWEST_TOGETHER)
    total = np.where(fit, total, _FEWEST_TOGETHER + 1)
    second, third, fourth = _central(both, n, m, total)
    rest = total - both  # observations outside the bin, of which n (rest / total) are expected in the tick
    expected = n * rest / total
    spread = expected * (rest - expected) * second + (2 * expected - rest) * third - fourth
    per_variance = np.divide(spread, rest**2 * (rest - 1), out=np.zeros_like(rest), where=rest > 1)
    per_square = np.divide(fourth, rest**2, out=np.zeros_like(rest), where=rest > 0)
    weighted, squared = weight * both, weight * both**2
    others, other_squares = (part.sum(axis=1, keepdims=True) - part for part in (weighted, squared))
    pairs = per_variance * (rest * others - other_squares) + per_square * other_squares
    mean = (weight * second).sum(axis=1)
    variance = (weight**2 * fourth + weight * pairs).sum(axis=1) - mean**2
    usable = fit[:, 0] & ((both > 0).sum(axis=1) > 1)
    return (
        np.where(usable, statistic, 0.0),
        np.where(usable, mean, 0.0),
        np.where(usable, np.maximum(variance, 0.0), 0.0),
    )


def _central(both: Floats, n: Floats, m: Floats, total: Floats) -> tuple[Floats, Floats, Floats]:
    """Second to fourth central moment of how many of `both` are among n drawn of a total of n + m (hypergeometric)."""
    bins, sizes = both * (total - both), n * m
    second = n / total * (m / total) * bins / (total - 1)
    third = second * (total - 2 * both) / total * (m - n) / (total - 2)
    below = (total - 2) * (total - 3)
    excess = (total * (total + 1) - 6 * bins - 6 * sizes) / below
    excess += 6 * (sizes / total) * (bins / total) * (5 * total - 6) / ((total - 1) * below)
    return second, third, second * (3 * second + excess)


def _normal(statistic: Floats, mean: Floats, variance: Floats) -> Floats:
    """Bring a statistic with this mean and variance to a normal scale: as a gamma variable, or linearly if too rare."""
    shape = np.divide(mean**2, variance, out=np.zeros_like(mean), where=variance > 0)
    smooth = (shape >= _SMALLEST_SHAPE) & (shape <= _LARGEST_SHAPE)
    known = np.where(smooth, shape, 1.0)
    first, second = (np.exp(special.gammaln(known + power) - special.gammaln(known)) for power in (1 / 3, 2 / 3))
    ratio = np.divide(statistic, mean, out=np.zeros_like(mean), where=mean > 0)
    cube_root = (np.cbrt(ratio * known) - first) / np.sqrt(second - first**2)
    return np.where(smooth, cube_root, (statistic - mean) / np.maximum(np.sqrt(variance), 1.0))
