"""
Quantiles, such as the 99th percentile of latency, with intervals that hold at every look or at one planned look.

What is read are counts of values at or below declared edges, which merge by addition; a sample is the case of an edge
at every value. An interval comes from a band around the empirical distribution: where the band leaves the level p,
the quantile ends. All of it assumes independent values; when a user gives many, use `clustered_error` at a planned
look, or keep one value a user.

Source: Howard & Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
identification", Bernoulli 28 (2022), arXiv 1906.09712.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from streams.core.judge.boundaries import best_rho, beta_binomial_bound, beta_strength
from streams.core.judge.evidence import Evidence, Interval, check_alpha, p_of
from streams.core.judge.variance import ratio_of_buckets

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Radii = tuple[float, float]
"""How far the empirical distribution function may be above and below the true one, where this is p."""

LEADING = 0.85  # of the law of the iterated logarithm's band: more than 1/sqrt(2), and what the paper uses
_ROUNDING = 1e-9  # in ranks: a limit this close to a whole one is whole
_LEAST_GAIN = 1e-300  # where there is none but for rounding


@dataclass(frozen=True, slots=True)
class Cumulative:
    """
    How many of `n` values are at or below each of the increasing edges; `a + b` merges two that have the same edges.

    Raises
    ------
    ValueError
        If edges do not increase, or counts decrease or are outside 0 to n.
    """

    edges: Floats
    counts: Ints
    n: int

    def __post_init__(self) -> None:
        if self.edges.shape != self.counts.shape or self.edges.ndim != 1 or not (np.diff(self.edges) > 0).all():
            raise ValueError(
                f"{len(self.edges)} edges and {len(self.counts)} counts: give one of each, edges increasing"
            )
        steps = np.diff(self.counts, prepend=0, append=self.n)
        if (steps < 0).any():
            raise ValueError(f"counts at or below edges of {self.n} values must not decrease, nor be outside 0 to n")

    @classmethod
    def of(cls, values: Floats, edges: Floats) -> Cumulative:
        """Count values at the edges."""
        return cls(edges, np.searchsorted(np.sort(values), edges, side="right").astype(np.int64), len(values))

    def __add__(self, other: Cumulative) -> Cumulative:
        same_edges(self, other)
        return Cumulative(self.edges, self.counts + other.counts, self.n + other.n)

    def quantile(self, p: float) -> float:
        """First edge with a share p of the values at or below it; inf beyond the last, -inf without values."""
        if self.n == 0:
            return -math.inf
        place = int(np.searchsorted(self.counts, p * self.n - _ROUNDING))
        return float(self.edges[place]) if place < len(self.edges) else math.inf


def same_edges(*arms: Cumulative) -> None:
    """Raise ValueError unless all counts are at the same edges."""
    if not all(np.array_equal(arm.edges, arms[0].edges) for arm in arms):
        raise ValueError("counts at different edges cannot be put together: declare the edges once, for all of them")


def at_every_value(control: Floats, treatment: Floats) -> tuple[Cumulative, Cumulative]:
    """Counts of two samples with an edge at every value of either, which loses nothing."""
    edges = np.unique(np.concatenate([control, treatment]))
    return Cumulative.of(control, edges), Cumulative.of(treatment, edges)


def fixed_quantile_radii(p: float, n: int, *, planned: float, alpha: float) -> Radii:
    """
    Radii that hold at every n for one level p, with alpha / 2 for either side (Howard & Ramdas 2022, theorem 1).

    The number of values at or below the quantile is a sum of steps of 1 - p and -p around its mean, which the
    beta-binomial boundary bounds. (inf, inf) without values.

    Parameters
    ----------
    p
        Level of the quantile, such as 0.99.
    planned
        Number of values at which the radii are smallest, fixed before there are data.

    >>> [round(radius, 5) for radius in fixed_quantile_radii(0.9, 1000, planned=1000, alpha=0.05)]
    [0.02748, 0.03002]
    """
    _check(p, alpha, planned)
    if n == 0:
        return math.inf, math.inf
    variance = p * (1 - p)
    rho = best_rho(planned * variance, alpha / 2, one_sided=True)
    above = beta_binomial_bound(n * variance, alpha / 2, rho, p, 1 - p, one_sided=True)
    below = beta_binomial_bound(n * variance, alpha / 2, rho, 1 - p, p, one_sided=True)
    return above / n, below / n


@dataclass(frozen=True, slots=True)
class Stitching:
    """
    How `double_stitching_bound` is put together; what it is by default is the paper's.

    Attributes
    ----------
    delta
        Fineness of the grid of levels.
    s, eta
        How crossing probability is shared among epochs, and by which factor one epoch is longer than the last.
    """

    delta: float = 0.5
    s: float = 1.4
    eta: float = 2.0


def double_stitching_bound(
    p: float, n: float, *, planned: float, alpha: float, stitching: Stitching = Stitching()
) -> float:
    """
    Bound on n (F_n - F) where F is p, for all levels p and all n at once (Howard & Ramdas 2022, theorem 3).

    In counts: divide it by n for a radius. At 1 - p it bounds the other side, with the same alpha for both.
    """
    _check(p, alpha, planned)
    delta, s, eta = stitching.delta, stitching.s, stitching.eta
    time, log_odds = max(n, planned), float(special.logit(p))
    nearby = min(0.5, float(special.expit(log_odds + 2 * delta * math.sqrt(planned * eta / time)))) if p < 0.5 else p
    variance = nearby * (1 - nearby)
    place = math.sqrt(time / planned) * abs(log_odds) / (2 * delta) + 1
    zeta = float(special.zeta(s))
    ell = s * math.log(math.log(eta * time / planned)) + s * math.log(place)
    ell += math.log(2 * zeta * (2 * zeta + 1) / (alpha * math.log(eta) ** s))
    k1, k2 = (eta**0.25 + eta**-0.25) / math.sqrt(2), (math.sqrt(eta) + 1) / 2
    tail = k2 * (1 - 2 * p) / 3 * ell
    grid = delta * math.sqrt(eta * time * variance / planned)
    return grid + math.sqrt(k1 * k1 * variance * time * ell + tail * tail) + tail


def every_quantile_radii(p: float, n: int, *, planned: float, alpha: float) -> Radii:
    """Radii that hold for all levels p and all n at once, by `double_stitching_bound`; (inf, inf) without values."""
    _check(p, alpha, planned)
    if n == 0:
        return math.inf, math.inf
    above = double_stitching_bound(p, n, planned=planned, alpha=alpha)
    below = double_stitching_bound(1 - p, n, planned=planned, alpha=alpha)
    return above / n, below / n


def quantile_interval(values: Floats, p: float, radii: Radii) -> Interval:
    """
    Interval of the p-quantile of a sample, shape (n,) in any order: two of its order statistics.

    At least n (p - below) values are at or below the quantile, and at most n (p + above) are under it.
    """
    n = len(values)
    lowest = math.ceil(max(n * (p - radii[1]), 0.0) - _ROUNDING) if n else 0
    highest = math.floor(min(n * (p + radii[0]), n) + _ROUNDING) + 1 if n else 1
    ordered = np.sort(values)
    low = float(ordered[lowest - 1]) if lowest > 0 else -math.inf
    return Interval(low, float(ordered[highest - 1]) if highest <= n else math.inf)


def quantile_interval_of_counts(values: Cumulative, p: float, radii: Radii) -> Interval:
    """
    Interval of the p-quantile from counts: two edges, or -inf or inf beyond the first and the last.

    The last edge with fewer than n (p - below) values at or below it is under the quantile; the first with more than
    n (p + above) is not.
    """
    if values.n == 0:
        return Interval.everything()
    under = int(np.searchsorted(values.counts, values.n * (p - radii[1]) - _ROUNDING))
    over = int(np.searchsorted(values.counts, values.n * (p + radii[0]) + _ROUNDING, side="right"))
    low = float(values.edges[under - 1]) if under > 0 else -math.inf
    return Interval(low, float(values.edges[over]) if over < len(values.edges) else math.inf)


def quantile_difference(
    control: Cumulative, treatment: Cumulative, p: float, *, planned: float, alpha: float
) -> Evidence:
    """
    The treatment's p-quantile less the control's, at any look, from counts at the same edges.

    The e-values of the arms, against any two values of their quantiles, multiply to one. The interval holds the
    differences of the pairs whose product is at most 1 / alpha, and the evidence against no difference is the
    smallest product of pairs of equals (Howard & Ramdas 2022): so the interval ends at 0 or excludes it when p < alpha.

    Parameters
    ----------
    p
        Level of the quantile, such as 0.99.
    planned
        Number of values of each arm at which the test is sharpest, fixed before there are data.

    Returns
    -------
    The evidence. The estimate is 0 where nothing is known of either quantile, as without values, and -inf or inf
    where one of them is known only to be beyond the last edge.
    """
    _check(p, alpha, planned)
    same_edges(control, treatment)
    strength = beta_strength(best_rho(planned * p * (1 - p), alpha), p, 1 - p)
    log_e = [_least_log_e(arm, p, strength) for arm in (control, treatment)]
    equal = float(np.min(log_e[0] + log_e[1]))
    ends = control.quantile(p), treatment.quantile(p)
    estimate = 0.0 if ends[0] == ends[1] or not (control.n and treatment.n) else ends[1] - ends[0]
    return Evidence(estimate, _differences(control.edges, log_e[0], log_e[1], -math.log(alpha)), equal, p_of(equal))


def _differences(edges: Floats, control: Floats, treatment: Floats, budget: float) -> Interval:
    """
    Extreme differences of pairs of places, between edges, whose log e-values add up to at most the budget.

    For every place of the control's quantile, those of the treatment's are neighbours of its best one.
    """
    lower, upper = np.concatenate([[-math.inf], edges]), np.concatenate([edges, [math.inf]])
    best = int(treatment.argmin())
    left = budget - control
    some = left >= treatment[best]
    first = best + 1 - np.searchsorted(treatment[best::-1], left[some], side="right")
    last = best - 1 + np.searchsorted(treatment[best:], left[some], side="right")
    return Interval(float((lower[first] - upper[some]).min()), float((upper[last] - lower[some]).max()))


def _least_log_e(values: Cumulative, p: float, strength: float) -> Floats:
    """
    Smallest log e-value against the quantile's being between two edges, shape (edges + 1,).

    There the number of values at or below it is between the counts at both. The two-sided beta-binomial e-value is
    convex in this number, so the one to take is that with the smallest e-value, or the end nearest to it.
    """
    if values.n == 0:
        return np.zeros(len(values.edges) + 1, np.float64)
    prior, n = (strength * p, strength * (1 - p)), values.n
    log_odds = float(special.logit(p))

    def slope(count: float) -> float:
        return float(special.digamma(prior[0] + count) - special.digamma(prior[1] + n - count)) - log_odds

    best = 0.0 if slope(0.0) >= 0 else n if slope(n) <= 0 else float(optimize.brentq(slope, 0.0, n))
    ends = np.concatenate([[0], values.counts, [n]])
    count = np.clip(best, ends[:-1], ends[1:])
    log_e: Floats = special.betaln(prior[0] + count, prior[1] + n - count) - special.betaln(*prior)
    log_e -= count * math.log(p) + (n - count) * math.log1p(-p)
    return log_e


def log_crossing(constant: float, leading: float = LEADING) -> float:
    """
    Logarithm of the chance that F_n ever leaves the band with this constant, at most 0 (Howard & Ramdas, theorem 2).

    The smallest over eta > 1 of 4 exp(-g C) (1 + 1 / ((g - 1) ln eta)), g = 2 (A - sqrt(2 (eta - 1) / C))^2 / eta,
    with C the constant and A the leading factor.
    """
    if constant <= 0:
        return 0.0

    def at(log_step: float) -> float:
        step = math.exp(log_step)
        slack = leading - math.sqrt(2 * step / constant)
        gain = max(2 * slack * slack / (1 + step) - 1, _LEAST_GAIN)
        return math.log(4) - (1 + gain) * constant + math.log1p(1 / (gain * math.log1p(step)))

    narrow = 2 * leading**2 - 1  # the widest step is where no gain is left, the root of a quadratic in its root
    widest = 2 * math.log(narrow / (leading * math.sqrt(8 / constant) + math.sqrt(4 / constant + narrow)))
    found = optimize.minimize_scalar(at, bounds=(widest - 30, widest), method="bounded", options={"xatol": 1e-10})
    return min(0.0, float(found.fun))


@lru_cache(maxsize=256)
def lil_constant(alpha: float, leading: float = LEADING) -> float:
    """
    Return the constant C of `lil_radius`, at which the chance of ever leaving the band is alpha.

    >>> round(lil_constant(0.05), 4)
    8.1227
    """
    check_alpha(alpha)
    if not leading > math.sqrt(0.5):
        raise ValueError(f"the leading factor is {leading}: no band of the iterated logarithm has less than 0.7072")
    high = 1.0
    while log_crossing(high, leading) > math.log(alpha):
        high *= 2
    return float(optimize.brentq(lambda c: log_crossing(c, leading) - math.log(alpha), 0.0, high, xtol=1e-12))


def lil_radius(n: float, alpha: float, *, earliest: float = 100, leading: float = LEADING) -> float:
    """
    Return r with |F_n - F| <= r everywhere and at all n from `earliest` on, inf before (Howard & Ramdas, theorem 2).

    A sqrt((ln(1 + ln(n / earliest)) + C) / n): about twice the radius for one look.

    >>> round(lil_radius(1000, 0.05), 5)
    0.08205
    """
    check_alpha(alpha)
    if not 1 <= earliest < math.inf:
        raise ValueError(f"the earliest look is at {earliest} values: it is 1 or more")
    if n < earliest:
        return math.inf
    return leading * math.sqrt((math.log1p(math.log(n / earliest)) + lil_constant(alpha, leading)) / n)


def order_statistic_ranks(n: int, p: float, alpha: float) -> tuple[int, int]:
    """
    Ranks, from 1, of the order statistics that hold the p-quantile at one planned look, at most alpha / 2 each side.

    The rank 0 stands for -inf and n + 1 for inf. From quantiles of the binomial distribution.

    >>> order_statistic_ranks(1000, 0.9, 0.05)
    (881, 919)
    """
    _check(p, alpha)
    if n < 0:
        raise ValueError(f"n is {n}: a number of values is 0 or more")
    low, high = (float(stats.binom.ppf(tail, n, p)) for tail in (alpha / 2, 1 - alpha / 2)) if n else (0, 0)
    return int(low), int(high) + 1


def error_of_limits(low: float, high: float, alpha: float = 0.05) -> float:
    """Standard error that a normal estimate with these limits at level 1 - alpha has."""
    check_alpha(alpha)
    return (high - low) / (2 * float(special.ndtri(1 - alpha / 2)))


def cluster_inflation(share_error: float, n: int, p: float) -> float:
    """
    By which factor clusters change the variance of a quantile (Deng, Knoblich & Lu 2018).

    The variance of the share of values at or below the quantile, over p (1 - p) / n, which it is without clusters.

    Parameters
    ----------
    share_error
        Standard error of that share, as a ratio of totals over clusters.
    n
        Number of values.
    """
    _check(p, 0.5)
    return share_error**2 * n / (p * (1 - p))


def clustered_error(values: Floats, clusters: Ints, p: float, alpha: float = 0.05) -> tuple[float, float]:
    """
    Sample p-quantile and its standard error when values come in clusters, such as requests of users.

    The limits are order statistics whose ranks are as far out as the clustered share of values at or below the
    quantile may be (Deng, Knoblich & Lu 2018). For a planned look.

    Parameters
    ----------
    values, clusters
        Values and the number of the cluster of each, from 0; shape (n,).
    """
    _check(p, alpha)
    n = len(values)
    ordered = np.sort(values)
    estimate = float(ordered[math.ceil(n * p - _ROUNDING) - 1])
    sizes = np.bincount(clusters).astype(np.float64)
    _, error = ratio_of_buckets(np.bincount(clusters, values <= estimate).astype(np.float64), sizes)
    reach = n * error * float(special.ndtri(1 - alpha / 2))
    ranks = np.clip([math.floor(n * p - reach), math.ceil(n * p + reach)], 1, n) - 1
    return estimate, error_of_limits(float(ordered[ranks[0]]), float(ordered[ranks[1]]), alpha)


def _check(p: float, alpha: float, planned: float = 1.0) -> None:
    check_alpha(alpha)
    if not 0 < p < 1:
        raise ValueError(f"the level of the quantile is {p}: it must be more than 0 and less than 1, such as 0.99")
    if not 0 < planned < math.inf:
        raise ValueError(f"the planned number of values is {planned}: it must be positive and finite")
