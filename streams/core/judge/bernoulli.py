"""
Always-valid inference on shares, exact at every n: it needs only (successes, trials), and holds for the rarest events.

The e-value against a share p is the likelihood of the data under a beta mixture of shares, over their likelihood
under p. Its expectation under p is 1 whenever one stops, so no approximation is made anywhere. As a function of p
its logarithm is convex: an interval is found by two bracketed searches. Trials must be independent, and what they
showed final.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import optimize

from streams.core.judge.binomial_interval import Count, check_count
from streams.core.judge.boundaries import best_rho, beta_strength, log_beta_ratio
from streams.core.judge.evidence import Evidence, Interval, check_alpha, p_of

_LEAST_SHARE = 1e-300  # stands for 0: a limit this small is found as 0

_Function = Callable[[float], float]


def beta_log_e(successes: int, failures: int, null: float, *, a: float = 0.5, b: float = 0.5) -> float:
    """
    Logarithm of the e-value against the share `null`, for a Beta(a, b) mixture of shares.

    ln B(a + k, b + n - k) - ln B(a, b) - k ln p - (n - k) ln(1 - p) (Ville 1939; Robbins 1970). With a = b = 1/2 it is
    the wealth of Krichevsky & Trofimov (1981).

    Raises
    ------
    ValueError
        If a count is negative, the null is not strictly between 0 and 1, or a or b is not positive.
    """
    if not (successes >= 0 and failures >= 0 and 0 < null < 1 and a > 0 and b > 0):
        raise ValueError(
            f"{successes} successes, {failures} failures, null {null}, a {a}, b {b}: counts must not be negative, the "
            "null strictly between 0 and 1, a and b positive"
        )
    return _log_e(successes, failures, null, (a, b))


def log_e(successes: int, trials: int, null: float, *, planned: float, alpha: float) -> float:
    """
    Logarithm of the e-value against the share `null`, for a beta mixture centred on it: what `sequence` reports.

    The beta-binomial mixture of Howard et al. (2021, proposition 7), for steps from -p to 1 - p.
    """
    strength = beta_strength(best_rho(planned, alpha))
    return beta_log_e(successes, trials - successes, null, a=strength * null, b=strength * (1 - null))


def sequence(successes: int, trials: int, *, planned: float, alpha: float, null: float = 0.5) -> Evidence:
    """
    Say what trials show about their share of successes, at any look.

    Parameters
    ----------
    successes, trials
        So far.
    planned
        Trials at which the interval shall be narrowest; fix it before there are data.
    alpha
        The chance that the interval ever, at any look, excludes the truth.
    null
        The share that the e-value is against.

    Raises
    ------
    ValueError
        If there are no trials, more successes than trials, or the null is not strictly between 0 and 1.

    >>> shown = sequence(62, 500, planned=500, alpha=0.05)
    >>> round(shown.interval.low, 6), round(shown.interval.high, 6)
    (0.083415, 0.172775)
    """
    check_count((successes, trials))
    shown = log_e(successes, trials, null, planned=planned, alpha=alpha)
    against = _centred(successes, trials - successes, planned, alpha)
    share = successes / trials
    return Evidence(share, _limits(against, share, (0.0, 1.0), alpha), shown, p_of(shown))


def difference_log_e(control: Count, treatment: Count, *, planned: float, alpha: float) -> float:
    """
    Logarithm of the e-value against equal shares of two independent arms: what `difference` reports, by itself.

    The arms' e-values multiply, whichever arm each next trial goes to; the smallest product among equal shares is one
    against all of them.
    """
    return _apart(control, treatment, planned, alpha)(0.0)


def difference(control: Count, treatment: Count, *, planned: float, alpha: float) -> Evidence:
    """
    Say what counts (successes, trials) of two independent arms show about treatment's share minus control's.

    A difference is in the interval when some pair of shares with that difference has a product of e-values below
    1/alpha. When arms are alike this is narrower, by a quarter, than what two intervals at alpha / 2 leave possible.

    Parameters
    ----------
    planned
        Trials of both arms together at which the interval shall be narrowest; each arm is tuned to half of them.
    """
    against = _apart(control, treatment, planned, alpha)
    apart = treatment[0] / treatment[1] - control[0] / control[1]
    shown = against(0.0)
    return Evidence(apart, _limits(against, apart, (-1.0, 1.0), alpha), shown, p_of(shown))


def paired(control_only: int, treatment_only: int, *, alpha: float) -> Evidence:
    """
    Say what items show on which exactly one of two judges is right: treatment's share of them, against one half.

    McNemar's question (1947), at any look, by the Beta(1/2, 1/2) mixture: it needs no plan.

    Raises
    ------
    ValueError
        If a count is negative, or both are 0.
    """
    share = treatment_only / check_count((treatment_only, control_only + treatment_only))[1]

    def against(p: float) -> float:
        return _log_e(treatment_only, control_only, p, (0.5, 0.5))

    shown = against(0.5)
    return Evidence(share, _limits(against, share, (0.0, 1.0), alpha), shown, p_of(shown))


def _centred(successes: int, failures: int, planned: float, alpha: float) -> _Function:
    """Logarithm of the e-value against a share, for the mixture centred on that share."""
    strength = beta_strength(best_rho(planned, alpha))

    def against(p: float) -> float:
        return _log_e(successes, failures, p, (strength * _above_0(p), strength * _above_0(1 - p)))

    return against


def _apart(control: Count, treatment: Count, planned: float, alpha: float) -> _Function:
    """Logarithm of the e-value against shares that are this far apart, smallest among all such pairs."""
    (k0, n0), (k1, n1) = check_count(control), check_count(treatment)
    before, after = _centred(k0, n0 - k0, planned / 2, alpha), _centred(k1, n1 - k1, planned / 2, alpha)

    def against(apart: float) -> float:  # an arm's e-value is smallest within a trial or so of its observed share
        low = min((k0 - 2) / n0, (k1 - 2) / n1 - apart)
        high = max((k0 + 2) / n0, (k1 + 2) / n1 - apart)
        bounds = max(low, -apart, 0.0), min(high, 1 - apart, 1.0)
        return _least(lambda p: before(p) + after(p + apart), bounds)

    return against


def _log_e(successes: float, failures: float, null: float, prior: tuple[float, float]) -> float:
    p, q, (a, b) = _above_0(null), _above_0(1 - null), prior
    return log_beta_ratio(a + successes, b + failures, p, q) - log_beta_ratio(a, b, p, q)


def _above_0(share: float) -> float:
    return max(share, _LEAST_SHARE)


def _limits(against: _Function, inside: float, edges: tuple[float, float], alpha: float) -> Interval:
    """Interval on which a convex function, negative at `inside`, is below log(1/alpha)."""
    check_alpha(alpha)
    low, high = (_crossing(against, inside, edge, -math.log(alpha)) for edge in edges)
    return Interval(low, high)


def _crossing(against: _Function, inside: float, edge: float, threshold: float) -> float:
    """Return where a convex function first reaches the threshold on the way to the edge, or else the edge."""
    if inside == edge or against(edge) <= threshold:
        return edge
    return float(
        optimize.brentq(lambda x: against(x) - threshold, inside, edge, xtol=_LEAST_SHARE, rtol=1e-14, maxiter=1_000)
    )


def _least(function: _Function, bounds: tuple[float, float]) -> float:
    """Smallest value of a convex function between bounds."""
    low, high = bounds
    if not low < high:
        return function(low)
    inside = optimize.minimize_scalar(function, bounds=bounds, method="bounded", options={"xatol": 1e-6 * (high - low)})
    return min(float(inside.fun), function(low), function(high))
