"""Exact sums against Python's rationals."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.exact import Exact, segment_sums, two_product, two_sum
from tests.core.making import ints

# Multiples of 2**-40 below 2**59: sums of so few of them fit in 106 bits, and so must not round at all.
on_a_grid = st.builds(math.ldexp, st.integers(-(2**52), 2**52), st.integers(-40, 3)).filter(
    lambda value: abs(value) < 2.0**55
)
anywhere = st.floats(-1e60, 1e60, allow_subnormal=False)
moderate = st.floats(-1e60, 1e60).filter(lambda value: value == 0 or abs(value) > 1e-60)
segmented = st.lists(st.lists(anywhere, min_size=1, max_size=12), min_size=1, max_size=6)


def array(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def rational(pair: Exact) -> Fraction:
    """The exact number that a pair of one element stands for."""
    return Fraction(float(pair.hi.reshape(-1)[0])) + Fraction(float(pair.lo.reshape(-1)[0]))


def total(values: list[float]) -> Exact:
    """Add one at a time."""
    return [*accumulate((Exact.of(array(value)) for value in values), initial=Exact.of(array(0.0)))][-1]


def segments_of(parts: list[list[float]]) -> Exact:
    bounds = [0, *accumulate(map(len, parts))]
    flat = array(*(value for part in parts for value in part))
    return segment_sums(flat, ints(bounds[:-1]), ints(map(len, parts)))


@given(a=anywhere, b=anywhere)
def test_two_sum_loses_nothing(a: float, b: float) -> None:
    """The rounded sum and its error add up to the true sum."""
    s, e = two_sum(array(a), array(b))

    assert Fraction(float(s[0])) + Fraction(float(e[0])) == Fraction(a) + Fraction(b)
    assert s[0] == a + b


@given(a=moderate, b=moderate)
def test_two_product_loses_nothing(a: float, b: float) -> None:
    """The rounded product and its error add up to the true product."""
    p, e = two_product(array(a), array(b))

    assert Fraction(float(p[0])) + Fraction(float(e[0])) == Fraction(a) * Fraction(b)
    assert p[0] == a * b


@given(values=st.lists(on_a_grid, max_size=15))
def test_sums_that_fit_in_a_pair_are_free_of_error(values: list[float]) -> None:
    """Adding floats from 1e-12 to 1e16 gives the true sum, and its nearest float."""
    assert rational(total(values)) == sum(map(Fraction, values))
    assert total(values).value()[0] == math.fsum(values)


@given(values=st.lists(on_a_grid, min_size=1, max_size=12), data=st.data())
def test_the_order_of_adding_leaves_no_trace(values: list[float], data: st.DataObject) -> None:
    """Any order, and any grouping into parts that are merged, gives the same bits."""
    shuffled = data.draw(st.permutations(values))
    cut = data.draw(st.integers(0, len(values)))
    merged = total(shuffled[:cut]) + total(shuffled[cut:])

    assert total(shuffled).value().tobytes() == total(values).value().tobytes()
    assert merged.value().tobytes() == total(values).value().tobytes()


@given(values=st.lists(on_a_grid, max_size=10), wrong=st.lists(on_a_grid, max_size=5))
def test_what_is_taken_back_leaves_no_trace(values: list[float], wrong: list[float]) -> None:
    """Adding and subtracting the same leaves the sum of the others, bit for bit."""
    spoilt = total(values + wrong)
    for value in wrong:
        spoilt = spoilt - Exact.of(array(value))

    assert rational(spoilt) == sum(map(Fraction, values))


def test_an_outlier_taken_back_leaves_nothing() -> None:
    """1e18 added to a tenth and taken back leaves the tenth, where floats would leave 0."""
    outlier = Exact.of(array(1e18))

    left = Exact.of(array(0.1)) + outlier - outlier

    assert left.value().tolist() == [0.1]
    assert (0.1 + 1e18) - 1e18 == 0.0


def test_outliers_of_the_fourth_power_leave_nothing() -> None:
    """Mistaken values near 1e9 whose fourth powers were added and taken back leave what was there before."""
    usual = [1.1**4, 2.2**4, 3.5**4]
    outliers = [(999_999_999 - error) ** 4 for error in usual]
    kept = total(usual + outliers)
    for value in outliers:
        kept = kept - Exact.of(array(value))

    assert kept.value()[0] == pytest.approx(math.fsum(usual), rel=1e-12)


@given(values=st.lists(anywhere, max_size=12))
def test_any_sum_is_right_to_a_hundred_bits(values: list[float]) -> None:
    """Where a pair is not enough, the error is below 2**-95 of the magnitudes that were added."""
    error = abs(rational(total(values)) - sum(map(Fraction, values)))

    assert error <= sum(abs(Fraction(value)) for value in values) / 2**95


@given(parts=st.lists(moderate, min_size=2, max_size=2), others=st.lists(moderate, min_size=2, max_size=2))
def test_products_of_pairs_are_right_to_a_hundred_bits(parts: list[float], others: list[float]) -> None:
    """The product of two sums differs from the true one by less than 2**-98 of it."""
    left, right = total(parts), total(others)
    product = rational(left) * rational(right)

    assert abs(rational(left * right) - product) <= abs(product) / 2**98 + Fraction(1, 10**110)


@given(a=moderate, b=moderate, divisor=moderate.filter(bool))
def test_quotients_of_pairs_are_right_to_a_hundred_bits(a: float, b: float, divisor: float) -> None:
    """Division gives the true quotient to 2**-95 of it."""
    dividend, by = total([a, b]), total([divisor, divisor / 3])
    true = rational(dividend) / rational(by)

    assert abs(rational(dividend / by) - true) <= abs(true) / 2**95 + Fraction(1, 10**180)


def test_a_third_is_a_third_to_a_pair() -> None:
    """1/3 as a pair is nearer than a float can be, and three of them are 1."""
    third = Exact.of(array(1.0)) / Exact.of(array(3.0))

    assert abs(rational(third) - Fraction(1, 3)) < Fraction(1, 2**106)
    assert (third + third + third).value().tolist() == [1.0]


@given(values=st.lists(on_a_grid, min_size=1, max_size=6))
def test_negation_and_difference_agree(values: list[float]) -> None:
    """A number less itself is nothing, and x - y is x + -y."""
    pair, two = total(values), Exact.of(array(2.0))

    assert rational(pair - pair) == 0
    assert rational(two - pair) == rational(two + -pair) == 2 - rational(pair)


@given(parts=segmented)
def test_segments_add_up_like_fsum(parts: list[list[float]]) -> None:
    """Each segment's sum is right to 2**-95 of its largest term, whatever its neighbours hold."""
    sums = segments_of(parts)

    for part, hi, lo in zip(parts, sums.hi.tolist(), sums.lo.tolist(), strict=True):
        error = abs(Fraction(hi) + Fraction(lo) - sum(map(Fraction, part)))

        assert error <= max(abs(Fraction(value)) for value in part) / 2**95


@given(parts=st.lists(st.lists(on_a_grid, min_size=1, max_size=12), min_size=1, max_size=6))
def test_segments_that_fit_in_a_pair_are_free_of_error(parts: list[list[float]]) -> None:
    """Floats from 1e-12 to 1e16 in one segment give the float that fsum gives."""
    assert segments_of(parts).value().tolist() == [math.fsum(part) for part in parts]


@given(parts=st.lists(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=9), min_size=1, max_size=6))
def test_segments_of_whole_numbers_are_whole(parts: list[list[int]]) -> None:
    """Integers, which take a short cut, add up as integers do, with nothing left over."""
    sums = segments_of([[float(value) for value in part] for part in parts])

    assert sums.hi.tolist() == [sum(part) for part in parts]
    assert not sums.lo.any()


def test_whole_numbers_past_the_short_cut_are_exact() -> None:
    """Integers whose sum passes 2**53 do not take the short cut, and lose nothing."""
    assert rational(segments_of([[2.0**53, 1.0, 1.0, 1.0]])) == 2**53 + 3
    assert rational(segments_of([[2.0**60, 1.0, -(2.0**60)]])) == 1


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_long_segments_add_up_like_fsum(seed: int) -> None:
    """Ten thousand lognormal terms over 30 decades give the float that fsum gives."""
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 12, 10_000) * rng.choice([-1, 1], 10_000)
    edges = [0, *sorted(rng.choice(np.arange(1, 10_000), 4, replace=False).tolist()), 10_000]

    sums = segment_sums(values, ints(edges[:-1]), ints(np.diff(edges).tolist()))

    assert sums.value().tolist() == [math.fsum(values[a:b].tolist()) for a, b in pairwise(edges)]
