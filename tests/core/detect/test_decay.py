"""Slow decay: scipy's Theil-Sen and Kendall, brute force over seasons, and the errors it promises."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from streams.core.columns import Floats
from streams.core.detect.decay import WEEK, decay, kendall_variance, likeness, pair_slopes, sen_interval
from streams.core.detect.release import Series
from streams.core.judge.evidence import Interval
from streams.core.window_spec import DAY, HOUR


def series_of(value: Floats, tick: int = DAY) -> Series:
    unknown = np.full(len(value), math.nan)
    return Series((1 + np.arange(len(value))) * tick, value, unknown, unknown, tick)


def weeks(n: int, tick: int = DAY) -> Floats:
    return np.arange(1.0, n + 1) * tick / WEEK


def wandering(rng: np.random.Generator, n: int, rho: float) -> Floats:
    """AR(1) with innovations of variance 1, after its beginnings."""
    drawn: Floats = lfilter([1.0], [1.0, -rho], rng.normal(size=n + 50))[50:]
    return drawn


@pytest.mark.parametrize("ties", [False, True])
def test_slope_and_interval_are_those_of_theil_and_sen(ties: bool) -> None:
    """For independent ticks, with ties or without, they are scipy's theilslopes at 90 % and 99 %."""
    value = np.random.default_rng(1).normal(size=50) + 0.1 * np.arange(50)
    value = np.rint(value) if ties else value
    everyone = [np.arange(50)]
    slopes = pair_slopes(weeks(50), value, everyone)
    for alpha in (0.1, 0.01):
        slope, _, low, high = stats.theilslopes(value, weeks(50), 1 - alpha)
        half = stats.norm.isf(alpha / 2) * math.sqrt(kendall_variance(value, everyone))
        assert decay(series_of(value), alpha=alpha).slope == pytest.approx(slope)
        found = sen_interval(slopes, half)
        assert (found.low, found.high) == pytest.approx((low, high))


def test_the_variance_of_s_is_that_of_kendalls_test() -> None:
    """With ties, z = S / sd gives the p-value of scipy's kendalltau against time."""
    value = np.rint(np.random.default_rng(2).normal(size=40) + 0.03 * np.arange(40))
    s = sum(np.sign(value[j] - value[i]) for i, j in combinations(range(40), 2))
    z = float(s) / math.sqrt(kendall_variance(value, [np.arange(40)]))

    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(
        stats.kendalltau(np.arange(40), value, method="asymptotic").pvalue
    )


def test_a_season_is_compared_phase_by_phase() -> None:
    """With missing ticks, the slope is the median over all pairs of the same day of the week; variances add up."""
    value = np.random.default_rng(3).normal(size=45) + 9 * np.arange(45) % 7
    value[[4, 20, 21]] = math.nan
    at = np.flatnonzero(np.isfinite(value))
    pairs = [(i, j) for i, j in combinations(at.tolist(), 2) if (j - i) % 7 == 0]
    groups = [at[at % 7 == day] for day in range(7)]
    alone = sum(len(g) * (len(g) - 1) * (2 * len(g) + 5) / 18 for g in groups)

    assert decay(series_of(value), season=7).slope == pytest.approx(
        float(np.median([(value[j] - value[i]) / ((j - i) / 7) for i, j in pairs]))
    )
    assert kendall_variance(value, groups) == pytest.approx(alone)


@pytest.mark.parametrize(
    ("ticks", "rho", "season", "tick"),
    [(14, 0.0, 1, DAY), (30, 0.5, 1, DAY), (60, 0.7, 1, DAY), (60, 0.3, 7, DAY), (4 * 168, 0.7, 168, HOUR)],
)
def test_intervals_cover_though_ticks_are_alike(ticks: int, rho: float, season: int, tick: int) -> None:
    """Of 200 slopes, at most 5 % + 4 standard errors lie outside their 95 % interval."""
    rng = np.random.default_rng(4)
    profile = rng.normal(0, 5, season)[np.arange(ticks) % season]
    missed = 0
    for _ in range(200):
        value = wandering(rng, ticks, rho) + profile - 0.3 * weeks(ticks, tick)
        missed += not decay(series_of(value, tick), season=season).interval.contains(-0.3)

    assert missed / 200 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)


def test_a_decay_is_found_beneath_noise_and_season() -> None:
    """A fall of 0.01 a week in ten weeks with days that vary by 0.01 is beyond a margin of 0.004, not of 0.02."""
    rng = np.random.default_rng(5)
    value = 0.9 - 0.01 * weeks(70) + 0.05 * (np.arange(70) % 7 >= 5) + rng.normal(0, 0.01, 70)

    assert decay(series_of(value), season=7, margin=0.004).verdict == "falling"
    assert decay(series_of(-value), season=7, margin=0.004).verdict == "rising"
    assert decay(series_of(value), season=7, margin=0.02).verdict == "steady"
    assert decay(series_of(value), season=7, margin=0.01).verdict == "not enough evidence"


def test_outliers_do_not_bend_the_slope() -> None:
    """Five of sixty days that are wild leave a slope within 0.1 of the truth."""
    rng = np.random.default_rng(6)
    value = 2 * weeks(60) + rng.normal(0, 0.3, 60)
    value[[5, 22, 30, 41, 55]] = 1e6

    assert decay(series_of(value)).slope == pytest.approx(2.0, abs=0.1)


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(1e-1, 1e6))
@settings(max_examples=30, deadline=None)
def test_units_do_not_matter(shift: float, scale: float) -> None:
    """Another unit scales slope and interval, and another origin leaves them."""
    value = np.random.default_rng(7).normal(size=30)
    plain, other = decay(series_of(value)), decay(series_of(shift + scale * value))

    assert other.slope == pytest.approx(scale * plain.slope, abs=1e-5 + 1e-6 * scale)
    assert other.interval.low == pytest.approx(scale * plain.interval.low, abs=1e-5 + 1e-6 * scale)


def test_likeness_is_one_for_what_alternates_and_more_for_what_wanders() -> None:
    """Ranks that go up and down make nothing surer; those that stay up make the variance several times larger."""
    rng = np.random.default_rng(8)

    assert likeness(np.tile([1.0, -1.0], 30)) == 1.0
    assert likeness(np.zeros(30)) == 1.0
    assert likeness(wandering(rng, 200, 0.8)) > 3


@pytest.mark.parametrize("value", [[], [1.0, 2.0], [math.nan] * 30, [0.1 * i for i in range(11)], [5.0] * 30])
def test_what_proves_nothing_says_so(value: list[float]) -> None:
    """No ticks, two, none with data, eleven, and a constant: the interval is everything."""
    found = decay(series_of(np.array(value)), margin=0.1)

    assert found.interval == Interval.everything()
    assert found.verdict == "not enough evidence"


def test_a_season_without_pairs_has_no_slope() -> None:
    """Twelve ticks, each of a phase of its own, cannot be compared."""
    found = decay(series_of(np.arange(12.0)), season=24)

    assert math.isnan(found.slope)
    assert found.ticks == 12


def test_bad_settings_are_refused() -> None:
    """A negative margin, a season of 0, an alpha of 1 and more pairs than can be held are errors."""
    series = series_of(np.zeros(20))
    with pytest.raises(ValueError, match="margin"):
        decay(series, margin=-0.1)
    with pytest.raises(ValueError, match="season of 0"):
        decay(series, season=0)
    with pytest.raises(ValueError, match="alpha"):
        decay(series, alpha=1.0)
    with pytest.raises(ValueError, match="longer ticks"):
        decay(series_of(np.zeros(4001)))
