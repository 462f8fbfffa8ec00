"""
Counts of units or events by arm: what they say about the arms' shares and rates, at any look or at a planned end.

The sequential methods weigh all possible shares by a Dirichlet prior around the expected ones and read only
cumulative counts, so they merge. `scale` is the weight of that prior in units or events: the methods are sharpest at
about so many, and it must be fixed before there are data. They hold for counts that only grow: a unit counts once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from streams.core.judge.boundaries import log_beta_ratio
from streams.core.judge.evidence import Alternative, Evidence, Interval, check_alpha, p_of

Floats = npt.NDArray[np.float64]

_SUM_TO_ONE = 1e-9
_FARTHEST = 12.0  # in standard deviations: less than 1e-30 of a Poisson count lies beyond
_ROUNDING = 1e-9  # relative: a count this close to the edge of a rejection region is on it


def log_bayes_factor(counts: Sequence[float], shares: Sequence[float], scale: float) -> float:
    """
    Logarithm of the e-value of counts against the expected shares (Lindon & Malek 2022).

    ln B(k s + n) - ln B(k s) - sum_i n_i ln s_i, with n the counts, s the shares, k the scale and B the beta function
    of many arguments. It is written arm by arm, each against those after it, as a Dirichlet prior falls apart into
    beta priors: so nothing of the size of the counts cancels.

    Parameters
    ----------
    counts
        Units or events of each arm so far.
    shares
        Expected share of each arm: positive, with sum 1.
    scale
        Weight of the prior, in units or events.

    Raises
    ------
    ValueError
        If there are fewer than two arms, a count is negative, shares are not as above or the scale is not positive.

    >>> round(log_bayes_factor([5000, 5300], [0.5, 0.5], 10_000), 4), log_bayes_factor([0, 0], [0.5, 0.5], 10_000)
    (1.8629, 0.0)
    """
    observed, expected = _checked(counts, shares, scale)
    terms = []
    for arm in range(len(observed) - 1):
        share, rest = float(expected[arm]), float(expected[arm + 1 :].sum())
        count, others = float(observed[arm]), float(observed[arm + 1 :].sum())
        p, q = share / (share + rest), rest / (share + rest)
        before = log_beta_ratio(scale * share, scale * rest, p, q)
        terms.append(log_beta_ratio(scale * share + count, scale * rest + others, p, q) - before)
    return math.fsum(terms)


def excess(counts: Floats, shares: Floats) -> float:
    """
    By how much the observed shares explain counts better than `shares` do: sum n_i ln(n_i / (n s_i)), at least 0.

    inf where units are in an arm without share. Arrays of shape (arms,). Written in relative deviations, so that small
    ones at large counts keep their digits.
    """
    expected = counts.sum() * shares
    if (counts[expected == 0] > 0).any():
        return math.inf
    relative = np.divide(counts - expected, expected, out=np.zeros_like(expected), where=expected > 0)
    terms = expected * (special.xlog1py(1 + relative, relative) - relative)
    return max(0.0, float(terms.sum()))


def log_regret(counts: Sequence[float], shares: Sequence[float], scale: float) -> float:
    """
    By how much the best shares in hindsight explain counts better than the prior does, at least 0.

    A joint confidence sequence holds the shares t with `excess(counts, t) <= log_regret + ln(1 / alpha)`, for these
    are the ones against which the Bayes factor is at most 1 / alpha (Lindon & Malek 2022).
    """
    observed, expected = _checked(counts, shares, scale)
    return max(0.0, excess(observed, expected) - log_bayes_factor(counts, shares, scale))


def log_odds_interval(successes: float, failures: float, budget: float) -> Interval:
    """
    Log-odds at which success is at most exp(budget) times less likely to look like this than at the observed share.

    `budget` is positive, a logarithm. One-sided where there are only successes or only failures.
    """
    if successes == 0 and failures == 0:
        return Interval.everything()
    if successes == 0:
        return Interval(-math.inf, _log_expm1(budget / failures))
    if failures == 0:
        return Interval(-_log_expm1(budget / successes), math.inf)
    return Interval(-_highest_log_odds(failures, successes, budget), _highest_log_odds(successes, failures, budget))


def share_intervals(
    counts: Sequence[float], shares: Sequence[float], *, scale: float, alpha: float
) -> tuple[Interval, ...]:
    """
    Always-valid interval of each arm's share, all of them at once at level 1 - alpha (Lindon & Malek 2022).

    The joint confidence sequence of the shares, projected on each: for one share at a given value the others are
    best at the proportions observed, which leaves the divergence of one share from the rest, and this is inverted.

    >>> [(round(i.low, 4), round(i.high, 4)) for i in share_intervals([500, 560], [0.5, 0.5], scale=100, alpha=0.05)]
    [(0.4266, 0.5171), (0.4829, 0.5734)]
    """
    check_alpha(alpha)
    budget = log_regret(counts, shares, scale) - math.log(alpha)
    total = math.fsum(counts)
    odds = (log_odds_interval(count, total - count, budget) for count in counts)
    return tuple(Interval(float(special.expit(o.low)), float(special.expit(o.high))) for o in odds)


def rate_ratio(control: int, treatment: int, exposure_share: float, *, scale: float, alpha: float) -> Evidence:
    """
    Logarithm of the treatment's rate of events over the control's, always valid (Lindon & Malek 2022).

    Errors, crashes or first conversions may come at any rate that changes with time, as long as the arms share it up
    to a factor: each event is then the treatment's with one probability, whatever the rate is.

    Parameters
    ----------
    control, treatment
        Events of each arm so far.
    exposure_share
        Share of the exposure (units, requests or time) that is the treatment's; the same throughout.

    Returns
    -------
    The evidence against equal rates. Unbounded below or above while an arm has no events: its estimate is then
    -inf or inf, and 0 when neither has any.

    >>> ratio = rate_ratio(100, 160, 0.5, scale=100, alpha=0.05)
    >>> round(ratio.estimate, 4), round(ratio.interval.low, 4), round(ratio.interval.high, 4), round(ratio.p, 4)
    (0.47, 0.0493, 0.9048, 0.0123)
    """
    check_alpha(alpha)
    counts, shares = _two_arms(control, treatment, exposure_share)
    log_e = log_bayes_factor(counts, shares, scale)
    odds = log_odds_interval(treatment, control, log_regret(counts, shares, scale) - math.log(alpha))
    offset = float(special.logit(exposure_share))
    estimate = _log_ratio(treatment, control) - offset if control or treatment else 0.0
    return Evidence(estimate, Interval(odds.low - offset, odds.high - offset), log_e, p_of(log_e))


def rate_ratio_beyond(
    control: int, treatment: int, exposure_share: float, *, scale: float, bound: float, alternative: Alternative
) -> float:
    """
    Logarithm of the e-value against a log rate ratio that is at most ("greater") or at least ("less") `bound`.

    "two-sided" is against one that is exactly `bound`. For a guardrail "no more than 5 % more errors" take bound
    ln 1.05 and "less". It is the smallest Bayes factor against any ratio of the hypothesis.
    """
    counts, shares = _two_arms(control, treatment, exposure_share)
    regret = log_regret(counts, shares, scale)
    odds = float(special.logit(exposure_share)) + bound
    share = float(special.expit(odds))
    above = treatment > share * (treatment + control)
    if (alternative == "greater" and not above) or (alternative == "less" and above):
        return -regret
    return excess(np.array(counts), np.array([float(special.expit(-odds)), share])) - regret


def poisson_score(
    control: int, treatment: int, exposure_share: float, alternative: Alternative = "two-sided"
) -> tuple[float, float]:
    """
    Score test of two Poisson rates at one planned look: (z, p), z positive where the treatment's rate is higher.

    The variance is the one that equal rates imply (Gu, Ng, Tang & Schucany 2008, W2). (0, 1) without events.
    """
    _two_arms(control, treatment, exposure_share)
    total = control + treatment
    variance = total * exposure_share * (1 - exposure_share)
    return _normal_test(treatment - total * exposure_share, variance, alternative)


def poisson_wald(
    control: int, treatment: int, exposure_share: float, alternative: Alternative = "two-sided"
) -> tuple[float, float]:
    """
    Wald test of two Poisson rates at one planned look: as `poisson_score`, with the variance of the observed rates.

    Source: Gu, Ng, Tang & Schucany 2008, W1.
    """
    _two_arms(control, treatment, exposure_share)
    odds = exposure_share / (1 - exposure_share)
    return _normal_test(treatment - control * odds, treatment + control * odds**2, alternative)


def poisson_conditional(
    control: int, treatment: int, exposure_share: float, alternative: Alternative = "two-sided"
) -> float:
    """
    Exact p-value of two Poisson rates at one planned look: binomial, given the number of events.

    Two-sided, it adds all divisions of the events that are no more likely than the observed one (Przyborowski &
    Wilenski 1940). 1 without events.
    """
    _two_arms(control, treatment, exposure_share)
    if control + treatment == 0:
        return 1.0
    return float(stats.binomtest(treatment, control + treatment, exposure_share, alternative).pvalue)


def poisson_mid_p(control: int, treatment: int, exposure_share: float, alternative: Alternative = "two-sided") -> float:
    """
    `poisson_conditional` with half of the probability of the observed division: near its level, but not exact.

    1 without events.
    """
    exact = poisson_conditional(control, treatment, exposure_share, alternative)
    if control + treatment == 0:
        return exact
    return exact - float(stats.binom.pmf(treatment, control + treatment, exposure_share)) / 2


def poisson_e_test(
    control: int, treatment: int, exposure_share: float, alternative: Alternative = "two-sided"
) -> float:
    """
    p-value of two Poisson rates at one planned look, not given the number of events (Krishnamoorthy & Thomson 2004).

    Probability, at the rate estimated under equality, of counts with a score statistic at least as far out. No
    relative of e-values. 1 without events.
    """
    statistic, _ = poisson_score(control, treatment, exposure_share, alternative)
    total = control + treatment
    if total == 0:
        return 1.0
    means = total * (1 - exposure_share), total * exposure_share
    if alternative == "two-sided":
        far = abs(statistic)
        return min(1.0, _score_above(far, means) + _score_below(-far, means)) if far else 1.0
    return _score_above(statistic, means) if alternative == "greater" else _score_below(statistic, means)


def _score_above(statistic: float, means: tuple[float, float]) -> float:
    """Probability that two Poisson counts (control, treatment) of these means have at least this score statistic."""
    treatment = _likely(means[1])
    highest = np.floor(_control_at(statistic, treatment, means) * (1 + _ROUNDING) + _ROUNDING)
    within = stats.poisson.cdf(highest, means[0])
    if statistic > 0:
        within = np.where(treatment == 0, 0.0, within)  # no events at all: a statistic of 0
    return float(stats.poisson.pmf(treatment, means[1]) @ within)


def _score_below(statistic: float, means: tuple[float, float]) -> float:
    """Probability that two Poisson counts (control, treatment) of these means have at most this score statistic."""
    treatment = _likely(means[1])
    lowest = np.ceil(_control_at(statistic, treatment, means) * (1 - _ROUNDING) - _ROUNDING)
    return float(stats.poisson.pmf(treatment, means[1]) @ stats.poisson.sf(lowest - 1, means[0]))


def _control_at(statistic: float, treatment: Floats, means: tuple[float, float]) -> Floats:
    """
    Control counts at which the score statistic has a value: the root of t - r c = z sqrt(r (t + c)) with z's sign.

    r is the treatment's expected count over the control's.
    """
    odds = means[1] / means[0]
    root = np.sqrt(4 * treatment * (1 + odds) + statistic**2)
    count: Floats = (2 * treatment + statistic**2 - statistic * root) / (2 * odds)
    return count


def _likely(mean: float) -> Floats:
    """Counts of a Poisson variable that are not out of the question."""
    reach = _FARTHEST * math.sqrt(mean) + _FARTHEST**2
    return np.arange(max(0.0, math.floor(mean - reach)), math.ceil(mean + reach) + 1)


def _normal_test(difference: float, variance: float, alternative: Alternative) -> tuple[float, float]:
    """Return (z, p) of a difference whose variance is known, (0, 1) where it is 0."""
    if variance == 0:
        return 0.0, 1.0
    z = difference / math.sqrt(variance)
    tail = {"two-sided": 2 * special.ndtr(-abs(z)), "greater": special.ndtr(-z), "less": special.ndtr(z)}
    return z, float(tail[alternative])


def _two_arms(control: int, treatment: int, exposure_share: float) -> tuple[list[float], list[float]]:
    """Check the events and exposure of two arms; return their counts and expected shares."""
    if not 0 < exposure_share < 1:
        raise ValueError(
            f"the treatment's share of the exposure is {exposure_share}: it must be more than 0 and less than 1"
        )
    for arm, count in (("control", control), ("treatment", treatment)):
        if not 0 <= count < math.inf:
            raise ValueError(f"the {arm} has {count} events: a count is 0 or more")
    return [float(control), float(treatment)], [1 - exposure_share, exposure_share]


def _checked(counts: Sequence[float], shares: Sequence[float], scale: float) -> tuple[Floats, Floats]:
    """Return counts and shares as arrays of shape (arms,), or say what is wrong with them."""
    observed, expected = np.asarray(counts, np.float64), np.asarray(shares, np.float64)
    if observed.shape != expected.shape or observed.ndim != 1 or len(observed) < 2:
        raise ValueError(f"{len(observed)} counts and {len(expected)} shares: give one of each for two or more arms")
    if not ((observed >= 0) & np.isfinite(observed)).all():
        raise ValueError(f"counts are {observed.tolist()}: each must be 0 or more and finite")
    if not (expected > 0).all() or not abs(expected.sum() - 1) < _SUM_TO_ONE:
        raise ValueError(f"expected shares are {expected.tolist()}: each must be positive, and their sum 1")
    if not 0 < scale < math.inf:
        raise ValueError(f"scale is {scale}: it must be a positive number of units or events, such as 10000")
    return observed, expected


def _highest_log_odds(successes: float, failures: float, budget: float) -> float:
    """Upper limit of `log_odds_interval` where there are both: a root, bracketed by what the failures alone allow."""
    total = successes + failures
    best = math.log(successes / total), math.log(failures / total)

    def surplus(log_odds: float) -> float:
        log_share, log_rest = -float(special.softplus(-log_odds)), -float(special.softplus(log_odds))
        return successes * (best[0] - log_share) + failures * (best[1] - log_rest) - budget

    middle = _log_ratio(successes, failures)
    farthest = _log_expm1(2 + budget / failures - best[1])  # successes can be worth no more than 1 a failure
    return float(optimize.brentq(surplus, middle, farthest, xtol=1e-14))


def _log_ratio(numerator: float, denominator: float) -> float:
    """Logarithm of a ratio of counts of which one at most is 0: -inf or inf then."""
    if numerator == 0 or denominator == 0:
        return -math.inf if numerator == 0 else math.inf
    return math.log(numerator) - math.log(denominator)


def _log_expm1(x: float) -> float:
    """Logarithm of exp(x) - 1 for positive x, without overflow."""
    return x + math.log(-math.expm1(-x))
