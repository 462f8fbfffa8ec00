"""The tests for one look are the textbook's, and say so where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from streams.core.judge.fixed import Comparison
from streams.report.fixed import fixed_test
from streams.report.looks import Look
from tests.report.rows import look

test_proportions_2indep.__test__ = False  # a function of statsmodels, and no test of ours


def of_counts(arm: tuple[int, int], control: tuple[int, int], **changes: Any) -> Look:
    """Return a look at two shares that was judged from counts."""
    values = {"arm_value": arm[0] / arm[1], "control_value": control[0] / control[1], "method": "exact counts"}
    return look(**values | {"n_arm": float(arm[1]), "n_control": float(control[1])} | changes)


def comparison_of(seen: Look) -> Comparison:
    """Return the test of a look that has one."""
    found = fixed_test(seen)
    assert isinstance(found, Comparison)
    return found


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_shares_are_compared_by_unpooled_z(alpha: float) -> None:
    """Two shares have the effect, the p and the interval at the look's level that statsmodels gives by Wald."""
    found = comparison_of(of_counts((9, 358), (31, 366), alpha=alpha))
    expected = test_proportions_2indep(9, 358, 31, 366, method="wald")
    limits = confint_proportions_2indep(9, 358, 31, 366, method="wald", alpha=alpha)

    assert found.name.method == "unpooled z"
    assert found.effect == pytest.approx(9 / 358 - 31 / 366)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(limits, rel=1e-9)


@pytest.mark.parametrize(("arm", "control"), [((1, 900), (8, 1000)), ((899, 900), (992, 1000)), ((0, 50), (0, 60))])
def test_rare_outcomes_are_compared_exactly(arm: tuple[int, int], control: tuple[int, int]) -> None:
    """Where fewer than five of the rarer outcome are expected in an arm, the test is Fisher's, as scipy has it."""
    found = comparison_of(of_counts(arm, control))
    expected = stats.fisher_exact([[arm[0], arm[1] - arm[0]], [control[0], control[1] - control[0]]]).pvalue

    assert (found.name.method, found.interval) == ("Fisher's exact", None)
    assert found.p == pytest.approx(expected)
    assert found.effect == pytest.approx(arm[0] / arm[1] - control[0] / control[1])


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_what_varies_from_unit_to_unit_is_tested_between_buckets(alpha: float) -> None:
    """Of 64 buckets as pairs, the p and the interval at the look's level are those of scipy's paired t."""
    rng = np.random.default_rng(3)
    arm, control = rng.normal(0.4, 1, 64), rng.normal(0, 1, 64)
    paired = stats.ttest_rel(arm, control)
    limits = paired.confidence_interval(1 - alpha)
    effect = float((arm - control).mean())
    found = comparison_of(look(effect=effect, error=float(stats.sem(arm - control)), alpha=alpha))

    assert found.name.method == "t, 63 degrees of freedom"
    assert (found.effect, found.freedom) == (effect, 63)
    assert found.p == pytest.approx(paired.pvalue, rel=1e-9)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((limits.low, limits.high), rel=1e-9)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (look(effect=None, error=None, method="too little to say"), "too little is known"),
        (look(error=None, method="exact quantiles"), "its effect has no standard error"),
        (of_counts((1, 9), (2, 9), arm_value=None), "an arm has no value"),
    ],
)
def test_where_there_is_no_test(seen: Look, why: str) -> None:
    """Without an effect, or an error of it, there is no test, and it is said why."""
    assert fixed_test(seen) == why


def test_buckets_that_do_not_differ_show_nothing() -> None:
    """An error of 0 says that nothing varied, not that the effect is sure: p is 1."""
    assert comparison_of(look(error=0.0)).p == 1.0
