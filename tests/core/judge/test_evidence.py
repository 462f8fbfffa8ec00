"""Intervals, evidence and error rates: the types that every sequential method speaks in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.judge.evidence import Interval, check_alpha, p_of

numbers = st.floats(allow_nan=False)


@given(numbers, numbers, numbers)
def test_an_interval_contains_what_is_between_its_limits(a: float, b: float, x: float) -> None:
    """A closed interval contains its limits and what is between them, and nothing else."""
    low, high = sorted((a, b))
    interval = Interval(low, high)

    assert interval.contains(low)
    assert interval.contains(high)
    assert interval.contains(x) == (low <= x <= high)
    assert interval.width >= 0


def test_widths() -> None:
    """A width is the distance of the limits: 0 for a point, even one at infinity, and inf if a side is open."""
    assert Interval(-1, 2).width == 3
    assert Interval(2, 2).width == Interval(math.inf, math.inf).width == 0
    assert Interval.everything().width == Interval(0, math.inf).width == math.inf


@pytest.mark.parametrize(("low", "high"), [(1, 0), (math.nan, 0), (0, math.nan)])
def test_an_interval_in_the_wrong_order_is_refused(low: float, high: float) -> None:
    """Limits in the wrong order, or no numbers, are refused by name."""
    with pytest.raises(ValueError, match="low must be at most high"):
        Interval(low, high)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_error_rates_are_between_0_and_1(alpha: float) -> None:
    """An error rate that is not strictly between 0 and 1 is refused by name."""
    with pytest.raises(ValueError, match=f"alpha is {alpha}"):
        check_alpha(alpha)


@given(st.floats(-1e6, 1e6))
def test_a_p_value_is_the_reciprocal_of_the_e_value(log_e: float) -> None:
    """P is min(1, 1/e), computed without overflow."""
    assert p_of(log_e) == (1.0 if log_e <= 0 else math.exp(-log_e))
