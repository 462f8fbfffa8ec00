"""Numbers are written with the digits that count, whatever their size."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from streams.report.numbers import about, digits_for, e_value, interval, number, p_value

FINITE = st.floats(-1e300, 1e300)


@given(FINITE, st.integers(0, 20))
def test_a_number_can_be_read_back(value: float, digits: int) -> None:
    """What is written differs from the number by half of the last digit, or by half a percent, and is never long."""
    text = number(value, digits, signed=True)

    assert abs(float(text.replace(",", "")) - value) <= max(0.501 * 10.0**-digits, 0.00501 * abs(value))
    assert len(text) <= 22


@given(st.floats(1e-300, 1e300))
def test_three_digits_count(scale: float) -> None:
    """A number shown with the digits for its own size has at least three that count."""
    digits = digits_for(scale)

    assert digits == 0 or 100 <= round(scale * 10.0**digits) <= 1000 or digits > 300


@given(FINITE)
def test_every_e_value_can_be_written(log_e: float) -> None:
    """An e-value of any size, even one too large for a number, is written in a few characters."""
    assert len(e_value(log_e)) <= 12


def test_e_values_at_the_ends() -> None:
    """Evidence without bound is infinite, and none at all is zero."""
    assert (e_value(math.inf), e_value(-math.inf)) == ("inf", "0")


@given(st.floats(0, 1e15))
def test_an_estimated_count_keeps_two_digits(count: float) -> None:
    """A count that is only an estimate is within 5 % of it, or rounded up to a whole one."""
    written = float(about(count).replace(",", ""))

    assert written == math.ceil(count) if count < 10 else abs(written / count - 1) <= 0.051


def test_sides_of_an_interval_that_are_open() -> None:
    """A limit that is NULL and one that is infinite mean the same."""
    assert interval(None, 2.0, 1) == interval(-math.inf, 2.0, 1) == "[-inf, +2.0]"
    assert interval(None, math.inf, 1) == "-"


def test_p_values() -> None:
    """A p-value too small for a number is not written as 0."""
    assert (p_value(1.0), p_value(0.0312), p_value(0.0)) == ("1", "0.031", "<1e-300")
