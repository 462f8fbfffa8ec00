"""Releases: when versions arrive, the level before and after with the errors it promises, and which release it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from statsmodels.regression.linear_model import WLS

from streams.core.columns import Floats
from streams.core.detect.release import (
    BeforeAfter,
    Marker,
    Series,
    before_after,
    nearest,
    precision,
    sides,
    slowest_waves,
    step,
    verdict_of,
    versions_seen,
)
from streams.core.judge.evidence import Interval

HOUR = 3_600_000_000


def series_of(value: Floats, error: Floats | None = None, n: Floats | None = None) -> Series:
    unknown = np.full(len(value), math.nan)
    ends = (1 + np.arange(len(value))) * HOUR
    return Series(ends, value, unknown if error is None else error, unknown if n is None else n, HOUR)


def compared(value: Floats, reach: tuple[int, int], season: int = 1, margin: float = 0.0) -> BeforeAfter:
    """Compare the level around tick number `reach[0]`, in which the release is."""
    found = before_after(series_of(value), reach[0] * HOUR, reach, season=season, margin=margin)
    assert found is not None
    return found


def wandering(rng: np.random.Generator, n: int, rho: float) -> Floats:
    """AR(1) with innovations of variance 1, after its beginnings."""
    drawn: Floats = lfilter([1.0], [1.0, -rho], rng.normal(size=n + 50))[50:]
    return drawn


@pytest.mark.parametrize(
    ("reach", "rho", "season"),
    [
        ((14, 14), 0.0, 1),
        ((28, 7), 0.5, 1),
        ((28, 3), 0.5, 1),
        ((200, 24), 0.5, 1),
        ((28, 14), 0.5, 7),
        ((336, 168), 0.5, 168),
        ((672, 12), 0.5, 168),
    ],
)
def test_intervals_cover_though_ticks_are_alike(reach: tuple[int, int], rho: float, season: int) -> None:
    """Of 500 series without an effect, at most 5 % + 4 standard errors of the 95 % intervals miss 0."""
    rng = np.random.default_rng(1)
    ticks = sum(reach) + 1
    profile = rng.normal(0, 5, season)[np.arange(ticks) % season]
    missed = sum(
        not compared(wandering(rng, ticks, rho) + profile, reach, season).interval.contains(0.0) for _ in range(500)
    )

    assert missed / 500 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)


def test_intervals_cover_with_ticks_of_unlike_size() -> None:
    """With 5 to 200 labels a tick and a level that varies by itself: at most 5 % + 4 standard errors are missed."""
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(500):
        n = rng.integers(5, 200, 81).astype(np.float64)
        value = 0.05 * wandering(rng, 81, 0.3) + rng.normal(size=81) / np.sqrt(n)
        found = before_after(series_of(value, 1 / np.sqrt(n), n), 60 * HOUR, (60, 20))
        assert found is not None
        missed += not found.interval.contains(0.0)

    assert missed / 500 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)


def test_an_effect_is_found_and_told() -> None:
    """A fall by 0.1 of a level that varies by 0.02 is lower than a margin of 0.05; both levels are right."""
    rng = np.random.default_rng(3)
    value = 0.9 - 0.1 * (np.arange(43) >= 28) + rng.normal(0, 0.02, 43)
    found = compared(value, (28, 14), margin=0.05)

    assert found.verdict == "lower"
    assert (found.before.value, found.after.value) == pytest.approx((0.9, 0.8), abs=0.02)
    assert found.ticks == (28, 14)
    assert found.interval.contains(-0.1)


def test_the_difference_is_that_of_weighted_least_squares() -> None:
    """With a season and unequal weights, effect and levels' difference are statsmodels' regression on phases."""
    rng = np.random.default_rng(4)
    n = rng.uniform(10, 100, 40)
    series = series_of(rng.normal(size=40), 0.5 / np.sqrt(n), n)
    after, phase = np.arange(40) >= 25, series.phase(5)
    early, late = step(series, after, phase)
    design = np.column_stack((after, phase[:, None] == np.arange(5)))
    centred = series.value - series.value.mean()
    plain = WLS(centred, design, weights=np.ones(40)).fit()
    taken = np.ones(40) - 1 / np.bincount(phase)[phase]
    weight = precision(plain.resid / np.sqrt(taken), series.error, n)

    assert late.value - early.value == pytest.approx(WLS(centred, design, weights=weight).fit().params[0])


def test_a_whole_season_on_each_side_compares_phase_by_phase() -> None:
    """With one week before and one after, the effect is the mean of the differences of days of the week."""
    value = np.random.default_rng(5).normal(size=15) + 10 * np.arange(15) % 7
    found = compared(value, (7, 7), season=7)

    assert found.season_removed
    assert found.effect.value == pytest.approx(float((value[8:15] - np.roll(value[0:7], -1)).mean()))


def test_a_season_that_cannot_be_removed_leaves_the_question_open() -> None:
    """A day against the night before it, with a season of a day, proves nothing, however far apart they are."""
    value = np.where(np.arange(17) >= 8, 5.0, 0.0) + np.random.default_rng(6).normal(0, 0.1, 17)
    found = compared(value, (8, 8), season=24)

    assert not found.season_removed
    assert found.verdict == "not enough evidence"
    assert compared(value, (8, 8)).verdict == "higher"


def test_the_error_is_at_least_that_of_sampling() -> None:
    """Levels that agree by chance to 0.001 are no surer than their standard errors of 0.1 allow."""
    value = 0.5 + 0.001 * np.random.default_rng(7).normal(size=21)
    n = np.full(21, 25.0)
    found = before_after(series_of(value, np.full(21, 0.1), n), 10 * HOUR, (10, 10))

    assert found is not None
    assert found.effect.error == pytest.approx(0.1 * math.sqrt(2 / 10))


def test_a_tick_of_three_right_labels_is_not_the_surest() -> None:
    """Its standard error of 0 counts for what 3 labels are worth: less than a tick with 300."""
    error = np.array([0.0, 0.02, 0.02, 0.02])
    weight = precision(np.array([0.1, 0.0, 0.0, 0.0]), error, np.array([3.0, 300.0, 300.0, 300.0]))

    assert weight[0] < 0.1 * weight[1]
    assert weight.mean() == pytest.approx(1.0)


def test_waves_are_cosines_and_know_white_noise() -> None:
    """They equal their definition, and the mean of their squares is the variance of white noise, +- 4 errors."""
    rng = np.random.default_rng(8)
    value = rng.normal(size=30)
    time = (np.arange(30) + 0.5) / 30
    told = [math.sqrt(2 / 30) * float(value @ np.cos(math.pi * j * time)) for j in (1, 2, 3)]
    squares = np.concatenate([slowest_waves(rng.normal(0, 2, 100)) ** 2 for _ in range(300)])

    assert slowest_waves(value).tolist() == pytest.approx(told)
    assert squares.mean() == pytest.approx(4.0, abs=4 * 4 * math.sqrt(2 / len(squares)))


def test_the_tick_of_the_release_is_of_neither_side() -> None:
    """Of ten ticks, with the moment inside the fifth: two before it, the three after; on an edge, the tick it opens."""
    ends = (1 + np.arange(10)) * HOUR
    for moment in (4 * HOUR, 4 * HOUR + 1, 5 * HOUR - 1):
        before, after = sides(ends, HOUR, moment, (2, 3))
        assert np.flatnonzero(before).tolist() == [2, 3]
        assert np.flatnonzero(after).tolist() == [5, 6, 7]


@given(low=st.floats(-2, 2), width=st.floats(0, 2), margin=st.floats(0, 1))
def test_verdicts_are_about_the_whole_interval(low: float, width: float, margin: float) -> None:
    """Higher and lower are wholly beyond the margin, equivalent is wholly within, and mirrored where effects are."""
    verdict = verdict_of(Interval(low, low + width), margin)
    mirrored = verdict_of(Interval(-low - width, -low), margin)

    assert (verdict == "higher") == (low > margin) == (mirrored == "lower")
    assert (verdict == "equivalent") == (low >= -margin and low + width <= margin)


def test_versions_are_seen_when_they_take_a_share() -> None:
    """Not when first tried on 1 % of the traffic, nor by three predictions; what was there at first has not arrived."""
    traffic = np.array([[100, 99, 60, 0, 2], [0, 1, 40, 100, 0], [0, 0, 0, 0, 3]], np.float64)
    seen = versions_seen((1 + np.arange(5)) * HOUR, HOUR, traffic, ["6", "7", "8"])

    assert seen == [Marker(2 * HOUR, "version 7")]


def test_silence_before_a_version_does_not_make_it_new() -> None:
    """Ticks without traffic at the beginning are passed over, and no traffic at all has no versions."""
    ends = (1 + np.arange(3)) * HOUR
    traffic = np.array([[0, 100, 100], [0, 0, 50]], np.float64)

    assert versions_seen(ends, HOUR, traffic, ["a", "b"]) == [Marker(2 * HOUR, "version b")]
    assert versions_seen(ends, HOUR, np.zeros((2, 3)), ["a", "b"]) == []


def test_an_onset_points_to_the_release_before_it() -> None:
    """The nearest of those that were released in time: never one after the onset's interval, nor beyond reach."""
    markers = [Marker(100, "early"), Marker(190, "just before"), Marker(260, "late")]

    assert nearest(200, 195, 210, markers, 20) == markers[1]
    assert nearest(200, 150, 300, markers, 0) == markers[1]
    assert nearest(250, 240, 270, markers, 0) == markers[2]
    assert nearest(120, 115, 130, markers[1:], 1000) is None
    assert nearest(200, 195, 210, markers, 4) is None


@pytest.mark.parametrize("value", [[1.0, 2.0], [math.nan] * 20, [1.0, 2.0, 3.0] + [math.nan] * 17])
def test_too_few_ticks_say_nothing(value: list[float]) -> None:
    """Two ticks, none with data, or none on one side: there is no comparison."""
    assert before_after(series_of(np.array(value)), 3 * HOUR, (10, 10)) is None


def test_a_constant_level_proves_nothing() -> None:
    """Without any variation the error cannot be known, and the interval is everything."""
    found = compared(np.full(21, 3.0), (10, 10))

    assert found.effect.value == 0.0
    assert found.interval == Interval.everything()


def test_gaps_are_passed_over() -> None:
    """Ticks that are NaN, and ticks that are left out, give the same comparison."""
    value = np.random.default_rng(9).normal(size=31)
    value[[3, 4, 17, 25]] = math.nan
    series = series_of(value)

    assert before_after(series, 15 * HOUR, (15, 15)) == before_after(series.known(), 15 * HOUR, (15, 15))


def test_large_numbers_are_no_trouble() -> None:
    """A level of 1e9 with an effect of 1e3 standard deviations gives the effect to nine digits."""
    value = 1e9 + np.random.default_rng(10).normal(size=41) + 1e3 * (np.arange(41) >= 20)

    assert compared(value, (20, 20)).effect.value == pytest.approx(1e3, abs=2)


def test_bad_input_is_refused() -> None:
    """Unequal shapes, infinite values, ends that do not ascend by ticks, counts below 0 and odd settings are errors."""
    good, ends = series_of(np.arange(10.0)), (1 + np.arange(3)) * HOUR
    with pytest.raises(ValueError, match="shapes"):
        Series(ends, np.zeros(2), np.zeros(3), np.zeros(3), HOUR)
    with pytest.raises(ValueError, match="infinite"):
        series_of(np.array([1.0, math.inf]))
    with pytest.raises(ValueError, match="whole ticks"):
        Series(ends[::-1], np.zeros(3), np.zeros(3), np.zeros(3), HOUR)
    with pytest.raises(ValueError, match="margin"):
        before_after(good, 5 * HOUR, (5, 5), margin=-1.0)
    with pytest.raises(ValueError, match="1 or more"):
        before_after(good, 5 * HOUR, (0, 5))
    with pytest.raises(ValueError, match="season of 0"):
        before_after(good, 5 * HOUR, (5, 5), season=0)
    with pytest.raises(ValueError, match="traffic of shape"):
        versions_seen(ends, HOUR, np.zeros((2, 3)), ["one"])
    with pytest.raises(ValueError, match="material share"):
        versions_seen(ends, HOUR, np.zeros((1, 3)), ["one"], share=0.0)
    with pytest.raises(ValueError, match="reach"):
        nearest(5, 6, 7, [], 1)
    with pytest.raises(ValueError, match="at least 2"):
        slowest_waves(np.zeros(1))
