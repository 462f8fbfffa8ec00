"""Group-sequential bounds: published bounds, exact crossing probabilities, and what looks may and may not do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.group_sequential import (
    FARTHEST,
    Design,
    Looks,
    Spending,
    bounds,
    crossing_probability,
    obrien_fleming_spending,
    peeking_rate,
    pocock_spending,
    power_spending,
)
from tests.core.judge.published import Method, assert_agrees, vectors


def found_bounds(inputs: Mapping[str, Any], spending: Spending) -> dict[str, float | None]:
    alternative: Alternative = "two-sided" if inputs["sides"] == 2 else "greater"
    design = Design(1.0, inputs["alpha"], alternative, spending, inputs.get("phi", 2.0))
    return {f"bound_{i + 1}": bound for i, bound in enumerate(bounds(design, inputs["information"]))}


METHODS: dict[str, Method] = {
    "power": lambda i: found_bounds(i, "power"),
    "pocock": lambda i: found_bounds(i, "pocock"),
    "obrien-fleming": lambda i: found_bounds(i, "obrien-fleming"),
    "peeking": lambda i: {"rate": peeking_rate(i["K"], i["z"])},
}
SPENDINGS = get_args(Spending)
schedules = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=8)


@pytest.mark.parametrize("vector", vectors("group_sequential"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published schedules give the published bounds, and repeated fixed tests the published error rates."""
    assert_agrees(METHODS, vector)


@pytest.mark.parametrize("spending", SPENDINGS)
@given(gaps=schedules, alpha=st.floats(0.001, 0.3))
@settings(max_examples=25)
def test_exactly_what_may_be_spent_is_spent(spending: Spending, gaps: Sequence[float], alpha: float) -> None:
    """For any times of looks, the chance of crossing by a look is what the spending function allows by then."""
    information = np.cumsum(gaps).tolist()
    design = Design(information[-1] * 1.3, alpha, "greater", spending)
    found = bounds(design, information)

    allowed = design.spent(information[-1])
    assert crossing_probability(information, found, "greater") == pytest.approx(allowed, abs=1e-9)


def test_two_looks_are_a_bivariate_normal() -> None:
    """The recursion agrees with scipy's bivariate normal distribution."""
    correlation = math.sqrt(0.3)
    stay = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([2.5, 1.8])

    assert crossing_probability([0.3, 1.0], [2.5, 1.8], "greater") == pytest.approx(1 - stay, abs=1e-7)


@pytest.mark.parametrize("spending", SPENDINGS)
def test_spending_functions_spend_all_and_never_take_back(spending: Spending) -> None:
    """Nothing at first, more and more, alpha at the planned end, and no more beyond."""
    design = Design(50.0, 0.1, "less", spending)
    spent = [design.spent(information) for information in (0.001, 1, 10, 25, 40, 50, 80)]

    assert spent == sorted(spent)
    assert spent[0] < 0.001
    assert spent[-2] == spent[-1] == pytest.approx(0.1)


def test_spending_functions() -> None:
    """The three families at half of the information, by hand."""
    assert power_spending(0.5, 0.05, 2.0) == pytest.approx(0.0125)
    assert pocock_spending(0.5, 0.05) == pytest.approx(0.05 * math.log(1 + (math.e - 1) / 2))
    assert obrien_fleming_spending(0.5, 0.05) == pytest.approx(
        2 * stats.norm.sf(stats.norm.isf(0.025) / math.sqrt(0.5))
    )


def first_crossings(bounds: Sequence[float], information: Sequence[float], seed: int, runs: int = 100_000) -> float:
    """Share of Brownian paths that are ever above the bounds."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((runs, len(information))) * np.sqrt(np.diff(information, prepend=0.0))
    z = np.cumsum(steps, axis=1) / np.sqrt(information)
    return float((np.abs(z) > bounds).any(axis=1).mean())


@pytest.mark.parametrize("spending", SPENDINGS)
def test_the_error_rate_of_two_sided_looks(spending: Spending) -> None:
    """Of 100,000 null experiments with 20 looks, alpha cross a bound, within 4 standard errors."""
    information = np.linspace(0.05, 1, 20).tolist()
    rate = first_crossings(bounds(Design(1.0, spending=spending), information), information, seed=7)

    assert abs(rate - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 100_000)


def test_the_error_rate_when_the_sample_is_larger_than_planned() -> None:
    """Beyond the plan nothing more is spent: alpha of 100,000 null experiments cross, within 4 standard errors."""
    information = [300.0, 700.0, 1600.0, 2000.0, 9000.0]
    found = bounds(Design(1000.0), information)
    rate = first_crossings(found, information, seed=8)

    assert abs(rate - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 100_000)
    assert found[3:] == (FARTHEST, FARTHEST)
    assert crossing_probability(information, found, "greater") == pytest.approx(0.025, abs=1e-9)


@given(schedules, st.floats(1e-3, 1e6))
@settings(max_examples=25)
def test_only_ratios_of_information_matter(gaps: Sequence[float], unit: float) -> None:
    """Bounds are the same whether information is a fraction, a count of users or 1 / SE²."""
    information = np.cumsum(gaps)
    planned = float(information[-1])

    scaled = bounds(Design(planned * unit), (information * unit).tolist())
    assert scaled == pytest.approx(bounds(Design(planned), information.tolist()), abs=1e-7)


@given(schedules, st.integers(0, 7))
@settings(max_examples=25)
def test_a_stored_state_goes_on_as_if_never_stored(gaps: Sequence[float], at: int) -> None:
    """Information and bounds are all that has to be kept between looks."""
    information = np.cumsum(gaps).tolist()
    design = Design(information[-1])
    whole = Looks(design)
    for each in information:
        whole = whole.at(each)

    resumed = Looks(design, whole.information[:at], whole.bounds[:at])
    for each in whole.information[at:]:
        resumed = resumed.at(each)
    assert resumed.information == whole.information
    assert resumed.bounds == pytest.approx(whole.bounds, abs=1e-9)


def test_looks_with_nothing_new_are_not_looks() -> None:
    """A look with a hundred-thousandth of new information, or none, keeps the last bound and spends nothing."""
    looks = Looks(Design(1000.0)).at(400.0)

    assert looks.at(400.0) is looks.at(400.01) is looks
    assert len(looks.at(400.02).bounds) == 2
    assert bounds(Design(1000.0), [400, 400, 1000]) == (looks.bound, looks.bound, looks.at(1000).bound)


def test_hundreds_of_looks() -> None:
    """Four hundred looks spend exactly alpha, and their last bound is above those of fewer looks."""
    many, few = (np.linspace(1 / n, 1, n).tolist() for n in (400, 20))
    found = bounds(Design(1.0), many)

    assert crossing_probability(many, found, "greater") == pytest.approx(0.025, abs=1e-9)
    assert found[-1] > bounds(Design(1.0), few)[-1]


@pytest.mark.parametrize(
    ("alternative", "crosses", "stays", "low", "high"),
    [
        ("two-sided", (2.8, -2.8), (2.7, -2.7), -1, 1),
        ("greater", (2.6,), (2.3, -2.8), -1, math.inf),
        ("less", (-2.6,), (-2.3, 2.8), -math.inf, 1),
    ],
)
def test_decisions(
    alternative: Alternative, crosses: Sequence[float], stays: Sequence[float], low: float, high: float
) -> None:
    """A z statistic beyond the bound on a side in question crosses it; one-sided intervals are open."""
    looks = Looks(Design(1000.0, alternative=alternative)).at(200).at(400)

    assert all(looks.crossed(z) for z in crosses)
    assert not any(looks.crossed(z) for z in stays)
    assert looks.interval(5.0, 2.0) == Interval(5 + low * 2 * looks.bound, 5 + high * 2 * looks.bound)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_a_crossed_bound_and_an_interval_without_0_are_one(estimate: float, error: float) -> None:
    """The repeated interval excludes 0 exactly when the bound is crossed, but for rounding."""
    looks = Looks(Design(1000.0)).at(200)

    if abs(abs(estimate / error) - looks.bound) > 1e-9:
        assert looks.crossed(estimate / error) == (not looks.interval(estimate, error).contains(0))


def test_no_error_says_nothing() -> None:
    """With a standard error of 0 the data did not vary, and the interval is everything."""
    assert Looks(Design(10.0)).at(5).interval(1.0, 0.0) == Interval.everything()


def test_what_cannot_be_is_refused() -> None:
    """Plans and looks that cannot be are refused by name."""
    with pytest.raises(ValueError, match="planned 0"):
        Design(0)
    with pytest.raises(ValueError, match="phi inf"):
        Design(1, phi=math.inf)
    with pytest.raises(ValueError, match="alpha is 1"):
        Design(1, alpha=1)
    with pytest.raises(ValueError, match="no look yet"):
        _ = Looks(Design(1)).bound
    for information in (1.0, 0.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="never fall"):
            Looks(Design(10)).at(2).at(information)
    with pytest.raises(ValueError, match="positive and growing"):
        crossing_probability([1, 1], [2, 2])
    with pytest.raises(ValueError, match="2 bounds for information"):
        crossing_probability([1], [2, 2])
