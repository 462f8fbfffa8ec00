"""
Changes of what is stored: jumps and slow trends of each watch, what releases did, which slices moved, and why.

Everything is of the whole, but for the slices that moved. Jumps are searched for in each watch by itself; a level that
slides is found as several steps, and told as one slow change where a straight line describes them better.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streams.core.detect.change_points import FEWEST, FEWEST_SEASONS, ChangePoint, change_points
from streams.core.detect.decay import MOST_PAIRS
from streams.core.detect.explain import Beside, Call, Change, explain, limits_of
from streams.core.detect.measuring import LABEL_COVERAGE, TRAFFIC
from streams.core.detect.movers import Movement, Sliced, movers
from streams.core.detect.plan import LABEL_DELAY
from streams.core.detect.release import BeforeAfter, Marker, Series, before_after, nearest
from streams.core.judge.evidence import Interval
from streams.errors import StreamsError, UsageError
from streams.report.changes_read import (
    METRIC,
    Span,
    Stored,
    named,
    read_decisions,
    read_releases,
    read_slices,
    read_whole,
)
from streams.report.changes_slow import Trend, gradual_steps, trends
from streams.report.read import Query

NEARBY = 3
"""Ticks before an onset in which a release may have brought it, as alerts have it."""

_FARTHEST = 28  # ticks that are compared on either side of a moment, or four seasons
_SEASONS = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked: which ticks, which watches (none: all metrics), ticks in a season, the error rate, and a seed.

    `markers` are looked at beside the releases and decisions that are stored.
    """

    span: Span
    watches: tuple[str, ...] = ()
    season: int = 7
    alpha: float = 0.01
    seed: int = 0
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True)
class Jump:
    """
    One change of a level.

    Attributes
    ----------
    point
        Its onset, and the levels between the changes next to it.
    gradual
        Whether it is only a step of a slow change, of which nothing more is said.
    nearby
        How ticks near it compare, at most four seasons either side; None where there are too few.
    release
        The release that it points to.
    movements
        What slices did, by the attributes that they are of.
    calls
        What a change of a metric may be called, the likeliest first; empty for other watches.
    """

    point: ChangePoint
    gradual: bool
    nearby: BeforeAfter | None = None
    release: Marker | None = None
    movements: tuple[tuple[tuple[str, ...], Movement], ...] = ()
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Watched:
    """What is said of one watch: of all its ticks with data between two moments (us)."""

    name: str
    kind: str
    ticks: int
    first: int
    last: int
    jumps: tuple[Jump, ...]
    trends: tuple[Trend, ...]
    releases: tuple[tuple[Marker, BeforeAfter | None], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of a model; `releases` is None where the store has no windows to tell them from."""

    asked: Asked
    tick: int
    fewest: int
    watched: tuple[Watched, ...]
    releases: tuple[Marker, ...] | None


def find_changes(query: Query, asked: Asked) -> Report:
    """
    Find what changed in a store; the same store and the same question give the same answer.

    Raises
    ------
    UsageError
        If the model or a watch is not stored; the message says which are.
    StreamsError
        If no watch has enough ticks with data.
    """
    stored = read_whole(query, asked.span)
    names = named(stored, asked.watches, asked.span.model)
    fewest = max(2 * FEWEST, FEWEST_SEASONS * asked.season)
    _refuse_length(asked, max(len(stored.series[name].known().ends) for name in names), fewest)
    metrics = [name for name, kind in stored.kinds.items() if kind == METRIC]
    versions = read_releases(query, asked.span.model, stored.tick, metrics)
    markers = (*(versions or ()), *read_decisions(query, asked.span.model), *asked.markers)
    finder = _Finder(query, asked, stored, markers)
    found = tuple(finder.watched(name) for name in names if len(stored.series[name].known().ends))
    unknown = versions is None and not finder.markers
    return Report(asked, stored.tick, fewest, found, None if unknown else tuple(finder.markers))


def _refuse_length(asked: Asked, ticks: int, fewest: int) -> None:
    model, season = asked.span.model, asked.season
    if ticks < fewest:
        raise StreamsError(
            f"{model} has {ticks} ticks with data, and changes are told from {fewest} on, with a season of {season}: "
            "wait for more, or give a shorter --season"
        )
    if ticks * (ticks / season - 1) / 2 > MOST_PAIRS:
        raise UsageError(
            f"{model} has {ticks} ticks with data, too many to compare each with all others of its phase in a season "
            f"of {season}: narrow them down with --since, or give the season in ticks, 168 for weeks of hours"
        )


class _Finder:
    """Looks at one watch after the other."""

    def __init__(self, query: Query, asked: Asked, stored: Stored, markers: Sequence[Marker]) -> None:
        self._query, self._asked, self._stored = query, asked, stored
        ends = np.concatenate([one.ends for one in stored.series.values()])
        first, last = int(ends.min()) - stored.tick, int(ends.max())
        self.markers = [marker for marker in markers if first < marker.time < last]

    def watched(self, name: str) -> Watched:
        series = self._stored.series[name].known()
        season, alpha = self._asked.season, self._asked.alpha
        rng = np.random.default_rng((self._asked.seed, zlib.crc32(name.encode())))
        points = change_points(series, rng, season=season, alpha=alpha)
        gradual = gradual_steps(series, points, season)
        cuts = [point.onset for point, slow in zip(points, gradual, strict=True) if not slow]
        return Watched(
            name,
            self._stored.kinds[name],
            len(series.ends),
            int(series.ends[0]) - series.tick,
            int(series.ends[-1]),
            tuple(self._jumps(name, points, gradual)),
            tuple(trends(series, cuts, season, alpha)),
            tuple(self._releases(series)),
        )

    def _jumps(self, name: str, points: Sequence[ChangePoint], gradual: Sequence[bool]) -> Iterator[Jump]:
        if all(gradual):
            yield from (Jump(point, gradual=True) for point in points)
            return
        series, season, alpha = self._stored.series[name], self._asked.season, self._asked.alpha
        sliced = read_slices(self._query, self._asked.span, name, series)
        reaches = _reaches([point.onset for point in points], series, season)
        for point, slow, (moment, reach) in zip(points, gradual, reaches, strict=True):
            if slow:
                yield Jump(point, gradual=True)
                continue
            nearby = before_after(series, moment, reach, season=season, alpha=alpha)
            moved = tuple(_movements(sliced, moment, _whole_seasons(reach, season), alpha))
            release = nearest(point.onset, point.low, point.high, self.markers, NEARBY * series.tick)
            calls: tuple[Call, ...] = ()
            if self._stored.kinds[name] == METRIC:
                beside = self._beside(moment, reach, [movement for _, movement in moved])
                calls = explain(_change(name, point, nearby), beside)
            yield Jump(point, False, nearby, release, moved, calls)

    def _releases(self, series: Series) -> Iterator[tuple[Marker, BeforeAfter | None]]:
        season, alpha = self._asked.season, self._asked.alpha
        times = sorted({marker.time for marker in self.markers})
        reaches = dict(zip(times, _reaches(times, series, season), strict=True))
        for marker in self.markers:
            moment, reach = reaches[marker.time]
            able = min(reach) > 0
            yield marker, before_after(series, moment, reach, season=season, alpha=alpha) if able else None

    def _beside(self, moment: int, reach: tuple[int, int], moved: Sequence[Movement]) -> Beside:
        """What else changed: traffic and delay are logarithms already; of several attributes, the largest mix."""
        logarithms = {
            name: _logarithm(series) if name == LABEL_COVERAGE else series
            for name, series in self._stored.series.items()
            if name in {TRAFFIC, LABEL_COVERAGE, LABEL_DELAY}
        }
        found = {
            name: compared.effect
            for name, series in logarithms.items()
            if (compared := before_after(series, moment, reach, season=self._asked.season)) is not None
        }
        mix = max(moved, key=lambda one: abs(one.mix.value), default=None)
        return Beside(
            traffic=found.get(TRAFFIC), coverage=found.get(LABEL_COVERAGE), delay=found.get(LABEL_DELAY), movement=mix
        )


def _reaches(times: Sequence[int], series: Series, season: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """
    Yield for each moment how many ticks to compare on each side: up to the next moment, and four seasons at most.

    A comparison leaves the tick out that a moment is in. It is taken from the longer side: the first one after, or,
    with the moment a microsecond earlier, the last one before.
    """
    most = max(_SEASONS * season, _FARTHEST)
    edges = [int(series.ends[0]) - series.tick, *times, int(series.ends[-1])]
    for before, time, after in zip(edges, times, edges[2:], strict=False):
        early, late = (time - before) // series.tick, (after - time) // series.tick
        moment, early, late = (time, early, late - 1) if late >= early else (time - 1, early - 1, late)
        yield moment, (min(early, most), min(late, most))


def _whole_seasons(reach: tuple[int, int], season: int) -> tuple[int, int]:
    """Shorten each side to whole seasons, if it has one."""
    before, after = (side - side % season if side >= season else side for side in reach)
    return before, after


def _movements(
    sliced: Sequence[Sliced], moment: int, reach: tuple[int, int], alpha: float
) -> Iterator[tuple[tuple[str, ...], Movement]]:
    for one in sliced:
        movement = movers(one, moment, reach, alpha=alpha)
        if movement is not None:
            yield tuple(attribute for attribute, _ in one.slices[0]), movement


def _change(name: str, point: ChangePoint, nearby: BeforeAfter | None) -> Change:
    """Put a jump as what is to be explained: as ticks near it compare, if they do."""
    effect, interval = point.after - point.before, Interval.everything()
    if nearby is not None and nearby.effect.value:
        effect, interval = nearby.effect.value, nearby.interval
    limits = limits_of(name)
    before = min(max(point.before, 0.0), 1.0) if limits else point.before
    return Change(before, effect, interval, limits=limits)


def _logarithm(series: Series) -> Series:
    """Logarithms of shares; where there was no label, as if there had been half a one."""
    with np.errstate(divide="ignore"):
        least = 0.5 / np.maximum(series.n, 1.0)
    return Series(series.ends, np.log(np.maximum(series.value, least)), series.error, series.n, series.tick)
