"""Relative lift: published numbers, statsmodels' ratio of shares, and coverage where the control is known badly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.proportion import test_proportions_2indep as ratio_test

from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Comparison, Measurement, difference
from streams.core.judge.lift import delta, fieller, improvement, log_delta
from streams.core.judge.means import mean
from streams.core.judge.moments import Moments
from streams.core.judge.proportions import share, share_t
from tests.core.judge.published import Method, assert_agrees, vectors

CONTROL = (378, 3662)
TREATMENTS = [(462, 3568), (440, 3479), (395, 3504)]


def limits(found: Comparison) -> tuple[float, float]:
    assert found.interval is not None
    return found.interval.low, found.interval.high


def of_lift(control: Measurement, treatment: Measurement) -> dict[str, float | None]:
    found = delta(control, treatment)
    low, high = limits(found)
    numbers = {"dof": found.freedom, "estimate": found.effect, "se": found.error, "p_value": found.p}
    return {**numbers, "low": low, "high": high}


def of_sums(arm: Mapping[str, Any]) -> Measurement:
    return mean(Moments.of_sums(arm["n"], arm["sum"], arm["sum_squares"]))


def of_counts(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    (k0, n0), (k1, n1) = inputs["baseline"], inputs["variation"]
    return {"improvement": improvement(k0 / n0, k1 / n1)}


METHODS: dict[str, Method] = {
    "improvement": of_counts,
    "delta_of_sums": lambda i: of_lift(of_sums(i["a"]), of_sums(i["b"])),
    "delta_of_shares": lambda i: of_lift(share_t(i["a"]), share_t(i["b"])),
}


@pytest.mark.parametrize("vector", vectors("lift"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published arms give the published lifts."""
    assert_agrees(METHODS, vector)


def test_known_improvements() -> None:
    """The three treatments improve on 378/3662 by 25.4 %, 22.5 % and 9.2 %, by every method."""
    for treatment, percent in zip(TREATMENTS, (25.4, 22.5, 9.2), strict=True):
        arms = share(CONTROL), share(treatment)

        assert [round(100 * method(*arms).effect, 1) for method in (delta, log_delta, fieller)] == [percent] * 3


def test_intervals_of_395_of_3504() -> None:
    """The third treatment's lift is -5.3 % to 23.8 % by the delta method, and -4.4 % to 24.9 % by Fieller's theorem."""
    arms = share(CONTROL), share(TREATMENTS[2])
    found = [[round(100 * limit, 1) for limit in limits(method(*arms))] for method in (delta, fieller)]

    assert found == [[-5.3, 23.8], [-4.4, 24.9]]


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_log_delta_is_statsmodels_ratio(treatment: tuple[int, int]) -> None:
    """The log delta interval and p are statsmodels' for a ratio of shares, at any null."""
    counts = (*treatment, *CONTROL)
    low, high = confint_proportions_2indep(*counts, method="log", compare="ratio", alpha=0.1)
    theirs = ratio_test(*counts, value=1.1, method="log", compare="ratio")
    found = log_delta(share(CONTROL), share(treatment), alpha=0.1, null=0.1)

    assert limits(found) == pytest.approx((low - 1, high - 1))
    assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))


@given(st.floats(0.5, 20), st.floats(-30, 30), st.floats(0.01, 3), st.floats(0.01, 3))
def test_fieller_solves_its_equation(control: float, treatment: float, se_c: float, se_t: float) -> None:
    """At each limit, treatment less (1 + limit) control is 1.96 errors from zero; p at no lift is the difference's."""
    c, t = Measurement(control, se_c), Measurement(treatment, se_t)
    found = fieller(c, t)

    assert found.p == pytest.approx(difference(c, t).p)
    if control / se_c > 1.97:
        for limit in limits(found):
            off = abs(treatment - (1 + limit) * control)
            assert off == pytest.approx(1.959964 * math.hypot(se_t, (1 + limit) * se_c), rel=1e-4)
        assert limits(found)[0] <= found.effect <= limits(found)[1]
    elif control / se_c < 1.95:
        assert found.interval == Interval.everything()


def test_intervals_are_at_95_percent_unless_said() -> None:
    """Each method's default level is 95 %."""
    arms = share(CONTROL), share(TREATMENTS[0])
    for method in (delta, log_delta, fieller):
        assert method(*arms) == method(*arms, alpha=0.05) != method(*arms, alpha=0.1)


def test_fieller_test_and_interval_agree() -> None:
    """Fieller's p against a lift is below alpha exactly when the interval excludes it."""
    c, t = Measurement(10.0, 1.0), Measurement(14.0, 1.5)
    low, high = limits(fieller(c, t))
    nulls = [low - 1e-6, low + 1e-6, high - 1e-6, high + 1e-6]

    assert [fieller(c, t, null=null).p > 0.05 for null in nulls] == [False, True, True, False]


def test_fieller_covers_where_delta_does_not() -> None:
    """With a control of 5 standard errors Fieller's intervals miss 5 %, +- 4 SE; the delta method's miss more."""
    draws = np.random.default_rng(17).normal((5.0, 20.0), 1.0, (10_000, 2))
    missed = {}
    for method in (fieller, delta):
        found = [limits(method(Measurement(c, 1.0), Measurement(t, 1.0))) for c, t in draws.tolist()]
        missed[method.__name__] = sum(not low <= 3.0 <= high for low, high in found) / len(found)

    assert missed["fieller"] == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 10_000))
    assert missed["delta"] > 0.06


def test_lift_on_a_negative_control() -> None:
    """A loss of 10 that becomes one of 12 is 20 % more of it, with the limits in order."""
    arms = Measurement(-10.0, 0.5), Measurement(-12.0, 0.5)

    assert delta(*arms).effect == pytest.approx(0.2)
    assert limits(fieller(*arms))[0] < 0.2 < limits(fieller(*arms))[1]


def test_huge_lifts_stay_finite_or_infinite() -> None:
    """A logarithm that is known to a thousand overflows to an open limit, not to an error."""
    found = log_delta(Measurement(1.0, 1000.0), Measurement(1.0, 1.0))

    assert limits(found) == (-1.0, math.inf)


def test_no_lift_on_nothing() -> None:
    """There is no lift on a control of zero, and no logarithm of what is not positive."""
    for method in (delta, fieller):
        with pytest.raises(ValueError, match="the control's value is 0"):
            method(share((0, 10)), share((1, 10)))
    for control, treatment in (((0, 10), (1, 10)), ((1, 10), (0, 10))):
        with pytest.raises(ValueError, match="a logarithm needs both above 0"):
            log_delta(share(control), share(treatment))
