"""
Curved boundaries that a sum of observations crosses, at any time ever, with probability at most alpha.

A sum of centred observations, `s`, has used up `v` of intrinsic time, which is its variance so far or a stand-in for
it. Each `..._log` is the logarithm of a mixture of exponential supermartingales in (s, v): it starts at 0, and
its exponential is at most 1 in expectation at every stopping time. Each `..._bound` is the s at which that exponential
reaches 1/alpha. `rho` says where on the axis of v a boundary is tight; `best_rho` chooses it.

Source: Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
Annals of Statistics 49 (2021), section 3 (mixtures) and theorem 1 (stitching), arXiv 1810.08240.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import optimize, special

from streams.core.judge.evidence import check_alpha

_SMALLEST_STRENGTH = 1e-3  # of a beta prior, in observations: an earlier optimum cannot be had
_LEAST_FOR_SERIES = 16.0  # from here on the series of Stirling's error is exact to double precision


def best_rho(v_opt: float, alpha: float, *, one_sided: bool = False) -> float:
    """
    Mixture precision, in units of v, that makes the normal boundary nearly as low as can be at v_opt (Howard eq. 17).

    Raises
    ------
    ValueError
        If v_opt is not positive and finite, or alpha is not in (0, 1), or not in (0, 1/2) when one-sided.

    >>> round(best_rho(100, 0.05), 5)
    12.60056
    """
    check_alpha(alpha)
    check_planned(v_opt)
    if one_sided and alpha >= 0.5:
        raise ValueError(f"alpha is {alpha}: a one-sided boundary needs less than 0.5")
    gain = -2 * math.log(2 * alpha if one_sided else alpha)
    return v_opt / (gain + math.log1p(gain))


def check_planned(planned: float) -> None:
    """Refuse a time to be tight at, in units of v or n, that is not positive and finite, with a ValueError."""
    if not 0 < planned < math.inf:
        raise ValueError(f"a boundary cannot be tight at {planned}: name a time that is positive and finite")


def normal_log(s: float, v: float, rho: float) -> float:
    """Two-sided normal mixture, for sub-Gaussian sums (Robbins 1970; Howard eq. 14)."""
    return -0.5 * math.log1p(v / rho) + s * s / (2 * (v + rho))


def normal_bound(v: float, alpha: float, rho: float) -> float:
    """Return the |s| at which the two-sided normal mixture reaches 1/alpha."""
    check_alpha(alpha)
    return math.sqrt((v + rho) * (math.log1p(v / rho) - 2 * math.log(alpha)))


def normal_log_one_sided(s: float, v: float, rho: float) -> float:
    """One-sided normal mixture: the half of the normal that expects s above 0 (Howard proposition 6)."""
    z = s / math.sqrt(v + rho)
    if z < 0:  # exp(z * z / 2) times the normal's tail, which would underflow alone
        return math.log(float(special.erfcx(-z / math.sqrt(2)))) - 0.5 * math.log1p(v / rho)
    return math.log(2) - 0.5 * math.log1p(v / rho) + z * z / 2 + float(special.log_ndtr(z))


def normal_bound_one_sided(v: float, alpha: float, rho: float) -> float:
    """Return the s at which the one-sided normal mixture reaches 1/alpha."""
    return _bound(lambda s: normal_log_one_sided(s, v, rho), alpha, math.sqrt(v + rho))


def gamma_exponential_log(s: float, v: float, rho: float, scale: float) -> float:
    """
    Gamma mixture for sub-exponential sums: observations unbounded above by more than `scale` (Howard proposition 9).

    s must be at least 0: below, the mixture is less than 1 and says nothing.
    """
    _check_side(s)
    prior, mass = rho / scale**2, (v + rho) / scale**2
    at = mass + s / scale
    return (
        s / scale
        - mass * math.log1p(s / (scale * mass))
        + 0.5 * math.log(prior / mass)
        + (_stirling(mass) + _log(special.gammainc(mass, at)))
        - (_stirling(prior) + _log(special.gammainc(prior, prior)))
    )


def gamma_exponential_bound(v: float, alpha: float, rho: float, scale: float) -> float:
    """Return the s at which the gamma-exponential mixture reaches 1/alpha."""
    return _bound(lambda s: gamma_exponential_log(s, v, rho, scale), alpha, math.sqrt(v + rho))


def gamma_poisson_log(s: float, v: float, rho: float, scale: float) -> float:
    """
    Gamma mixture for sub-Poisson sums: observations at most `scale` above their mean (Howard proposition 10).

    s must be at least 0: below, the mixture is less than 1 and says nothing.
    """
    _check_side(s)
    prior, mass = rho / scale**2, (v + rho) / scale**2
    at = mass + s / scale
    return (
        at * math.log1p(s / (scale * mass))
        - s / scale
        + 0.5 * math.log(prior / at)
        + (_stirling(at) + _log(special.gammaincc(at, mass)))
        - (_stirling(prior) + _log(special.gammaincc(prior, prior)))
    )


def gamma_poisson_bound(v: float, alpha: float, rho: float, scale: float) -> float:
    """Return the s at which the gamma-Poisson mixture reaches 1/alpha."""
    return _bound(lambda s: gamma_poisson_log(s, v, rho, scale), alpha, math.sqrt(v + rho))


def beta_strength(rho: float, g: float = 1.0, h: float = 1.0) -> float:
    """Size, in observations, of the beta prior that is tight where `rho` is, for steps from -g to h."""
    return max(rho / (g * h) - 1, _SMALLEST_STRENGTH)


def beta_binomial_log(s: float, v: float, rho: float, g: float, h: float, *, one_sided: bool = False) -> float:
    """
    Beta mixture for sums of steps between -g and h (Howard propositions 7 and 8).

    Such a sum is at most as wild as one of steps that are -g or h: so (s, v) is restated as a number of steps up
    and down, and the mixture is the beta-binomial likelihood ratio of these. One-sided, s must be at least 0.

    Raises
    ------
    ValueError
        If s is outside [-v / h, v / g], which no such sum can reach.
    """
    if not -v / h * (1 + 1e-12) <= s <= v / g * (1 + 1e-12):
        raise ValueError(f"a sum of {s} is impossible at time {v}: steps from -{g} to {h} reach {-v / h} to {v / g}")
    p, q, strength = g / (g + h), h / (g + h), beta_strength(rho, g, h)
    up, down = max(v + h * s, 0.0) / (h * (g + h)), max(v - g * s, 0.0) / (g * (g + h))
    prior = strength * p, strength * q
    posterior = prior[0] + up, prior[1] + down
    two_sided = log_beta_ratio(*posterior, p, q) - log_beta_ratio(*prior, p, q)
    if not one_sided:
        return two_sided
    _check_side(s)
    return two_sided + _log(special.betaincc(*posterior, p)) - _log(special.betaincc(*prior, p))


def beta_binomial_bound(v: float, alpha: float, rho: float, g: float, h: float, *, one_sided: bool = False) -> float:
    """Return the s at which the beta-binomial mixture reaches 1/alpha, or v / g, the most that s can be."""

    def log_e(s: float) -> float:
        return beta_binomial_log(s, v, rho, g, h, one_sided=one_sided)

    most = v / g
    return most if log_e(most) <= -math.log(alpha) else _bound(log_e, alpha, most)


def poly_stitching_bound(
    v: float, alpha: float, v_min: float, *, scale: float = 0.0, s: float = 1.4, eta: float = 2.0
) -> float:
    """
    Stitched boundary for sub-gamma sums, of the order of the law of the iterated logarithm (Howard eq. 10).

    Parameters
    ----------
    v_min
        Below it the boundary is what it is there.
    scale
        Of the sub-gamma tail; 0 for sub-Gaussian sums, negative for lighter tails.
    s, eta
        How crossing probability is shared among epochs, and by which factor one epoch is longer than the last.
    """
    check_alpha(alpha)
    v = max(v, v_min)
    ell = s * math.log(math.log(eta * v / v_min)) + math.log(float(special.zeta(s)) / (alpha * math.log(eta) ** s))
    k1, k2 = (eta**0.25 + eta**-0.25) / math.sqrt(2), (math.sqrt(eta) + 1) / 2
    tail = k2 * scale * ell
    return math.sqrt(k1 * k1 * v * ell + tail * tail) + tail


def log_beta_ratio(x: float, y: float, p: float, q: float) -> float:
    """
    Logarithm of B(x, y) - x log p - y log q, with q = 1 - p, for x, y > 0; less log(2 pi) / 2.

    Written as a divergence with Stirling's errors, so that at x + y = 1e9 nothing of size 1e9 cancels.
    """
    total, surplus = x + y, x * q - y * p
    return (
        x * math.log1p(surplus / (total * p))
        + y * math.log1p(-surplus / (total * q))
        + 0.5 * math.log(total / max(x, y) / min(x, y))
        + (_stirling(x) + _stirling(y) - _stirling(total))
    )


def _stirling(x: float) -> float:
    """Log-gamma of x, less Stirling's (x - 1/2) log x - x + log(2 pi) / 2."""
    if x < _LEAST_FOR_SERIES:
        return math.lgamma(x) - (x - 0.5) * math.log(x) + x - 0.5 * math.log(2 * math.pi)
    inverse = 1 / (x * x)
    return (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / x


def _bound(log_e: Callable[[float], float], alpha: float, step: float) -> float:
    """Return the s > 0 at which an increasing log e-value reaches log(1/alpha); `step` is its scale."""
    check_alpha(alpha)
    threshold = -math.log(alpha)
    while log_e(step) < threshold:
        step *= 2
    return float(optimize.brentq(lambda s: log_e(s) - threshold, 0.0, step, xtol=1e-12 * step, rtol=1e-14))


def _check_side(s: float) -> None:
    if s < 0:
        raise ValueError(f"a sum of {s} is on the other side of this one-sided mixture: it needs at least 0")


def _log(probability: float) -> float:
    return math.log(float(probability))
