"""What is usual for a signal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from streams.core.detect import e_reference

Floats = npt.NDArray[np.float64]


def learn(values: Floats, errors: Floats | float = 0.0, season: int = 1) -> e_reference.Usual:
    ticks = np.tile(np.arange(values.shape[1]), (len(values), 1))
    errors = np.broadcast_to(np.asarray(errors, float), values.shape)
    return e_reference.learn(values, errors, ticks, season, np.zeros(values.shape))


def test_without_season_level_and_scores_are_means_of_others() -> None:
    """With equal errors: the mean, the usual variance, and scores that are each tick against the mean of all others."""
    values = np.random.default_rng(1).uniform(-1, 1, (1, 30))
    usual = learn(values)
    rest = np.array([np.delete(values[0], at).mean() for at in range(30)])
    plain = (values[0] - rest) / np.sqrt(values[0].var(ddof=1) * (1 + 1 / 29))

    assert usual.level == pytest.approx([values.mean()])
    assert usual.between == pytest.approx([values[0].var(ddof=1)], rel=1e-6)
    assert usual.last_score == pytest.approx([plain[-1]], rel=1e-6)
    assert usual.memory[0] == 0
    assert usual.scores[0] == pytest.approx(np.sort(plain), rel=1e-6)


def test_variance_between_ticks_is_what_sampling_leaves() -> None:
    """Values with sampling errors of 1 and 2 and a variance of 4 between ticks: 4 is found; with none, almost none."""
    rng = np.random.default_rng(2)
    errors = np.tile([1.0, 2.0], 5000)[None, :]
    noise = errors * rng.standard_normal((1, 10_000))

    assert learn(noise + 2 * rng.standard_normal((1, 10_000)), errors).between == pytest.approx([4], rel=0.06)
    assert learn(noise, errors).between[0] < 0.1


def test_thin_ticks_weigh_little() -> None:
    """A tick with an error of 100 hardly moves a level that others know to 0.1."""
    values = np.zeros((1, 20))
    values[0, 3] = 100.0
    errors = np.full((1, 20), 0.1)
    errors[0, 3] = 100.0

    assert abs(learn(values, errors).level[0]) < 0.05


def test_a_season_is_found() -> None:
    """Eight weeks of seven levels with noise of 0.1: each is found within three standard errors."""
    shape = np.array([0, 5, 1, -3, 2, 8, -13.0])
    values = np.tile(shape, 8) + 0.1 * np.random.default_rng(3).standard_normal((5, 56))
    usual = learn(values, season=7)

    assert np.abs(usual.level[:, None] + usual.season - shape).max() < 4 * 0.1 / np.sqrt(8)
    assert usual.doubt == pytest.approx(np.full((5, 7), 0.01 / 8), rel=0.6)


def test_a_season_that_is_not_there_is_hardly_seen() -> None:
    """What noise alone adds to places is less than half of what their means differ by."""
    values = np.random.default_rng(4).standard_normal((200, 56))
    usual = learn(values, season=7)
    means = values.reshape(200, 8, 7).mean(axis=1)

    assert usual.season.std() < 0.6 * (means - values.mean(axis=1, keepdims=True)).std()


def test_a_week_of_hours_is_learned_from_hours_and_weekdays() -> None:
    """Two weeks suffice for a course of the day and weekdays: expectations err by much less than two values do."""
    rng = np.random.default_rng(5)
    hour = np.arange(168)
    shape = 2 * np.sin(2 * np.pi * hour / 24) + np.repeat([0, 0, 0, 0, 0, -3, -2.0], 24)
    usual = learn(np.tile(shape, 2) + rng.standard_normal((50, 336)), season=168)
    wrong = usual.level[:, None] + usual.season - shape

    assert wrong.std() < 0.5
    assert (usual.shared > 1.1).all()
    assert (usual.shared < 1.5).all()


def test_places_never_seen_are_doubted() -> None:
    """Without a single Sunday, Sunday is expected at the level, with a season's variance as doubt."""
    rng = np.random.default_rng(6)
    ticks = np.array([[tick for tick in range(70) if tick % 7 != 6]])
    shape = np.array([0, 4, -4, 3, -3, 0, 99.0])
    values = shape[ticks % 7] + 0.1 * rng.standard_normal(ticks.shape)
    usual = e_reference.learn(values, np.zeros(ticks.shape), ticks, 7, rng.random(ticks.shape))

    assert usual.season[0, 6] == 0
    assert usual.doubt[0, 6] > 5


def test_one_wild_tick_moves_nothing() -> None:
    """A value 1,000 standard deviations off moves the level by less than one, and the variance by less than a half."""
    values = np.random.default_rng(7).standard_normal((20, 56))
    wild = values.copy()
    wild[:, 20] += 1000
    calm, moved = learn(values, season=7), learn(wild, season=7)

    assert np.abs(moved.level - calm.level).max() < 0.5
    assert (moved.between < 2.0 * calm.between).all()
    assert (moved.scores[:, -1] > 100).all()


def test_memory_is_found() -> None:
    """Correlation with the tick before is found within 0.05 in 3,000 ticks; noise has almost none."""
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((10, 3000))
    values = noise.copy()
    for at in range(1, 3000):
        values[:, at] = 0.6 * values[:, at - 1] + 0.8 * noise[:, at]

    assert learn(values).memory == pytest.approx(np.full(10, 0.6), abs=0.05)
    assert learn(noise).memory.max() < 0.06


def test_memory_is_taken_out_where_a_tick_follows() -> None:
    """A score after one with data says only what is new; after a gap all of it is new."""
    score, before = np.array([1.0, 1.0]), np.array([0.5, 0.5])
    found = e_reference.without_memory(score, before, np.array([True, False]), np.array([0.6, 0.6]))

    assert found == pytest.approx([(1 - 0.3) / 0.8, 1])


def test_equal_scores_come_in_any_order() -> None:
    """Tie-breakers order scores that are about equal, and hardly any that are not."""
    moved = e_reference.jittered(np.array([1.0, 1.0, 1.01, 1.2]), np.array([0.9, 0.1, 0.0, 0.0]))

    assert np.argsort(moved).tolist() == [1, 2, 0, 3]


def test_constants_are_learned() -> None:
    """A signal that never moves, at 0 or elsewhere, has scores of 0 but for rounding, and no memory."""
    usual = learn(np.array([[0.0], [3.0], [-1e9], [1e-30], [1e90]]) * np.ones((5, 28)), season=7)

    assert np.abs(usual.scores).max() < 1e-6
    assert usual.memory.tolist() == [0] * 5
    assert usual.level == pytest.approx([0, 3, -1e9, 1e-30, 1e90])
    assert np.isfinite(usual.doubt).all()
