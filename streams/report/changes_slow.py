"""Slow changes: which jumps are but steps of one, and the slopes of everything and of the stretches between jumps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streams.core.columns import Floats
from streams.core.detect.change_points import ChangePoint, without_season
from streams.core.detect.decay import FEWEST_TICKS, Decay, decay
from streams.core.detect.release import Series


@dataclass(frozen=True, slots=True)
class Trend:
    """The slope between two moments (us); `whole` if that is everything, with the jumps in it."""

    first: int
    last: int
    decay: Decay
    whole: bool


def gradual_steps(series: Series, points: Sequence[ChangePoint], season: int) -> list[bool]:
    """
    Say which changes are steps of a slow one: two or more that go one way, and that a straight line describes better.

    Better by Schwarz's criterion (1978), the onset of a step counting as a number that was estimated. Of the stretches
    between changes of which that is so, the longest are taken, which do not overlap.

    Parameters
    ----------
    series
        With a value in every tick.
    points
        Its changes, in order of time.
    """
    gradual = [False] * len(points)
    if len(points) < 2:
        return gradual
    value = without_season(series, season)
    onsets = np.array([point.onset for point in points], np.int64)
    edges = [0, *np.searchsorted(series.ends - series.tick, onsets).tolist(), len(value)]
    spans = [(a, b) for a in range(len(edges)) for b in range(a + 3, len(edges)) if _one_way(points[a : b - 1])]
    for a, b in sorted(spans, key=lambda ab: edges[ab[0]] - edges[ab[1]]):
        place = series.ends[edges[a] : edges[b]] / series.tick
        if not any(gradual[a : b - 1]) and _is_straight(place, value, edges[a : b + 1]):
            gradual[a : b - 1] = [True] * (b - 1 - a)
    return gradual


def _one_way(points: Sequence[ChangePoint]) -> bool:
    return len({point.after > point.before for point in points}) == 1


def _is_straight(place: Floats, value: Floats, edges: Sequence[int]) -> bool:
    """Compare a line (2 numbers) with levels and onsets (2k + 1 for k steps) by Schwarz's criterion."""
    parts = [value[a:b] for a, b in pairwise(edges)]
    whole, n = value[edges[0] : edges[-1]], edges[-1] - edges[0]
    away = place - place.mean()
    left = whole - whole.mean() - away * float(away @ whole) / float(away @ away)
    line, stairs = float(left @ left), sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    if not min(line, stairs) > 0:
        return line < stairs
    return n * math.log(line / stairs) < (2 * len(parts) - 1 - 2) * math.log(n)


def trends(series: Series, cuts: Sequence[int], season: int, alpha: float) -> Iterator[Trend]:
    """
    Yield the slope of everything, then of each stretch between jumps, all of these together at alpha.

    Parameters
    ----------
    series
        With a value in every tick.
    cuts
        Onsets of the jumps, us, in order of time.
    """
    starts = series.ends - series.tick
    edges = [0, *np.searchsorted(starts, np.array(cuts, np.int64)).tolist(), len(starts)]
    stretches = [(a, b) for a, b in pairwise(edges) if b - a >= FEWEST_TICKS] if cuts else []
    for a, b in [(0, len(starts)), *stretches]:
        whole = (a, b) == (0, len(starts))
        slope = decay(series.taken(np.arange(a, b)), season=season, alpha=alpha if whole else alpha / len(stretches))
        yield Trend(int(starts[a]), int(series.ends[b - 1]), slope, whole)
