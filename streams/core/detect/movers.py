"""
Which slices moved: how far each, how much of the total change is theirs, and how much is only a change of mix.

An overall level falls when slices fall, and also when more of the traffic is of slices that always were low; each
slice may rise while the whole falls (Simpson's paradox). The total change is told apart exactly (Kitagawa 1955):

    V1 - V0 = sum of mean(p) (v1 - v0) + sum of (p1 - p0) (mean(v) - mean(V)),

p being a slice's share of the observations and v its level: the first sum is what happened within slices, the second
the mix. Errors come from leaving out one block of neighbouring ticks at a time, as ticks next to one another are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Floats, Ints
from streams.core.detect.finding import Slice
from streams.core.detect.release import Bools, check_ticks, sides
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement, critical, interval_of
from streams.core.judge.heterogeneity import Shrunk, apart, shrunken

BLOCKS = 10
_EFFECT, _WITHIN, _MIX = range(3)
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Sliced:
    """
    One signal in slices that together are all of the traffic, and share no event: those of one attribute.

    Attributes
    ----------
    slices
        Their names.
    ends, tick
        Ends of the ticks and the length of one, us.
    value, n
        What was measured and the number of observations behind it, shape (slices, ticks); a value is NaN, or n is 0,
        where there is no data.

    Raises
    ------
    ValueError
        If shapes differ, there is no slice, a value is infinite, or n is negative or no number.
    """

    slices: tuple[Slice, ...]
    ends: Ints
    tick: int
    value: Floats
    n: Floats

    def __post_init__(self) -> None:
        check_ticks(self.ends, self.tick)
        shape = len(self.slices), len(self.ends)
        if not self.slices or self.value.shape != shape or self.n.shape != shape:
            raise ValueError(
                f"values of shape {self.value.shape}, n of {self.n.shape}: both must be {shape}, not empty"
            )
        if np.isinf(self.value).any() or not (np.isfinite(self.n) & (self.n >= 0)).all():
            raise ValueError("slices with an infinite value, or an n that is negative or no number: give 0 for none")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a change, with its interval at 1 - alpha: everything where it never varied."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Mover:
    """
    What one slice did.

    Attributes
    ----------
    slice
        Its name.
    share_before, share_after
        Its share of the observations.
    effect
        Its level after less before, drawn towards the other slices' as far as its own data are few, unless it is
        provably apart from them; None for a slice that was there on one side only, or never varied.
    within, mix
        Its parts of the total change. That of a slice which was there on one side only is all mix.
    """

    slice: Slice
    share_before: float
    share_after: float
    effect: Shrunk | None
    within: Part
    mix: Part

    @property
    def sure(self) -> float:
        """How far it moved at least: the limit of the effect's interval that is nearest to zero."""
        interval = self.effect.interval if self.effect else Interval(0.0, 0.0)
        return max(interval.low, -interval.high, 0.0)


@dataclass(frozen=True, slots=True)
class Movement:
    """
    The change of the whole, its parts within slices and of mix, and the slices.

    Slices that surely moved furthest come first, then those that seem to, then by their part of the mix.
    """

    total: Part
    within: Part
    mix: Part
    movers: tuple[Mover, ...]


def movers(sliced: Sliced, time: int, reach: tuple[int, int], *, alpha: float = 0.05) -> Movement | None:
    """
    Rank slices by how far they moved at a moment; None with fewer than two ticks with data on a side.

    Ticks are taken as by `before_after`; with a season, reach over whole ones. Each side is cut into ten blocks of
    ticks, or as many as there are ticks, and the freedom of errors is that of the side with fewer.

    Raises
    ------
    ValueError
        If a number of ticks is below 1, or alpha is no error rate.
    """
    before, after = (_blocks(sliced, side) for side in sides(sliced.ends, sliced.tick, time, reach))
    freedom = min(len(before), len(after)) - 1
    if freedom < 1:
        return None
    value, error = _estimated(before, after, _ROUNDING * float(np.nanmax(np.abs(sliced.value))))
    measured = [
        [Measurement(v, e, freedom) for v, e in zip(*row, strict=True)] for row in zip(value, error, strict=True)
    ]
    effects = _drawn(measured[_EFFECT][:-1], _on_both(before, after), float(after[:, 0].sum()), alpha)
    parts = [[Part(one.value, interval_of(one, alpha)) for one in row] for row in measured]
    shares = [side[:, 0].sum(axis=0) / side[:, 0].sum() for side in (before, after)]
    columns = sliced.slices, *(share.tolist() for share in shares), effects, parts[_WITHIN][:-1], parts[_MIX][:-1]
    ranked = sorted((Mover(*row) for row in zip(*columns, strict=True)), key=_rank)
    return Movement(parts[_EFFECT][-1], parts[_WITHIN][-1], parts[_MIX][-1], tuple(ranked))


def _rank(mover: Mover) -> tuple[float, float, float, Slice]:
    seeming = abs(mover.effect.value) if mover.effect else 0.0
    return -mover.sure, -seeming, -abs(mover.mix.value), mover.slice


def _blocks(sliced: Sliced, side: Bools) -> Floats:
    """Observations, and their values added up, of blocks of ticks with data: shape (blocks, 2, slices)."""
    n = np.where(np.isfinite(sliced.value), sliced.n, 0.0)
    if not n.any():
        return np.zeros((0, 2, len(n)))
    value = np.where(n > 0, sliced.value, 0.0)
    centred = n * (value - np.average(value, weights=n))
    sums = np.stack((n, centred)).T[side & n.any(axis=0)].swapaxes(1, 2)
    starts = np.arange(min(BLOCKS, len(sums))) * len(sums) // max(min(BLOCKS, len(sums)), 1)
    return np.add.reduceat(sums, starts) if len(sums) else sums


def decomposed(before: Floats, after: Floats) -> Floats:
    """
    Tell a change of the overall level apart (Kitagawa 1955).

    Parameters
    ----------
    before, after
        Observations and their values added up, shape (..., 2, slices).

    Returns
    -------
    Floats
        Effects, parts within slices and parts of mix, shape (..., 3, slices + 1); the last column is the whole's. A
        slice without data on one side has there the level of the other.
    """
    (n0, x0), (n1, x1) = (np.moveaxis(side, -2, 0) for side in np.broadcast_arrays(before, after))
    level0, level1 = (x / np.where(n > 0, n, 1.0) for x, n in ((x0, n0), (x1, n1)))
    level0, level1 = np.where(n0 > 0, level0, level1), np.where(n1 > 0, level1, level0)
    share0, share1 = (n / n.sum(axis=-1, keepdims=True) for n in (n0, n1))
    overall = (share0 * level0 + share1 * level1).sum(axis=-1, keepdims=True) / 2
    within = (share0 + share1) / 2 * (level1 - level0)
    mix = (share1 - share0) * ((level0 + level1) / 2 - overall)
    within, mix = (np.concatenate((part, part.sum(axis=-1, keepdims=True)), axis=-1) for part in (within, mix))
    effect = np.concatenate((level1 - level0, within[..., -1:] + mix[..., -1:]), axis=-1)
    return np.stack((effect, within, mix), axis=-2)


def _estimated(before: Floats, after: Floats, least: float) -> tuple[Floats, Floats]:
    """
    Parts of the change and their standard errors, shape (3, slices + 1), leaving out one block at a time.

    Errors up to `least` are rounding, and 0.
    """
    early, late = before.sum(axis=0), after.sum(axis=0)
    variance = np.zeros((3, before.shape[2] + 1))
    for omitted in (decomposed(early - before, late), decomposed(early, late - after)):
        variance += (1 - 1 / len(omitted)) * ((omitted - omitted.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt(variance)
    return decomposed(early, late), np.where(error > least, error, 0.0)


def _on_both(before: Floats, after: Floats) -> Bools:
    both: Bools = (before[:, 0].sum(axis=0) > 0) & (after[:, 0].sum(axis=0) > 0)
    return both


def _drawn(effects: list[Measurement], both: Bools, n: float, alpha: float) -> list[Shrunk | None]:
    """
    Draw effects towards one another; None for those of slices that are not on both sides, or never varied.

    A slice that is apart from all others (Holm 1979, all slices together at alpha) keeps its own effect, which the
    others say nothing of. Errors are enlarged so that intervals of the normal distribution are as wide as Student's.
    """
    usable = [i for i, effect in enumerate(effects) if both[i] and effect.error > 0]
    enlarged = critical(alpha, effects[0].freedom) / critical(alpha, math.inf)
    known = [Measurement(effects[i].value, effects[i].error * enlarged) for i in usable]
    out: list[Shrunk | None] = [None] * len(effects)
    for i, one in zip(usable, known, strict=True):
        out[i] = Shrunk(one.value, interval_of(one, alpha), one.error, 1.0)
    if len(known) < 2:
        return out
    alike = [j for j, found in enumerate(apart(known, n, planned=n, alpha=alpha)) if found.p_holm > alpha]
    if len(alike) > 1:
        for j, drawn in zip(alike, shrunken([known[j] for j in alike], alpha=alpha), strict=True):
            out[usable[j]] = drawn
    return out
