"""
Wald's sequential probability ratio test: a rate as it should be, or one named worse rate, in the fewest observations.

It decides between two simple hypotheses, and reads only totals. For effects of unknown size use the mixtures
(bernoulli.py, mixture.py): this test's error rates hold at its two rates, not between them.

Source: Wald, "Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16 (1945), section 3.
"""

from __future__ import annotations

import math
from typing import Literal

from streams.core.judge.evidence import check_alpha

Decision = Literal["continue", "accept_H0", "accept_H1"]


def thresholds(alpha: float, beta: float) -> tuple[float, float]:
    """
    Log-likelihood ratios at which to accept H0 and H1: ln(beta / (1 - alpha)), ln((1 - beta) / alpha).

    Observations overstep these, and so the true error rates alpha' and beta' differ a little, within Wald's
    inequalities: alpha' <= alpha / (1 - beta), beta' <= beta / (1 - alpha), alpha' + beta' <= alpha + beta.

    Raises
    ------
    ValueError
        If alpha or beta is not strictly between 0 and 1, or they sum to 1 or more, which no test needs.

    >>> [round(each, 4) for each in thresholds(0.05, 0.2)]
    [-1.5581, 2.7726]
    """
    check_alpha(alpha)
    check_alpha(beta)
    if alpha + beta >= 1:
        raise ValueError(f"alpha {alpha} and beta {beta} sum to 1 or more: a coin would do as well")
    return math.log(beta) - math.log1p(-alpha), math.log1p(-beta) - math.log(alpha)


def bernoulli(successes: float, trials: float, p0: float, p1: float) -> float:
    """
    Log-likelihood ratio of H1, the share p1, to H0, the share p0: k ln(p1/p0) + (n - k) ln((1 - p1)/(1 - p0)).

    Raises
    ------
    ValueError
        If successes are not between 0 and trials, a share not strictly between 0 and 1, or the shares are equal.
    """
    if not (0 <= successes <= trials and 0 < p0 < 1 and 0 < p1 < 1 and p0 != p1):
        raise ValueError(
            f"{successes}/{trials} with shares {p0} and {p1}: successes must be at most trials, and the shares "
            "different and strictly between 0 and 1"
        )
    return successes * math.log(p1 / p0) + (trials - successes) * (math.log1p(-p1) - math.log1p(-p0))


def poisson(events: float, exposure: float, rate0: float, rate1: float) -> float:
    """
    Log-likelihood ratio of H1, rate1 events a unit of exposure, to H0, rate0: k ln(r1/r0) - T (r1 - r0).

    Raises
    ------
    ValueError
        If a count is negative, a rate is not positive, or the rates are equal.
    """
    if not (events >= 0 and exposure >= 0 and rate0 > 0 and rate1 > 0 and rate0 != rate1):
        raise ValueError(
            f"{events} events in {exposure} with rates {rate0} and {rate1}: counts must not be negative, and the rates "
            "different and positive"
        )
    return events * math.log(rate1 / rate0) - exposure * (rate1 - rate0)


def decide(log_ratio: float, alpha: float, beta: float) -> Decision:
    """
    Decide by a log-likelihood ratio; the first decision stands, whatever comes later.

    >>> decide(3.8, 0.05, 0.2), decide(-2.0, 0.05, 0.2), decide(0.0, 0.05, 0.2)
    ('accept_H1', 'accept_H0', 'continue')
    """
    low, high = thresholds(alpha, beta)
    if log_ratio >= high:
        return "accept_H1"
    return "accept_H0" if log_ratio <= low else "continue"
