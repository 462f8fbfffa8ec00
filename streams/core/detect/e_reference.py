"""
What is usual for a signal, learned from its first ticks: level, season, spread between ticks, memory, and ranks.

A tick's value is taken as

    level + place in the season + noise,    noise variance = between + error²

with the places as random effects: where the season explains nothing they shrink to nothing, and a place that was never
seen is expected at the level, with the season's own variance as its uncertainty. Errors known from the tick's own
sampling weigh the ticks, so that a thin night does not look like a change. Values far from the median of their place
are drawn in before anything is averaged, by Winsor's rule.

The ranks must compare like with like: a tick of the reference is scored against what all *other* reference ticks
predict, as a later tick is scored against what the reference predicts, each divided by the standard error of that
prediction. That makes both nearly exchangeable; exactly so only without a season and with equal errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FARTHEST = 1e6
"""Scores are cut off here: beyond, a signal that never moved has simply moved."""

TIE = 0.1
"""
How far apart tie-breakers move scores that are equal.

It is much more than rounding, for values that are equal in themselves, such as the zeros of a rare event, have scores
that differ a little between the reference and later ticks, which are not compared with one less. As noise, it is a
variance of a thousandth.
"""

_DRAWN_IN = 4.0  # robust standard deviations from the median of its place at which a value is drawn in
_MAD = 1.4826  # a normal standard deviation in median absolute deviations
_ROUNDING = 1e-9  # of the largest value: differences below are rounding
_SMALLEST = 1e-60  # standard deviation of a signal that was always 0
_NEVER_MOVED = 1e-6  # scores of a signal that is constant but for rounding
_HALVINGS = 32
_DAYS = 7  # in a week
_CAUTION = 3.0  # factor on the variance of seasonal effects
_MEMORY_AT_MOST = 0.8
_FEWEST_PAIRS = 8  # neighbours in time that memory is estimated from
_SPREAD_CUT = 10.0


@dataclass(frozen=True)
class Usual:
    """
    What is usual for each of R signals.

    Attributes
    ----------
    level, between, memory, spread, shared
        Level; variance between ticks beyond their sampling; correlation of a score with the one before; mean square
        of the scores, 1 for normal noise, more if tails are heavy; by how much the variance of their sums is larger
        than if they were independent, for ticks of a day share what is not known of the weekday. Shape (R,).
    season, doubt
        What each place in the season adds to the level, and the variance of level and place together. Shape (R, P).
    scores
        Scores of the reference's ticks, growing, shape (R, n).
    last_score, last_tick
        Score, before memory is taken out, of the last tick learned from, and that tick. Shape (R,).
    """

    level: Floats
    between: Floats
    memory: Floats
    spread: Floats
    shared: Floats
    season: Floats
    doubt: Floats
    scores: Floats
    last_score: Floats
    last_tick: Ints


def learn(values: Floats, errors: Floats, ticks: Ints, season: int, jitter: Floats) -> Usual:
    """
    Learn what is usual from the reference.

    Parameters
    ----------
    values, errors, ticks
        The reference of R signals, growing in time, shape (R, n); an error is 0 where it is not known.
    season
        Ticks in a season.
    jitter
        Tie-breakers in [0, 1), shape (R, n).
    """
    places = _Places(ticks % season, season)
    drawn_in = _drawn_in(values, errors, places)
    between = _between(drawn_in, errors, places)
    noise = between[:, None] + errors**2 + smallest(values)[:, None] ** 2
    found = _predictions(drawn_in, 1 / noise, ticks % season, season)
    plain = np.clip((values - found.left_out) / np.sqrt(noise + found.left_out_doubt), -FARTHEST, FARTHEST)
    memory = _memory(plain, ticks)
    fresh = without_memory(plain[:, 1:], plain[:, :-1], np.diff(ticks, axis=1) == 1, memory[:, None])
    scores = np.concatenate((plain[:, :1], fresh), axis=1)
    spread = np.maximum(1.0, (np.clip(scores, -_SPREAD_CUT, _SPREAD_CUT) ** 2).mean(axis=1))
    between = between + smallest(values) ** 2
    ranked = np.sort(jittered(scores, jitter), axis=1)
    shared = 1 + found.shared / noise.mean(axis=1)
    noted = found.level, between, memory, spread, shared, found.season, found.doubt, ranked
    return Usual(*noted, last_score=plain[:, -1], last_tick=ticks[:, -1])


def smallest(values: Floats) -> Floats:
    """Return the standard deviation below which a signal's differences are rounding, shape (R,)."""
    return np.asarray(_ROUNDING * np.abs(values).max(axis=1) + _SMALLEST)


def jittered(scores: Floats, jitter: Floats) -> Floats:
    """Return scores with so much noise, from jitter in [0, 1), that those that were about equal come in any order."""
    return scores + TIE * jitter


def without_memory(score: Floats, before: Floats, follows: npt.NDArray[np.bool_], memory: Floats) -> Floats:
    """
    Return what is new in a score: what it has beyond its expectation given the tick before, in its standard deviations.

    Where no tick with data came just before, that is the score itself.
    """
    fresh = (score - memory * before) / np.sqrt(1 - memory**2)
    return np.where(follows, fresh, score)


class _Places:
    """Sums over the ticks of each place in the season."""

    def __init__(self, place: Ints, season: int) -> None:
        self.place = place
        self.season = season
        self._flat = (np.arange(len(place))[:, None] * season + place).ravel()
        self.count = self.sum(np.ones(place.shape))

    def sum(self, values: Floats) -> Floats:
        """Sum of each place, shape (R, season)."""
        size = len(self.place) * self.season
        sums: Floats = np.bincount(self._flat, values.ravel(), size).astype(np.float64)
        return sums.reshape(-1, self.season)

    def of(self, by_place: Floats) -> Floats:
        """What belongs to each tick's place, shape (R, n)."""
        return np.take_along_axis(by_place, self.place, axis=1)

    def median(self, values: Floats) -> Floats:
        """Median of each place, shape (R, season); arbitrary where a place has no ticks."""
        order = np.argsort(values, axis=1)
        order = np.take_along_axis(order, np.argsort(np.take_along_axis(self.place, order, 1), 1, kind="stable"), 1)
        ordered = np.take_along_axis(values, order, axis=1)
        count = self.count.astype(np.int64)
        first = np.cumsum(count, axis=1) - count
        last = values.shape[1] - 1
        low = np.take_along_axis(ordered, np.minimum(first + np.maximum(count - 1, 0) // 2, last), axis=1)
        high = np.take_along_axis(ordered, np.minimum(first + count // 2, last), axis=1)
        return (low + high) / 2


def _drawn_in(values: Floats, errors: Floats, places: _Places) -> Floats:
    """Values, with those far from the median of their place moved to the limit; none if most of them are equal."""
    middle = places.of(places.median(values))
    apart = values - middle
    usual = _MAD * np.median(np.abs(apart), axis=1)[:, None]
    limit = np.where(usual > 0, _DRAWN_IN * np.sqrt(usual**2 + errors**2), np.inf)
    return np.asarray(middle + np.clip(apart, -limit, limit))


def _between(values: Floats, errors: Floats, places: _Places) -> Floats:
    """
    Variance between ticks of one place beyond their sampling (Paule & Mandel 1982): squares then sum to their number.

    A place with a single tick says nothing about it; if no place has two, all ticks are taken as of one place.
    """
    if not (places.count > 1).any(axis=1).all():
        places = _Places(np.zeros_like(places.place), 1)
    count = places.of(places.count)
    means = places.sum(values) / np.maximum(places.count, 1)
    squares = (values - places.of(means)) ** 2 * np.where(count > 1, count / np.maximum(count - 1, 1), 0)
    wanted = (count > 1).sum(axis=1)
    low, high = np.zeros(len(values)), squares.sum(axis=1) + _SMALLEST**2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        variance = middle[:, None] + errors**2
        too_small = (squares / np.maximum(variance, _SMALLEST**2)).sum(axis=1) > wanted
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return np.asarray(high)


@dataclass(frozen=True)
class _Predicted:
    """
    Level (R,), what places add and the doubt of both (R, P), and for each tick what all others predict (R, n).

    `shared` is what the doubt of a weekday adds to the variance of a sum over half a day, by tick, shape (R,).
    """

    level: Floats
    season: Floats
    doubt: Floats
    left_out: Floats
    left_out_doubt: Floats
    shared: Floats


def _predictions(values: Floats, weights: Floats, place: Ints, season: int) -> _Predicted:
    """Predict every place in the season, and every tick from all others: level, then one effect after the other."""
    total = weights.sum(axis=1, keepdims=True)
    level = (weights * values).sum(axis=1, keepdims=True) / total
    rest = values - level
    every = np.arange(season)
    found = _Predicted(
        level[:, 0],
        np.zeros((len(values), season)),
        np.repeat(1 / total, season, axis=1),
        level - weights * rest / (total - weights),
        1 / (total - weights),
        np.zeros(len(values)),
    )
    used = 0
    for group, size, run in _groups(season):
        effect = _effect(rest, weights, _Places(group(place), size), used if size == season else 0)
        used += size - 1
        found = _Predicted(
            found.level,
            found.season + effect.season[:, group(every)],
            found.doubt + effect.doubt[:, group(every)],
            found.left_out + effect.left_out,
            found.left_out_doubt + effect.left_out_doubt,
            found.shared + (run - 1) / 2 * effect.doubt.mean(axis=1),
        )
        rest = rest - effect.season[np.arange(len(rest))[:, None], group(place)]
    return found


def _groups(season: int) -> list[tuple[Callable[[Ints], Ints], int, int]]:
    """
    Effects that make up a season, and for how many ticks each stays the same.

    In a week of several ticks a day: of the hour, of the weekday, and of each hour of each weekday.
    """
    day = season // _DAYS
    if day * _DAYS != season or day == 1:
        return [(lambda place: place, season, 1)]
    return [
        (lambda place: place % day, day, 1),
        (lambda place: place // day, _DAYS, day),
        (lambda place: place, season, 1),
    ]


def _effect(rest: Floats, weights: Floats, places: _Places, used: int) -> _Predicted:
    """
    Random effect of places on what is left, and of the places without each tick.

    Its variance is found by moments, as DerSimonian & Laird 1986 find theirs, with `used` degrees of freedom already
    taken, and then tripled: neighbours are often alike, and what is shrunk away of a smooth season looks like memory.
    """
    weight, sums = places.sum(weights), places.sum(weights * rest)
    total, seen = weights.sum(axis=1), (weight > 0).sum(axis=1)
    q = (sums**2 / np.where(weight > 0, weight, 1)).sum(axis=1)
    apart = np.where(seen > 1, total - (weight**2).sum(axis=1) / total, 1)
    variance = (_CAUTION * np.where(seen > 1, np.maximum(0, q - (seen - 1 - used)) / apart, 0))[:, None]
    doubt = variance / (1 + variance * weight)
    without = variance / (1 + variance * np.maximum(places.of(weight) - weights, 0))
    left_out = without * (places.of(sums) - weights * rest)
    return _Predicted(np.zeros(len(rest)), doubt * sums, doubt, left_out, without, np.zeros(len(rest)))


def _memory(scores: Floats, ticks: Ints) -> Floats:
    """
    Correlation of a score with the one before, from 0 to 0.8; 0 if there are few pairs or none.

    Estimates from short series are too small by (1 + 3 r) / n (Kendall 1954): that is added.
    """
    cut = np.clip(scores, -3, 3)
    follows = np.diff(ticks, axis=1) == 1
    pairs = follows.sum(axis=1)
    products = (cut[:, 1:] * cut[:, :-1] * follows).sum(axis=1)
    squares = (cut**2).mean(axis=1) * pairs
    known = (pairs >= _FEWEST_PAIRS) & (squares > _NEVER_MOVED**2 * pairs)
    raw = np.where(known, products / np.where(known, squares, 1), 0)
    mended = raw + np.where(known, (1 + 3 * raw) / scores.shape[1], 0)
    return np.asarray(np.clip(mended, 0, _MEMORY_AT_MOST))
