"""Chance to beat the baseline: the reported percentages, published numbers, exact sums and sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from streams.core.judge.chance import JEFFREYS, UNIFORM, Posterior, Prior, beta_binomial, gaussian, pooled_z, unpooled_z
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement, minus
from streams.core.judge.lift import lift
from streams.core.judge.proportions import share
from tests.core.judge.published import Method, assert_agrees, vectors

CONTROL = (378, 3662)
TREATMENTS = [(462, 3568), (440, 3479), (395, 3504)]


def of_posterior(posterior: Posterior) -> dict[str, float | None]:
    interval = posterior.interval()
    losses = {"loss_of_control": posterior.loss_of_control, "loss_of_treatment": posterior.loss_of_treatment}
    limits = {"low": interval.low, "high": interval.high}
    return {"chance": posterior.chance, "mean": posterior.mean, "sd": posterior.sd, **limits, **losses}


def difference(inputs: Mapping[str, Any]) -> Measurement:
    return minus(share(inputs["variation"]), share(inputs["baseline"]))


def relative(inputs: Mapping[str, Any]) -> Measurement:
    return lift(share(inputs["baseline"]), share(inputs["variation"]))


METHODS: dict[str, Method] = {
    "unpooled_z": lambda i: vars_of(i, "unpooled"),
    "pooled_z": lambda i: vars_of(i, "pooled"),
    "uniform": lambda i: {"chance": beta_binomial(i["baseline"], i["variation"], UNIFORM).chance},
    "jeffreys": lambda i: {"chance": beta_binomial(i["baseline"], i["variation"], JEFFREYS).chance},
    "flat_absolute": lambda i: of_posterior(gaussian(difference(i))),
    "flat_relative": lambda i: of_posterior(gaussian(relative(i))),
    "gaussian_relative": lambda i: of_posterior(gaussian(relative(i), Prior(0.0, 0.3))),
}


def vars_of(inputs: Mapping[str, Any], kind: str) -> dict[str, float | None]:
    found = (unpooled_z if kind == "unpooled" else pooled_z)(inputs["baseline"], inputs["variation"])
    return {"z": found.statistic, "chance": found.chance}


@pytest.mark.parametrize("vector", vectors("chance"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published counts give the published chances."""
    assert_agrees(METHODS, vector)


def test_reported_percentages() -> None:
    """100.0 %, 99.9 % and 90.2 % are of the unpooled z; other formulas say 90.3 %, and relative lift 89.3 %."""
    unpooled = [round(100 * unpooled_z(CONTROL, treatment).chance, 1) for treatment in TREATMENTS]
    last = CONTROL, TREATMENTS[2]
    others = [pooled_z(*last), beta_binomial(*last), beta_binomial(*last, JEFFREYS)]

    assert unpooled == [100.0, 99.9, 90.2]
    assert [round(100 * other.chance, 1) for other in others] == [90.3, 90.3, 90.3]
    assert round(100 * gaussian(lift(share(CONTROL), share(TREATMENTS[2]))).chance, 1) == 89.3
    assert len({other.name for other in (*others, unpooled_z(*last))}) == 4


def exact_sum(control: tuple[int, int], treatment: tuple[int, int]) -> float:
    """P(Beta > Beta) with uniform priors as a finite sum (Miller 2015)."""
    (k0, n0), (k1, n1) = control, treatment
    a0, b0, b1 = k0 + 1, n0 - k0 + 1, n1 - k1 + 1
    terms = (
        special.betaln(a0 + i, b0 + b1) - math.log(b1 + i) - special.betaln(1 + i, b1) - special.betaln(a0, b0)
        for i in range(k1 + 1)
    )
    return math.fsum(map(math.exp, terms))


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_against_the_exact_sum(n0: int, n1: int, data: st.DataObject) -> None:
    """With uniform priors the quadrature is the finite sum, at every count, 0 and all among them."""
    arms = (data.draw(st.integers(0, n0)), n0), (data.draw(st.integers(0, n1)), n1)

    assert beta_binomial(*arms).chance == pytest.approx(exact_sum(*arms), abs=1e-10)


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 5))
def test_arms_change_places(n0: int, n1: int, p0: float, p1: float, prior: float) -> None:
    """The chances of either arm sum to 1, up to a billion trials and with any prior."""
    arms = (round(p0 * n0), n0), (round(p1 * n1), n1)
    one, other = beta_binomial(*arms, (prior, prior)), beta_binomial(*arms[::-1], (prior, prior))

    assert one.chance + other.chance == pytest.approx(1, abs=1e-9)


def test_equal_arms_are_even() -> None:
    """An arm beats itself with probability one half, at ten trials and at a billion."""
    for arm in ((0, 10), (3, 10), (10, 10), (10**8, 10**9)):
        for chance in (unpooled_z(arm, arm), pooled_z(arm, arm), beta_binomial(arm, arm, JEFFREYS)):
            assert chance.chance == pytest.approx(0.5, abs=1e-9)


def test_against_sampling() -> None:
    """Under Jeffreys' priors a million draws agree, +- 4 standard errors, also for arms of very unequal size."""
    rng = np.random.default_rng(23)
    for arms in (((0, 5), (1, 4000)), ((2, 30), (0, 8)), ((300, 4000), (1, 5))):
        c, t = (rng.beta(k + 0.5, n - k + 0.5, 1_000_000) for k, n in arms)
        chance = beta_binomial(*arms, JEFFREYS).chance

        assert (t > c).mean() == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 1e6))


def test_gaussian_prior_is_weighed_by_precision() -> None:
    """A prior as precise as the data halves the effect and the variance; losses are means of the posterior's parts."""
    posterior = gaussian(Measurement(0.2, 0.1), Prior(0.0, 0.1))
    draws = np.random.default_rng(24).normal(posterior.mean, posterior.sd, 1_000_000)

    assert (posterior.mean, posterior.sd) == pytest.approx((0.1, 0.1 / math.sqrt(2)))
    assert posterior.loss_of_control == pytest.approx(np.maximum(draws, 0).mean(), abs=4e-4)
    assert posterior.loss_of_treatment == pytest.approx(np.maximum(-draws, 0).mean(), abs=4e-5)


def test_prior_on_the_difference_says_the_same_of_the_lift() -> None:
    """A prior on the absolute difference, taken relative to the control, shrinks the lift by the same share."""
    prior = Prior(0.01, 0.02)
    absolute = gaussian(Measurement(0.03, 0.01), prior)
    lifted = gaussian(Measurement(0.3, 0.1), prior.relative_to(0.1))

    assert (lifted.mean, lifted.sd) == pytest.approx((absolute.mean / 0.1, absolute.sd / 0.1))


def test_data_that_do_not_vary() -> None:
    """Without a spread there is no chance but one half, no interval, and nothing but the prior."""
    assert unpooled_z((0, 10), (0, 20)).chance == 0.5
    assert gaussian(Measurement(0.1, 0.0)).chance == 0.5
    assert gaussian(Measurement(0.1, 0.0)).interval() == Interval.everything()
    assert gaussian(Measurement(0.1, 0.0), Prior(0.0, 1.0)) == Posterior(0.0, 1.0)


def test_what_is_no_prior() -> None:
    """Priors that are none, or are relative to nothing, are refused."""
    with pytest.raises(ValueError, match=r"prior Beta\(0.0, 1.0\)"):
        beta_binomial((1, 2), (1, 2), (0.0, 1.0))
    with pytest.raises(ValueError, match=r"prior N\(0.0, 0.0²\)"):
        Prior(0.0, 0.0)
    with pytest.raises(ValueError, match="the control's value is 0"):
        Prior(0.0, 1.0).relative_to(0.0)
