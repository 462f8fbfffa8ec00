"""
Releases and what they did: when each version arrived, the level before and after, and which release an onset points to.

A release's effect is judged by how much ticks differ among themselves, not by the sampling error within them: a level
that wanders by 0.01 from day to day wanders so after a release too. Neighbouring ticks are alike, so the variance that
counts is the long-run one, from the slowest cosine waves of what the levels leave (Lazarus, Lewis, Stock & Watson
2018), whose number is small and known: it is the freedom of Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import fft

from streams.core.columns import Floats, Ints
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement, interval_of

Bools = npt.NDArray[np.bool_]

Verdict = Literal["higher", "lower", "equivalent", "not enough evidence"]

FEWEST_TICKS = 3  # with data, on each side


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """
    One signal: a number a tick.

    Attributes
    ----------
    ends
        Ends of the ticks, us, ascending; ticks may be left out.
    value
        What was measured, shape (ticks,); NaN where there is no data.
    error
        Its standard error; NaN where it is not known.
    n
        Effective number of observations behind it; NaN where it is not known.
    tick
        Length of a tick, us.

    Raises
    ------
    ValueError
        If shapes differ, a value is infinite, an error or a number negative, or the ends are no steps of whole ticks.
    """

    ends: Ints
    value: Floats
    error: Floats
    n: Floats
    tick: int

    def __post_init__(self) -> None:
        shapes = [part.shape for part in (self.ends, self.value, self.error, self.n)]
        if len(set(shapes)) > 1 or self.ends.ndim != 1:
            raise ValueError(f"a series of shapes {shapes}: ends, value, error and n must be of one, (ticks,)")
        if np.isinf(self.value).any() or (self.error < 0).any() or (self.n < 0).any():
            raise ValueError(
                "a series with an infinite value, or a negative error or n: give NaN where nothing is known"
            )
        check_ticks(self.ends, self.tick)

    def known(self) -> Series:
        """Return the ticks that have a value."""
        return self.taken(np.isfinite(self.value))

    def taken(self, which: Bools | Ints) -> Series:
        """Return some of the ticks."""
        return Series(self.ends[which], self.value[which], self.error[which], self.n[which], self.tick)

    def phase(self, season: int) -> Ints:
        """Return the place of each tick within the season, of `season` ticks."""
        phase: Ints = self.ends // self.tick % check_season(season)
        return phase


def check_ticks(ends: Ints, tick: int) -> None:
    """
    Refuse ends that are not one after the other in steps of whole ticks.

    Raises
    ------
    ValueError
        If they are not.
    """
    steps = np.diff(ends)
    if tick <= 0 or (steps <= 0).any() or (steps % max(tick, 1)).any():
        raise ValueError(f"ends of ticks must ascend in steps of whole ticks of {tick} us: sort them, each once")


def check_season(season: int) -> int:
    """Return the season, or raise a ValueError if it is no number of ticks."""
    if season < 1:
        raise ValueError(f"a season of {season} ticks: it must be 1 (none) or more")
    return season


@dataclass(frozen=True, slots=True, order=True)
class Marker:
    """When something was released (us), and what: "version 7", a declared marker, the decision of an experiment."""

    time: int
    name: str


def versions_seen(
    ends: Ints, tick: int, traffic: Floats, versions: Sequence[str], *, share: float = 0.05, fewest: float = 10.0
) -> list[Marker]:
    """
    Find when each version arrived: the start of the first tick in which it took a material share of the traffic.

    Versions that have such a share in the first tick with traffic were there before, and are left out.

    Parameters
    ----------
    ends, tick
        Ends of the ticks and the length of one, us.
    traffic
        Predictions, shape (versions, ticks).
    share, fewest
        Of a tick's predictions, and how many of them, are material.

    Raises
    ------
    ValueError
        If the shape is another, traffic is negative or no number, or the share is not above 0 and at most 1.
    """
    check_ticks(ends, tick)
    if traffic.shape != (len(versions), len(ends)) or not (np.isfinite(traffic) & (traffic >= 0)).all():
        raise ValueError(
            f"traffic of shape {traffic.shape}: give counts, ({len(versions)} versions, {len(ends)} ticks)"
        )
    if not 0 < share <= 1:
        raise ValueError(f"a material share of {share}: it must be above 0 and at most 1")
    total = traffic.sum(axis=0)
    if not total.any():
        return []
    material = (traffic >= share * total) & (traffic >= max(fewest, 1.0))
    opening = int(np.argmax(total > 0))
    arrived = np.argmax(material, axis=1)
    found = material.any(axis=1) & (traffic[:, opening] < share * total[opening])
    return sorted(
        Marker(int(ends[arrived[i]]) - tick, f"version {version}") for i, version in enumerate(versions) if found[i]
    )


def nearest(onset: int, onset_low: int, onset_high: int, markers: Iterable[Marker], reach: int) -> Marker | None:
    """
    Find the release that an onset points to, or none.

    What explains a change was released before it began, at most `reach` us before: so from `onset_low - reach` to
    `onset_high`. Of several, the one nearest to the onset's interval, then to the onset, then the earlier.

    Raises
    ------
    ValueError
        If the onset is not within its interval, or the reach is negative.
    """
    if not onset_low <= onset <= onset_high or reach < 0:
        raise ValueError(
            f"onset {onset} in [{onset_low}, {onset_high}] with a reach of {reach} us: the interval must hold the "
            "onset, and the reach must not be negative"
        )
    able = (marker for marker in markers if onset_low - reach <= marker.time <= onset_high)
    return min(able, key=lambda m: (max(onset_low - m.time, 0), abs(m.time - onset), m), default=None)


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """
    The level of a signal before and after a moment.

    Attributes
    ----------
    before, after
        The levels, over the same phases of the season.
    effect
        After less before, with its standard error between ticks and the freedom of that error.
    interval
        Of the effect, at 1 - alpha; everything where nothing can be said.
    verdict
        Whether the whole interval lies above the margin, below its negative, or between the two.
    ticks
        With data, before and after.
    season_removed
        False where no season was given, or too few ticks are of the same phases before and after; then a given season
        may be all of the effect, and the verdict is "not enough evidence".
    """

    before: Measurement
    after: Measurement
    effect: Measurement
    interval: Interval
    verdict: Verdict
    ticks: tuple[int, int]
    season_removed: bool


def before_after(
    series: Series, time: int, reach: tuple[int, int], *, season: int = 1, margin: float = 0.0, alpha: float = 0.05
) -> BeforeAfter | None:
    """
    Compare a signal's level before and after a moment; None with fewer than three ticks with data on a side.

    The level, the step at the moment and a mean a phase of the season are fitted together, ticks weighted by their
    precision; the error is as the module says, and never below the sampling error alone. The tick in which the moment
    lies is of neither side. For one look at a moment chosen beforehand: a step at an onset that was searched for is
    larger than the truth. Simulated, intervals at 95 % miss 3 to 6 % of effects for AR(1) with correlations up to 0.7,
    and about 10 % where a short side after the moment varies twice as widely as the one before.

    Parameters
    ----------
    time
        The moment, us.
    reach
        How many ticks to look at before and after.
    season
        Ticks in a season, 1 for none: 168 for weeks of hours.
    margin
        Differences up to this one do not matter, in the signal's unit.

    Raises
    ------
    ValueError
        If a number of ticks is below 1, the margin is negative, or alpha is no error rate.
    """
    if not margin >= 0:
        raise ValueError(f"the margin is {margin}: it must be 0 or more, in the unit of the signal")
    before, after = sides(series.ends, series.tick, time, reach)
    known = np.isfinite(series.value)
    seen, after = series.taken(known & (before | after)), after[known & (before | after)]
    ticks = int((~after).sum()), int(after.sum())
    if min(ticks) < FEWEST_TICKS:
        return None
    phase = seen.phase(season)
    removable = _comparable(phase, after)
    early, late = step(seen, after, phase if removable else np.zeros_like(phase))
    effect = Measurement(late.value - early.value, math.hypot(late.error, early.error), early.freedom + late.freedom)
    interval = interval_of(effect, alpha)
    settled = "not enough evidence" if season > 1 and not removable else verdict_of(interval, margin)
    return BeforeAfter(early, late, effect, interval, settled, ticks, season > 1 and removable)


def sides(ends: Ints, tick: int, time: int, reach: tuple[int, int]) -> tuple[Bools, Bools]:
    """
    Say which ticks are before and which after a moment, so many of each at most; the tick it is in is neither.

    Raises
    ------
    ValueError
        If a number of ticks is below 1.
    """
    if min(reach) < 1:
        raise ValueError(f"{reach[0]} ticks before and {reach[1]} after: look at 1 or more on each side")
    starts = ends - tick
    before: Bools = (ends <= time) & (ends > time - reach[0] * tick)
    after: Bools = (starts > time) & (starts <= time + reach[1] * tick)
    return before, after


def verdict_of(interval: Interval, margin: float) -> Verdict:
    """
    Say where an interval lies: beyond a margin, within it, or neither.

    >>> verdict_of(Interval(0.2, 0.3), 0.1), verdict_of(Interval(-0.05, 0.1), 0.1), verdict_of(Interval(0.0, 0.3), 0.1)
    ('higher', 'equivalent', 'not enough evidence')
    """
    if interval.low > margin:
        return "higher"
    if interval.high < -margin:
        return "lower"
    return "equivalent" if max(-interval.low, interval.high) <= margin else "not enough evidence"


def _comparable(phase: Ints, after: Bools) -> bool:
    """Say whether enough ticks on each side have one of the same phase on the other."""
    shared = np.isin(phase, np.intersect1d(phase[after], phase[~after]))
    return min(int((shared & after).sum()), int((shared & ~after).sum())) >= FEWEST_TICKS


def step(seen: Series, after: Bools, phase: Ints) -> tuple[Measurement, Measurement]:
    """
    Measure the levels before and after, beside a mean a phase, by weighted least squares.

    Their difference is a weighted sum of the values (Frisch & Waugh 1933): weights w x / sum w x², x being `after`
    less its mean in its phase. Residuals are scaled for what the phases' means took from them (MacKinnon & White 1985,
    HC2). The long-run variance is that of both sides together, for a few ticks may agree by chance; that of a side by
    itself where it is larger.
    """
    weight = np.ones(len(phase))
    weight = precision(_scaled(seen.value, after, phase, weight)[1], seen.error, seen.n)
    part, residual, left = _scaled(seen.value, after, phase, weight)
    sides = ~after, after
    waves = [slowest_waves((residual * np.sqrt(weight))[side & (left > 0)]) for side in sides]
    together = float((np.concatenate(waves) ** 2).mean())
    levels = []
    for side, sign, wave in zip(sides, (-1.0, 1.0), waves, strict=True):
        between = max(float((wave**2).mean()), together) * float((part[side] ** 2 / weight[side]).sum())
        within = float((np.nan_to_num(part * seen.error)[side] ** 2).sum())
        level = sign * float(part[side] @ seen.value[side])
        levels.append(Measurement(level, math.sqrt(max(between, within)), len(wave) * float(left[side].mean())))
    return levels[0], levels[1]


def _scaled(value: Floats, after: Bools, phase: Ints, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each value's part in the effect, the scaled residuals, and the share of them that phases left."""
    _, group = np.unique(phase, return_inverse=True)
    total = np.bincount(group, weight)

    def centred(x: Floats) -> Floats:
        centre: Floats = x - (np.bincount(group, weight * x) / total)[group]
        return centre

    x = centred(after.astype(np.float64))
    part = weight * x / float(weight @ x**2)
    y = centred(value - value.mean())
    left = np.maximum(1 - weight / total[group], 0.0)
    left[left < 1e-9] = 0.0
    residual = (y - float(part @ y) * x) / np.sqrt(np.where(left > 0, left, 1.0))
    return part, residual, left


def precision(residual: Floats, error: Floats, n: Floats) -> Floats:
    """
    Weights of ticks, 1 on average: one over (variance between ticks + variance of one observation / n).

    The variance of one observation is that of all ticks together: three labels that are all right have a standard
    error of 0, and are not the most certain tick of all. Between ticks, what the residuals show beyond it. Equal
    weights where an error or a number is not known.
    """
    if not (np.isfinite(error) & (n > 0)).all():
        return np.ones(len(residual))
    one = float((n * error) @ (n * error) / n.sum())
    between = max(float(n @ residual**2) - len(n) * one, 0.0) / float(n.sum())
    variance = between + one / n
    if not variance.min() > 0:
        return np.ones(len(residual))
    weight: Floats = variance.min() / variance
    return weight / float(weight.mean())


def slowest_waves(residual: Floats) -> Floats:
    """
    How much of the slowest cosine waves is in the residuals of neighbouring ticks.

    The mean of their squares is the long-run variance: that of a mean times its number of ticks, though ticks be alike.
    With v = 0.4 n^(2/3) waves, t has v degrees of freedom (Lazarus, Lewis, Stock & Watson 2018, the "EWC" estimator).

    Raises
    ------
    ValueError
        If there are fewer than two ticks.
    """
    if len(residual) < 2:
        raise ValueError(f"{len(residual)} ticks: a variance needs at least 2")
    waves = max(int(0.4 * len(residual) ** (2 / 3)), 1)
    slowest: Floats = fft.dct(residual, type=2, norm="ortho")[1 : waves + 1]
    return slowest
