"""
Always-valid inference on the mean of bounded observations by betting: the sharpest, at the cost of a grid of means.

For each candidate mean there are two bettors, one who thinks that the mean is higher and one who thinks that it is
lower. If the candidate is the mean, both play a fair game, and neither is likely ever to grow rich. See bounded.py for
what all its relatives suppose, and for how states merge.

Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024, arXiv 2010.09686.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from streams.core.judge.bounded import UNIT, Floats, Limits, Past, Values, check_same, predictable_bets, scaled_null
from streams.core.judge.evidence import Evidence, Interval, check_alpha, p_of

_CAUTION = 0.5  # of the stake at which one observation could ruin a bettor
_BLOCK = 512  # observations, each by all candidates, that are held at once
_SLACK = 1e-9  # by which rounding may push the mean of what is left of a population out of [0, 1]
_SAME = 1e-12  # distance, scaled, at which a null is a candidate but for rounding
_NOTHING = Past()


@dataclass(frozen=True, slots=True, eq=False)
class Betting:
    """
    Hedged capital: for each candidate mean, one fortune that grows if the mean is higher and one if it is lower.

    A candidate is out when half of either fortune has grown to 1/alpha (arXiv 2010.09686, theorem 3).

    Attributes
    ----------
    alpha
        The chance that the interval ever excludes the truth; the bets depend on it.
    candidates
        Scaled candidate means, growing, shape (C,).
    higher, lower
        Logarithms of the two fortunes at each candidate, shape (C,): inf where it has become impossible, as it can
        in a finite population.
    highest
        The most that each has ever been, shape (2, C): since the last merge, for shards share no order.
    population
        Size of the finite population that is drawn from without replacement, if it is.
    """

    alpha: float
    candidates: Floats
    higher: Floats
    lower: Floats
    highest: Floats
    past: Past = _NOTHING
    limits: Limits = UNIT
    population: int | None = None

    @classmethod
    def begin(
        cls, alpha: float, candidates: Values = (), *, limits: Limits = UNIT, population: int | None = None
    ) -> Betting:
        """
        Return the state before any observation.

        Parameters
        ----------
        candidates
            Means to bet on, in the observations' units: 1,001 of them at equal distances if none are named. Limits of
            intervals are candidates, so name finer ones where a mean is expected close to a limit.

        Raises
        ------
        ValueError
            If a candidate is outside the limits.
        """
        check_alpha(alpha)
        means = np.unique(limits.scaled(candidates)) if len(candidates) else np.linspace(0, 1, 1001)
        none = np.zeros(len(means))
        return cls(alpha, means, none, none, np.zeros((2, len(means))), _NOTHING, limits, population)

    def extended(self, values: Values) -> Betting:
        """Return the state after more observations, in the order in which they came."""
        scaled = self.limits.scaled(values)
        state = self
        for start in range(0, len(scaled), _BLOCK):
            state = state._bet(scaled[start : start + _BLOCK])
        return state

    def merged(self, other: Betting) -> Betting:
        """
        Return the state of two shards that drew independently.

        Raises
        ------
        ValueError
            If they bet otherwise or on other candidates, or draw from a finite population.
        """
        check_same((self.limits, self.alpha), (other.limits, other.alpha))
        if self.population is not None or other.population is not None:
            raise ValueError("draws from a finite population depend on each other: bet on all of them in one order")
        if not np.array_equal(self.candidates, other.candidates):
            raise ValueError("shards that bet on different candidate means cannot be merged: begin them alike")
        higher, lower = self.higher + other.higher, self.lower + other.lower
        past = self.past.merged(other.past)
        return replace(self, past=past, higher=higher, lower=lower, highest=np.stack((higher, lower)))

    @property
    def log_capital(self) -> Floats:
        """Logarithm of the e-value against each candidate: half of the larger fortune, shape (C,)."""
        return np.maximum(self.higher, self.lower) - math.log(2)

    @property
    def running_interval(self) -> Interval | None:
        """
        What every interval so far, one an observation, has in common.

        None when they have nothing in common: then the observations do not have one mean.
        """
        return self._interval(*self.highest)

    def evidence(self, null: float) -> Evidence:
        """
        Say what the observations show about their mean; the e-value is against `null`.

        Raises
        ------
        ValueError
            If the null is not one of the candidates, or no mean fits the observations.
        """
        apart = np.abs(self.candidates - scaled_null(null, self.limits))
        at = int(apart.argmin())
        if apart[at] > _SAME:
            raise ValueError(f"the null {null} is not among the candidate means: name it when you begin")
        interval = self._interval(self.higher, self.lower)
        if interval is None:
            raise ValueError("no mean fits these observations: they do not share one, or are outside their limits")
        shown = float(self.log_capital[at])
        return Evidence(self.limits.restored(self.past.mean), interval, shown, p_of(shown))

    def _bet(self, scaled: Floats) -> Betting:
        """One block: fortunes at each step are cumulative sums of log-returns, shape (block, C)."""
        means = self._means(len(scaled), scaled)
        inside = np.clip(means, 0.0, 1.0)
        bets = predictable_bets(self.past, scaled, self.alpha / 2)[:, None]
        gain = scaled[:, None] - inside
        tiny = np.finfo(np.float64).tiny
        higher = np.log1p(np.minimum(bets, _CAUTION / np.maximum(inside, tiny)) * gain)
        lower = np.log1p(-np.minimum(bets, _CAUTION / np.maximum(1 - inside, tiny)) * gain)
        higher[means < -_SLACK], lower[means > 1 + _SLACK] = math.inf, math.inf
        paths = np.stack((self.higher + np.cumsum(higher, axis=0), self.lower + np.cumsum(lower, axis=0)))
        return replace(
            self,
            past=self.past.extended(scaled),
            higher=paths[0, -1],
            lower=paths[1, -1],
            highest=np.maximum(self.highest, paths.max(axis=1)),
        )

    def _means(self, n: int, scaled: Floats) -> Floats:
        """Mean that each candidate gives the next observation: of what is left of a finite population."""
        if self.population is None:
            return np.broadcast_to(self.candidates, (n, len(self.candidates)))
        if self.past.n + n > self.population:
            raise ValueError(f"{self.past.n + n} observations are more than the population of {self.population}")
        drawn = self.past.total + np.concatenate(([0.0], np.cumsum(scaled[:-1])))
        left = self.population - self.past.n - np.arange(n)
        means: Floats = (self.population * self.candidates - drawn[:, None]) / left[:, None]
        return means

    def _interval(self, higher: Floats, lower: Floats) -> Interval | None:
        """
        Means between the last candidate that is too low and the first that is too high.

        Fortunes are monotone in the candidate. The two named are out themselves, the truth can be anywhere between:
        in a finite population not below what it would be if all that are left were 0, nor above if all were 1.
        """
        threshold = math.log(2) - math.log(self.alpha)
        too_low, too_high = np.flatnonzero(higher >= threshold), np.flatnonzero(lower >= threshold)
        low = math.nextafter(self.candidates[too_low[-1]], 1) if len(too_low) else 0.0
        high = math.nextafter(self.candidates[too_high[0]], 0) if len(too_high) else 1.0
        if self.population is not None:
            least = self.past.total / self.population
            most = (self.past.total + (self.population - self.past.n)) / self.population
            low, high = min(max(low, least), most), min(max(high, least), most)
        return self.limits.interval(low, high) if low <= high else None
