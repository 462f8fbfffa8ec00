"""Change points: least squares by brute force, the chance of false ones, and intervals that hold the onset."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from streams.core.columns import Floats
from streams.core.detect import change_points as module
from streams.core.detect.change_points import (
    FEWEST,
    ChangePoint,
    change_points,
    correlation,
    explained,
    largest_difference,
    seeded_splits,
    shuffled_blocks,
    without_season,
)
from streams.core.detect.release import Series

HOUR = 3_600_000_000


def series_of(value: Floats, error: Floats | None = None, n: Floats | None = None) -> Series:
    unknown = np.full(len(value), math.nan)
    ends = (1 + np.arange(len(value))) * HOUR
    return Series(ends, value, unknown if error is None else error, unknown if n is None else n, HOUR)


def wandering(rng: np.random.Generator, n: int, rho: float) -> Floats:
    """AR(1) with innovations of variance 1, after its beginnings."""
    drawn: Floats = lfilter([1.0], [1.0, -rho], rng.normal(size=n + 50))[50:]
    return drawn


def found_in(value: Floats, season: int = 1, alpha: float = 0.05) -> list[ChangePoint]:
    return change_points(series_of(value), np.random.default_rng(1), season=season, alpha=alpha)


def optimal(value: Floats, changes: int) -> list[int]:
    """Splits of least squares by dynamic programming over all pairs of ends, each level 3 ticks or more."""
    n = len(value)
    total, square = (np.concatenate(([0.0], np.cumsum(part))) for part in (value, value**2))

    def cost(first: int, end: int) -> float:
        return float(square[end] - square[first] - (total[end] - total[first]) ** 2 / (end - first))

    best: dict[int, tuple[float, list[int]]] = {end: (cost(0, end), []) for end in range(FEWEST, n + 1)}
    for _ in range(changes):
        best = {
            end: min(
                (best[at][0] + cost(at, end), [*best[at][1], at])
                for at in range(FEWEST, end - FEWEST + 1)
                if at in best
            )
            for end in range(2 * FEWEST, n + 1)
            if any(at in best for at in range(FEWEST, end - FEWEST + 1))
        }
    return best[n][1]


@pytest.mark.parametrize("seed", range(5))
def test_the_same_changes_as_the_best_of_all_segmentations(seed: int) -> None:
    """With three clear changes among 80 ticks, onsets are those of least squares over all segmentations."""
    rng = np.random.default_rng(seed)
    value = np.repeat([0.0, 4.0, 1.0, 6.0], 20) + rng.normal(size=80)
    found = found_in(value)

    assert [point.onset // HOUR for point in found] == optimal(value, 3)


def test_the_largest_difference_is_found_by_brute_force() -> None:
    """The split is the one that explains most squares, by loops over every interval of the design."""
    rng = np.random.default_rng(3)
    value, weight = rng.normal(size=40), rng.uniform(0.5, 2.0, 40)
    gains = {}
    for first, split, end in seeded_splits(40).T.tolist():
        left, right = value[first:split], value[split:end]
        wl, wr = weight[first:split], weight[split:end]
        gap = np.average(right, weights=wr) - np.average(left, weights=wl)
        gains[first, split, end] = gap**2 / (1 / wl.sum() + 1 / wr.sum())
    best = max(gains, key=lambda key: gains[key])

    assert largest_difference(value, weight, 0.5, rng)[0] == best[1]


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_explained_squares_are_those_of_generalised_least_squares(rho: float) -> None:
    """For every split, with a gap in the ticks: against the regression on two whitened columns."""
    rng = np.random.default_rng(4)
    part = module._Part(rng.normal(size=20), rng.uniform(0.5, 2, 20), rho, np.arange(20) % 7 != 0)
    got = explained(part)
    for k in range(FEWEST, 20 - FEWEST + 1):
        design = np.stack((np.arange(20) < k, np.arange(20) >= k), axis=1).astype(float)
        before = np.concatenate((np.zeros((1, 2)), design[:-1]))
        white = np.sqrt(part.weight)[:, None] * (part.own[:, None] * design - part.other[:, None] * before)
        seen = np.sqrt(part.weight) * part.fresh
        left = np.linalg.lstsq(white, seen, rcond=None)[1][0]
        assert got[k] == pytest.approx(float(seen @ seen) - left)

    assert np.isneginf(got[:FEWEST]).all()


def test_a_part_knows_nothing_of_the_ticks_before_it() -> None:
    """What is fresh of a constant level is constant, (1 - rho) times the level, from the first tick of a part on."""
    part = module._Part(np.full(10, 5.0), np.ones(10), 0.6, np.arange(10) > 0)

    assert part.between(4, 10).fresh.tolist() == pytest.approx([2.0] * 6)


@pytest.mark.parametrize(("ticks", "rho", "season"), [(60, 0.0, 1), (60, 0.5, 1), (120, 0.5, 1), (84, 0.3, 7)])
def test_the_chance_of_any_false_change_is_kept(ticks: int, rho: float, season: int) -> None:
    """Of 200 series without a change, at most 5 % + 4 standard errors have one found, at alpha 0.05."""
    rng = np.random.default_rng(5)
    profile = 20.0 * (np.arange(ticks) % season)
    false = sum(bool(found_in(wandering(rng, ticks, rho) + profile, season)) for _ in range(200))

    assert false / 200 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)


def test_ticks_with_few_labels_raise_no_false_changes() -> None:
    """Nights with 5 labels among days with 200: at most 5 % + 4 standard errors of 200 series have a change."""
    rng = np.random.default_rng(6)
    n = np.where(np.arange(96) % 24 < 8, 5.0, 200.0)
    drawn = rng.normal(0.9, 1 / np.sqrt(n), (200, 96))
    false = sum(
        bool(change_points(series_of(value, 1 / np.sqrt(n), n), np.random.default_rng(1), alpha=0.05))
        for value in drawn
    )

    assert false / 200 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)


def test_ticks_with_few_labels_hide_no_change() -> None:
    """A fall by two standard errors of the days, and a fifth of one of the nights, is found within two ticks."""
    rng = np.random.default_rng(15)
    n = np.where(np.arange(96) % 24 < 8, 5.0, 500.0)
    value = rng.normal(0.9, 1 / np.sqrt(n)) - 0.09 * (np.arange(96) >= 60)
    (point,) = change_points(series_of(value, 1 / np.sqrt(n), n), np.random.default_rng(1), alpha=0.05)

    assert abs(point.onset - 60 * HOUR) <= 2 * HOUR
    assert found_in(value) == []


@pytest.mark.parametrize(
    ("ticks", "rho", "at", "by", "season"), [(60, 0.0, 30, 3.0, 1), (120, 0.0, 80, 1.5, 1), (84, 0.3, 60, 4.0, 7)]
)
def test_onsets_are_found_and_held_by_their_interval(ticks: int, rho: float, at: int, by: float, season: int) -> None:
    """Of 100 changes, 90 or more are found; 95 % of their intervals, less 4 standard errors, hold the onset."""
    rng = np.random.default_rng(7)
    profile = 20.0 * (np.arange(ticks) % season)
    held = []
    for _ in range(100):
        found = found_in(wandering(rng, ticks, rho) + profile + by * (np.arange(ticks) >= at), season)
        held += [any(point.low <= at * HOUR <= point.high for point in found)] if found else []

    assert len(held) >= 90
    assert np.mean(held) >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / len(held))


def test_a_change_inside_a_tick_lies_in_the_interval() -> None:
    """When the change comes at 30 % of a tick, the interval reaches over all of that tick."""
    value = np.random.default_rng(8).normal(0, 0.1, 60) + np.concatenate((np.zeros(30), [0.7], np.ones(29)))
    (point,) = found_in(value)

    assert point.low <= 30 * HOUR + 0.3 * HOUR <= point.high


def test_a_dip_is_two_changes() -> None:
    """Ten low ticks among 200 are found, with their levels; the changes are in order, and significant."""
    value = np.random.default_rng(9).normal(0.9, 0.01, 200)
    value[120:130] -= 0.1
    down, up = found_in(value)

    assert (down.onset, up.onset) == (120 * HOUR, 130 * HOUR)
    assert (down.before, down.after, up.after) == pytest.approx((0.9, 0.8, 0.9), abs=0.01)
    assert max(down.p, up.p) <= 0.05


def test_ticks_without_data_are_passed_over() -> None:
    """With every fifth tick and a night missing, the onset is found, and the interval spans what is missing."""
    value = np.random.default_rng(10).normal(0, 1, 80) + 8.0 * (np.arange(80) >= 44)
    value[::5] = math.nan
    value[40:44] = math.nan
    (point,) = found_in(value)

    assert point.onset == 44 * HOUR
    assert point.low <= 40 * HOUR
    assert point.high >= 45 * HOUR


def test_the_season_is_taken_out_and_the_level_left() -> None:
    """A weekly pattern is gone but for rounding, and a step is where it was."""
    profile = np.array([0.0, 3.0, 1.0, -2.0, 5.0, 0.5, -1.0])
    level = np.repeat([10.0, 14.0], 35)
    left = without_season(series_of(level + profile[np.arange(70) % 7]), 7)

    np.testing.assert_allclose(np.diff(left)[np.arange(69) != 34], 0, atol=1e-9)
    assert left[35] - left[34] == pytest.approx(4.0)


@pytest.mark.parametrize(("rho", "off"), [(0.0, 0.1), (0.3, 0.06), (0.6, 0.06)])
def test_the_correlation_of_neighbours_is_right_on_average(rho: float, off: float) -> None:
    """Over 100 series of 200 ticks with two changes of the level, the mean is near; at 0 above it, as none is below."""
    rng = np.random.default_rng(11)
    level = 5.0 * np.repeat([0, 1, 0, 0], 50)
    seen = [correlation(module.around_level(wandering(rng, 200, rho) + level)) for _ in range(100)]

    assert np.mean(seen) == pytest.approx(rho, abs=off)


@given(n=st.integers(6, 60), rows=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_shuffles_lose_nothing(n: int, rows: int) -> None:
    """Every row of a shuffle has each index once."""
    order = shuffled_blocks(rows, n, np.random.default_rng(n))

    assert (np.sort(order, axis=1) == np.arange(n)).all()


@given(n=st.integers(6, 200))
@settings(max_examples=30, deadline=None)
def test_seeded_intervals_have_sides_of_three(n: int) -> None:
    """Every interval lies in 0..n with three values or more on each side; all of 0..n is split everywhere."""
    first, split, end = seeded_splits(n)

    assert first.min() >= 0
    assert end.max() == n
    assert min((split - first).min(), (end - split).min()) == FEWEST
    assert set(split[(first == 0) & (end == n)].tolist()) == set(range(3, n - 2))


@given(shift=st.floats(-1e9, 1e9), scale=st.floats(1e-3, 1e6))
@settings(max_examples=20, deadline=None)
def test_units_do_not_matter(shift: float, scale: float) -> None:
    """Another unit or origin of the signal gives the same onsets."""
    value = np.random.default_rng(12).normal(size=40) + 5.0 * (np.arange(40) >= 25)

    assert [p.onset for p in found_in(shift + scale * value)] == [p.onset for p in found_in(value)] == [25 * HOUR]


@pytest.mark.parametrize(
    "value",
    [[], [1.0, 2.0], [math.nan] * 50, [3.0] * 50, [0.1 + 0.2] * 25 + [0.3] * 25, [1.0, math.nan, 2.0, 9.0, 8.0, 9.0]],
)
def test_what_shows_no_change_has_none(value: list[float]) -> None:
    """No ticks, two, none with data, a constant, rounding and five ticks: nothing is found, and nothing fails."""
    assert found_in(np.array(value)) == []


def test_less_than_three_seasons_show_no_change() -> None:
    """Two weeks of days with a weekly season cannot be told from a change; three can."""
    value = 9.0 * (np.arange(21) >= 10) + np.random.default_rng(13).normal(0, 0.1, 21)

    assert found_in(value[:14], 7) == []
    assert len(found_in(value)) == 1


def test_the_same_generator_gives_the_same_changes() -> None:
    """A replay with the same seed finds the same, to the last digit."""
    value = np.random.default_rng(14).normal(size=100) + 1.0 * (np.arange(100) >= 50)

    assert found_in(value) == found_in(value)


def test_wrong_settings_are_refused() -> None:
    """A season of 0 ticks, and error rates of 0 or 1, are errors."""
    rng, value = np.random.default_rng(1), series_of(np.zeros(10))
    with pytest.raises(ValueError, match="season of 0"):
        change_points(value, rng, season=0)
    with pytest.raises(ValueError, match="alpha is 0"):
        change_points(value, rng, alpha=0.0)
    with pytest.raises(ValueError, match="coverage is 1"):
        change_points(value, rng, coverage=1.0)
