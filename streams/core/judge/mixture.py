"""
Always-valid inference on means, from an estimate, its standard error and a count: the normal mixture.

One boundary has five names. It is Robbins' normal mixture (1970), the mixture sequential probability ratio test (Johari
et al. 2017), the asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, arXiv 2103.06476), and
what GrowthBook and Eppo call sequential testing:

    log e = -1/2 ln(1 + n / rho) + (d / SE)² n / (2 (n + rho))
    d +- SE sqrt((n + rho) / n * ln((n + rho) / (rho alpha²)))

with d the estimate, SE its standard error, n the count and rho > 0 in units of n. rho decides only where the
interval is narrow, never whether it holds: but fix it before there are data.

The error rate holds asymptotically, for SE is estimated. At alpha 0.05, test_mixture_error_rates.py measures: two like
arms of lognormal data with sigma 2, a kurtosis of 9 million, err at 57 looks from 200 units an arm on in 1 % of
experiments, for their skews cancel; the interval of one such mean alone is wrong in 33 %, and with sigma 1 in 4 %.
From the 4th unit on, two normal arms err in 11 %, and in 2 % with `t_sequence`. For rare events see `enough`.

n counts what `planned` counts. For two arms both mean the units of both arms together.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scipy import optimize, special

from streams.core.judge.binomial_interval import Count, check_count
from streams.core.judge.boundaries import (
    best_rho,
    check_planned,
    normal_bound,
    normal_bound_one_sided,
    normal_log,
    normal_log_one_sided,
)
from streams.core.judge.evidence import Alternative, Evidence, Interval, check_alpha, p_of
from streams.core.judge.fixed import Measurement, minus
from streams.core.judge.lift import lift, of_log_ratio
from streams.core.judge.proportions import share

FEWEST_EVENTS = 5
"""Successes, and failures, that an arm needs before its estimated variance is used."""

_BISECTED = (1e-5, 0.4999)
_BISECTION_TOLERANCE = 1e-6
_BISECTION_STEPS = 100


def planned_rho(planned: float, alpha: float, *, one_sided: bool = False) -> float:
    """
    Mixture precision, in units of n, that serves best when about `planned` units will have been seen.

    planned / (g + ln(1 + g)) with g = -2 ln(alpha): the usual approximation, 3 % above `exact_rho` at alpha 0.05
    (arXiv 2103.06476, appendix B). One-sided, alpha counts double.

    >>> round(planned_rho(10_000, 0.05), 3)
    1260.056
    """
    return best_rho(planned, alpha, one_sided=one_sided)


def exact_rho(planned: float, alpha: float) -> float:
    """
    Mixture precision that makes the interval at `planned` units as narrow as it can be: planned / (-W(-alpha²/e) - 1).

    W is the lower branch of Lambert's function (Howard et al. 2021, proposition 3).
    """
    check_alpha(alpha)
    check_planned(planned)
    return planned / (-float(special.lambertw(-alpha * alpha / math.e, -1).real) - 1)


def msprt_rho(variance: float, effect_variance: float) -> float:
    """
    Mixture precision of a test that expects normal effects with variance tau² (Johari et al. 2017).

    Parameters
    ----------
    variance
        Of the difference of one pair, one unit from each arm: n then counts pairs, and SE is sqrt(variance / n).
    effect_variance
        tau², the variance of the effects that one expects.
    """
    return variance / effect_variance


def log_e(estimate: float, error: float, n: float, rho: float) -> float:
    """Logarithm of the e-value against an effect of 0, two-sided."""
    return normal_log(estimate / error * math.sqrt(n), n, rho)


def log_e_one_sided(estimate: float, error: float, n: float, rho: float) -> float:
    """Logarithm of the e-value against an effect of at most 0."""
    return normal_log_one_sided(estimate / error * math.sqrt(n), n, rho)


def half_width(error: float, n: float, rho: float, alpha: float) -> float:
    """Distance from the estimate to each limit of its two-sided interval."""
    return error * normal_bound(n, alpha, rho) / math.sqrt(n)


def half_width_one_sided(error: float, n: float, rho: float, alpha: float) -> float:
    """Distance from the estimate to its only limit: where `log_e_one_sided` is log(1/alpha)."""
    return error * normal_bound_one_sided(n, alpha, rho) / math.sqrt(n)


def closed_half_width_one_sided(error: float, n: float, rho: float, alpha: float) -> float:
    """Half-width in closed form, a little wider than `half_width_one_sided` (arXiv 2103.06476, equation 134)."""
    check_alpha(alpha)
    return error * math.sqrt(2 * (n + rho) / n * math.log1p(math.sqrt(1 + n / rho) / (2 * alpha)))


def bisected_p(estimate: float, error: float, n: float, rho: float) -> float:
    """
    P-value against "at most 0" that GrowthBook prints: the level at which the closed interval just excludes 0.

    Found by bisection, between 0.00001 and 0.4999, until the limit is within 0.000001 of 0 or 100 steps are done: to
    compare with that program. `sequence` gives the exact p-value.
    """
    _check_look(estimate, error, n)

    def limit(alpha: float) -> float:
        return estimate - closed_half_width_one_sided(error, n, rho, alpha)

    least, most = _BISECTED
    if limit(least) > 0:
        return least
    if limit(most) < 0:
        return most
    for _ in range(_BISECTION_STEPS):
        middle = (least + most) / 2
        found = limit(middle)
        least, most = (middle, most) if found < 0 else (least, middle)
        if abs(found) < _BISECTION_TOLERANCE:
            break
    return (least + most) / 2


def sequence(  # noqa: PLR0913 - what a look consists of, and four choices made before it
    estimate: float,
    error: float,
    n: float,
    *,
    planned: float,
    alpha: float,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Evidence:
    """
    Say what an estimate shows, at any look, in the estimate's units.

    Parameters
    ----------
    estimate, error
        A mean, difference or any asymptotically normal estimate, and its standard error. An error of 0 means that
        the data did not vary, not that the effect is known: then nothing is shown.
    n, planned
        Units seen so far, and units at which the interval shall be narrowest.
    alpha
        The chance that the interval ever, at any look, excludes the truth.
    alternative, null
        "greater" shows effects above the null and bounds the effect from below only; "less" mirrors it.

    Raises
    ------
    ValueError
        If a number is not finite, the error is negative, or n is not positive.

    >>> shown = sequence(0.29, 0.12478, 6_868, planned=5_000, alpha=0.05)
    >>> round(shown.p, 3), round(shown.interval.low, 3), round(shown.interval.high, 3)
    (0.291, -0.089, 0.669)
    """
    rho = planned_rho(planned, alpha, one_sided=alternative != "two-sided")
    _check_look(estimate - null, error, n)
    if error == 0:
        return _nothing(estimate)
    if alternative == "two-sided":
        half = half_width(error, n, rho, alpha)
        shown, limits = log_e(estimate - null, error, n, rho), Interval(estimate - half, estimate + half)
    else:
        half = half_width_one_sided(error, n, rho, alpha)
        greater = alternative == "greater"
        shown = log_e_one_sided(estimate - null if greater else null - estimate, error, n, rho)
        limits = Interval(estimate - half, math.inf) if greater else Interval(-math.inf, estimate + half)
    return Evidence(estimate, limits, shown, p_of(shown))


def difference(
    control: Measurement,
    treatment: Measurement,
    n: float,
    *,
    planned: float,
    alpha: float,
    alternative: Alternative = "two-sided",
) -> Evidence:
    """Say what treatment minus control shows, for measurements of independent arms with n units together."""
    effect = minus(treatment, control)
    return sequence(effect.value, effect.error, n, planned=planned, alpha=alpha, alternative=alternative)


def relative_lift(
    control: Measurement,
    treatment: Measurement,
    n: float,
    *,
    planned: float,
    alpha: float,
    alternative: Alternative = "two-sided",
) -> Evidence:
    """Say what treatment / control - 1 shows, by the delta method; a ValueError if the control is 0."""
    effect = lift(control, treatment)
    return sequence(effect.value, effect.error, n, planned=planned, alpha=alpha, alternative=alternative)


def log_lift(
    control: Measurement,
    treatment: Measurement,
    n: float,
    *,
    planned: float,
    alpha: float,
    alternative: Alternative = "two-sided",
) -> Evidence:
    """
    Say what treatment / control - 1 shows, by the logarithm of the ratio: no limit is then below -100 %.

    Raises
    ------
    ValueError
        If an arm's value is not positive.
    """
    if not (control.value > 0 and treatment.value > 0):
        raise ValueError(f"control {control.value} and treatment {treatment.value}: a logarithm needs both above 0")
    ratio = math.log(treatment.value / control.value)
    error = math.hypot(treatment.error / treatment.value, control.error / control.value)
    shown = sequence(ratio, error, n, planned=planned, alpha=alpha, alternative=alternative)
    limits = Interval(of_log_ratio(shown.interval.low), of_log_ratio(shown.interval.high))
    return Evidence(math.expm1(ratio), limits, shown.log_e, shown.p)


def enough(control: Count, treatment: Count) -> bool:
    """
    Say whether both arms have 5 successes and 5 failures, so that the variances of their shares can be estimated.

    Without this a 10 % canary with a rate of 0.5 % raises false alarms 34 % of the time at alpha 0.05: before its
    first event its variance is estimated as 0.
    """
    return all(min(k, n - k) >= FEWEST_EVENTS for k, n in (check_count(control), check_count(treatment)))


def share_difference(
    control: Count, treatment: Count, *, planned: float, alpha: float, alternative: Alternative = "two-sided"
) -> Evidence:
    """Say what treatment minus control shows, for counts (successes, trials); nothing until there are `enough`."""
    before, after = share(control), share(treatment)
    if not enough(control, treatment):
        return _nothing(after.value - before.value)
    n = control[1] + treatment[1]
    return difference(before, after, n, planned=planned, alpha=alpha, alternative=alternative)


def share_lift(
    control: Count, treatment: Count, *, planned: float, alpha: float, alternative: Alternative = "two-sided"
) -> Evidence:
    """
    Say what treatment / control - 1 shows, by the delta method, for counts; nothing until there are `enough`.

    A ValueError if the control has no successes.
    """
    before, after = share(control), share(treatment)
    if not enough(control, treatment):
        return _nothing(lift(before, after).value)
    n = control[1] + treatment[1]
    return relative_lift(before, after, n, planned=planned, alpha=alpha, alternative=alternative)


def t_log_e(t: float, freedom: float, n: float, rho: float) -> float:
    """
    Logarithm of the e-value of a t statistic, two-sided: exact for normal errors whose variance is unknown.

    Source: Lindon, Ham, Tingley & Bojinov, "Anytime-valid linear models and regression adjusted causal inference in
    randomized experiments", arXiv 2210.08589, section 3. With g their precision, rho is g.
    """
    r, squared = rho / (rho + n), t * t / freedom
    return 0.5 * math.log(r) + (freedom + 1) / 2 * (math.log1p(squared) - math.log1p(r * squared))


def t_half_width(error: float, freedom: float, n: float, rho: float, alpha: float) -> float:
    """Distance from the estimate to where `t_log_e` is log(1/alpha); inf where no t statistic gets there."""
    check_alpha(alpha)
    r = rho / (rho + n)
    shrunk = math.log(r * alpha * alpha) / (freedom + 1)
    room = math.exp(shrunk) - r
    return error * math.sqrt(-freedom * math.expm1(shrunk) / room) if room > 0 else math.inf


@lru_cache(maxsize=256)
def t_planned_rho(planned: float, alpha: float, *, parameters: int = 2) -> float:
    """
    Mixture precision that makes the t interval at `planned` units, with so many fitted parameters, narrowest.

    Raises
    ------
    ValueError
        If there are no more units planned than parameters.
    """
    check_alpha(alpha)
    check_planned(planned)
    freedom = planned - parameters
    if not freedom > 0:
        raise ValueError(f"{planned} units are planned for {parameters} parameters: nothing is left to measure errors")

    def width(log_share: float) -> float:
        rho = planned / math.expm1(-log_share)
        return math.log(t_half_width(1.0, freedom, planned, rho, alpha))

    widest = 2 * math.log(alpha) / freedom  # of log(rho / (rho + n)): from here on no t statistic excludes 0
    lowest = min(4 * widest, -2.0) - 60.0
    found = optimize.minimize_scalar(width, bounds=(lowest, widest), method="bounded", options={"xatol": 1e-10})
    return planned / math.expm1(-float(found.x))


def t_sequence(effect: Measurement, n: float, *, planned: float, alpha: float, null: float = 0.0) -> Evidence:
    """
    Say what an effect shows whose error has `effect.freedom` degrees of freedom, exactly if errors are normal.

    Two-sided. For two arms of equal variance the effect is their difference with n - 2 degrees of freedom, and n its
    units together. After some hundred units it differs from `sequence` no more.
    """
    rho = t_planned_rho(planned, alpha)
    _check_look(effect.value - null, effect.error, n)
    if effect.error == 0:
        return _nothing(effect.value)
    half = t_half_width(effect.error, effect.freedom, n, rho, alpha)
    shown = t_log_e((effect.value - null) / effect.error, effect.freedom, n, rho)
    return Evidence(effect.value, Interval(effect.value - half, effect.value + half), shown, p_of(shown))


def _nothing(estimate: float) -> Evidence:
    """Evidence that excludes nothing."""
    return Evidence(estimate, Interval.everything(), 0.0, 1.0)


def _check_look(distance: float, error: float, n: float) -> None:
    if not (math.isfinite(distance) and 0 <= error < math.inf and 0 < n < math.inf):
        raise ValueError(
            f"an effect {distance} from the null with standard error {error} at n={n}: all must be finite, the error "
            "not negative and n positive"
        )
