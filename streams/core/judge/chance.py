"""
Chance to beat the baseline: the probability that treatment is better, by formulas that differ in the last digits.

395/3504 against 378/3662 has 90.2 % by the unpooled z, 90.3 % by the pooled z and by Beta priors, and 89.3 % by the
relative lift: a report must name its formula. None of them may be looked at again and again: thresholds on a
posterior are crossed by chance as easily as those on a p-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from streams.core.judge import proportions
from streams.core.judge.binomial_interval import Count, check_count
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Comparison, Measurement, Name, interval_of
from streams.core.judge.moments import Floats

UNPOOLED = Name("chance, unpooled z", "Phi((pt - pc) / sqrt(pt qt/nt + pc qc/nc))")
POOLED = Name("chance, pooled z", "Phi((pt - pc) / sqrt(p q (1/nt + 1/nc)))")
BETA = Name("chance, Beta({a:g}, {b:g})", "P(Beta(a + kt, b + nt - kt) > Beta(a + kc, b + nc - kc))")
GAUSSIAN = Name("chance, Gaussian", "Phi((mt - mc) / sqrt(SEt² + SEc²)), flat priors")
GAUSSIAN_LIFT = Name("chance, Gaussian, lift", "Phi((t/c - 1) / SE), SE by the delta method, flat prior")

_TAIL = 1e-18
_FEWEST_POINTS = 800
_LARGEST_STEP = 0.1
_LEAST_PRIOR = 0.1  # below it the tails of the posterior leave what floats can hold

UNIFORM = (1.0, 1.0)
JEFFREYS = (0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Chance:
    """The probability that treatment is better than control, and the z where the formula has one."""

    name: Name
    chance: float
    statistic: float | None = None


def unpooled_z(control: Count, treatment: Count) -> Chance:
    """
    One-sided unpooled z; the same as flat Gaussian priors on the absolute difference.

    >>> round(100 * unpooled_z((378, 3662), (395, 3504)).chance, 1)
    90.2
    """
    return _of(UNPOOLED, proportions.unpooled_z(control, treatment))


def pooled_z(control: Count, treatment: Count) -> Chance:
    """
    One-sided pooled z.

    >>> round(100 * pooled_z((378, 3662), (395, 3504)).chance, 1)
    90.3
    """
    return _of(POOLED, proportions.pooled_z(control, treatment))


def beta_binomial(control: Count, treatment: Count, prior: tuple[float, float] = UNIFORM) -> Chance:
    """
    Posterior probability under independent Beta priors, `UNIFORM`, `JEFFREYS` or any other.

    By quadrature over the logit of the narrower posterior, exact to about 1e-11 up to a billion trials.
    """
    a, b = prior
    if not (a >= _LEAST_PRIOR and b >= _LEAST_PRIOR):
        raise ValueError(f"prior Beta({a}, {b}): both parameters must be at least {_LEAST_PRIOR}")
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    of_control, of_treatment = (k0 + a, n0 - k0 + b), (k1 + a, n1 - k1 + b)
    if _spread(of_control) <= _spread(of_treatment):
        chance = 1 - _below(of_treatment, of_control)
    else:
        chance = _below(of_control, of_treatment)
    return Chance(Name(BETA.method.format(a=a, b=b), BETA.formula), min(max(chance, 0.0), 1.0))


def _of(name: Name, found: Comparison) -> Chance:
    return Chance(name, float(special.ndtr(found.statistic)), found.statistic)


def _spread(beta: tuple[float, float]) -> float:
    """Approximate variance of the logit of a Beta variable."""
    return 1 / beta[0] + 1 / beta[1]


def _below(first: tuple[float, float], second: tuple[float, float]) -> float:
    """P(first < second) of two Beta variables: the mean of the first's distribution function over the second."""
    a, b = second
    mode = math.log(a) - math.log(b)
    low, high = -_upper_logit(b, a), _upper_logit(a, b)
    logits = np.linspace(low, high, _FEWEST_POINTS + int((high - low) / _LARGEST_STEP))
    # On this scale both the density and the function are analytic, and the trapezoid rule errs less than rounding.
    weights = np.exp(_log_density(a, b, logits - mode))
    return float(weights @ _distribution(first, logits) / weights.sum())


def _log_density(a: float, b: float, off: Floats) -> Floats:
    """Logarithm of Beta's density over the logit, `off` from its mode and relative to it, which keeps its digits."""
    if a > b:
        return _log_density(b, a, -off)
    relative: Floats = a * off - (a + b) * np.log1p(a / (a + b) * np.expm1(off))
    return relative


def _upper_logit(a: float, b: float) -> float:
    """Logit above which hardly any of Beta(a, b) lies."""
    rest = float(special.betaincinv(b, a, _TAIL))
    return math.log1p(-rest) - math.log(rest)


def _distribution(beta: tuple[float, float], logits: Floats) -> Floats:
    """Distribution function at a logit, from the end of [0, 1] that keeps the digits."""
    a, b = beta
    low = special.betainc(a, b, special.expit(np.minimum(logits, 0.0)))
    high = special.betaincc(b, a, special.expit(-np.maximum(logits, 0.0)))
    probabilities: Floats = np.where(logits < 0, low, high)
    return probabilities


@dataclass(frozen=True, slots=True)
class Prior:
    """A Gaussian belief on the effect before the data, in the effect's own units."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.sd < math.inf):
            raise ValueError(f"prior N({self.mean}, {self.sd}²): the mean must be finite and the sd above 0")

    def relative_to(self, control: float) -> Prior:
        """Return the belief on the relative lift that a belief on the absolute difference amounts to."""
        if control == 0:
            raise ValueError("the control's value is 0: no lift is relative to it; use the absolute difference")
        return Prior(self.mean / abs(control), self.sd / abs(control))


@dataclass(frozen=True, slots=True)
class Posterior:
    """A Gaussian belief on the effect after the data."""

    mean: float
    sd: float

    @property
    def chance(self) -> float:
        """Probability that the effect is positive; one half if nothing varies."""
        return float(special.ndtr(self.mean / self.sd)) if self.sd else 0.5

    def interval(self, alpha: float = 0.05) -> Interval:
        """Credible interval of probability 1 - alpha."""
        return interval_of(Measurement(self.mean, self.sd), alpha)

    @property
    def loss_of_control(self) -> float:
        """Expected loss from staying with control, E max(effect, 0)."""
        return _positive_part(self.mean, self.sd)

    @property
    def loss_of_treatment(self) -> float:
        """Expected loss from choosing treatment, E max(-effect, 0)."""
        return _positive_part(-self.mean, self.sd)


def gaussian(effect: Measurement, prior: Prior | None = None) -> Posterior:
    """
    Update a Gaussian prior with a measured effect, absolute or relative; without a prior it is flat.

    Gelman et al. 2013, eq. 2.12.
    """
    if prior is None:
        return Posterior(effect.value, effect.error)
    if not effect.error:
        return Posterior(prior.mean, prior.sd)  # data that do not vary do not say how far to trust them
    trust = prior.sd**2 / (prior.sd**2 + effect.error**2)
    mean = prior.mean + trust * (effect.value - prior.mean)
    return Posterior(mean, math.sqrt(trust) * effect.error)


def _positive_part(mean: float, sd: float) -> float:
    """E max(X, 0) of a Gaussian."""
    if not sd:
        return max(mean, 0.0)
    z = mean / sd
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return max(mean * float(special.ndtr(z)) + sd * density, 0.0)
