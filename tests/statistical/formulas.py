"""
Logarithms of e-values on many paths at once: formulas of streams/core/judge, written a second time with numpy.

They are for simulations, and are held against the public functions wherever they decide something. Large counts lose
digits here that they keep there.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from tests.statistical.scenario import Floats

Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64] | float

_LEAST = 1e-9
_PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)


def normal_log_e(z: Floats, n: Numbers, rho: float) -> Floats:
    """The two-sided normal mixture, of an estimate that is z standard errors from the null."""
    return np.asarray(-0.5 * np.log1p(np.asarray(n) / rho) + z * z * n / (2 * (n + rho)))


def one_sided_log_e(z: Floats, n: Numbers, rho: float) -> Floats:
    """The one-sided normal mixture."""
    shrunk = z * np.sqrt(n / (n + rho))
    return np.asarray(math.log(2) - 0.5 * np.log1p(np.asarray(n) / rho) + shrunk**2 / 2 + special.log_ndtr(shrunk))


def t_log_e(t: Floats, freedom: float, n: Numbers, rho: float) -> Floats:
    """The t mixture."""
    r, squared = np.asarray(rho / (rho + n)), t * t / freedom
    return np.asarray(0.5 * np.log(r) + (freedom + 1) / 2 * (np.log1p(squared) - np.log1p(r * squared)))


def share_log_e(k: Numbers, n: Numbers, share: Numbers, strength: float) -> Floats:
    """The beta mixture, k of n against a share that it is centred on."""
    a, b = strength * np.asarray(share), strength * (1 - np.asarray(share))
    log_e = special.betaln(a + k, b + n - k) - special.betaln(a, b)
    return np.asarray(log_e - special.xlogy(k, share) - special.xlog1py(n - k, -np.asarray(share)))


def difference_at_most(
    control: tuple[Floats, Floats], arm: tuple[Floats, Floats], apart: float, strength: float
) -> Floats:
    """
    No less than the e-value of two arms, (events, n), against shares that are so far apart.

    That one is the smallest product of the arms' e-values over pairs of shares, and this the smallest over a few.
    """
    (k0, n0), (k1, n1) = control, arm
    lowest, highest = max(_LEAST, _LEAST - apart), min(1 - _LEAST, 1 - _LEAST - apart)
    least = np.full(np.shape(k0), math.inf)
    for place in _PLACES:
        near = (1 - place) * (k0 + 0.5) / (n0 + 1) + place * ((k1 + 0.5) / (n1 + 1) - apart)
        share = np.clip(near, lowest, highest)
        both = share_log_e(k0, n0, share, strength) + share_log_e(k1, n1, share + apart, strength)
        least = np.minimum(least, both)
    return least


def dirichlet_log_e(counts: Numbers, shares: Floats, scale: float) -> Floats:
    """The Dirichlet-multinomial mixture, counts of shape (paths, arms)."""
    units, prior = np.asarray(counts), scale * shares
    of_arms = special.gammaln(prior + units) - special.gammaln(prior) - special.xlogy(units, shares)
    return np.asarray(of_arms.sum(axis=-1) + special.gammaln(scale) - special.gammaln(scale + units.sum(axis=-1)))
