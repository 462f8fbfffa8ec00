"""
Comparisons for one look at a finished experiment: what each of them says, and the one rule behind most of them.

None of these may be looked at again and again until they please: twenty looks at a 5 % test err 25 % of the time.
Effects are always treatment minus control, or treatment over control.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from streams.core.judge.evidence import Alternative, Interval, check_alpha


@dataclass(frozen=True, slots=True)
class Measurement:
    """
    A number that was measured: its value, its standard error and the degrees of freedom of that error.

    An arm's mean, share, ratio or adjusted mean is one, and so is the difference of two arms. `freedom` is inf where
    the normal distribution is the reference.
    """

    value: float
    error: float
    freedom: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0 <= self.error < math.inf and self.freedom > 0):
            raise ValueError(
                f"measurement {self.value} with standard error {self.error} and {self.freedom} degrees of freedom: "
                "value and error must be finite, the error not negative, the freedom positive"
            )


@dataclass(frozen=True, slots=True)
class Name:
    """What a method is called, and its formula in words or symbols, so that two reports can be told apart."""

    method: str
    formula: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    What a fixed-horizon method says about treatment against control.

    Attributes
    ----------
    name
        The method and its formula.
    effect
        The estimate, in the units that the method's docstring says.
    p
        Probability, if there is no effect, of a statistic at least this far from what is expected.
    statistic
        The test's statistic.
    interval
        Confidence interval of the effect at 1 - alpha; None where the method has none of its own.
    error
        Standard error of the effect; None where the method has none.
    freedom
        Degrees of freedom; None where the method has none.
    """

    name: Name
    effect: float
    p: float
    statistic: float
    interval: Interval | None = None
    error: float | None = None
    freedom: float | None = None


WELCH = Name("difference", "(t - c) / sqrt(SEt² + SEc²), Welch-Satterthwaite freedom")


def tail(statistic: float, freedom: float, alternative: Alternative) -> float:
    """
    P-value of a statistic that is standard normal (`freedom` inf) or Student's t under the null.

    >>> round(tail(math.sqrt(2), math.inf, "two-sided"), 4)  # erfc(1)
    0.1573
    """
    if alternative == "two-sided":
        return 2 * tail(-abs(statistic), freedom, "less")
    below = statistic if alternative == "less" else -statistic
    return float(special.ndtr(below) if math.isinf(freedom) else special.stdtr(freedom, below))


def critical(alpha: float, freedom: float, alternative: Alternative = "two-sided") -> float:
    """Standard errors between an estimate and the limits of its interval at 1 - alpha."""
    check_alpha(alpha)
    outside = alpha / 2 if alternative == "two-sided" else alpha
    return -float(special.ndtri(outside) if math.isinf(freedom) else special.stdtrit(freedom, outside))


def interval_of(effect: Measurement, alpha: float, alternative: Alternative = "two-sided") -> Interval:
    """
    Interval effect +- critical value * standard error; unbounded on the side that a one-sided question leaves open.

    An error of zero means that the data did not vary, not that the effect is known: then the interval is everything.
    """
    half = critical(alpha, effect.freedom, alternative) * effect.error
    if not effect.error:
        return Interval.everything()
    low = -math.inf if alternative == "less" else effect.value - half
    high = math.inf if alternative == "greater" else effect.value + half
    return Interval(low, high)


def judged(
    name: Name, effect: Measurement, alpha: float, alternative: Alternative = "two-sided", null: float = 0.0
) -> Comparison:
    """
    Compare an effect with the null: z or t = (effect - null) / error.

    With an error of zero nothing can be said: the statistic is 0, p is 1 and the interval everything.
    """
    interval = interval_of(effect, alpha, alternative)
    statistic = (effect.value - null) / effect.error if effect.error else 0.0
    p = tail(statistic, effect.freedom, alternative) if effect.error else 1.0
    freedom = None if math.isinf(effect.freedom) else effect.freedom
    return Comparison(name, effect.value, p, statistic, interval, effect.error, freedom)


def satterthwaite(*measurements: Measurement) -> float:
    """
    Degrees of freedom of the error of a sum of independent measurements (Welch 1947; Satterthwaite 1946, eq. 17).

    Inf when every error is known exactly, or is zero.
    """
    largest = max(m.error for m in measurements)
    if not largest:
        return math.inf
    shares = [(m.error / largest) ** 2 for m in measurements]
    uncertain = sum(share * share / m.freedom for share, m in zip(shares, measurements, strict=True))
    return sum(shares) ** 2 / uncertain if uncertain else math.inf


def minus(treatment: Measurement, control: Measurement) -> Measurement:
    """Measure the difference of two independent measurements."""
    error = math.hypot(treatment.error, control.error)
    return Measurement(treatment.value - control.value, error, satterthwaite(treatment, control))


def difference(
    control: Measurement,
    treatment: Measurement,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """Compare any two independent measurements: means, shares, ratios, adjusted or stratified means."""
    return judged(WELCH, minus(treatment, control), alpha, alternative, null)
