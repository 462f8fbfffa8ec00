"""Intervals of one share, successes / trials, at 1 - alpha; each under its usual name."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from streams.core.judge.evidence import Interval, check_alpha
from streams.core.metric import interval as fixed_level

Count = tuple[int, int]
"""Successes and trials."""


def check_count(count: Count) -> Count:
    """
    Return the count.

    Raises
    ------
    ValueError
        If there are no trials, or successes are negative or more than the trials.
    """
    successes, trials = count
    if trials < 1:
        raise ValueError(f"{successes}/{trials}: there must be at least 1 trial")
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes}/{trials}: successes must be between 0 and the number of trials")
    return count


def wilson(successes: int, trials: int, alpha: float = 0.05) -> Interval:
    """
    Score interval (Wilson 1927; Newcombe 1998, method 3): a good default.

    >>> wilson(0, 20)
    Interval(low=0.0, high=0.16112515...)
    """
    check_count((successes, trials))
    # The limits depend on trials and z only through trials / z², so that another level is another size at 95 %.
    size = trials * (fixed_level.Z / _z(alpha)) ** 2
    low, high = fixed_level.wilson(np.array(successes / trials), np.array(size))
    return Interval(float(low), float(high))


def clopper_pearson(successes: int, trials: int, alpha: float = 0.05) -> Interval:
    """Exact interval, never too short and often too long (Clopper & Pearson 1934)."""
    k, n = check_count((successes, trials))
    check_alpha(alpha)
    low = float(special.betaincinv(k, n - k + 1, alpha / 2)) if k else 0.0
    high = float(special.betainccinv(k + 1, n - k, alpha / 2)) if k < n else 1.0
    return Interval(low, high)


def jeffreys(successes: int, trials: int, alpha: float = 0.05) -> Interval:
    """Equal-tailed posterior interval under Beta(1/2, 1/2), also at 0 and n (Brown, Cai & DasGupta 2001, 4.1.1)."""
    k, n = check_count((successes, trials))
    check_alpha(alpha)
    a, b = k + 0.5, n - k + 0.5
    return Interval(float(special.betaincinv(a, b, alpha / 2)), float(special.betainccinv(a, b, alpha / 2)))


def agresti_coull(successes: int, trials: int, alpha: float = 0.05) -> Interval:
    """Wald's interval after z²/2 more successes and as many failures (Agresti & Coull 1998), cut at 0 and 1."""
    k, n = check_count((successes, trials))
    z = _z(alpha)
    size = n + z * z
    share = (k + z * z / 2) / size
    half = z * math.sqrt(share * (1 - share) / size)
    return Interval(max(share - half, 0.0), min(share + half, 1.0))


def _z(alpha: float) -> float:
    check_alpha(alpha)
    return -float(special.ndtri(alpha / 2))
