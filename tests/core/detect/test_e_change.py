"""Onset and effect of a change, and the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from streams.core.detect import e_change
from streams.core.detect.e_change import Change
from streams.core.detect.e_state import CHANGED, WATCHED, State


def changed(moved: float, weight: float, n: float) -> Change:
    tick = np.zeros(1, dtype=np.int64)
    return Change(tick, tick, tick, np.array([moved]), np.array([weight]), np.array([n]), np.ones(1))


@pytest.mark.parametrize(("memory", "n"), [(0.0, 1), (0.0, 12), (0.5, 1), (0.5, 2), (0.3, 40)])
def test_intervals_know_of_memory_and_of_the_reference(memory: float, n: int) -> None:
    """Half the interval is Student's quantile of the error of a mean of n that remember, against one of 57 ticks."""
    state = State.empty(1, 1, 9)
    state.memory[:], state.spread[:] = memory, 1.0
    state.older[0, 0] = 57
    at = np.arange(n)
    variance = (memory ** np.abs(at[:, None] - at)).sum() / n**2 * 4 * (1 + n / 57)
    effect, low, high = e_change.effects(state, np.zeros(1, dtype=np.int64), changed(3 * n / 4, n / 4, n))

    assert effect == pytest.approx([3])
    assert high - effect == pytest.approx(effect - low)
    assert high - effect == pytest.approx([stats.t(56).ppf(0.975) * math.sqrt(variance)])


@pytest.mark.parametrize(("shift", "ticks"), [(100.0, 3), (-100.0, 3), (1.0, 10)])
def test_the_way_back_takes_as_long_as_it_must(shift: float, ticks: int) -> None:
    """Scores of exactly 0 end a change of 1 in 10 ticks, for 10 / 2 is more than log(100), and any in 3 at least."""
    state = State.empty(1, 1, 9)
    rows = np.zeros(1, dtype=np.int64)
    state.phase[:], state.shift[:], state.weights[:], state.log_m[:] = CHANGED, shift, 1.0, 50.0
    state.fresh[:] = 0
    for tick in range(ticks):
        assert state.phase[0] == CHANGED
        e_change.go_on(state, rows, tick)

    assert state.phase[0] == WATCHED
    assert state.begun[0] == ticks
    assert (state.log_m == -np.inf).all()
    assert state.log_e[0] == 0
    assert state.onset[0] == -1
