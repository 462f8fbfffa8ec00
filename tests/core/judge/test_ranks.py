"""Rank comparisons, against published numbers, scipy and all pairs of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.ranks import (
    _kth_difference,
    hodges_lehmann,
    kolmogorov_smirnov,
    mann_whitney,
    probability_of_superiority,
)
from tests.core.judge.published import Method, assert_agrees, vectors

VALUES = st.lists(st.integers(-50, 50).map(lambda value: value / 8), min_size=1, max_size=12)


def of_u(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    normal, exact = mann_whitney(inputs["y"], inputs["x"]), mann_whitney(inputs["y"], inputs["x"], method="exact")
    return {"U": normal.statistic, "p_asymptotic": normal.p, "p_exact": exact.p}


def of_d(inputs: Mapping[str, Any]) -> dict[str, float | None]:
    normal = kolmogorov_smirnov(inputs["a"], inputs["b"])
    exact = kolmogorov_smirnov(inputs["a"], inputs["b"], method="exact")
    return {"D": normal.statistic, "p_asymp": normal.p, "p_exact": exact.p}


METHODS: dict[str, Method] = {
    "mann_whitney": of_u,
    "kolmogorov_smirnov": of_d,
    "superiority": lambda i: {"superiority": probability_of_superiority(i["control"], i["experiment"])},
}


@pytest.mark.parametrize("vector", vectors("ranks"))
def test_published_numbers(vector: Mapping[str, Any]) -> None:
    """Published samples give the published statistics."""
    assert_agrees(METHODS, vector)


@given(VALUES, VALUES)
def test_all_pairs(control: list[float], treatment: list[float]) -> None:
    """The shift is the median of all differences exactly, U and the superiority count the pairs, ties as halves."""
    c, t = np.array(control), np.array(treatment)
    pairs = (t[:, None] - c).ravel()
    wins = (pairs > 0).sum() + (pairs == 0).sum() / 2
    shift, interval = hodges_lehmann(c, t)

    assert shift == np.median(pairs)
    assert interval.contains(shift)
    for k in (0, len(pairs) - 1):
        assert _kth_difference(np.sort(c), np.sort(t), k) == np.sort(pairs)[k]
    assert probability_of_superiority(c, t) == wins / len(pairs)
    assert mann_whitney(c, t).statistic == wins


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_against_scipy(alternative: Alternative) -> None:
    """U and its p, asymptotic with ties and exact without, are scipy's."""
    rng = np.random.default_rng(11)
    c, t = rng.normal(0, 1, 9), rng.normal(1, 1, 12)
    for x, y, method in ((c, t, "exact"), (c.round(), t.round(), "asymptotic")):
        found = mann_whitney(x, y, alternative=alternative, method="exact" if method == "exact" else "asymptotic")
        theirs = stats.mannwhitneyu(y, x, alternative=alternative, method=method)

        assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_interval_is_of_ordered_differences() -> None:
    """The limits are the C-th smallest and C-th largest of all differences, C = 25 for 12 against 9 at 90 %."""
    rng = np.random.default_rng(12)
    c, t = rng.normal(0, 1, 9), rng.normal(1, 1, 12)
    ordered = np.sort((t[:, None] - c).ravel())
    rank = math.floor(54 - 1.6448536 * math.sqrt(108 * 22 / 12))
    sides = [hodges_lehmann(c, t, alpha=0.05, alternative=side)[1] for side in ("greater", "less")]

    assert hodges_lehmann(c, t, alpha=0.1)[1] == Interval(ordered[rank - 1], ordered[-rank])
    assert sides == [Interval(ordered[rank - 1], math.inf), Interval(-math.inf, ordered[-rank])]
    assert hodges_lehmann(c[:2], t[:2])[1] == Interval.everything()


def test_interval_covers_the_shift() -> None:
    """Intervals of 2,000 shifted heavy-tailed samples miss the shift 5 % of the time, +- 4 SE and 1 %."""
    rng = np.random.default_rng(13)
    misses = 0
    for c, t in zip(rng.standard_t(2, (2000, 20)), rng.standard_t(2, (2000, 25)) + 3, strict=True):
        misses += not hodges_lehmann(c, t)[1].contains(3.0)

    assert misses / 2000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2000) + 0.01)


def test_large_samples() -> None:
    """A hundred thousand values on each side are compared without holding their ten billion differences."""
    rng = np.random.default_rng(14)
    shift, interval = hodges_lehmann(rng.normal(0, 1, 100_000), rng.normal(0.1, 1, 100_000))

    assert interval.contains(0.1)
    assert shift == pytest.approx(0.1, abs=0.03)


def test_constant_samples() -> None:
    """Samples of one and the same value show nothing: p is 1 and the interval everything."""
    found = mann_whitney(np.ones(3), np.ones(4))

    assert (found.p, found.effect, found.interval) == (1.0, 0.0, Interval.everything())


def test_what_cannot_be_ranked() -> None:
    """Empty samples, values that are no numbers, and exact p-values with ties are refused."""
    with pytest.raises(ValueError, match="a sample of 0 values"):
        mann_whitney(np.array([]), np.ones(3))
    with pytest.raises(ValueError, match="a sample of 2 values"):
        kolmogorov_smirnov(np.array([1.0, math.nan]), np.ones(3))
    with pytest.raises(ValueError, match="there are ties"):
        mann_whitney(np.array([1.0, 2.0]), np.array([2.0, 3.0]), method="exact")
