"""What is done with a signal's state when evidence has grown: onset and effect of a change, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from streams.core.detect import e_onset, e_ranks
from streams.core.detect.e_state import CHANGED, NEVER, RECENT, REMEMBERED, WATCHED, State

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BACK = math.log(100)  # evidence that the level is back
_BACK_OF_A_TICK = 2.0  # the most that one tick adds to it: three are needed
_SMALLEST_SHIFT = 0.5  # in scores: for less, the way back would take too long to be seen


@dataclass(frozen=True)
class Change:
    """Where changes began, and what lay apart since: for each of some rows."""

    onset: Ints
    low: Ints
    high: Ints
    moved: Floats
    weight: Floats
    counted: Floats
    shift: Floats


def estimate(state: State, rows: Ints, tick: int, shares: Floats) -> Change:
    """Estimate onset and effect from the remembered ticks, the last of them being `tick`."""
    ticks, columns = remembered(tick)
    fresh = state.fresh[rows[:, None], columns]
    fresh = np.where(ticks >= state.begun[rows][:, None], fresh, np.nan)
    half = e_ranks.BETS // 2
    log_m, up = state.log_m[rows], shares[:, :half].sum(axis=1) > 0
    higher = log_m[:, :half].max(axis=1) >= log_m[:, half:].max(axis=1)
    down = shares[:, half:].sum(axis=1) > 0
    signs = np.where(up & (higher | ~down), 1.0, -1.0)
    found = e_onset.onset(fresh, signs, state.older[rows].sum(axis=1))
    since = (np.arange(REMEMBERED) >= found.at[:, None]) & ~np.isnan(fresh)
    weights = np.where(since, state.weights[rows[:, None], columns], 0)
    counted = since.sum(axis=1).astype(np.float64)
    return Change(
        ticks[found.at],
        ticks[found.low],
        ticks[found.high],
        (weights * np.where(since, state.apart[rows[:, None], columns], 0)).sum(axis=1),
        weights.sum(axis=1),
        counted,
        np.where(since, fresh, 0).sum(axis=1) / counted,
    )


def remembered(tick: int) -> tuple[Ints, Ints]:
    """Return the remembered ticks, oldest first, and their columns."""
    ticks = np.arange(tick - REMEMBERED + 1, tick + 1)
    return ticks, ticks % REMEMBERED


def begin(state: State, rows: Ints, tick: int, change: Change) -> None:
    """Take signals as changed; what they did since the onset is no longer taken as usual."""
    state.phase[rows] = CHANGED
    state.onset[rows], state.onset_low[rows], state.onset_high[rows] = change.onset, change.low, change.high
    state.moved[rows], state.weight[rows], state.counted[rows] = change.moved, change.weight, change.counted
    away = np.where(change.shift >= 0, 1.0, -1.0)
    state.shift[rows] = away * np.maximum(np.abs(change.shift), _SMALLEST_SHIFT)
    state.back[rows] = 0
    ticks, columns = remembered(tick)
    bins = state.bins[rows[:, None], columns]
    row, column = np.nonzero((ticks >= change.onset[:, None]) & (bins >= 0))
    np.subtract.at(state.urn, (rows[row], bins[row, column]), 1)
    long_ago = ticks[column] <= tick - RECENT
    np.subtract.at(state.older, (rows[row][long_ago], bins[row, column][long_ago]), 1)
    state.bins[rows[row], columns[column]] = NEVER


def go_on(state: State, rows: Ints, tick: int) -> None:
    """
    Add one tick to changed signals, and take those as usual again of which that is proven.

    Evidence for "back" is a CUSUM of how much likelier the scores are with mean 0 than with the mean that they had when
    the change was found (Page 1954). It must reach 100 to 1, and one tick adds a factor of 7.4 at most.
    """
    column = tick % REMEMBERED
    fresh, weights = state.fresh[rows, column], state.weights[rows, column]
    state.moved[rows] += weights * state.apart[rows, column]
    state.weight[rows] += weights
    state.counted[rows] += 1
    shift = state.shift[rows]
    gained = np.clip(shift * (shift / 2 - fresh), -_BACK_OF_A_TICK, _BACK_OF_A_TICK)
    state.back[rows] = np.maximum(0, state.back[rows] + gained)
    again = rows[state.back[rows] >= _BACK]
    state.phase[again], state.begun[again] = WATCHED, tick + 1
    state.log_m[again], state.log_e[again] = -np.inf, 0
    state.onset[again] = state.onset_low[again] = state.onset_high[again] = NEVER


def effects(state: State, rows: Ints, change: Change) -> tuple[Floats, Floats, Floats]:
    """
    Return effects with 95 % intervals: weighted means of what lay apart since the onset.

    Neighbours in time correlate as those of a process of order 1 do; the reference's mean is uncertain as well.
    """
    memory, n = state.memory[rows], change.counted
    alike = 1 + 2 * memory / (1 - memory) * (1 - (1 - memory**n) / (n * (1 - memory)))
    reference = state.older[rows].sum(axis=1)
    error = np.sqrt(state.spread[rows] * alike / change.weight * (1 + n / reference))
    effect, half = change.moved / change.weight, special.stdtrit(reference - 1, 0.975) * error
    return effect, effect - half, effect + half


def known(state: State, rows: Ints) -> Change:
    """Return changes that were found before."""
    return Change(
        state.onset[rows],
        state.onset_low[rows],
        state.onset_high[rows],
        state.moved[rows],
        state.weight[rows],
        state.counted[rows],
        state.shift[rows],
    )
