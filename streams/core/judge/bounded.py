"""
Always-valid inference on the mean of observations between two known limits, whatever their distribution.

No approximation and no minimum size: what is supposed is only that each observation, given those before, has the same
mean. From widest to narrowest, and from least to most work: `hoeffding` knows only the limits; `Bernstein` and
`PredictableMixture` learn the variance; betting.py learns whatever pays, at the cost of a grid of candidate means.

States merge: each shard bets on its own past, and log-wealths add, for the product of independent shards' wealths is a
fair game's too. A merged state says less than one that saw everything in order, and never more than is true.

Inside, observations are scaled to [0, 1]. Sources: Howard, Ramdas, McAuliffe & Sekhon (Annals of Statistics 2021),
and Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 2024, arXiv 2010.09686).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from streams.core.judge import mixture
from streams.core.judge.boundaries import best_rho, gamma_exponential_bound, gamma_exponential_log
from streams.core.judge.evidence import Evidence, Interval, check_alpha, p_of

Floats = npt.NDArray[np.float64]
Values = Sequence[float] | Floats

_ROUNDING = 1e-9  # relative: by which a mean may be outside the limits of its values
_LARGEST_BET = 0.5  # the price of a bet grows without limit towards 1


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Between which values observations are declared to be; they need not reach them.

    Raises
    ------
    ValueError
        If they are not finite, or `lower` is not below `upper`.
    """

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        if not -math.inf < self.lower < self.upper < math.inf:
            raise ValueError(f"limits {self.lower} and {self.upper}: they must be finite, the lower below the upper")

    def scaled(self, values: Values) -> Floats:
        """Return values scaled to [0, 1]; a ValueError names the first that is outside the limits."""
        array = np.asarray(values, np.float64)
        outside = ~((array >= self.lower) & (array <= self.upper))
        if outside.any():
            raise ValueError(
                f"{array[outside].flat[0]} is outside [{self.lower}, {self.upper}]: declare limits that hold always"
            )
        share: Floats = (array - self.lower) / (self.upper - self.lower)
        return share

    def restored(self, share: float) -> float:
        """Return a share of the way between the limits in the observations' units."""
        return (1 - share) * self.lower + share * self.upper

    def interval(self, low: float, high: float) -> Interval:
        """Return an interval of shares in the observations' units, cut at the limits."""
        return Interval(self.restored(min(max(low, 0.0), 1.0)), self.restored(min(max(high, 0.0), 1.0)))


UNIT = Limits()


@dataclass(frozen=True, slots=True)
class Past:
    """Count, sum, and squared deviations from running means, of scaled observations: what bets are made on."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """Mean so far; a ValueError before the first observation."""
        if not self.n:
            raise ValueError("there are no observations yet: nothing can be said of their mean")
        return self.total / self.n

    def extended(self, values: Floats) -> Past:
        """Return the past with more scaled observations in it."""
        return Past(
            self.n + len(values), self.total + float(values.sum()), self.squares + float(self._deviations(values).sum())
        )

    def merged(self, other: Past) -> Past:
        """Return what two shards saw, each on its own."""
        return Past(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def means_before(self, values: Floats, first: float) -> Floats:
        """Mean of all observations before each of these, `first` where there are none."""
        counts = self.n + np.arange(len(values))
        sums = self.total + np.concatenate(([0.0], np.cumsum(values[:-1])))[: len(values)]
        return np.where(counts > 0, sums / np.maximum(counts, 1), first)

    def variances_before(self, values: Floats) -> Floats:
        """Variance of all observations before each of these, with one more of variance 1/4 supposed."""
        so_far = self.squares + np.concatenate(([0.0], np.cumsum(self._deviations(values))))[: len(values)]
        return (0.25 + so_far) / (self.n + 1 + np.arange(len(values)))

    def _deviations(self, values: Floats) -> Floats:
        """Squared distance of each from the mean up to and with it, and with one more at 1/2 supposed."""
        means = (0.5 + self.total + np.cumsum(values)) / (self.n + 2 + np.arange(len(values)))
        squared: Floats = (values - means) ** 2
        return squared


def predictable_bets(past: Past, values: Floats, alpha: float) -> Floats:
    """
    Stakes on each of these scaled observations, from what is known before it (arXiv 2010.09686, equation 15).

    sqrt(2 ln(1/alpha) / (v t ln(1 + t))) for the t-th observation, v being the variance so far.
    """
    time = past.n + 1.0 + np.arange(len(values))
    bets: Floats = np.sqrt(-2 * math.log(alpha) / (past.variances_before(values) * time * np.log1p(time)))
    return bets


def hoeffding(mean: float, n: int, *, planned: float, alpha: float, null: float, limits: Limits = UNIT) -> Evidence:
    """
    Say what a mean of n observations shows, by the normal mixture with the largest variance that the limits allow.

    Parameters
    ----------
    planned
        Observations at which the interval shall be narrowest.
    null
        The mean that the e-value is against.

    Raises
    ------
    ValueError
        If the mean or the null is outside the limits, or there are no observations.
    """
    scaled_null(null, limits)
    rounding = _ROUNDING * max(abs(limits.lower), abs(limits.upper))
    if not limits.lower - rounding <= mean <= limits.upper + rounding:
        raise ValueError(
            f"a mean of {mean} is outside [{limits.lower}, {limits.upper}]: declare limits that hold always"
        )
    if not n > 0:
        raise ValueError(f"n is {n}: a mean needs at least 1 observation")
    error = (limits.upper - limits.lower) / 2 / math.sqrt(n)
    mean = min(max(float(mean), limits.lower), limits.upper)
    shown = mixture.sequence(mean, error, n, planned=planned, alpha=alpha, null=null)
    return replace(
        shown, interval=Interval(max(shown.interval.low, limits.lower), min(shown.interval.high, limits.upper))
    )


@dataclass(frozen=True, slots=True)
class Bernstein:
    """
    Empirical Bernstein by the conjugate (gamma-exponential) mixture; each side is at alpha / 2, once.

    `variation` is the sum of squared distances of scaled observations from the mean of those before, 1/2 at first.
    """

    past: Past = Past()
    variation: float = 0.0
    limits: Limits = UNIT

    def extended(self, values: Values) -> Bernstein:
        """Return the state after more observations, in the order in which they came."""
        scaled = self.limits.scaled(values)
        variation = float(((scaled - self.past.means_before(scaled, 0.5)) ** 2).sum())
        return replace(self, past=self.past.extended(scaled), variation=self.variation + variation)

    def merged(self, other: Bernstein) -> Bernstein:
        """Return the state of two shards, each of which has predicted its own; a ValueError if limits differ."""
        check_same(self.limits, other.limits)
        return replace(self, past=self.past.merged(other.past), variation=self.variation + other.variation)

    def evidence(self, *, planned: float, alpha: float, null: float) -> Evidence:
        """
        Say what the observations show about their mean.

        Parameters
        ----------
        planned
            Variation at which the interval shall be narrowest: planned observations times their scaled variance.
        null
            The mean that the e-value is against.
        """
        check_alpha(alpha)
        mean = self.past.mean
        rho = best_rho(planned, alpha / 2, one_sided=True)
        apart = self.past.total - self.past.n * scaled_null(null, self.limits)
        shown = gamma_exponential_log(abs(apart), self.variation, rho, 1.0) - math.log(2)
        half = gamma_exponential_bound(self.variation, alpha / 2, rho, 1.0) / self.past.n
        return Evidence(self.limits.restored(mean), self.limits.interval(mean - half, mean + half), shown, p_of(shown))


@dataclass(frozen=True, slots=True)
class PredictableMixture:
    """
    Confidence sequence from bets fixed before each observation; it needs no plan (arXiv 2010.09686, theorem 2).

    Attributes
    ----------
    alpha
        The chance that the interval ever excludes the truth; the bets depend on it.
    variance
        "estimated" for empirical Bernstein, "largest" for Hoeffding.
    staked, won
        Sums of the bets, and of bets times observations.
    price_low, price_high
        What the bets cost whoever doubts that the mean is lower, and that it is higher.
    """

    alpha: float
    variance: Literal["estimated", "largest"] = "estimated"
    limits: Limits = UNIT
    past: Past = Past()
    staked: float = 0.0
    won: float = 0.0
    price_low: float = 0.0
    price_high: float = 0.0

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def extended(self, values: Values) -> PredictableMixture:
        """Return the state after more observations, in the order in which they came."""
        scaled = self.limits.scaled(values)
        bets, low, high = self._estimated(scaled) if self.variance == "estimated" else self._largest(len(scaled))
        return replace(
            self,
            past=self.past.extended(scaled),
            staked=self.staked + float(bets.sum()),
            won=self.won + float(bets @ scaled),
            price_low=self.price_low + float(low.sum()),
            price_high=self.price_high + float(high.sum()),
        )

    def merged(self, other: PredictableMixture) -> PredictableMixture:
        """Return the state of two shards; a ValueError if they were made with other limits, alpha or variance."""
        check_same((self.limits, self.alpha, self.variance), (other.limits, other.alpha, other.variance))
        return replace(
            self,
            past=self.past.merged(other.past),
            staked=self.staked + other.staked,
            won=self.won + other.won,
            price_low=self.price_low + other.price_low,
            price_high=self.price_high + other.price_high,
        )

    def evidence(self, null: float) -> Evidence:
        """Say what the observations show about their mean; the e-value is against `null`."""
        mean = self.past.mean
        gain = self.won - self.staked * scaled_null(null, self.limits)
        shown = max(gain - self.price_low, -gain - self.price_high) - math.log(2)
        threshold = math.log(2) - math.log(self.alpha)
        low = (self.won - self.price_low - threshold) / self.staked
        high = (self.won + self.price_high + threshold) / self.staked
        return Evidence(self.limits.restored(mean), self.limits.interval(low, high), shown, p_of(shown))

    def _estimated(self, scaled: Floats) -> tuple[Floats, Floats, Floats]:
        bets = np.minimum(predictable_bets(self.past, scaled, self.alpha / 2), _LARGEST_BET)
        price = -np.log1p(-bets) - bets
        low, high = ((scaled - self.past.means_before(scaled, first)) ** 2 for first in (0.0, 1.0))
        return bets, price * low, price * high

    def _largest(self, n: int) -> tuple[Floats, Floats, Floats]:
        time = self.past.n + 1.0 + np.arange(n)
        bets = np.minimum(np.sqrt(-8 * math.log(self.alpha / 2) / (time * np.log1p(time))), 1.0)
        price = bets * bets / 8
        return bets, price, price


def scaled_null(null: float, limits: Limits) -> float:
    """Return the null, scaled to [0, 1]; a ValueError if it is outside the limits."""
    if not limits.lower <= null <= limits.upper:
        raise ValueError(f"the null {null} is outside [{limits.lower}, {limits.upper}]: no mean can be there")
    return (null - limits.lower) / (limits.upper - limits.lower)


def check_same(ours: object, theirs: object) -> None:
    """Refuse to merge states that were made differently, with a ValueError."""
    if ours != theirs:
        raise ValueError(f"states of different kinds cannot be merged: {ours} and {theirs}")
