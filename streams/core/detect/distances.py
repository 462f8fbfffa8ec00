"""
Distances between two distributions over the same bins.

All but chi-square read shares, arrays of shape (bins,) or (columns, bins) whose last axis sums to 1, and give one
number a column. None knows how many observations there were, and all grow as these get fewer: they say how large a
difference is, not whether there is one. That is for `standardized.py`.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from streams.core.columns import Floats, Mask

_PER_BIN = 0.5  # observations
_SUM_TO_ONE = 1e-9


def shares_of(counts: Floats) -> Floats:
    """
    Counts or sums of weights as shares of their sum, along the last axis.

    Raises
    ------
    ValueError
        If a count is negative or not finite, or all of a column's are 0.
    """
    counts = np.asarray(counts, np.float64)
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError("a count is negative or not finite: each must be 0 or more")
    total = counts.sum(axis=-1, keepdims=True)
    if not (total > 0).all():
        raise ValueError("there are no observations: a histogram needs some to have shares")
    shares: Floats = counts / total
    return shares


def smoothed(shares: Floats, n: Floats | float, occupied: Mask) -> Floats:
    """
    Shares after half an observation more in each bin that is occupied on either side (Jeffreys' prior).

    It is what keeps `psi` finite where a bin is empty on one side only.

    Parameters
    ----------
    n
        Observations behind the shares, one number or one a column; the effective ones if they are weighted.
    """
    n = np.asarray(n, np.float64)[..., None]
    added: Floats = (shares * n + _PER_BIN * occupied) / (n + _PER_BIN * occupied.sum(axis=-1, keepdims=True))
    return added


def psi(current: Floats, reference: Floats) -> Floats:
    """
    Population stability index, sum((p - q) ln(p / q)); inf where a bin is empty on one side only: see `smoothed`.

    It is the divergence of Jeffreys (Proc. R. Soc. A 186, 1946).

    >>> psi(np.array([0.05, 0.15, 0.35, 0.3, 0.15]), np.array([0.1, 0.2, 0.4, 0.2, 0.1])).round(5).item()
    0.11654
    """
    p, q = _checked(current, reference)
    return _sum(special.rel_entr(p, q) + special.rel_entr(q, p))


def psi_without_drift(bins: int, n: float, reference_n: float) -> float:
    """
    What the PSI of two samples of one distribution is on average, (bins - 1) (1 / n + 1 / m), if no bin is rare.

    Source: Yurdakul, "Statistical properties of population stability index", 2018.
    """
    if not (n > 0 and reference_n > 0):
        raise ValueError(f"there are {n} and {reference_n} observations: there must be some on both sides")
    return (bins - 1) * (1 / n + 1 / reference_n)


def jensen_shannon(current: Floats, reference: Floats) -> Floats:
    """
    Jensen-Shannon distance: the root of the divergence, in natural logarithms, so from 0 to sqrt(ln 2).

    Source: Endres & Schindelin, IEEE Trans. Inf. Theory 49, 2003.
    """
    p, q = _checked(current, reference)
    middle = (p + q) / 2
    divergence = _sum(special.rel_entr(p, middle) + special.rel_entr(q, middle)) / 2
    distance: Floats = np.sqrt(np.maximum(divergence, 0.0))
    return distance


def hellinger(current: Floats, reference: Floats) -> Floats:
    """Hellinger distance, sqrt(sum((sqrt(p) - sqrt(q))**2) / 2), from 0 to 1 (Le Cam 1986, section 4.2)."""
    p, q = _checked(current, reference)
    distance: Floats = np.sqrt(_sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2)
    return distance


def l_infinity(current: Floats, reference: Floats) -> Floats:
    """Largest change of the share of any bin, from 0 to 1."""
    p, q = _checked(current, reference)
    largest: Floats = np.abs(p - q).max(axis=-1)
    return largest


def kolmogorov_smirnov(current: Floats, reference: Floats) -> Floats:
    """
    Largest difference of the two distribution functions at the bins' edges, from 0 to 1 (Smirnov 1939).

    Bins must be in the order of their values. Between the edges, the difference of the values themselves can be
    larger, by no more than the larger share of one bin.
    """
    p, q = _checked(current, reference)
    largest: Floats = np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1)
    return largest


def wasserstein(current: Floats, reference: Floats, values: Floats) -> Floats:
    """
    Wasserstein-1 distance: the integral of the distribution functions' difference, in the unit of the values.

    Source: Vallender, Theory Probab. Appl. 18, 1974.

    Parameters
    ----------
    values
        The number that stands for each bin, rising, of shape (bins,) or (columns, bins).

    Raises
    ------
    ValueError
        If the values are not finite or do not rise, or the shares are not of the same shape with sum 1.
    """
    p, q = _checked(current, reference)
    widths = np.diff(np.asarray(values, np.float64), axis=-1)
    if not (np.isfinite(values).all() and (widths >= 0).all()):
        raise ValueError("the values of the bins must be finite and in rising order")
    return _sum(np.abs(np.cumsum(p - q, axis=-1))[..., :-1] * widths)


def chi_square(counts: Floats, reference: Floats) -> tuple[Floats, Floats, Floats]:
    """
    Pearson's chi-square of two samples by bins, its degrees of freedom and its p-value (Pearson, Biometrika 8, 1911).

    Bins that are empty in both do not count; (0, 0, 1) where there are fewer than two others or no observations in one
    sample. For weighted samples, give counts that sum to the effective size. The p-value is for one look.

    Parameters
    ----------
    counts, reference
        Counts of shape (bins,) or (columns, bins).

    >>> [round(part.item(), 6) for part in chi_square(np.array([100, 900]), np.array([120, 880]))]
    [2.042901, 1.0, 0.152918]
    """
    seen, known = np.broadcast_arrays(np.asarray(counts, np.float64), np.asarray(reference, np.float64))
    if not all((np.isfinite(part) & (part >= 0)).all() for part in (seen, known)):
        raise ValueError("a count is negative or not finite: each must be 0 or more")
    n, m = seen.sum(axis=-1, keepdims=True), known.sum(axis=-1, keepdims=True)
    both = seen + known
    sampled = (n > 0) & (m > 0)
    ratio = np.sqrt(np.divide(m, n, out=np.ones_like(n), where=sampled))
    squares = (seen * ratio - known / ratio) ** 2
    degrees = np.where(sampled[..., 0], np.maximum((both > 0).sum(axis=-1) - 1, 0), 0)
    found = _sum(np.divide(squares, both, out=np.zeros_like(both), where=both > 0))
    statistic = np.where(degrees > 0, found, 0.0)
    return statistic, degrees.astype(np.float64), np.where(degrees > 0, special.chdtrc(degrees, statistic), 1.0)


def _sum(terms: Floats) -> Floats:
    total: Floats = terms.sum(axis=-1)
    return total


def _checked(current: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Both sides as arrays of shares, or what is wrong with them."""
    p, q = np.asarray(current, np.float64), np.asarray(reference, np.float64)
    if p.shape[-1:] != q.shape[-1:]:
        raise ValueError(f"shares of {p.shape[-1:]} and {q.shape[-1:]} bins: the bins must be the same")
    for side in (p, q):
        if not ((side >= 0).all() and (np.abs(side.sum(axis=-1) - 1) <= _SUM_TO_ONE).all()):
            raise ValueError("the shares of a column must be 0 or more and have the sum 1: use shares_of")
    return p, q
