"""The one rule behind most fixed-horizon tests: tails, critical values, degrees of freedom, what zero error means."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.core.judge.evidence import Alternative, Interval
from streams.core.judge.fixed import (
    Measurement,
    Name,
    critical,
    difference,
    interval_of,
    judged,
    minus,
    satterthwaite,
    tail,
)

NAME = Name("test", "z")
ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


@pytest.mark.parametrize("freedom", [1.0, 2.5, 17.7765, 5841.74, 1e9, math.inf])
def test_tails_and_critical_values(freedom: float) -> None:
    """P-values and critical values are those of scipy's t and normal, also far out and at a billion."""
    law = stats.norm() if math.isinf(freedom) else stats.t(freedom)
    for z in (-37.0, -1.5, 0.0, 0.3, 8.0):
        assert tail(z, freedom, "less") == pytest.approx(law.cdf(z), rel=1e-9)
        assert tail(z, freedom, "greater") == pytest.approx(law.sf(z), rel=1e-9)
        assert tail(z, freedom, "two-sided") == pytest.approx(2 * law.sf(abs(z)), rel=1e-9)
    for alpha in (1e-6, 0.05, 0.6):
        assert critical(alpha, freedom) == pytest.approx(law.isf(alpha / 2), rel=1e-8)
        assert critical(alpha, freedom, "less") == pytest.approx(law.isf(alpha), rel=1e-8)


@given(
    st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.floats(1, 1e6), st.floats(0.001, 0.4), st.sampled_from(ALTERNATIVES)
)
def test_the_test_and_the_interval_agree(
    effect: float, error: float, freedom: float, alpha: float, alternative: Alternative
) -> None:
    """P is below alpha exactly when the interval excludes the null."""
    null = 1.0
    found = judged(NAME, Measurement(effect, error, freedom), alpha, alternative, null)

    assert found.interval is not None
    if abs(found.p - alpha) > 1e-9:
        assert (found.p < alpha) == (not found.interval.contains(null))


def test_one_sided_intervals_are_open() -> None:
    """A question on one side leaves the other side open, and has the other critical value."""
    effect = Measurement(1.0, 0.5)

    above, below = (interval_of(effect, 0.05, alternative) for alternative in ALTERNATIVES[1:])

    assert (above.high, below.low) == (math.inf, -math.inf)
    assert (above.low, below.high) == pytest.approx((1 - 0.5 * 1.6448536, 1 + 0.5 * 1.6448536))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_no_error_is_no_knowledge(alternative: Alternative) -> None:
    """Data that do not vary exclude nothing, whatever their difference."""
    found = difference(Measurement(0.0, 0.0), Measurement(1.0, 0.0), alternative=alternative)

    assert (found.effect, found.p, found.statistic) == (1.0, 1.0, 0.0)
    assert found.interval == Interval.everything()


def test_satterthwaite() -> None:
    """Freedom is Welch's for two arms, unlimited if errors are known or zero, and does not overflow or underflow."""
    a, b = Measurement(0.0, 2.0, 9), Measurement(0.0, 1.0, 4)
    tiny = [replace(m, error=m.error * 1e-200) for m in (a, b)]

    assert satterthwaite(a, b) == pytest.approx(25 / (16 / 9 + 1 / 4))
    assert satterthwaite(*tiny) == pytest.approx(satterthwaite(a, b))
    assert satterthwaite(a, Measurement(0.0, 0.0, 1)) == pytest.approx(9)
    assert satterthwaite(Measurement(0.0, 1.0), Measurement(0.0, 2.0)) == math.inf
    assert satterthwaite(Measurement(0.0, 0.0, 3), Measurement(0.0, 0.0, 3)) == math.inf


def test_difference_is_treatment_minus_control() -> None:
    """The sign is treatment's, and the error the hypotenuse."""
    effect = minus(Measurement(5.0, 3.0), Measurement(1.0, 4.0))

    assert (effect.value, effect.error) == (4.0, 5.0)
    assert difference(Measurement(1.0, 4.0), Measurement(5.0, 3.0), null=4.0).p == 1.0


def test_intervals_cover() -> None:
    """Welch's intervals of 20,000 pairs of small unequal samples miss the truth 5 % of the time, +- 4 SE and 0.5 %."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, (20_000, 8)), rng.normal(0, 4, (20_000, 12))
    misses = 0
    for mean_a, sd_a, mean_b, sd_b in zip(a.mean(1), a.std(1, ddof=1), b.mean(1), b.std(1, ddof=1), strict=True):
        arms = Measurement(mean_a, sd_a / 8**0.5, 7), Measurement(mean_b, sd_b / 12**0.5, 11)
        interval = interval_of(minus(arms[1], arms[0]), 0.05)
        misses += not interval.contains(0.0)

    assert misses / 20_000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 20_000) + 0.005)


@pytest.mark.parametrize(
    ("value", "error", "freedom"), [(math.nan, 1.0, 1.0), (0.0, -1.0, 1.0), (0.0, math.inf, 1.0), (0.0, 1.0, 0.0)]
)
def test_what_is_no_measurement(value: float, error: float, freedom: float) -> None:
    """Numbers that nobody can have measured are refused."""
    with pytest.raises(ValueError, match=f"measurement {value} with standard error {error}"):
        Measurement(value, error, freedom)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.5, math.nan])
def test_what_is_no_error_rate(alpha: float) -> None:
    """An alpha that is none is refused wherever an interval is asked for."""
    with pytest.raises(ValueError, match=f"alpha is {alpha}"):
        difference(Measurement(0.0, 1.0), Measurement(0.0, 1.0), alpha=alpha)
