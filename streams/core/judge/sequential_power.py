"""
What a sequential test will find, and when it will stop: by simulation, and by Wald's formula for his own test.

The z statistic at n units is that of a Brownian motion with drift, whatever the metric, so that paths are drawn
directly at the looks. Sizes count what the variance counts: with `variance` the squared error times n, n being units
of both arms, all sizes are of both arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from streams.core.judge import mixture


@dataclass(frozen=True, slots=True)
class SequentialPower:
    """
    Simulated fate of a sequential test.

    Attributes
    ----------
    looks
        Sizes at which one looks; a test that has not stopped by the last stops there.
    stopped
        Share of paths that crossed a limit at each look or before.
    power, power_error
        Share that crossed at all, and its Monte-Carlo standard error.
    expected_size, expected_size_error
        Mean size at which tests stop, crossing or not, and its Monte-Carlo standard error.
    """

    looks: tuple[float, ...]
    stopped: tuple[float, ...]
    power: float
    power_error: float
    expected_size: float
    expected_size_error: float


def simulated_power(
    effect: float,
    variance: float,
    looks: Sequence[float],
    limits: Sequence[float],
    *,
    rng: Generator,
    paths: int = 20_000,
) -> SequentialPower:
    """
    Simulate a two-sided test that stops when |z| is at or above its limit.

    Parameters
    ----------
    effect
        The true difference.
    variance
        The estimate's squared standard error, times the size.
    looks, limits
        Sizes in rising order, and the limit of |z| at each.
    rng
        Where the paths come from: the same generator state gives the same answer.

    Raises
    ------
    ValueError
        If sizes do not rise from above 0, limits are missing, or there are fewer than two paths.

    >>> found = simulated_power(0.0, 1.0, [100.0], [1.959964], rng=np.random.default_rng(1), paths=100_000)
    >>> round(found.power, 2)
    0.05
    """
    sizes = np.asarray(looks, np.float64)
    if len(limits) != len(sizes) or not len(sizes) or not (np.diff(sizes, prepend=0.0) > 0).all():
        raise ValueError(
            f"{len(sizes)} looks and {len(limits)} limits: looks must rise from above 0, with one limit each"
        )
    if not variance > 0 or paths < 2:
        raise ValueError(f"variance {variance} and {paths} paths: the variance must be above 0, the paths 2 or more")
    alive = np.zeros(paths)  # the Brownian motion of each path that goes on
    stops, before = [], 0.0
    for size, limit in zip(sizes.tolist(), limits, strict=True):
        alive = alive + rng.normal(scale=math.sqrt(size - before), size=len(alive))
        z = effect * math.sqrt(size / variance) + alive / math.sqrt(size)
        over = np.abs(z) >= limit
        stops.append(int(over.sum()))
        alive, before = alive[~over], size
    return _summary(sizes, np.array(stops), paths)


def _summary(sizes: np.typing.NDArray[np.float64], stops: np.typing.NDArray[np.int64], paths: int) -> SequentialPower:
    stopped = stops.cumsum() / paths
    power = float(stopped[-1])
    at = stops.copy()
    at[-1] = paths - stops[:-1].sum()  # who has not crossed stops at the last look
    mean = float(at @ sizes / paths)
    spread = math.sqrt(float(at @ (sizes - mean) ** 2) / (paths - 1))
    power_error = math.sqrt(power * (1 - power) / paths)
    return SequentialPower(
        tuple(sizes.tolist()), tuple(stopped.tolist()), power, power_error, mean, spread / math.sqrt(paths)
    )


def mixture_limits(looks: Sequence[float], *, planned: float, alpha: float) -> list[float]:
    """Limits of |z| of the normal mixture at each size, tuned to a planned size."""
    rho = mixture.planned_rho(planned, alpha)
    return [mixture.half_width(1.0, size, rho, alpha) for size in looks]


def sprt_expected_sizes(alpha: float, beta: float, drifts: tuple[float, float]) -> tuple[float, float]:
    """
    Expected sizes of Wald's sequential probability ratio test, if the null and if the alternative is true.

    Wald 1947, eq. A:73, which neglects by how much the limits are overshot: the truth is somewhat larger.

    Parameters
    ----------
    alpha, beta
        Error rates if the null, and if the alternative, is true.
    drifts
        Means of one observation's log likelihood ratio, alternative to null: below 0 if the null is true, above 0 if
        the alternative is.

    Raises
    ------
    ValueError
        If error rates are not above 0 with a sum below 1, or drifts are not on either side of 0.
    """
    if not (alpha > 0 and beta > 0 and alpha + beta < 1 and drifts[0] < 0 < drifts[1]):
        raise ValueError(
            f"alpha {alpha}, beta {beta}, drifts {drifts}: error rates must be above 0 with a sum below 1, "
            "the first drift below 0 and the second above"
        )
    accept, reject = math.log(beta / (1 - alpha)), math.log((1 - beta) / alpha)
    null = ((1 - alpha) * accept + alpha * reject) / drifts[0]
    alternative = (beta * accept + (1 - beta) * reject) / drifts[1]
    return null, alternative


def bernoulli_drifts(null: float, alternative: float) -> tuple[float, float]:
    """
    Means of one trial's log likelihood ratio, if the null share and if the alternative share is true.

    They are the divergences of Kullback and Leibler, the first with a minus.

    Raises
    ------
    ValueError
        If a share is not strictly between 0 and 1, or they are equal.
    """
    if not (0 < null < 1 and 0 < alternative < 1 and null != alternative):
        raise ValueError(f"shares {null} and {alternative}: both must be more than 0 and less than 1, and not equal")
    success, failure = math.log(alternative / null), math.log1p(-alternative) - math.log1p(-null)
    return (
        null * success + (1 - null) * failure,
        alternative * success + (1 - alternative) * failure,
    )


def size_for_power(
    effect: float, variance: float, limits: Sequence[float], *, power: float, rng: Generator, paths: int = 20_000
) -> float:
    """
    Largest size at which a test with these limits, at equally spaced looks, has the power.

    Paths are drawn once and the drift is found at which the share of them that crosses is the power: its Monte-Carlo
    standard error is sqrt(power (1 - power) / paths).

    Raises
    ------
    ValueError
        If the effect is 0, there are no limits, or the power is not between that without an effect and 1.
    """
    if not effect or not variance > 0 or not len(limits):
        raise ValueError(f"effect {effect}, variance {variance}, {len(limits)} limits: an effect needs all of them")
    fractions = np.arange(1, len(limits) + 1) / len(limits)
    noise = rng.normal(scale=math.sqrt(fractions[0]), size=(paths, len(limits))).cumsum(axis=1) / np.sqrt(fractions)

    def crossed(drift: float) -> float:
        return float((np.abs(noise + drift * np.sqrt(fractions)) >= limits).any(axis=1).mean())

    if not crossed(0.0) < power < 1:
        raise ValueError(f"power is {power}: it must be above that without an effect, {crossed(0.0)}, and below 1")
    low, high = 0.0, 1.0
    while crossed(high) < power:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if crossed(middle) >= power else (middle, high)
    return high * high * variance / (effect * effect)
