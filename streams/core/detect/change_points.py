"""
When the level of a stored series changed: every onset with its interval, and a chance of any false one that is chosen.

The series is split where the difference of the levels left and right is largest, over intervals of many lengths (seeded
intervals: Kovács, Bühlmann, Li & Munk 2023), then each part again, as long as the largest difference is larger than in
shuffles of the same part. A part of a share s of the ticks is tested at alpha s: parts without a change that are tested
do not overlap, so that all of them together err at most alpha (union bound). The season is taken out first, and what a
tick has of the one before: shuffled ticks are then as independent as the real ones. A slow decay has no onset, and is
told as several steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from streams.core.columns import Floats, Ints
from streams.core.detect.release import Bools, Series, check_season, precision
from streams.core.judge.evidence import check_alpha

FEWEST = 3  # ticks of a level
FEWEST_SEASONS = 3
_BLOCK = 3  # ticks that are shuffled together
_ROUNDING = 1e-12
_TIE = 1e-9
_LARGER = 20  # shuffles beyond what is just significant
_AT_ONCE = 2_000_000  # splits of shuffles
_REACH = 7  # ticks either side, of the running median
_OFFSET, _STRETCH = -0.05, 1.28
_MOST_CORRELATED = 0.9


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """
    One change of the level.

    Attributes
    ----------
    onset
        Start of the first tick of the new level, us.
    low, high
        The onset's interval, us: the change may lie inside a tick.
    before, after
        Levels between the neighbouring changes, the season taken out. Their difference was searched for, and is on
        average larger than the truth: take `before_after` on new ticks for an honest interval.
    p
        Chance of such a change anywhere in the series, if there is none.
    """

    onset: int
    low: int
    high: int
    before: float
    after: float
    p: float


def change_points(
    series: Series, rng: Generator, *, season: int = 1, alpha: float = 0.01, coverage: float = 0.95
) -> list[ChangePoint]:
    """
    Find the changes of a signal's level, in order of time.

    Nothing is found in fewer than three seasons, which cannot be told from changes, or in fewer than six ticks.

    Parameters
    ----------
    rng
        Shuffles the ticks; the same generator gives the same changes.
    season
        Ticks in a season, 1 for none.
    alpha
        Largest chance of any change in a series that has none. Simulated at 0.05 with 60 to 200 ticks, it is kept for
        AR(1) with correlations up to 0.5, is 0.08 at 0.7, and is not kept for a level that wanders slowly beneath the
        noise: that has changes, if small ones. Judge what was found by a margin (`before_after`).
    coverage
        Chance that an onset's interval holds the onset.

    Raises
    ------
    ValueError
        If the season is below 1, or alpha or the coverage is not between 0 and 1.
    """
    check_alpha(alpha)
    if not 0 < coverage < 1:
        raise ValueError(f"an interval's coverage is {coverage}: it must be more than 0 and less than 1, such as 0.95")
    known = series.known()
    if len(known.ends) < max(2 * FEWEST, FEWEST_SEASONS * check_season(season)):
        return []
    value = without_season(known, season)
    if float(np.ptp(value)) <= _ROUNDING * float(np.abs(value).max()):
        return []
    whole = _Part.of(known, value)
    found = dict(_search(whole, 0, len(value), alpha / len(value), rng))
    return _told(whole, known, value, found, coverage)


def without_season(known: Series, season: int) -> Floats:
    """
    Take the season out: the median of each phase, of how far ticks lie from the median of the season around them.

    The level is left where it was. Medians let changes of the level pass. Ticks without data must have been left out.
    """
    if season == 1:
        return known.value
    place = known.ends // known.tick
    first = np.searchsorted(place, place - season // 2)
    last = np.searchsorted(place, place - season // 2 + season)
    level = np.array([np.median(known.value[a:b]) for a, b in zip(first, last, strict=True)])
    _, group = np.unique(known.phase(season), return_inverse=True)
    away = known.value - level
    profile = np.array([np.median(away[group == g]) for g in range(int(group.max()) + 1)])
    out: Floats = known.value - (profile - profile.mean())[group]
    return out


def around_level(value: Floats) -> Floats:
    """Deviations from the median of the 15 ticks around each: changes of the level, if these last, are not in them."""
    level = np.array([np.median(value[max(i - _REACH, 0) : i + _REACH + 1]) for i in range(len(value))])
    deviation: Floats = value - level
    return deviation


def correlation(deviation: Floats) -> float:
    """
    Correlation of neighbouring ticks, 0 to 0.9, from their deviations around the level.

    The running median takes some of it with it: of AR(1) series with correlations 0, 0.3, 0.5 and 0.7 and 200 ticks it
    leaves -0.05, 0.21, 0.36 and 0.49 (simulated), which a straight line puts right to within 0.03.

    >>> correlation(np.array([1.0, -1.0, 1.0, -1.0]))
    0.0
    """
    squares = float(deviation @ deviation)
    left = float(deviation[1:] @ deviation[:-1]) / squares if squares > 0 else 0.0
    return min(max(_STRETCH * (left - _OFFSET), 0.0), _MOST_CORRELATED)


@dataclass(frozen=True, slots=True)
class _Part:
    """
    Ticks next to one another: their values, weights, correlation, and which follow the one before without a gap.

    `fresh` is what a tick has that the one before has not: x_t - rho x_(t-1), or (1 - rho) x_t where there is none
    before; its mean is (1 - rho) times the level either way.
    """

    value: Floats
    weight: Floats
    rho: float
    follows: Bools

    @classmethod
    def of(cls, known: Series, value: Floats) -> _Part:
        follows = np.concatenate(([False], np.diff(known.ends) == known.tick))
        deviation = around_level(value)
        weight = precision(deviation, known.error, known.n)
        return cls(value - float(np.median(value)), weight, correlation(deviation), follows)

    def between(self, first: int, last: int) -> _Part:
        """Return the ticks from `first` to before `last`, as if nothing had been before."""
        follows = self.follows[first:last].copy()
        follows[:1] = False
        return _Part(self.value[first:last], self.weight[first:last], self.rho, follows)

    @property
    def own(self) -> Floats:
        """Coefficient of each tick in what is fresh."""
        return np.where(self.follows, 1.0, 1.0 - self.rho)

    @property
    def other(self) -> Floats:
        """Coefficient of the tick before."""
        return np.where(self.follows, self.rho, 0.0)

    @property
    def fresh(self) -> Floats:
        before = np.concatenate(([0.0], self.value[:-1]))
        fresh: Floats = self.own * self.value - self.other * before
        return fresh


def _search(whole: _Part, first: int, last: int, rate: float, rng: Generator) -> Iterator[tuple[int, float]]:
    """Yield each change between two ticks, with its p for the whole series; `rate` is the error allowed a tick."""
    if last - first < 2 * FEWEST:
        return
    part = whole.between(first, last)
    level = rate * (last - first)
    at, p = largest_difference(part.fresh, part.weight, level, rng)
    if p > level:
        return
    middle = first + at
    yield middle, min(p * len(whole.value) / (last - first), 1.0)
    yield from _search(whole, first, middle, rate, rng)
    yield from _search(whole, middle, last, rate, rng)


def largest_difference(value: Floats, weight: Floats, level: float, rng: Generator) -> tuple[int, float]:
    """
    Find the split at which levels differ most, and the chance of such a difference in shuffled blocks of ticks.

    What is shuffled are deviations times the square root of the weight. Blocks of three ticks keep together what is
    left of their likeness; longer ones would make a dip as short as two of them look like chance.

    Parameters
    ----------
    level
        The p that matters. Of 20 / level shuffles, the twentieth that is as large says that p is above it, and ends
        them (Besag & Clifford 1991).

    Returns
    -------
    tuple
        Index of the first value after the split, and the p, (1 + shuffles as large) / (1 + shuffles).
    """
    splits = seeded_splits(len(value))
    deviation = np.sqrt(weight) * (value - float(np.average(value, weights=weight)))
    seen = _gains(deviation[None], weight, splits)[0]
    best = int(np.argmax(seen))
    shuffles = math.ceil(_LARGER / level)
    larger, done = 0, 0
    while done < shuffles and larger < _LARGER:
        rows = min(max(_AT_ONCE // splits.shape[1], 1), shuffles - done)
        order = shuffled_blocks(rows, len(value), rng)
        largest = _gains(deviation[order], weight, splits).max(axis=1)
        larger += int((largest >= seen[best] * (1 - _TIE)).sum())
        done += rows
    return int(splits[1, best]), (1 + larger) / (1 + shuffles)


def seeded_splits(n: int) -> Ints:
    """
    Intervals with their splits, as columns (first, split, end): all of 0..n, and intervals half as long each time.

    Intervals of one length overlap by half (Kovács et al. 2023, with decay 1/2); each side of a split
    has three values or more.
    """
    columns, length = [], float(n)
    while length >= 2 * FEWEST:
        for first in np.unique(np.linspace(0, n - length, max(2 * math.ceil(n / length) - 1, 1)).astype(np.int64)):
            end = min(int(first) + math.ceil(length), n)
            split = np.arange(first + FEWEST, end - FEWEST + 1)
            columns.append(np.stack((np.full_like(split, first), split, np.full_like(split, end))))
        length /= 2
    return np.concatenate(columns, axis=1)


def shuffled_blocks(rows: int, n: int, rng: Generator) -> Ints:
    """Return orders of 0..n-1, shape (rows, n), in which blocks of three keep together, on a circle."""
    blocks = np.arange(math.ceil(n / _BLOCK) * _BLOCK).reshape(-1, _BLOCK)
    order = rng.permuted(np.broadcast_to(np.arange(len(blocks)), (rows, len(blocks))), axis=1)
    order = blocks[order].reshape(rows, -1)
    order = order[order < n].reshape(rows, n)
    shuffled: Ints = (order + rng.integers(n, size=(rows, 1))) % n
    return shuffled


def _gains(deviation: Floats, weight: Floats, splits: Ints) -> Floats:
    """Squares that each split explains, shape (rows, splits), of deviations times the square root of their weight."""
    first, split, end = splits
    mass = np.concatenate(([0.0], np.cumsum(weight)))
    total = np.zeros((len(deviation), len(weight) + 1))
    np.cumsum(deviation * np.sqrt(weight), axis=1, out=total[:, 1:])
    left, right = mass[split] - mass[first], mass[end] - mass[split]
    middle = total[:, split]
    gap = (total[:, end] - middle) / right - (middle - total[:, first]) / left
    gains: Floats = gap * gap * (left * right / (left + right))
    return gains


def explained(part: _Part) -> Floats:
    """
    Sum of squares that two levels explain, for a change at each index, shape (ticks,); -inf where a side is too short.

    Generalised least squares with AR(1) errors: at the change itself, what is fresh has the new level and rho times
    the old one.
    """
    rest, w, fresh = 1 - part.rho, part.weight, part.fresh
    own, other = part.own, part.other
    mass, moment = rest * rest * np.cumsum(w), rest * np.cumsum(w * fresh)
    early, late = mass - rest * rest * w + w * other**2, mass[-1] - mass + w * own**2
    both = -w * own * other
    of_early = moment - rest * w * fresh - w * other * fresh
    of_late = moment[-1] - moment + w * own * fresh
    determinant = early * late - both * both
    squares = late * of_early**2 - 2 * both * of_early * of_late + early * of_late**2
    out = np.full(len(w), -math.inf)
    inner = slice(FEWEST, len(w) - FEWEST + 1)
    out[inner] = squares[inner] / determinant[inner]
    return out


def onset_range(part: _Part, variance: float, coverage: float) -> tuple[int, int]:
    """
    Indices between which a part's one change lies with this chance.

    Where the log-likelihood is within -log(1 - sqrt(coverage)) of the largest: away from the true onset, on either
    side, the likelihood ratio is a martingale that ever exceeds exp(x) with a chance of at most exp(-x) (Siegmund 1988
    inverts the same test; the bound is Ville's). That takes the levels as known, which simulation finds harmless.
    """
    gain = explained(part)
    slack = -2 * variance * math.log1p(-math.sqrt(coverage))
    able = np.flatnonzero(gain >= float(gain.max()) - slack)
    return int(able[0]), int(able[-1])


def _told(whole: _Part, known: Series, value: Floats, found: dict[int, float], coverage: float) -> list[ChangePoint]:
    """Place each change anew between its neighbours, with its interval."""
    edges, p = [0, *sorted(found), len(value)], [found[at] for at in sorted(found)]
    for i in range(1, len(edges) - 1):
        edges[i] = edges[i - 1] + int(np.argmax(explained(whole.between(edges[i - 1], edges[i + 1]))))
    ranges = list(pairwise(edges))
    variance = _noise([whole.between(*ends) for ends in ranges])
    levels = [float(np.average(value[a:b], weights=whole.weight[a:b])) for a, b in ranges]
    starts = known.ends - known.tick
    told = []
    for i, (first, end) in enumerate(zip(edges[:-2], edges[2:], strict=True)):
        low, high = onset_range(whole.between(first, end), variance, coverage)
        onset, earliest = int(starts[edges[i + 1]]), int(starts[first + low - 1])
        told.append(ChangePoint(onset, earliest, int(known.ends[first + high]), levels[i], levels[i + 1], p[i]))
    return told


def _noise(parts: list[_Part]) -> float:
    """Variance of what is fresh in a tick of weight 1, about the levels of the parts."""
    squares = 0.0
    for part in parts:
        away = part.fresh - float(np.average(part.fresh, weights=part.weight))
        squares += float(part.weight @ away**2)
    return squares / (sum(len(part.value) for part in parts) - len(parts))
