"""How river's detectors and ours are given the signals of a case, and when each says that something changed."""

from __future__ import annotations

import numpy as np

from benchmarks.drift.cases import MARKED_LEARNED, REFERENCE, TICK, Case, Floats, Ints, Signal
from streams.core.detect.detectors import STANDINGS, Detectors
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.standardized import standardized
from streams.core.detect.stream.catalogue import detector_for

BLOCK = 20
"""Observations of which KSWIN is given one, or of errors the mean: each costs it hundreds of microseconds."""

OURS = "ours"
BINS = 20
PROMISE = 1_000  # ticks between false alarms, of all signals of a case together
LEARNED = 50  # ticks that are learned from
_CHANGED = STANDINGS.index("changed")


def takes(name: str, signal: Signal) -> bool:
    """Whether river's detector can be given a signal: some take errors only."""
    return signal.kind == "error" or not detector_for(name).binary


def fed(name: str, signal: Signal) -> tuple[Ints, Floats]:
    """Return what a detector is given of a signal, and after which observation each value is known."""
    if name != "kswin" or signal.kind == "value":
        return signal.at, signal.values
    whole = len(signal.values) // BLOCK * BLOCK
    ends = signal.at[:whole].reshape(-1, BLOCK)[:, -1]
    blocks = signal.values[:whole].reshape(-1, BLOCK)
    return ends, blocks.mean(axis=1) if signal.kind == "error" else blocks[:, -1]


def river_flags(name: str, case: Case) -> Ints | None:
    """Observations at which river's detector, with its defaults, flags any signal; None if it can be given none."""
    flags: list[Ints] = []
    for signal in case.signals:
        if takes(name, signal):
            at, values = fed(name, signal)
            flags.append(at[detector_for(name).update(values)])
    return np.unique(np.concatenate(flags)) if flags else None


def our_flags(case: Case) -> tuple[Ints, int]:
    """Observations at which our detectors say of any signal that it changed or came back, and from which they watch."""
    marked = case.signals[0].kind == "value"
    ticks = case.length if marked else case.length // TICK
    learned = MARKED_LEARNED if marked else LEARNED
    detectors = Detectors(Sensitivity(PROMISE, learned))
    rows = np.array([detectors.row(signal.name) for signal in case.signals])
    values, errors = (np.array(part) for part in zip(*(by_tick(signal, ticks) for signal in case.signals), strict=True))
    changed = np.zeros((ticks, len(rows)), bool)
    for tick in range(ticks):
        changed[tick] = detectors.look(tick, rows, values[:, tick], errors[:, tick]).standing == _CHANGED
    turned = np.flatnonzero((changed[1:] != changed[:-1]).any(axis=1)) + 1
    length = case.length // ticks
    first = learned + (0 if all(s.kind != "score" for s in case.signals) else REFERENCE // TICK)
    return (turned + 1) * length - 1, first * length


def by_tick(signal: Signal, ticks: int) -> tuple[Floats, Floats]:
    """One number a tick with its standard error, both of shape (ticks,); NaN where there is none."""
    if signal.kind == "value":
        return signal.values, np.full(ticks, np.nan)
    if signal.kind == "score":
        return _distances(signal, ticks), np.ones(ticks)
    tick = np.minimum(signal.at // TICK, ticks - 1)
    n, wrong = np.bincount(tick, minlength=ticks), np.bincount(tick, signal.values, ticks)
    typical = (wrong + 0.5) / (n + 1)  # never 0 or 1, where the error would be none
    seen = np.maximum(n, 1)
    return np.where(n > 0, wrong / seen, np.nan), np.sqrt(typical * (1 - typical) / seen)


def _distances(signal: Signal, ticks: int) -> Floats:
    """Standardized distance of each tick's histogram from that of the reference, whose ticks say nothing themselves."""
    edges = np.quantile(signal.values[:REFERENCE], np.linspace(0, 1, BINS + 1)[1:-1])
    cell = np.minimum(signal.at // TICK, ticks - 1) * BINS + np.searchsorted(edges, signal.values)
    counts = np.bincount(cell, minlength=ticks * BINS).reshape(ticks, BINS).astype(np.float64)
    known = counts[: REFERENCE // TICK].sum(axis=0)
    shares = np.tile(known / known.sum(), (ticks, 1))
    z = standardized(counts, counts.sum(axis=1), shares, np.full(ticks, float(REFERENCE))).z
    return np.where(np.arange(ticks) < REFERENCE // TICK, np.nan, z)
