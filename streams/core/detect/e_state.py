"""What is remembered of each signal, one row a signal, and the ticks that a signal is still learned from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streams.core.detect.e_ranks import BETS
from streams.core.detect.e_reference import Usual

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Saved = dict[str, Any]

LEARNING, WATCHED, CHANGED = range(3)
REMEMBERED = 128
"""Ticks that are remembered one by one: no onset is looked for before them."""

RECENT = 32
"""Ticks that may belong to a change that is not proven yet: bets do not start from them."""

NEVER = -1


@dataclass
class _Arrays:
    """Arrays with one row a signal, saved by their names."""

    def snapshot(self) -> Saved:
        """Return copies of the arrays."""
        return {field.name: getattr(self, field.name).copy() for field in fields(self)}

    def restore(self, saved: Saved) -> None:
        """Take the arrays of a snapshot."""
        for field in fields(self):
            setattr(self, field.name, np.array(saved[field.name], dtype=getattr(self, field.name).dtype))

    def keep(self, chosen: npt.NDArray[np.generic]) -> Self:
        """Return some rows, chosen by a mask or by an order."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def replace(self, rows: Ints, others: Self) -> None:
        """Replace rows."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(others, field.name)

    def append(self, others: Self) -> None:
        """Add rows."""
        for field in fields(self):
            setattr(self, field.name, np.concatenate((getattr(self, field.name), getattr(others, field.name))))


@dataclass
class State(_Arrays):
    """
    Arrays over signals.

    Attributes
    ----------
    phase, last_tick
        Learning, watched or changed; the last tick that was looked at, with data or without.
    level, between, memory, spread, shared, season, doubt, last_score, scored
        What is usual (see e_reference.Usual); the score of the last tick with data, before its memory is taken out,
        and that tick.
    edges, older, urn
        Bins, and gaps and scores in each of them, without and with those of the recent ticks (see e_ranks).
    log_m
        Logarithm of each bet's detector.
    begun
        The earliest tick that can be the onset of the next change.
    bins, fresh, apart, weights
        Of the remembered ticks, by tick modulo REMEMBERED: bin (-1: none), score, value minus what was expected,
        and 1 / variance of that.
    log_e, onset, onset_low, onset_high, shift
        Of a change: evidence when it was found, onset with its interval, and the mean score since then.
    moved, weight, counted
        Of a change: weighted sum of what lay apart since the onset, sum of weights, ticks.
    back
        Evidence that the level is back.
    """

    phase: npt.NDArray[np.int8]
    last_tick: Ints
    level: Floats
    between: Floats
    memory: Floats
    spread: Floats
    shared: Floats
    season: Floats
    doubt: Floats
    last_score: Floats
    scored: Ints
    edges: Floats
    older: Floats
    urn: Floats
    log_m: Floats
    begun: Ints
    bins: npt.NDArray[np.int8]
    fresh: Floats
    apart: Floats
    weights: Floats
    log_e: Floats
    onset: Ints
    onset_low: Ints
    onset_high: Ints
    shift: Floats
    moved: Floats
    weight: Floats
    counted: Floats
    back: Floats

    @classmethod
    def empty(cls, rows: int, season: int, bins: int) -> State:
        """Return rows of signals of which nothing is known."""
        widths = {"season": season, "doubt": season, "edges": bins - 1, "older": bins, "urn": bins, "log_m": BETS}
        widths |= dict.fromkeys(("bins", "fresh", "apart", "weights"), REMEMBERED)
        ticks = {"last_tick", "scored", "begun", "onset", "onset_low", "onset_high"}
        made: dict[str, Any] = {}
        for field in fields(cls):
            kind = np.int8 if field.name in ("phase", "bins") else np.int64 if field.name in ticks else np.float64
            start = -np.inf if field.name == "log_m" else NEVER if field.name in ticks | {"bins"} else 0
            shape = (rows, widths[field.name]) if field.name in widths else (rows,)
            made[field.name] = np.full(shape, np.nan if field.name == "fresh" else start, dtype=kind)
        return cls(**made)

    def begin(self, rows: Ints, usual: Usual, edges: Floats, gaps: Ints) -> None:
        """Watch signals that have been learned."""
        for name in ("level", "between", "memory", "spread", "shared", "season", "doubt", "last_score"):
            getattr(self, name)[rows] = getattr(usual, name)
        self.scored[rows], self.edges[rows], self.phase[rows] = usual.last_tick, edges, WATCHED
        self.older[rows] = self.urn[rows] = gaps
        self.begun[rows] = usual.last_tick + 1


@dataclass
class Learning(_Arrays):
    """Ticks that signals are learned from: rows of the state, growing, and what each has seen so far."""

    rows: Ints
    filled: Ints
    values: Floats
    errors: Floats
    ticks: Ints

    @classmethod
    def empty(cls, rows: Ints, size: int) -> Learning:
        """Return the state before any tick."""
        shape = (len(rows), size)
        return cls(
            rows, np.zeros(len(rows), np.int64), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.int64)
        )

    def put(self, rows: Ints, tick: int, values: Floats, errors: Floats) -> None:
        """Add one tick's values of some rows."""
        at = np.searchsorted(self.rows, rows)
        column = self.filled[at]
        self.values[at, column], self.errors[at, column], self.ticks[at, column] = values, errors, tick
        self.filled[at] += 1

    def first(self, ticks: int) -> Learning:
        """Return the first ticks of each row."""
        held = self.values[:, :ticks], self.errors[:, :ticks], self.ticks[:, :ticks]
        return Learning(self.rows, self.filled, *held)

    def full(self) -> npt.NDArray[np.bool_]:
        """Return a mask of rows that have seen enough."""
        return np.asarray(self.filled == self.values.shape[1])
