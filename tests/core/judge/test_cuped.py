"""CUPED: published numbers, regression on the values, and that it is unbiased with the variance that it claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from streams.core.judge.cuped import (
    adjusted,
    cuped,
    cuped_lift,
    cuped_t,
    theta_concatenated,
    theta_within,
    variance_ratio,
)
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import difference
from streams.core.judge.moments import Floats, JointMoments
from streams.core.judge.variance import linearised, ratio
from tests.core.judge.published import Method, assert_agrees, vectors


def of_sums(arm: Mapping[str, Any]) -> JointMoments:
    products = ((arm["sum_yy"], arm["sum_xy"]), (arm["sum_xy"], arm["sum_xx"]))
    return JointMoments.of_sums(arm["n"], (arm["sum_y"], arm["sum_x"]), products)


def of_t(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    a, b = of_sums(inputs["a"]), of_sums(inputs["b"])
    found = cuped_t(a, b, theta_concatenated(a, b))
    interval = found.interval or Interval.everything()
    numbers = {"estimate": found.effect, "se": found.error, "p_value": found.p}
    return {**numbers, "low": interval.low, "high": interval.high}


def of_arms(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    a, b = of_sums(inputs["a"]), of_sums(inputs["b"])
    theta = theta_concatenated(a, b)
    one, other = adjusted(a, theta), adjusted(b, theta)
    variances = {"var_a": one.error**2 * a.n, "var_b": other.error**2 * b.n}
    return {"mean_a": one.value, "mean_b": other.value, **variances}


METHODS: dict[str, Method] = {"cuped_t": of_t, "adjusted": of_arms}


@pytest.mark.parametrize("vector", vectors("cuped"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published sums give the published adjusted means."""
    assert_agrees(METHODS, vector)


def arms_of(rng: np.random.Generator, n: int = 400, effect: float = 0.5) -> list[Floats]:
    """Return (y, x) of control and of treatment; rho² is 0.8."""
    x = rng.normal(10, 2, (2, n))
    y = x + rng.normal(0, 1, (2, n)) + np.array([[0.0], [effect]])
    return [np.stack((y[arm], x[arm])) for arm in (0, 1)]


def test_theta_is_the_slope_within_arms() -> None:
    """Theta within arms is least squares with an intercept an arm, of one covariate and of two."""
    rng = np.random.default_rng(1)
    data = [np.vstack((arm, arm[0] + rng.normal(0, 3, 400))) for arm in arms_of(rng, effect=50)]
    both = np.hstack(data)
    design = np.column_stack((both[1:].T, np.arange(800) < 400, np.arange(800) >= 400))
    slopes = np.linalg.lstsq(design, both[0])[0]

    assert theta_within(*(JointMoments.of(*arm) for arm in data)) == pytest.approx(tuple(slopes[:2]))


def test_theta_concatenated_is_perturbed_by_the_effect() -> None:
    """With a covariate that is by chance out of balance, a huge effect moves the concatenated theta, not the other."""
    data = [JointMoments.of(*arm) for arm in arms_of(np.random.default_rng(2), effect=1000)]

    assert theta_within(*data)[0] == pytest.approx(1, abs=0.1)
    assert abs(theta_concatenated(*data)[0] - 1) > 1


def test_unbiased_with_the_variance_it_claims() -> None:
    """Over 2,000 experiments the effect is unbiased, the error true to 5 %, the variance a fifth, 5 % +- 4 SE err."""
    rng = np.random.default_rng(3)
    found, ratios = [], []
    for _ in range(2000):
        control, treatment = (JointMoments.of(*arm) for arm in arms_of(rng, 60))
        found.append(cuped_t(control, treatment, theta_within(control, treatment)))
        ratios.append(variance_ratio(control, treatment))
    effects = np.array([comparison.effect for comparison in found])
    errors = np.array([comparison.error for comparison in found])
    missed = np.mean([not (c.interval or Interval.everything()).contains(0.5) for c in found])

    assert effects.mean() == pytest.approx(0.5, abs=4 * effects.std() / math.sqrt(2000))
    assert errors.mean() == pytest.approx(effects.std(), rel=0.05)
    assert np.mean(ratios) == pytest.approx(0.2, abs=0.01)
    assert missed == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2000) + 0.005)


def test_centred_means_are_in_the_metrics_units() -> None:
    """Centred on the covariate's mean over all units, the arms' means stay where they were, and differ as before."""
    control, treatment = (JointMoments.of(*arm) for arm in arms_of(np.random.default_rng(4)))
    c, t = cuped(control, treatment)
    plain = cuped_t(control, treatment, theta_within(control, treatment))

    assert (c.value, t.value) == pytest.approx((10, 10.5), abs=0.2)
    assert difference(c, t).effect == pytest.approx(plain.effect)
    assert difference(c, t).p == pytest.approx(plain.p)


def test_lift_has_the_error_of_resampling() -> None:
    """The adjusted lift's error is the spread of lifts over 1,000 experiments, to 10 %."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(1000):
        control, treatment = (JointMoments.of(*arm) for arm in arms_of(rng, 100, effect=2.0))
        found.append(cuped_lift(control, treatment, theta_within(control, treatment)))
    lifts, errors = np.array([c.effect for c in found]), np.array([c.error for c in found])

    assert lifts.mean() == pytest.approx(0.2, abs=4 * lifts.std() / math.sqrt(1000) + 0.001)
    assert errors.mean() == pytest.approx(lifts.std(), rel=0.1)


def test_without_a_slope_the_lift_is_the_plain_one() -> None:
    """With theta zero the lift and its error are the delta method's on the plain means."""
    control, treatment = (JointMoments.of(*arm) for arm in arms_of(np.random.default_rng(6)))
    found = cuped_lift(control, treatment, (0.0,))
    c, t = control.of_one(0), treatment.of_one(0)

    assert found.effect == pytest.approx(t.mean / c.mean - 1)
    assert found.error == pytest.approx(math.hypot(t.error / c.mean, c.error * t.mean / c.mean**2))


def test_ratio_adjusted_by_an_earlier_ratio() -> None:
    """Clicks over views, adjusted by those of the week before, have a smaller error and the same effect in the mean."""
    rng = np.random.default_rng(7)
    effects, errors = [], []
    for _ in range(300):
        arms = []
        for rate in (0.0, 0.05):
            taste = rng.beta(2, 6, 300)
            views, before = 1 + rng.poisson(5, (2, 300))
            clicks, earlier = rng.binomial(views, taste + rate), rng.binomial(before, taste)
            arms.append(JointMoments.of(*np.array((clicks, views, earlier, before), float)))
        control, treatment = (linearised(arm, [(0, 1), (2, 3)]) for arm in arms)
        found = cuped_t(control, treatment, theta_within(control, treatment))
        effects.append(found.effect)
        errors.append((found.error, difference(*map(ratio, arms)).error))
    mine, plain = np.mean(np.array(errors, float), axis=0)

    assert np.mean(effects) == pytest.approx(0.05, abs=4 * float(np.std(effects)) / math.sqrt(300))
    assert mine == pytest.approx(np.std(effects), rel=0.15)
    assert mine < 0.95 * plain


def test_covariates_that_say_nothing() -> None:
    """A constant covariate gets no weight, and one given twice counts once."""
    control, treatment = arms_of(np.random.default_rng(8))
    constant = [JointMoments.of(arm[0], np.ones(400)) for arm in (control, treatment)]
    twice, twice_t = (JointMoments.of(arm[0], arm[1], 3 * arm[1]) for arm in (control, treatment))
    once, once_t = (JointMoments.of(*arm) for arm in (control, treatment))
    found, expected = (
        cuped_t(twice, twice_t, theta_within(twice, twice_t)),
        cuped_t(once, once_t, theta_within(once, once_t)),
    )

    assert theta_within(*constant) == (0.0,)
    assert variance_ratio(*constant) == 1.0
    assert found.p == pytest.approx(expected.p)
    assert variance_ratio(JointMoments.of(np.ones(5), np.arange(5.0))) == 1.0


def test_no_lift_on_nothing() -> None:
    """There is no lift on a control whose mean is zero."""
    arm = JointMoments.of([-1.0, 1.0, 0.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="the control's mean is 0"):
        cuped_lift(arm, arm, (1.0,))
