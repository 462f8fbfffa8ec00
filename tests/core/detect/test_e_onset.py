"""When a change began."""

from __future__ import annotations

import numpy as np

from streams.core.detect import e_onset


def test_a_clear_onset_is_found_exactly() -> None:
    """Scores jump from 0 to 5, or to -5: the onset is there, and nowhere else."""
    scores = np.repeat([[0.0, 5.0]], 10, axis=1)
    found = e_onset.onset(np.concatenate((scores, -scores)), np.array([1.0, -1.0]), np.full(2, 56.0))

    assert found.at.tolist() == found.low.tolist() == found.high.tolist() == [10, 10]


def test_ticks_without_data_are_no_onset() -> None:
    """The onset is the first tick with data after a gap, and only among ticks that can be one."""
    scores = np.full((1, 40), np.nan)
    scores[0, 10:20], scores[0, 30:] = 0.0, 5.0
    found = e_onset.onset(scores, np.ones(1), np.full(1, 56.0))

    assert found.at.tolist() == [30]


def test_the_posterior_is_what_its_formula_says() -> None:
    """Against the likelihood of each onset, integrated over the shift by quadrature: the same onset and interval."""
    rng = np.random.default_rng(2)
    scores = rng.standard_normal(25)
    scores[12:] += 1.2
    scores[5], scores[20] = 9.0, -30.0
    cut = np.clip(scores, -5, 5)
    shifts, step = np.linspace(0, 15, 30_001, retstep=True)
    likely = np.empty(25)
    for onset in range(25):
        n = 25 - onset
        told, mean = n / (1 + n / 12), max(cut[onset:].mean(), 0)
        normal = np.exp(-0.5 * told * ((mean - shifts) ** 2 - mean**2) - 0.125 * shifts**2)
        mirrored = np.exp(-0.5 * told * ((mean + shifts) ** 2 - mean**2) - 0.125 * shifts**2)
        likely[onset] = (normal.sum() + mirrored.sum() - normal[0]) * step
    posterior = likely / likely.sum()
    found = e_onset.onset(scores[None, :], np.ones(1), np.full(1, 12.0))

    assert found.at[0] == posterior.argmax()
    assert found.low[0] == (posterior.cumsum() < 0.025).sum()
    assert found.high[0] == (posterior.cumsum() < 0.975).sum()


def test_a_score_alone_is_its_own_onset() -> None:
    """With a single tick there is one candidate."""
    scores = np.full((1, 8), np.nan)
    scores[0, -1] = 0.1
    found = e_onset.onset(scores, np.ones(1), np.full(1, 30.0))

    assert (found.at[0], found.low[0], found.high[0]) == (7, 7, 7)


def test_intervals_hold_the_onset() -> None:
    """Shifts of 2, 10 ticks ago: at least 95 % of 4,000 intervals hold the onset, and half span 6 ticks at most."""
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((4000, 64))
    scores[:, -10:] += 2
    found = e_onset.onset(scores, np.ones(4000), np.full(4000, 1e6))
    held = ((found.low <= 54) & (found.high >= 54)).mean()

    assert 0.95 < held < 0.995
    assert np.median(found.high - found.low) <= 6
