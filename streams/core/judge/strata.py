"""
Known structure taken out of a metric: strata declared beforehand, and limits fixed beforehand for outliers.

A stratum is a value of an attribute that units had before they were exposed. Shares and limits are to come from the
design or from earlier data: chosen after a look at the results, they void every error rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.core.judge.fixed import Measurement, satterthwaite
from streams.core.judge.moments import Floats, Moments


def stratified(strata: Mapping[str, Moments], shares: Mapping[str, float]) -> Measurement:
    """
    Measure the mean of a population of known composition: sum W_h mean_h, Var = sum W_h² s_h² / n_h.

    Right for samples drawn within strata, and for post-stratified ones given how many fell in each (Holt & Smith
    1979). Freedom is Satterthwaite's (Cochran 1977, 5.4).

    Parameters
    ----------
    strata
        An arm's moments in each stratum, two units or more in each that has a share.
    shares
        Shares of the strata in the population, which sum to 1.

    Raises
    ------
    ValueError
        If a stratum with a share has fewer than two units, or units have no share, or shares do not sum to 1.
    """
    _check(strata, shares)
    parts = {name: strata[name] for name, share in shares.items() if share}
    weighted = [
        Measurement(shares[name] * part.mean, shares[name] * part.error, part.n - 1) for name, part in parts.items()
    ]
    value = math.fsum(part.value for part in weighted)
    return Measurement(value, math.hypot(*(part.error for part in weighted)), satterthwaite(*weighted))


def post_stratified(strata: Mapping[str, Moments], shares: Mapping[str, float]) -> Measurement:
    """
    Measure as `stratified` does, with the error before it is known how many units fall in each stratum.

    Var = sum W_h s_h² / n + sum (1 - W_h) s_h² / n² (Cochran 1977, 5A.42): what planning needs.
    """
    given = stratified(strata, shares)
    n = sum(part.n for part in strata.values())
    terms = ((share / n + (1 - share) / n / n) * strata[name].variance for name, share in shares.items() if share)
    return Measurement(given.value, math.sqrt(math.fsum(terms)), given.freedom)


def shares_of(*arms: Mapping[str, Moments]) -> dict[str, float]:
    """
    Shares of the strata among the units of all arms together, to be used for each arm.

    The effect is then that on the units of this experiment.

    Raises
    ------
    ValueError
        If there are no units.
    """
    names = dict.fromkeys(name for arm in arms for name in arm)
    sizes = {name: sum(arm[name].n for arm in arms if name in arm) for name in names}
    total = sum(sizes.values())
    if not total:
        raise ValueError(f"strata {list(names)} have no units: there are no shares")
    return {name: size / total for name, size in sizes.items()}


@dataclass(frozen=True, slots=True)
class Limits:
    """Values beyond which an observation counts as the limit; -inf and inf where there is none."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"limits {self.low} and {self.high}: the lower must not be above the upper")

    @classmethod
    def of_quantiles(cls, earlier: Floats, low: float = 0.0, high: float = 1.0) -> Limits:
        """
        Fix limits at quantiles of earlier data, from before the experiment; 0 and 1 mean no limit on that side.

        Raises
        ------
        ValueError
            If there are no earlier data, or the quantiles are not in order between 0 and 1.
        """
        if not (len(earlier) and 0 <= low <= high <= 1):
            raise ValueError(
                f"quantiles {low} and {high} of {len(earlier)} values: give values, and 0 <= low <= high <= 1"
            )
        below, above = np.quantile(earlier, (low, high))
        return cls(float(below) if low > 0 else -math.inf, float(above) if high < 1 else math.inf)


def winsorised(values: Floats, limits: Limits) -> Floats:
    """
    Put values beyond the limits at the limits (Dixon 1960): less variance, for an effect on the clipped metric.

    >>> winsorised(np.array([-5.0, 1.0, 99.0]), Limits(0.0, 10.0)).tolist()
    [0.0, 1.0, 10.0]
    """
    return np.clip(values, limits.low, limits.high)


def _check(strata: Mapping[str, Moments], shares: Mapping[str, float]) -> None:
    if abs(math.fsum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise ValueError(f"shares {dict(shares)}: they must not be negative, and sum to 1")
    small = [name for name, share in shares.items() if share and (name not in strata or strata[name].n < 2)]
    if small:
        raise ValueError(f"strata {small} have a share and fewer than 2 units: merge them with others")
    unknown = [name for name, part in strata.items() if part.n and not shares.get(name)]
    if unknown:
        raise ValueError(f"strata {unknown} have units and no share: declare their shares")
