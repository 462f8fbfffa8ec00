"""
Relative lift, treatment / control - 1, for one look: three intervals that differ when the control is measured badly.

Each takes measured means or shares of independent arms. The error of a lift includes the control's: a relative and
an absolute comparison of the same arms can disagree.
"""

from __future__ import annotations

import math

from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.fixed import (
    Comparison,
    Measurement,
    Name,
    critical,
    interval_of,
    judged,
    minus,
    satterthwaite,
    tail,
)

DELTA = Name("lift, delta method", "SE² = vt/c² + vc t²/c⁴")
LOG_DELTA = Name("lift, log delta", "exp(log(t/c) +- z sqrt(vt/t² + vc/c²)) - 1")
FIELLER = Name("lift, Fieller", "all r with (t - (1 + r) c)² <= z² (vt + (1 + r)² vc)")


def improvement(control: float, treatment: float) -> float:
    """
    Relative lift of the estimates.

    >>> round(100 * improvement(378 / 3662, 462 / 3568), 1)
    25.4

    Raises
    ------
    ValueError
        If the control is zero.
    """
    if control == 0:
        raise ValueError("the control's value is 0: no lift is relative to it; compare absolute differences")
    return treatment / control - 1


def lift(control: Measurement, treatment: Measurement) -> Measurement:
    """
    Measure the relative lift, with its error by the delta method (Deng, Knoblich & Lu 2018, section 2).

    The degrees of freedom are those of the absolute difference.
    """
    relative = improvement(control.value, treatment.value)
    error = math.hypot(treatment.error / control.value, control.error * (1 + relative) / control.value)
    return Measurement(relative, error, satterthwaite(treatment, control))


def of_log_ratio(log_ratio: float) -> float:
    """Lift that the logarithm of a ratio stands for; inf above e**700, which no measurement can tell from it."""
    return math.expm1(log_ratio) if log_ratio < 700 else math.inf


def delta(
    control: Measurement,
    treatment: Measurement,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """Compare by the lift and its delta-method error."""
    return judged(DELTA, lift(control, treatment), alpha, alternative, null)


def log_delta(
    control: Measurement,
    treatment: Measurement,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """
    Compare by the logarithm of the ratio, whose limits can never be below -100 % (Katz et al. 1978, method C).

    The error is that of the logarithm.

    Raises
    ------
    ValueError
        If an arm's value is not positive, or the null is not above -1.
    """
    if not (control.value > 0 and treatment.value > 0 and null > -1):
        raise ValueError(
            f"control {control.value}, treatment {treatment.value}, null {null}: a logarithm needs both above 0, "
            "and the null above -1"
        )
    error = math.hypot(treatment.error / treatment.value, control.error / control.value)
    ratio = Measurement(math.log(treatment.value / control.value), error, satterthwaite(treatment, control))
    found = judged(LOG_DELTA, ratio, alpha, alternative, math.log1p(null))
    of_ratio = interval_of(ratio, alpha, alternative)
    limits = Interval(of_log_ratio(of_ratio.low), of_log_ratio(of_ratio.high))
    return Comparison(LOG_DELTA, math.expm1(ratio.value), found.p, found.statistic, limits, error, found.freedom)


def fieller(
    control: Measurement,
    treatment: Measurement,
    *,
    alpha: float = 0.05,
    null: float = 0.0,
) -> Comparison:
    """
    Compare by Fieller's theorem (1954), which does not suppose that the ratio is normal.

    With no lift, its test is that of the absolute difference. The interval is everything when at this level the
    control could be zero.
    """
    relative = improvement(control.value, treatment.value)
    effect = minus(treatment, Measurement(control.value * (1 + null), control.error * abs(1 + null), control.freedom))
    statistic = effect.value / effect.error if effect.error else 0.0
    p = tail(statistic, effect.freedom, "two-sided") if effect.error else 1.0
    limits = _fieller_limits(control, treatment, critical(alpha, satterthwaite(treatment, control)))
    freedom = None if math.isinf(effect.freedom) else effect.freedom
    return Comparison(FIELLER, relative, p, statistic, limits, None, freedom)


def _fieller_limits(control: Measurement, treatment: Measurement, z: float) -> Interval:
    """Roots in r of (t - (1 + r) c)² = z² (vt + (1 + r)² vc)."""
    c, t = control.value, treatment.value
    a = c * c - (z * control.error) ** 2
    if a <= 0 or not (control.error or treatment.error):
        return Interval.everything()
    b = t * t - (z * treatment.error) ** 2
    half = math.sqrt(max((c * t) ** 2 - a * b, 0.0))
    return Interval((c * t - half) / a - 1, (c * t + half) / a - 1)
