"""
How many units a fixed-horizon test needs, and what it can find: formulas that go by different names and differ.

All sizes are of one arm (with `ratio`, of control; treatment has ratio times as many), not rounded. For 10 % against
12 % at 80 % power they run from 3,600 to 3,841: a plan must name its formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import optimize, special

from streams.core.judge.effect_size import arcsine_difference
from streams.core.judge.evidence import check_alpha
from streams.core.judge.moments import Floats

Sides = Literal[1, 2]

_MOST = 1e15
_FEW = 100  # degrees of freedom below which the spread of t is mostly that of its denominator
_NODES = 256
_FARTHEST = 9.0  # standard deviations, beyond which there is less than 1e-18


def size_unpooled(
    control: float, treatment: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2
) -> float:
    """
    Size for two shares, both variances unpooled: (za + zb)² (p0 q0 + p1 q1) / d² (Fleiss, Levin & Paik 2003, 4.1).

    >>> round(size_unpooled(0.10, 0.12), 1)
    3838.1
    """
    d = _difference(control, treatment)
    return (_z(alpha, sides) + _z_of_power(power)) ** 2 * (_pq(control) + _pq(treatment)) / d / d


def size_pooled_null(
    control: float, treatment: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2
) -> float:
    """
    Size for two shares, pooled under the null: (za sqrt(2 p q) + zb sqrt(p0 q0 + p1 q1))² / d² (Fleiss 1981, 3.14).

    >>> round(size_pooled_null(0.10, 0.12), 1)
    3840.8
    """
    d = _difference(control, treatment)
    null = _z(alpha, sides) * math.sqrt(2 * _pq((control + treatment) / 2))
    return (null + _z_of_power(power) * math.sqrt(_pq(control) + _pq(treatment))) ** 2 / d / d


def size_evan_miller(
    control: float, treatment: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2
) -> float:
    """
    Size for two shares, control's variance for both under the null: what Evan Miller's calculator shows.

    >>> round(size_evan_miller(0.20, 0.25))
    1030
    """
    d = _difference(control, treatment)
    null = _z(alpha, sides) * math.sqrt(2 * _pq(control))
    return (null + _z_of_power(power) * math.sqrt(_pq(control) + _pq(treatment))) ** 2 / d / d


def size_rule_of_16(control: float, treatment: float) -> float:
    """Size for two shares by the rule of thumb 16 p0 q0 / d² (Lehr 1992), for alpha 0.05 and power 0.8 only."""
    d = _difference(control, treatment)
    return 16 * _pq(control) / d / d


def size_arcsine(
    control: float, treatment: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2
) -> float:
    """
    Size for two shares by Cohen's h, whose variance does not depend on the shares (Cohen 1988, 6.4).

    >>> round(size_arcsine(0.10, 0.12), 1)
    3834.6
    """
    _difference(control, treatment)
    return size_z(arcsine_difference(control, treatment), alpha=alpha, power=power, sides=sides)


def power_unpooled(control: float, treatment: float, size: float, *, alpha: float = 0.05, sides: Sides = 2) -> float:
    """Power of the unpooled z test of two shares with `size` units in each arm, crossing either limit."""
    d = _difference(control, treatment)
    return _power(abs(d) * math.sqrt(_positive(size) / (_pq(control) + _pq(treatment))), alpha, sides)


def mde_unpooled(control: float, size: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2) -> float:
    """
    Smallest rise of a share that `size_unpooled` gives this size for: the minimum detectable effect.

    Raises
    ------
    ValueError
        If even a rise to 1 is not detectable.
    """
    room = 1 - control
    _difference(control, 1.0)

    def missing(d: float) -> float:
        return size_unpooled(control, control + d, alpha=alpha, power=power, sides=sides) - _positive(size)

    if missing(room) > 0:
        raise ValueError(f"{size} units an arm cannot detect even a rise from {control} to 1: plan for more")
    return float(optimize.brentq(missing, room * 1e-12, room, xtol=1e-16, rtol=1e-14))


def power_z(d: float, size: float, *, alpha: float = 0.05, ratio: float = 1.0, sides: Sides = 2) -> float:
    """Power of the z test of two means that are d standard deviations apart, control having `size` units."""
    return _power(abs(d) * math.sqrt(_pairs(size, ratio)), alpha, sides)


def size_z(d: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0, sides: Sides = 2) -> float:
    """Size for the z test of two means, both limits counted."""
    return _solve(lambda size: power_z(d, size, alpha=alpha, ratio=ratio, sides=sides), d, alpha, power, 0.0)


def power_t(d: float, size: float, *, alpha: float = 0.05, ratio: float = 1.0, sides: Sides = 2) -> float:
    """Power of Student's t test of two means that are d standard deviations apart, by the noncentral t."""
    check_alpha(alpha)
    freedom = size * (1 + ratio) - 2
    apart = abs(d) * math.sqrt(_pairs(size, ratio))
    if not freedom >= 1:
        raise ValueError(f"{size} units an arm, ratio {ratio}, leave {freedom} degrees of freedom: it takes 1 or more")
    limit = -float(special.stdtrit(freedom, alpha / sides))
    beyond = _noncentral_t(limit, freedom, apart)
    return min(1.0, beyond + _noncentral_t(limit, freedom, -apart) if sides == 2 else beyond)


def size_t(d: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0, sides: Sides = 2) -> float:
    """Size for Student's t test of two means, both limits counted."""
    least = 3 / (1 + _positive(ratio)) * (1 + 1e-12)  # one degree of freedom
    return _solve(lambda size: power_t(d, size, alpha=alpha, ratio=ratio, sides=sides), d, alpha, power, least)


def mde(sigma: float, size: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2) -> float:
    """
    Smallest difference of two means that a z test finds: (za + zb) sqrt(2 sigma² / n), `size` units in each arm.

    >>> round(mde(1.0, 1000), 5)
    0.12529
    """
    return (_z(alpha, sides) + _z_of_power(power)) * sigma * math.sqrt(2 / _positive(size))


def _solve(power_of: Callable[[float], float], d: float, alpha: float, power: float, least: float) -> float:
    """Size at which the power is reached, by bisection on its logarithm."""
    if not alpha < power < 1:
        raise ValueError(f"power is {power}: it must be above alpha ({alpha}) and below 1")
    if not 0 < abs(d) < math.inf:
        raise ValueError(f"the effect is {d}: give one that is not 0 and finite")
    low = math.log(max(least, 1e-9))
    if power_of(math.exp(low)) >= power:
        return math.exp(low)  # the test needs no more than its degrees of freedom
    if power_of(_MOST) < power:
        raise ValueError(f"an effect of {d} standard deviations needs more than {_MOST:g} units an arm")
    found = optimize.brentq(lambda log: power_of(math.exp(log)) - power, low, math.log(_MOST), xtol=1e-15, rtol=1e-14)
    return math.exp(float(found))


def _power(apart: float, alpha: float, sides: Sides) -> float:
    """Probability that a normal statistic with this mean crosses a limit."""
    z = _z(alpha, sides)
    beyond = float(special.ndtr(apart - z))
    return beyond + float(special.ndtr(-apart - z)) if sides == 2 else beyond


def _noncentral_t(limit: float, freedom: float, apart: float) -> float:
    """
    P(T > limit) of the noncentral t, T = (Z + apart) / sqrt(V / freedom), for limit > 0.

    By quadrature: over Z where V spreads widely, over V where it hardly does. `scipy.stats.nct` is NaN far out.
    """
    nodes, weights = _legendre()
    a = freedom / 2
    if freedom < _FEW:
        low, high = max(-apart, -_FARTHEST), _FARTHEST
        if low >= high:
            return 0.0
        z = low + (high - low) * nodes
        inside = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return float((high - low) * weights @ (inside * special.gammainc(a, a * ((z + apart) / limit) ** 2)))
    low, high = np.log([special.gammaincinv(a, 1e-18) / a, special.gammainccinv(a, 1e-18) / a])
    x = low + (high - low) * nodes  # logarithm of V / freedom
    log_density = a * (x - np.expm1(x))
    inside = weights * np.exp(log_density - log_density.max())
    return float(inside @ special.ndtr(apart - limit * np.exp(x / 2)) / inside.sum())


@lru_cache(maxsize=1)
def _legendre() -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2


def _z(alpha: float, sides: Sides) -> float:
    check_alpha(alpha)
    return -float(special.ndtri(alpha / sides))


def _z_of_power(power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"power is {power}: it must be more than 0 and less than 1, such as 0.8")
    return float(special.ndtri(power))


def _pairs(size: float, ratio: float) -> float:
    """Inverse of 1/n0 + 1/n1."""
    return _positive(size) * ratio / (1 + _positive(ratio))


def _positive(number: float) -> float:
    if not number > 0:
        raise ValueError(f"{number} is not a size or ratio of sizes: give one above 0")
    return number


def _pq(share: float) -> float:
    return share * (1 - share)


def _difference(control: float, treatment: float) -> float:
    if not (0 <= control <= 1 and 0 <= treatment <= 1 and control != treatment):
        raise ValueError(f"shares {control} and {treatment}: both must be between 0 and 1, and not equal")
    return treatment - control
