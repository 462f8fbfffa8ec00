"""
Evidence for a shift from nothing but ranks, and the detector that adds it up.

The scores of n reference ticks leave n + 1 gaps between and around them. Gaps are put together in a few bins, fine in
the tails. If all scores are exchangeable, the next one falls in a bin with a chance that is known without knowing their
distribution, by Polya's urn: (gaps of the bin + later scores in it) / (n + 1 + later scores). A bet q on the bins, made
before the score is seen, therefore earns

    e = q(bin) / urn(bin),    with mean 1 given all bins before.

The bets are what the bins would hold if normal scores had moved by a shift. They start from an older urn than the one
that is bet against, without the last ticks: these might already have moved.

Start such a bet anew at each tick, and let M add all of them up: M = (1 + M) e (Shiryaev-Roberts). Before a change, M
minus the number of ticks is a martingale: M is an e-detector (Shin, Ramdas & Rinaldo 2023, arXiv 2203.03532). So is an
average of several: of bets on small and large shifts, up and down.

Ranks alone can say only so much about one tick: e is n + 1 at most. So the bet on the largest shift goes on beyond the
outermost score of the reference: there, e is multiplied by half the score in units of the outermost one. Its mean stays
at most 1 if tails fall at least as fast as the square of the distance, as those of Student's distribution with 3
degrees of freedom do. A reference that never moved has no such unit: it is left to ranks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from streams.core.detect.e_reference import FARTHEST, TIE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHIFTS = (0.5, 1.0, 2.0, 4.0)
"""Shifts, in standard deviations of a score, that are bet on: all upwards, then all downwards."""

BETS = 2 * len(SHIFTS)

_LARGEST_SHIFT = np.array(SHIFTS) == max(SHIFTS)

_NULL = 0.02  # of each bet that is laid as the urn has it, so that one odd tick does not ruin it
_WIDEST = 6  # a bin holds at most this part of all gaps, about
_NEVER_MOVED = 1.001 * TIE  # distance of the outermost scores if all were equal but for tie-breakers
_NEAREST_EDGE = 2.0  # what the outermost score counts as at least, when a score beyond is measured by it


def gaps_of_bins(n: int) -> Ints:
    """
    How many of the n + 1 gaps each bin has: 1, 2, 4 and so on from both ends.

    >>> gaps_of_bins(30).tolist()
    [1, 2, 4, 5, 7, 5, 4, 2, 1]
    """
    sizes: list[int] = []
    left, size = n + 1, 1
    while left >= 3 * size:
        sizes.append(size)
        left -= 2 * size
        size = max(1, min(2 * size, (n + 1) // _WIDEST))
    return np.array([*sizes, *([left] if left else []), *sizes[::-1]], dtype=np.int64)


def gaps_within(n: int, bins: int) -> Ints:
    """
    Return how many gaps each of so many bins has, for a reference of n ticks; bins of no gap are never come upon.

    >>> gaps_within(12, 9).tolist()
    [1, 2, 2, 3, 0, 0, 2, 2, 1]
    """
    sizes = gaps_of_bins(n).tolist()
    while len(sizes) > bins:
        middle = len(sizes) // 2
        sizes[middle - 1 : middle + 1] = [sum(sizes[middle - 1 : middle + 1])]
    middle = (len(sizes) + 1) // 2
    return np.array([*sizes[:middle], *[0] * (bins - len(sizes)), *sizes[middle:]], dtype=np.int64)


def edges_of_bins(scores: Floats, gaps: Ints) -> Floats:
    """Return the scores that separate bins, shape (R, bins - 1), from those of the reference, growing."""
    return scores[:, np.cumsum(gaps)[:-1] - 1]


def bins_of(scores: Floats, edges: Floats) -> Ints:
    """Return the bin that each signal's score falls in, shape (R,)."""
    return np.asarray((edges < scores[:, None]).sum(axis=1))


def log_bets(bins: Ints, older: Floats, urn: Floats) -> Floats:
    """
    Logarithms of what the bets on the bins that came up have earned, shape (R, BETS).

    Parameters
    ----------
    bins
        What came up, shape (R,).
    older, urn
        Gaps and scores in each bin, without and with those of the last ticks, shape (R, bins).
    """
    each = np.arange(older.shape[1])
    total = older.sum(axis=1)
    below = (older * (each < bins[:, None])).sum(axis=1) / total
    share = np.take_along_axis(older, bins[:, None], axis=1)[:, 0] / total
    low, high = special.ndtri(below)[:, None], special.ndtri(np.minimum(below + share, 1))[:, None]
    shifts = np.array([*SHIFTS, *(-shift for shift in SHIFTS)])
    moved = special.ndtr(high - shifts) - special.ndtr(low - shifts)
    chance = np.take_along_axis(urn, bins[:, None], axis=1)[:, 0] / urn.sum(axis=1)
    bet = (1 - _NULL) * moved + _NULL * share[:, None]
    return np.asarray(np.log(bet) - np.log(chance)[:, None])


def log_beyond(scores: Floats, edges: Floats) -> Floats:
    """Logarithms of what the bets on the largest shift gain beyond the outermost bin's edge, shape (R, BETS)."""
    gained = np.zeros((len(scores), BETS))
    for bet, sign, edge in ((len(SHIFTS) - 1, 1, edges[:, -1]), (BETS - 1, -1, edges[:, 0])):
        ratio = sign * scores / np.maximum(sign * edge, _NEAREST_EDGE)
        outside = (sign * scores > sign * edge) & (edges[:, -1] - edges[:, 0] > _NEVER_MOVED)
        gained[:, bet] = np.where(outside, np.log(np.clip(ratio, 1, FARTHEST) / 2), 0)
    return gained


def tempered(log_e: Floats, shared: Floats) -> Floats:
    """
    Return what was earned to the power 1/shared, but by bets on the largest shift as it is, shape (R, BETS).

    By Jensen's inequality their mean stays at most 1. And where normal scores share errors, so that the variance of
    their sums is `shared` times as large, it is this power that keeps the mean of products at 1: exp(l S - n l shift/2)
    with l = shift / shared has the mean 1 if S has the variance n shared.
    """
    power = np.where(np.tile(_LARGEST_SHIFT, 2), 1, 1 / shared[:, None])
    return np.asarray(log_e * power)


def shares(*, up: bool, down: bool) -> Floats:
    """Return what each bet counts, shape (BETS,): on the largest shift double, on a side not asked about nothing."""
    counts = np.where(_LARGEST_SHIFT, 2.0, 1.0)
    both = np.concatenate((counts * up, counts * down))
    return np.asarray(both / both.sum())


def tie_breakers(keys: npt.NDArray[np.uint64], ticks: Ints) -> Floats:
    """Return numbers in [0, 1) that follow from a signal's key and a tick (splitmix64: Steele, Lea & Flood 2014)."""
    mixed = keys * np.uint64(0x9E3779B97F4A7C15) + ticks.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed >> np.uint64(11)) / 2**53)


def added(log_m: Floats, log_e: Floats) -> Floats:
    """Return log M after one more tick: M = (1 + M) e."""
    return np.logaddexp(0, log_m) + log_e


def log_average(log_m: Floats, shares: Floats) -> Floats:
    """Logarithm of the average of each signal's detectors, shape (R,); `shares` sum to 1 for each signal."""
    highest = log_m.max(axis=1)
    start = np.where(np.isfinite(highest), highest, 0)
    with np.errstate(divide="ignore"):
        return np.asarray(start + np.log((np.exp(log_m - start[:, None]) * shares).sum(axis=1)))
