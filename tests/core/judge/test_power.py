"""Sizes and power of fixed-horizon tests, against published numbers, statsmodels and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from streams.core.judge import power as p
from tests.core.judge.published import Method, assert_agrees, vectors

SIDES = (2, "two-sided"), (1, "larger")
OF_SHARES: dict[str, Callable[..., float]] = {
    "unpooled": p.size_unpooled,
    "pooled_null": p.size_pooled_null,
    "evan_miller": p.size_evan_miller,
    "arcsine": p.size_arcsine,
}


def of_shares(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    shares, rates = (inputs["p1"], inputs["p2"]), {"alpha": inputs["alpha"], "power": inputs["power"]}
    named = {name: size(*shares, **rates) for name, size in OF_SHARES.items()}
    return {**named, "rule16": p.size_rule_of_16(*shares)}


def power_of(i: Mapping[str, Any]) -> dict[str, float | None]:
    return {"power": p.power_unpooled(i["p1"], i["p2"], i["n_per_arm"], alpha=i["alpha"])}


METHODS: dict[str, Method] = {
    "size_t": lambda i: {"size": p.size_t(**i)},
    "size_z": lambda i: {"size": p.size_z(**i)},
    "size_of_shares": of_shares,
    "power_unpooled": power_of,
    "mde": lambda i: {"mde": p.mde(i["sigma"], i["n_per_arm"], alpha=i["alpha"], power=i["power"])},
}


@pytest.mark.parametrize("vector", vectors("power"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published plans give the published sizes."""
    assert_agrees(METHODS, vector)


@pytest.mark.parametrize(("sides", "alternative"), SIDES)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_power_against_statsmodels(sides: p.Sides, alternative: str, ratio: float, alpha: float) -> None:
    """Power of the t and z tests is that of statsmodels, from 2 units to 1,000."""
    for d, size in [(0.1, 30), (0.1, 1000), (0.5, 8), (0.5, 60), (1.0, 2), (1.0, 12)]:
        chosen = {"alpha": alpha, "ratio": ratio}
        t = TTestIndPower().power(d, size, **chosen, alternative=alternative)
        z = NormalIndPower().power(d, size, **chosen, alternative=alternative)

        assert p.power_t(d, size, **chosen, sides=sides) == pytest.approx(t, abs=1e-10)
        assert p.power_z(d, size, **chosen, sides=sides) == pytest.approx(z, abs=1e-12)


@given(
    st.floats(0.001, 5),
    st.floats(0.4, 0.999),
    st.floats(1e-4, 0.3),
    st.floats(0.1, 10),
    st.sampled_from([1, 2]),
)
def test_sizes_reach_their_power(d: float, power: float, alpha: float, ratio: float, sides: p.Sides) -> None:
    """At the size for a power the test has that power, unless its degrees of freedom already ask for more."""
    chosen: dict[str, Any] = {"alpha": alpha, "ratio": ratio, "sides": sides}
    z, t = p.size_z(d, power=power, **chosen), p.size_t(d, power=power, **chosen)

    assert p.power_z(d, z, **chosen) == pytest.approx(power, abs=1e-9)
    if t * (1 + ratio) > 3.001:
        assert p.power_t(d, t, **chosen) == pytest.approx(power, abs=1e-9)
    else:
        assert p.power_t(d, t, **chosen) >= power


def test_power_far_out() -> None:
    """Power is 1 and finite where the noncentral t of libraries is not a number, and at a billion units."""
    assert p.power_t(20.0, 5) == pytest.approx(1)
    assert p.power_t(3.0, 51, alpha=0.001) == pytest.approx(1)
    assert p.power_t(1e3, 1e9) == pytest.approx(1)
    assert p.power_t(1e-4, 1e9) == pytest.approx(p.power_z(1e-4, 1e9), abs=1e-8)


def test_fleiss_and_one_sided_sizes() -> None:
    """Of one side the critical value is 1.645; halving the difference asks for about four times as many."""
    z = stats.norm.isf(0.05) + stats.norm.isf(0.2)

    assert p.size_unpooled(0.1, 0.12, sides=1) == pytest.approx(z**2 * (0.09 + 0.1056) / 0.0004)
    assert p.size_unpooled(0.1, 0.11) / p.size_unpooled(0.1, 0.12) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("size", OF_SHARES.values())
def test_simulated_power(size: Callable[..., float]) -> None:
    """At each formula's size the z test finds 20 % against 25 % in 80 % of 40,000 tests, +- 4 SE and 2.5 %."""
    n = math.ceil(size(0.20, 0.25))
    rng = np.random.default_rng(29)
    c, t = rng.binomial(n, 0.20, 40_000) / n, rng.binomial(n, 0.25, 40_000) / n
    z = (t - c) / np.sqrt((c * (1 - c) + t * (1 - t)) / n)

    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 40_000) + 0.025)


@given(st.floats(0.001, 0.9), st.floats(100, 1e8))
def test_smallest_detectable_rise(control: float, size: float) -> None:
    """The smallest detectable rise is the one that asks for this size."""
    try:
        rise = p.mde_unpooled(control, size)
    except ValueError:
        assert p.size_unpooled(control, 1.0) > size
    else:
        assert p.size_unpooled(control, control + rise) == pytest.approx(size, rel=1e-6)


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (lambda: p.size_unpooled(0.1, 0.1), "shares 0.1 and 0.1"),
        (lambda: p.size_unpooled(0.1, 1.1), "shares 0.1 and 1.1"),
        (lambda: p.size_unpooled(0.1, 0.2, alpha=1.5), "alpha is 1.5"),
        (lambda: p.size_unpooled(0.1, 0.2, power=1.0), "power is 1.0"),
        (lambda: p.size_z(0.0), "the effect is 0.0"),
        (lambda: p.size_z(0.5, power=0.01), r"power is 0.01: it must be above alpha \(0.05\)"),
        (lambda: p.size_z(1e-9), "needs more than 1e.15 units"),
        (lambda: p.power_t(0.5, 1), "leave 0.0 degrees of freedom"),
        (lambda: p.power_z(0.5, -1), "-1 is not a size"),
        (lambda: p.mde_unpooled(0.9, 2), "cannot detect even a rise from 0.9 to 1"),
    ],
)
def test_plans_that_cannot_be(plan: Callable[[], float], problem: str) -> None:
    """A plan that no size fulfils is refused with the number that is wrong."""
    with pytest.raises(ValueError, match=problem):
        plan()
