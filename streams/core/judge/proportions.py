"""
Tests of two shares, for one look; an arm is (successes, trials).

The z tests differ in the variance: pooled supposes that there is no difference, unpooled does not. Both need some
successes and failures in each arm; for rare events use Fisher's test.
"""

from __future__ import annotations

import math
from dataclasses import replace

from scipy import special, stats

from streams.core.judge.binomial_interval import Count, check_count, clopper_pearson
from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.fixed import Comparison, Measurement, Name, judged, minus, tail

UNPOOLED = Name("unpooled z", "(pt - pc) / sqrt(pt qt/nt + pc qc/nc)")
POOLED = Name("pooled z", "(pt - pc) / sqrt(p q (1/nt + 1/nc)), p of both arms together")
WELCH = Name("t of shares", "(pt - pc) / sqrt(pt qt/nt + pc qc/nc), Welch-Satterthwaite freedom")
CHI_SQUARE = Name("chi-square", "sum (observed - expected)² / expected, 1 freedom")
YATES = Name("chi-square, Yates", "sum (|observed - expected| - 1/2)² / expected, 1 freedom")
FISHER = Name("Fisher's exact", "hypergeometric, given both margins; tables no more likely than this one")
MCNEMAR = Name("McNemar", "(b - c)² / (b + c), 1 freedom")
MCNEMAR_CORRECTED = Name("McNemar, corrected", "(|b - c| - 1)² / (b + c), 1 freedom")
MCNEMAR_EXACT = Name("McNemar, exact", "2 P(Binomial(b + c, 1/2) <= min(b, c))")


def share(arm: Count) -> Measurement:
    """Measure an arm's share of successes, with Wald's standard error sqrt(p q / n)."""
    successes, trials = check_count(arm)
    p = successes / trials
    return Measurement(p, math.sqrt(p * (1 - p) / trials))


def share_t(arm: Count) -> Measurement:
    """Measure an arm's share as `share` does, with n - 1 degrees of freedom."""
    if arm[1] < 2:
        raise ValueError(f"arm {arm[0]}/{arm[1]}: degrees of freedom need at least 2 trials")
    return replace(share(arm), freedom=arm[1] - 1)


def unpooled_z(
    control: Count,
    treatment: Count,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """
    Compare shares by Wald's z, each arm with its own variance.

    >>> round(unpooled_z((100, 1000), (120, 1000)).p, 4)
    0.1527
    """
    return judged(UNPOOLED, minus(share(treatment), share(control)), alpha, alternative, null)


def welch_t(
    control: Count,
    treatment: Count,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Comparison:
    """Compare shares by the unpooled statistic with Student's t as reference."""
    return judged(WELCH, minus(share_t(treatment), share_t(control)), alpha, alternative, null)


def pooled_z(control: Count, treatment: Count, *, alternative: Alternative = "two-sided") -> Comparison:
    """
    Compare shares by the score z, which has one variance for both arms (Pearson 1900, as z).

    It has no interval of its own: with a difference there is no common share.

    >>> round(pooled_z((100, 1000), (120, 1000)).p, 4)
    0.1529
    """
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    p = (k0 + k1) / (n0 + n1)
    error = math.sqrt(p * (1 - p) * (1 / n0 + 1 / n1))
    effect = k1 / n1 - k0 / n0
    z = effect / error if error else 0.0
    return Comparison(POOLED, effect, tail(z, math.inf, alternative) if error else 1.0, z, error=error)


def chi_square(control: Count, treatment: Count, *, yates: bool = False) -> Comparison:
    """
    Compare shares by the chi-square of the 2 by 2 table; Yates's correction (1934) makes it nearly Fisher's.

    When all trials, or none, are successes, the table shows nothing: the statistic is 0.
    """
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    effect = k1 / n1 - k0 / n0
    total, hits = n0 + n1, k0 + k1
    off = abs(k1 - n1 * hits / total)  # how far each cell is from what is expected: the same in all four
    off = max(off - 0.5, 0.0) if yates else off
    chi2 = off * off * total**3 / (n0 * n1 * hits * (total - hits)) if 0 < hits < total else 0.0
    return Comparison(YATES if yates else CHI_SQUARE, effect, _chi_square_tail(chi2), chi2, freedom=1)


def fisher(control: Count, treatment: Count, *, alternative: Alternative = "two-sided") -> Comparison:
    """Compare shares by Fisher's exact test (1935); the statistic is the probability of this very table."""
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    p = stats.fisher_exact([[k1, n1 - k1], [k0, n0 - k0]], alternative=alternative).pvalue
    of_table = stats.hypergeom.pmf(k1, n0 + n1, k0 + k1, n1)
    return Comparison(FISHER, k1 / n1 - k0 / n0, float(p), float(of_table))


def mcnemar(control_only: int, treatment_only: int, *, corrected: bool = False) -> Comparison:
    """
    Compare two judges of the same items, asymptotically (McNemar 1947; corrected: Edwards 1948).

    Parameters
    ----------
    control_only, treatment_only
        Items that only control, or only treatment, got right. Items on which they agree say nothing.
    corrected
        Whether to correct for continuity.

    Returns
    -------
    The effect is the share of these items that treatment got right, less one half.
    """
    won, n = check_count((treatment_only, control_only + treatment_only))
    apart = max(abs(2 * won - n) - corrected, 0)
    chi2 = apart * apart / n
    name = MCNEMAR_CORRECTED if corrected else MCNEMAR
    return Comparison(name, won / n - 0.5, _chi_square_tail(chi2), chi2, freedom=1)


def mcnemar_exact(control_only: int, treatment_only: int, *, alpha: float = 0.05) -> Comparison:
    """
    Compare as `mcnemar` does, exactly: the interval is Clopper and Pearson's, less one half.

    `bernoulli.paired` is the same question at any look.
    """
    won, n = check_count((treatment_only, control_only + treatment_only))
    least = min(control_only, treatment_only)
    p = min(1.0, 2 * float(special.betainc(n - least, least + 1, 0.5)))  # bdtr is wrong by 12 % at n = 1e8
    limits = clopper_pearson(won, n, alpha)
    return Comparison(MCNEMAR_EXACT, won / n - 0.5, p, least, Interval(limits.low - 0.5, limits.high - 0.5))


def _chi_square_tail(chi2: float) -> float:
    return math.erfc(math.sqrt(chi2 / 2))
