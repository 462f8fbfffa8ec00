"""Stratified means and winsorised values: published numbers, enumeration, and error rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streams.core.judge.fixed import difference
from streams.core.judge.means import welch
from streams.core.judge.moments import Floats, Moments
from streams.core.judge.strata import Limits, post_stratified, shares_of, stratified, winsorised
from tests.core.judge.published import Method, assert_agrees, vectors


def of_population(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    total = sum(inputs["N"].values())
    strata = {name: Moments.of(values) for name, values in inputs["strata"].items()}
    found = stratified(strata, {name: size / total for name, size in inputs["N"].items()})
    return {"mean": found.value, "se": found.error}


METHODS: dict[str, Method] = {"stratified": of_population}


@pytest.mark.parametrize("vector", vectors("strata"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published strata give the published means."""
    assert_agrees(METHODS, vector)


def by_stratum(values: Floats, stratum: npt.NDArray[np.int64]) -> dict[str, Moments]:
    return {str(name): Moments.of(values[stratum == name]) for name in np.unique(stratum)}


def test_post_stratified_error_is_that_of_sampling() -> None:
    """Over 4,000 samples the post-stratified mean is unbiased and its error true to 3 %, below the plain one."""
    rng = np.random.default_rng(1)
    shares = {"0": 0.2, "1": 0.5, "2": 0.3}
    found = []
    for _ in range(4000):
        stratum = rng.choice(3, 90, p=list(shares.values()))
        found.append(post_stratified(by_stratum(rng.normal(10 * stratum, 1 + stratum), stratum), shares))
    values, errors = np.array([m.value for m in found]), np.array([m.error for m in found])

    assert values.mean() == pytest.approx(11, abs=4 * values.std() / math.sqrt(4000))
    assert math.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.03)
    assert errors.mean() < 0.4 * math.sqrt(49 + 5 / 90) / math.sqrt(90)


def test_stratifying_keeps_the_error_rate_and_gains() -> None:
    """Of 2,000 A/A tests 5 % err, +- 4 SE and 0.5 %, with less than half of Welch's standard error."""
    rng = np.random.default_rng(2)
    wrong, gains = 0, []
    for _ in range(2000):
        stratum = rng.integers(0, 3, (2, 150))
        values = rng.normal(5 * stratum, 1)
        control, treatment = (by_stratum(*arm) for arm in zip(values, stratum, strict=True))
        shares = shares_of(control, treatment)
        found = difference(stratified(control, shares), stratified(treatment, shares))
        wrong += found.p < 0.05
        gains.append((found.error or 0.0) / (welch(*map(Moments.of, values)).error or 1.0))

    assert wrong / 2000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2000) + 0.005)
    assert np.mean(gains) < 0.5


def test_one_stratum_is_no_stratum() -> None:
    """With one stratum mean, error and freedom are the plain ones, and strata without share or units change nothing."""
    moments = Moments.of([1.0, 2.0, 4.0, 8.0])
    found = stratified({"a": moments, "b": Moments.of([])}, {"a": 1.0, "c": 0.0})

    assert (found.value, found.error, found.freedom) == pytest.approx((moments.mean, moments.error, 3))
    assert post_stratified({"a": moments}, {"a": 1.0}).error == pytest.approx(moments.error)


def test_shares_are_of_all_arms() -> None:
    """Shares are those among the units of all arms, whichever arm has them."""
    two, one = Moments.of([1.0, 2.0]), Moments.of([1.0])

    assert shares_of({"a": two, "b": one}, {"a": one, "c": one}) == {"a": 0.6, "b": 0.2, "c": 0.2}


def test_winsorising() -> None:
    """Values beyond limits become the limits; quantiles of 0 and 1 set none."""
    earlier = np.arange(101.0)
    values = np.array([-50.0, 0.0, 50.0, 98.0, 99.5, 1e9])

    assert winsorised(values, Limits.of_quantiles(earlier, 0.01, 0.99)).tolist() == [1.0, 1.0, 50.0, 98.0, 99.0, 99.0]
    assert Limits.of_quantiles(earlier, high=0.99) == Limits(high=99.0)
    assert winsorised(values, Limits.of_quantiles(earlier)).tolist() == values.tolist()


def test_winsorising_narrows_heavy_tails() -> None:
    """On a heavy tail, limits from earlier data cut the standard error by more than half."""
    rng = np.random.default_rng(3)
    limits = Limits.of_quantiles(rng.pareto(1.5, 10_000), high=0.99)
    values = rng.pareto(1.5, 10_000)

    assert Moments.of(winsorised(values, limits)).error < 0.5 * Moments.of(values).error


@pytest.mark.parametrize(
    ("strata", "shares", "problem"),
    [
        ({"a": 2}, {"a": 0.9}, "sum to 1"),
        ({"a": 2, "b": 2}, {"a": 1.5, "b": -0.5}, "must not be negative"),
        ({"a": 2, "b": 1}, {"a": 0.5, "b": 0.5}, r"strata \['b'\] have a share and fewer than 2 units"),
        ({"a": 2}, {"a": 0.5, "b": 0.5}, r"strata \['b'\] have a share"),
        ({"a": 2, "b": 2}, {"a": 1.0}, r"strata \['b'\] have units and no share"),
    ],
)
def test_strata_that_do_not_fit(strata: dict[str, int], shares: dict[str, float], problem: str) -> None:
    """Shares that are none, and strata without units or without a share, are named."""
    with pytest.raises(ValueError, match=problem):
        stratified({name: Moments.of(np.arange(float(n))) for name, n in strata.items()}, shares)


def test_limits_that_are_none() -> None:
    """Limits and quantiles that are out of order, and quantiles of nothing, are refused."""
    with pytest.raises(ValueError, match=r"limits 2\.0 and 1\.0"):
        Limits(2.0, 1.0)
    for low, high, values in ((0.9, 0.1, np.ones(3)), (0.0, 1.5, np.ones(3)), (0.0, 1.0, np.ones(0))):
        with pytest.raises(ValueError, match=f"quantiles {low} and {high} of {len(values)} values"):
            Limits.of_quantiles(values, low, high)
    with pytest.raises(ValueError, match="have no units"):
        shares_of({"a": Moments.of([])})
