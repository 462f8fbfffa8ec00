"""
CUPED: take out of a metric what was already known of the units before the experiment (Deng, Xu, Kohavi & Walker 2013).

An arm is the joint moments, over units, of (y, x) or (y, x1, x2, ...): y the metric, x covariates from before the
units were exposed. A covariate that the treatment can change biases the effect. A ratio of totals is adjusted by
another after `variance.linearised` has made means of both.
"""

from __future__ import annotations

import math

import numpy as np

from streams.core.judge.evidence import Alternative
from streams.core.judge.fixed import Comparison, Measurement, Name, judged, minus, satterthwaite
from streams.core.judge.means import mean
from streams.core.judge.moments import JointMoments

ABSOLUTE = Name("CUPED, t", "(yt - theta xt) - (yc - theta xc), theta = cov(y, x) / var(x)")
RELATIVE = Name("CUPED lift, delta method", "((yt - theta xt) - (yc - theta xc)) / yc")

Theta = tuple[float, ...]
"""Slope of the metric on each covariate."""

_SINGULAR = 1e-9  # covariates this close to a combination of others count as one


def theta_within(*arms: JointMoments) -> Theta:
    """
    Slopes from deviations within arms, pooled: what the treatment does to the mean does not enter.

    A covariate that does not vary, or repeats another, gets no weight of its own.
    """
    return _slopes(np.sum([arm.products for arm in arms], axis=0))


def theta_concatenated(*arms: JointMoments) -> Theta:
    """
    Slopes from all units as if they were one arm, as some platforms compute them.

    A large effect on y perturbs these slopes; `theta_within` is free of that.
    """
    return _slopes(np.asarray(_merged(arms).products))


def adjusted(arm: JointMoments, theta: Theta, centre: tuple[float, ...] | None = None) -> Measurement:
    """
    Measure an arm's mean of y - theta (x - centre); without a centre it is zero, and only differences have a meaning.

    `centre` must be the same in both arms.
    """
    measured = mean(arm.linear((1.0, *(-slope for slope in theta))))
    known = sum(slope * x for slope, x in zip(theta, centre or (0.0,) * len(theta), strict=True))
    return Measurement(measured.value + known, measured.error, measured.freedom)


def cuped(control: JointMoments, treatment: JointMoments) -> tuple[Measurement, Measurement]:
    """Measure both arms' adjusted means, theta from within arms, centred on the covariate's mean over all units."""
    theta = theta_within(control, treatment)
    centre = control.merged(treatment).mean[1:]
    return adjusted(control, theta, centre), adjusted(treatment, theta, centre)


def cuped_t(
    control: JointMoments,
    treatment: JointMoments,
    theta: Theta,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> Comparison:
    """Compare adjusted means by Welch's t."""
    return judged(ABSOLUTE, minus(adjusted(treatment, theta), adjusted(control, theta)), alpha, alternative)


def cuped_lift(
    control: JointMoments,
    treatment: JointMoments,
    theta: Theta,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> Comparison:
    """
    Compare by the adjusted difference relative to the control's own mean.

    The delta method is taken where the covariate's means are equal, as randomisation makes them: the control enters
    with slope -yt/yc² in y and theta/yc in x.

    Raises
    ------
    ValueError
        If the control's mean is zero.
    """
    base = control.mean[0]
    if base == 0:
        raise ValueError("the control's mean is 0: no lift is relative to it; use cuped_t")
    c, t = adjusted(control, theta), adjusted(treatment, theta)
    slopes = (-treatment.mean[0] / base / base, *(slope / base for slope in theta))
    error = math.hypot(t.error / base, mean(control.linear(slopes)).error)
    return judged(RELATIVE, Measurement((t.value - c.value) / base, error, satterthwaite(t, c)), alpha, alternative)


def variance_ratio(*arms: JointMoments) -> float:
    """
    Variance within arms after adjusting, as a share of what it was: 1 - rho² of y with the covariates.

    1 where y does not vary.
    """
    before = sum(arm.products[0][0] for arm in arms)
    after = sum(arm.linear((1.0, *(-slope for slope in theta_within(*arms)))).m2 for arm in arms)
    return after / before if before else 1.0


def _merged(arms: tuple[JointMoments, ...]) -> JointMoments:
    first, *rest = arms
    for arm in rest:
        first = first.merged(arm)
    return first


def _slopes(products: np.typing.NDArray[np.float64]) -> Theta:
    """Least squares of y on the covariates, each in its own standard deviations."""
    scale = np.sqrt(products.diagonal())[1:]
    scale = np.where(scale > 0, scale, 1.0)
    among = products[1:, 1:] / np.outer(scale, scale)
    slopes = np.linalg.lstsq(among, products[1:, 0] / scale, rcond=_SINGULAR)[0] / scale
    return tuple(slopes.tolist())
