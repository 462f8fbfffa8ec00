"""
Sequential change detectors for all signals of a model, with one promise for all: at most one false alarm in N ticks.

Each signal is one number a tick. Its first ticks teach what is usual (e_reference.py); each later one becomes a score:
value minus expectation, over its standard error, without what the tick before already said. Detectors bet on the ranks
of the scores (e_ranks.py). With S signals and N ticks between false alarms, each signal's evidence M must reach S x N.

What is promised, and what it rests on
--------------------------------------
Suppose that a signal's scores are exchangeable while nothing changes, and that their tails are no heavier than
Student's with 3 degrees of freedom. Then M minus the number of ticks is a supermartingale. So a signal's first alarm
takes at least S x N ticks on average, and by Doob's inequality it comes within n ticks with a chance of n / (S N) at
most (Shin, Ramdas & Rinaldo 2023, arXiv 2203.03532, on e-detectors). That makes n / N signals at most, on average,
with an alarm within n ticks, however the signals depend on each other.

Only approximate is that scores are exchangeable: season, errors and memory are estimated from the reference. And that
alarms after a signal's first come no faster supposes that it starts afresh. As tests/statistical/drift_promise.py
measures, there are about a fifth of the false alarms that are allowed, but with an autocorrelation of 0.3 more than
half: the rest is not there to be spent on lower thresholds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from streams.core.detect import e_change, e_looks, e_ranks, e_reference
from streams.core.detect.e_looks import STANDINGS, Looks
from streams.core.detect.e_state import CHANGED, LEARNING, NEVER, RECENT, REMEMBERED, WATCHED, Learning, State
from streams.core.detect.sensitivity import Sensitivity

__all__ = ["STANDINGS", "Detectors", "Looks", "Sides"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Sides = Literal["both", "up", "down"]

_SUSPICION = math.log(10)  # below the threshold: at most ten times as often as a false alarm
_LARGEST = 1e100
_ROWS_AT_ONCE = 200  # that are learned from at a time


class Detectors:
    """
    Change detectors for the signals of one model, one row each.

    A signal is learned from until `sensitivity.reference_ticks` of its ticks had data. From then on it is quiet;
    suspected while its evidence is at a tenth of the threshold or more; changed once it has reached the threshold. It
    stays changed until 100 to 1 speaks for its being back at the reference (e_change.go_on), which takes three ticks at
    least. Then evidence begins at nothing, and the next change can be found. A swing to the other side of the reference
    ends a change, too, and is found as a new one. A new level that is to stay is learned after `release`.

    Parameters
    ----------
    sensitivity
        The promise that all rows keep together: each further row raises the threshold of all.
    """

    def __init__(self, sensitivity: Sensitivity) -> None:
        self._sensitivity = sensitivity
        self._gaps = e_ranks.gaps_of_bins(sensitivity.reference_ticks)
        self._rows: dict[str, int] = {}
        self._sides: list[Sides] = []
        self._tick: int | None = None
        self._state = self._blank(0)
        self._learning = Learning.empty(np.empty(0, np.int64), sensitivity.reference_ticks)
        self._keys = _keys([])
        self._shares = _shares([])

    def row(self, name: str, *, sides: Sides = "both") -> int:
        """
        Return the row of a signal; a new one starts to learn.

        Raises
        ------
        ValueError
            If the sides are unknown, or others than the signal has.
        """
        if sides not in get_args(Sides):
            raise ValueError(f"signal {name!r}: sides {sides!r} are unknown: choose from {', '.join(get_args(Sides))}")
        if name not in self._rows:
            self._rows[name] = len(self._rows)
            self._sides.append(sides)
        was = self._sides[self._rows[name]]
        if was != sides:
            raise ValueError(f"signal {name!r} is watched for changes {was!r}, not {sides!r}: give the new one a name")
        return self._rows[name]

    def look(self, tick: int, rows: Ints, values: Floats, errors: Floats) -> Looks:
        """
        Look at one tick of some signals.

        Parameters
        ----------
        tick
            Its number: not negative, none before the last one; modulo the season, it is the place in the season.
        rows
            Of the signals, each at most once.
        values, errors
            Estimates in this tick, with standard errors from its own sampling. A value of NaN says that there are no
            data, an error of 0 or NaN that it is not known.

        Raises
        ------
        ValueError
            If a tick comes again or late, a row is unknown or named twice, a number is infinite, or an error negative.
        """
        self._allocate()
        self._check(tick, rows, values, errors)
        self._advance(tick)
        seen, errors = ~np.isnan(values), np.where(np.isnan(errors), 0, errors)
        learning = self._state.phase[rows] == LEARNING
        expected = np.where(learning, np.nan, self._expected(rows, tick))
        self._state.last_tick[rows] = tick
        self._watch(tick, *(of[seen & ~learning] for of in (rows, values, errors)))
        self._learn(tick, *(of[seen & learning] for of in (rows, values, errors)))
        return self._looks(tick, rows, seen, learning, expected)

    def release(self, rows: Ints) -> None:
        """
        Forget what is usual for some signals, and learn it anew: after a change that is acknowledged or was declared.

        Raises
        ------
        ValueError
            If a row is unknown or named twice.
        """
        self._allocate()
        self._check_rows(rows)
        blank = self._blank(len(rows))
        blank.last_tick = self._state.last_tick[rows]
        self._state.replace(rows, blank)
        self._learning = self._learning.keep(~np.isin(self._learning.rows, rows))
        self._begin_to_learn(rows)

    def settle(self, least: int) -> None:
        """End learning, before `reference_ticks` had data, for the signals of which at least so many ticks had."""
        self._allocate()
        enough = self._learning.filled >= least
        self._learned(self._learning.keep(enough))
        self._learning = self._learning.keep(~enough)

    def adopt(self, rows: Ints, others: Detectors, theirs: Ints, since: int) -> Mask:
        """
        Take over what is usual from rows of others, who learned it from the ticks `since` then; evidence begins anew.

        It is taken over by the rows that are still learning, and by those that are not changed, have not been since
        that tick, and are not suspected now. The mask says which.
        """
        self._allocate()
        mine, state = self._state.phase[rows], self._state
        calm = (mine == WATCHED) & (state.begun[rows] <= since) & (state.log_e[rows] < self._threshold - _SUSPICION)
        taken = np.asarray(calm | (mine == LEARNING))
        fresh = others._state.keep(theirs[taken])
        fresh.last_tick = state.last_tick[rows[taken]]
        state.replace(rows[taken], fresh)
        self._learning = self._learning.keep(~np.isin(self._learning.rows, rows[taken]))
        return taken

    def ticks_learned(self) -> dict[str, int]:
        """How many ticks had data so far, by the name of each signal that is still learned from."""
        self._allocate()
        names = list(self._rows)
        held = zip(self._learning.rows.tolist(), self._learning.filled.tolist(), strict=True)
        return {names[row]: filled for row, filled in held}

    def snapshot(self) -> dict[str, Any]:
        """Return all that is known as plain data and arrays, for `restore`."""
        self._allocate()
        return {
            "sensitivity": asdict(self._sensitivity),
            "names": list(self._rows),
            "sides": list(self._sides),
            "tick": self._tick,
            "state": self._state.snapshot(),
            "learning": self._learning.snapshot(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """
        Take the state of a snapshot, in place of this one.

        Raises
        ------
        ValueError
            If it was taken with another sensitivity.
        """
        if saved["sensitivity"] != asdict(self._sensitivity):
            raise ValueError(f"a snapshot for {saved['sensitivity']} does not fit {self._sensitivity}: learn anew")
        self._rows = {name: row for row, name in enumerate(saved["names"])}
        self._sides = list(saved["sides"])
        self._keys, self._shares = _keys(saved["names"]), _shares(self._sides)
        self._tick = saved["tick"]
        self._state.restore(saved["state"])
        self._learning.restore(saved["learning"])

    @property
    def _threshold(self) -> float:
        return self._sensitivity.log_threshold(len(self._keys))

    def _blank(self, rows: int) -> State:
        return State.empty(rows, self._sensitivity.season, len(self._gaps))

    def _allocate(self) -> None:
        """Give rows to the signals that were named since."""
        have, want = len(self._keys), len(self._rows)
        if have < want:
            self._state.append(self._blank(want - have))
            self._begin_to_learn(np.arange(have, want))
            self._keys, self._shares = _keys(list(self._rows)), _shares(self._sides)

    def _begin_to_learn(self, rows: Ints) -> None:
        self._learning.append(Learning.empty(rows, self._sensitivity.reference_ticks))
        self._learning = self._learning.keep(np.argsort(self._learning.rows))

    def _advance(self, tick: int) -> None:
        """Go on to a tick: what is no longer recent joins the older urn, and what is too old is forgotten."""
        before = tick - 1 if self._tick is None else self._tick
        state, every = self._state, np.arange(len(self._keys))
        for now in range(before + 1, min(before + RECENT, tick) + 1):
            bins = state.bins[:, (now - RECENT) % REMEMBERED]
            known = every[bins >= 0]
            state.older[known, bins[known]] += 1
        forgotten = np.arange(max(before + 1, tick - REMEMBERED + 1), tick + 1) % REMEMBERED
        state.bins[:, forgotten], state.fresh[:, forgotten] = NEVER, np.nan
        self._tick = tick

    def _expected(self, rows: Ints, tick: int) -> Floats:
        return np.asarray(self._state.level[rows] + self._state.season[rows, tick % self._sensitivity.season])

    def _watch(self, tick: int, rows: Ints, values: Floats, errors: Floats) -> None:
        """Score signals that have been learned; bet on those that are as usual, and follow those that changed."""
        state = self._state
        variance = state.between[rows] + errors**2 + state.doubt[rows, tick % self._sensitivity.season]
        apart = values - self._expected(rows, tick)
        plain = np.clip(apart / np.sqrt(variance), -e_reference.FARTHEST, e_reference.FARTHEST)
        follows = state.scored[rows] == tick - 1
        fresh = e_reference.without_memory(plain, state.last_score[rows], follows, state.memory[rows])
        state.last_score[rows], state.scored[rows] = plain, tick
        column = tick % REMEMBERED
        state.fresh[rows, column], state.apart[rows, column] = fresh, apart
        state.weights[rows, column] = 1 / variance
        changed = state.phase[rows] == CHANGED
        e_change.go_on(state, rows[changed], tick)
        self._bet(tick, rows[~changed], fresh[~changed])

    def _bet(self, tick: int, rows: Ints, fresh: Floats) -> None:
        """Bet on one score of each signal, and note the changes that are proven by it."""
        state = self._state
        scores = e_reference.jittered(fresh, e_ranks.tie_breakers(self._keys[rows], np.array(tick)))
        edges = state.edges[rows]
        bins = e_ranks.bins_of(scores, edges)
        earned = e_ranks.log_bets(bins, state.older[rows], state.urn[rows])
        earned = e_ranks.tempered(earned, state.shared[rows]) + e_ranks.log_beyond(scores, edges)
        state.log_m[rows] = e_ranks.added(state.log_m[rows], earned)
        state.urn[rows, bins] += 1
        state.bins[rows, tick % REMEMBERED] = bins
        state.log_e[rows] = e_ranks.log_average(state.log_m[rows], self._shares[rows])
        proven = rows[state.log_e[rows] >= self._threshold]
        e_change.begin(state, proven, tick, e_change.estimate(state, proven, tick, self._shares[proven]))

    def _learn(self, tick: int, rows: Ints, values: Floats, errors: Floats) -> None:
        """Note a tick of signals that are learned from, and end learning where it was the last."""
        self._learning.put(rows, tick, values, errors)
        full = self._learning.full()
        if full.any():
            self._learned(self._learning.keep(full))
            self._learning = self._learning.keep(~full)

    def _learned(self, ready: Learning) -> None:
        for filled in np.unique(ready.filled).tolist():
            same = ready.keep(ready.filled == filled).first(filled)
            gaps = e_ranks.gaps_within(filled, len(self._gaps))
            for start in range(0, len(same.rows), _ROWS_AT_ONCE):
                self._begin(same.keep(np.arange(start, min(start + _ROWS_AT_ONCE, len(same.rows)))), gaps)

    def _begin(self, ready: Learning, gaps: Ints) -> None:
        ties = e_ranks.tie_breakers(self._keys[ready.rows][:, None], ready.ticks)
        usual = e_reference.learn(ready.values, ready.errors, ready.ticks, self._sensitivity.season, ties)
        self._state.begin(ready.rows, usual, e_ranks.edges_of_bins(usual.scores, gaps), gaps)

    def _looks(self, tick: int, rows: Ints, seen: Mask, learning: Mask, expected: Floats) -> Looks:
        state, threshold = self._state, self._threshold
        phase = state.phase[rows]
        changed = phase == CHANGED
        suspected = seen & ~learning & (phase == WATCHED) & (state.log_e[rows] >= threshold - _SUSPICION)
        codes = e_looks.NO_DATA, e_looks.LEARNING, e_looks.CHANGED, e_looks.SUSPECTED
        standing = np.select([~seen, learning, changed, suspected], codes, e_looks.QUIET).astype(np.int8)
        effects = np.full((3, len(rows)), np.nan)
        onsets = np.full((3, len(rows)), NEVER, dtype=np.int64)
        before = e_change.known(state, rows[changed])
        now = e_change.estimate(state, rows[suspected], tick, self._shares[rows[suspected]])
        for mask, change in ((changed, before), (suspected, now)):
            effects[:, mask] = e_change.effects(state, rows[mask], change)
            onsets[:, mask] = change.onset, change.low, change.high
        return Looks(
            standing,
            expected,
            *(effects[0], effects[1], effects[2]),
            state.log_e[rows],
            np.full(len(rows), threshold),
            *(onsets[0], onsets[1], onsets[2]),
        )

    def _check_rows(self, rows: Ints) -> None:
        unknown = rows[(rows < 0) | (rows >= len(self._keys))]
        if len(unknown):
            raise ValueError(f"row {unknown[0]} is unknown: there are {len(self._keys)}; name the signal with row()")
        if len(np.unique(rows)) < len(rows):
            raise ValueError("a row is named twice: give each signal one number a tick")

    def _check(self, tick: int, rows: Ints, values: Floats, errors: Floats) -> None:
        self._check_rows(rows)
        if not len(rows) == len(values) == len(errors):
            raise ValueError(f"{len(rows)} rows with {len(values)} values and {len(errors)} errors: give one of each")
        if tick < 0 or (self._tick is not None and tick < self._tick):
            raise ValueError(f"tick {tick} is negative or before the last one, {self._tick}: look at ticks in order")
        for wrong, what, given in (
            (self._state.last_tick[rows] >= tick, "this tick was looked at before, in row", rows),
            (np.abs(values) > _LARGEST, "a value must be a number below 1e100, or NaN if there is none, not", values),
            ((errors < 0) | (errors > _LARGEST), "an error must be from 0 to 1e100, or NaN, not", errors),
        ):
            if wrong.any():
                at = int(wrong.argmax())
                raise ValueError(f"signal {list(self._rows)[rows[at]]!r}, tick {tick}: {what} {given[at]}")


def _keys(names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return numbers that follow from names, for breaking ties."""
    return np.array([zlib.crc32(name.encode()) for name in names], dtype=np.uint64)


def _shares(sides: Sequence[Sides]) -> Floats:
    """Return what each bet counts in each row's average, shape (R, BETS)."""
    each = {side: e_ranks.shares(up=side != "down", down=side != "up") for side in get_args(Sides)}
    return np.array([each[side] for side in sides]).reshape(-1, e_ranks.BETS)
