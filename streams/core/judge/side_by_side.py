"""
One comparison by every method, side by side: what each says, and whether it may be looked at more than once.

Fixed-horizon rows hold for a single look that was planned beforehand. Always-valid rows hold at any look, and the
verdict is theirs: nobody can tell from the numbers how often somebody has looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streams.core.judge import bernoulli, chance, lift, means, mixture, proportions
from streams.core.judge.binomial_interval import Count, check_count
from streams.core.judge.counts import rate_ratio
from streams.core.judge.evidence import Evidence, Interval
from streams.core.judge.fixed import Comparison, Measurement, Name, minus
from streams.core.judge.moments import Moments

Quantity = Literal["difference", "lift"]
Looks = Literal["once", "any"]
Verdict = Literal["better", "worse", "equivalent", "not enough evidence"]

MIXTURE = Name("normal mixture", "d +- SE sqrt((n + rho)/n ln((n + rho)/(rho alpha²)))")
MIXTURE_LIFT = Name("normal mixture, lift", "as the normal mixture, on t/c - 1 with the delta method's SE")
MIXTURE_T = Name("t mixture", "as the normal mixture, for Welch's t with its freedom")
EXACT = Name("beta-binomial, exact", "product of the arms' beta-binomial e-values, largest null")
EVENTS = Name("events, Dirichlet", "Dirichlet-multinomial on successes, given the arms' shares of trials")
_EVENTS_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Row:
    """
    What one method says.

    Attributes
    ----------
    name
        The method and its formula.
    quantity
        Whether effect and interval are a difference, or a lift relative to control.
    effect, interval
        Estimate, and its interval at 1 - alpha; None where the method has none.
    p, chance
        P-value, or the chance that treatment is better; one of them is None.
    looks
        "once": valid for one planned look. "any": valid at every look.
    """

    name: Name
    quantity: Quantity
    effect: float
    interval: Interval | None
    p: float | None
    chance: float | None
    looks: Looks


@dataclass(frozen=True, slots=True)
class SideBySide:
    """
    All rows of one comparison, and the verdicts.

    `basis` is the always-valid row that `verdict` rests on; `verdict_once` is that of a single planned look.
    """

    rows: tuple[Row, ...]
    basis: Row
    verdict: Verdict
    verdict_once: Verdict


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What is decided before there are data.

    Attributes
    ----------
    alpha
        Error rate of each interval and verdict.
    planned
        Units expected in both arms together: where always-valid intervals are narrowest.
    margin
        Largest absolute difference that does not matter, or None: then "equivalent" is never said.
    """

    alpha: float
    planned: float
    margin: float | None = None


def proportions_side_by_side(control: Count, treatment: Count, plan: Plan) -> SideBySide:
    """
    Compare two shares, (successes, trials), by every method.

    The verdict rests on the normal mixture, or on the exact method while an arm has fewer than five successes or
    failures.

    Raises
    ------
    ValueError
        If counts are not possible, or the plan is not.
    """
    check_count(control)
    check_count(treatment)
    always = list(_shares_at_any_look(control, treatment, plan))
    basis = always[0] if mixture.enough(control, treatment) else always[1]
    once = [*_shares_once(control, treatment, plan.alpha), *_share_chances(control, treatment)]
    return _judge([*once, *always], basis, once[0], plan)


def means_side_by_side(control: Moments, treatment: Moments, plan: Plan) -> SideBySide:
    """
    Compare two means by every method; the verdict rests on the t mixture.

    Raises
    ------
    ValueError
        If an arm has fewer than two observations, or the plan is not possible.
    """
    c, t = means.mean(control), means.mean(treatment)
    welch, student = (test(control, treatment, alpha=plan.alpha) for test in (means.welch, means.student))
    once = [_fixed(found, "difference") for found in (welch, student)]
    once += _lifts(c, t, plan.alpha)
    once.append(_chance(chance.gaussian(minus(t, c)).chance, chance.GAUSSIAN, "difference", welch.effect))
    n = control.n + treatment.n
    by_t = mixture.t_sequence(minus(t, c), n, planned=plan.planned, alpha=plan.alpha)
    basis = _always(by_t, MIXTURE_T, "difference")
    return _judge([*once, basis, *_mixtures(c, t, n, plan)], basis, once[0], plan)


def _shares_once(control: Count, treatment: Count, alpha: float) -> Iterator[Row]:
    yield _fixed(proportions.unpooled_z(control, treatment, alpha=alpha), "difference")
    yield _fixed(proportions.pooled_z(control, treatment), "difference")
    if min(control[1], treatment[1]) > 1:
        yield _fixed(proportions.welch_t(control, treatment, alpha=alpha), "difference")
    yield _fixed(proportions.chi_square(control, treatment, yates=True), "difference")
    yield _fixed(proportions.fisher(control, treatment), "difference")
    yield from _lifts(proportions.share(control), proportions.share(treatment), alpha)


def _lifts(control: Measurement, treatment: Measurement, alpha: float) -> list[Row]:
    """Relative lifts, as far as there is something that they are relative to."""
    found = []
    if control.value:
        found += [lift.delta(control, treatment, alpha=alpha), lift.fieller(control, treatment, alpha=alpha)]
    if control.value > 0 and treatment.value > 0:
        found.insert(1, lift.log_delta(control, treatment, alpha=alpha))
    return [_fixed(comparison, "lift") for comparison in found]


def _share_chances(control: Count, treatment: Count) -> Iterator[Row]:
    c, t = proportions.share(control), proportions.share(treatment)
    effect = t.value - c.value
    for found in (
        chance.unpooled_z(control, treatment),
        chance.pooled_z(control, treatment),
        chance.beta_binomial(control, treatment, chance.UNIFORM),
        chance.beta_binomial(control, treatment, chance.JEFFREYS),
    ):
        yield _chance(found.chance, found.name, "difference", effect)
    if c.value:
        relative = lift.lift(c, t)
        yield _chance(chance.gaussian(relative).chance, chance.GAUSSIAN_LIFT, "lift", relative.value)


def _shares_at_any_look(control: Count, treatment: Count, plan: Plan) -> Iterator[Row]:
    planned, alpha = plan.planned, plan.alpha
    shares = mixture.share_difference(control, treatment, planned=planned, alpha=alpha)
    yield _always(shares, MIXTURE, "difference")
    yield _always(bernoulli.difference(control, treatment, planned=planned, alpha=alpha), EXACT, "difference")
    if control[0]:
        relative = mixture.share_lift(control, treatment, planned=planned, alpha=alpha)
        yield _always(relative, MIXTURE_LIFT, "lift")
    yield _events(control, treatment, alpha)


def _mixtures(control: Measurement, treatment: Measurement, n: int, plan: Plan) -> Iterator[Row]:
    planned, alpha = plan.planned, plan.alpha
    yield _always(mixture.difference(control, treatment, n, planned=planned, alpha=alpha), MIXTURE, "difference")
    if control.value:
        relative = mixture.relative_lift(control, treatment, n, planned=planned, alpha=alpha)
        yield _always(relative, MIXTURE_LIFT, "lift")


def _events(control: Count, treatment: Count, alpha: float) -> Row:
    """Rates of successes as events that arrive: the lift is the rate ratio less 1."""
    (k0, n0), (k1, n1) = control, treatment
    found = rate_ratio(k0, k1, n1 / (n0 + n1), scale=_EVENTS_SCALE, alpha=alpha)
    limits = Interval(lift.of_log_ratio(found.interval.low), lift.of_log_ratio(found.interval.high))
    return Row(EVENTS, "lift", lift.of_log_ratio(found.estimate), limits, found.p, None, "any")


def _fixed(found: Comparison, quantity: Quantity) -> Row:
    return Row(found.name, quantity, found.effect, found.interval, found.p, None, "once")


def _chance(probability: float, name: Name, quantity: Quantity, effect: float) -> Row:
    return Row(name, quantity, effect, None, None, probability, "once")


def _always(found: Evidence, name: Name, quantity: Quantity) -> Row:
    return Row(name, quantity, found.estimate, found.interval, found.p, None, "any")


def _judge(rows: list[Row], basis: Row, once: Row, plan: Plan) -> SideBySide:
    return SideBySide(tuple(rows), basis, verdict(basis.interval, plan.margin), verdict(once.interval, plan.margin))


def verdict(interval: Interval | None, margin: float | None = None) -> Verdict:
    """
    Say what an interval of a difference allows to be said; more is better.

    >>> verdict(Interval(0.1, 0.3)), verdict(Interval(-0.1, 0.3)), verdict(Interval(-0.1, 0.3), margin=0.5)
    ('better', 'not enough evidence', 'equivalent')

    Raises
    ------
    ValueError
        If the margin is not above 0.
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"the margin is {margin}: it must be above 0")
    found = interval or Interval.everything()
    if margin is not None and -margin < found.low and found.high < margin:
        return "equivalent"
    if found.low > 0:
        return "better"
    return "worse" if found.high < 0 else "not enough evidence"
