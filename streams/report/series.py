"""Effects and their intervals over time: what the plots draw, and the range in which they draw it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.report.looks import UNDECIDED, Look
from streams.report.numbers import moment

Floats = npt.NDArray[np.float64]

_MICROSECONDS = pa.timestamp("us", tz="UTC")
_ROOM = 0.05  # of the range, left free above and below


@dataclass(frozen=True, slots=True)
class Series:
    """
    One comparison over time.

    Attributes
    ----------
    look
        Its newest look: names, verdict, when that was first reached, and the margin.
    ticks
        Times of the looks in rising order, microseconds since 1970, shape (N,).
    effect, low, high
        Effect and interval at each, shape (N,); an effect that is not known is NaN, a limit infinite.
    """

    look: Look
    ticks: npt.NDArray[np.int64]
    effect: Floats
    low: Floats
    high: Floats

    @property
    def title(self) -> str:
        """What is compared, in words."""
        return f"{self.look.metric} ({self.look.kind}): {self.look.arm} - {self.look.control}"

    @property
    def first(self) -> str:
        """Which verdict it is, and when it was first reached."""
        first = self.look.first_reached
        return self.look.verdict if first is None else f"first {self.look.verdict} at {moment(first)}"

    @property
    def margin(self) -> float | None:
        """The effect beyond which a guardrail is harmed; None for other metrics, and where any harm is too much."""
        return self.look.margin or None

    @property
    def lines(self) -> tuple[float, ...]:
        """Effects that mean something by themselves: no difference, and the margin."""
        return (0.0,) if self.margin is None else (0.0, self.margin)

    @property
    def reached(self) -> tuple[int, float] | None:
        """When the verdict was first reached, in microseconds, and the effect at that look."""
        first = self.look.first_reached
        if first is None or self.look.verdict == UNDECIDED or not len(self.ticks):
            return None
        tick = pa.scalar(first, _MICROSECONDS).value
        place = max(int(np.searchsorted(self.ticks, tick, side="right")) - 1, 0)
        return tick, float(self.effect[place])


def series_of(history: pa.Table, looks: Iterable[Look]) -> list[Series]:
    """
    Take the history of each comparison apart.

    Parameters
    ----------
    history
        As `read.read_history` gives it.
    looks
        The newest looks of the comparisons wanted, in the order wanted.
    """
    ticks = history["tick"].cast(_MICROSECONDS).cast(pa.int64()).to_numpy()
    effect, low, high = (_numbers(history[name], unknown) for name, unknown in _UNKNOWN.items())
    names = [history[name].to_pylist() for name in ("model", "metric", "arm")]
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(zip(*names, strict=True)):
        rows.setdefault(key, []).append(row)
    found = []
    for look in looks:
        at = np.array(rows.get((look.model, look.metric, look.arm), []), np.int64)
        found.append(Series(look, ticks[at], effect[at], low[at], high[at]))
    return found


def limits(series: Series) -> tuple[float, float]:
    """
    Choose the range of effects to draw.

    Early intervals are so wide that nothing else would be seen, and so the range is that of the later half of the
    looks, with the lines that mean something.
    """
    later = slice(len(series.ticks) // 2, None)
    shown = np.concatenate([series.effect[later], series.low[later], series.high[later], series.lines])
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    room = _ROOM * (high - low) or 1.0
    return low - room, high + room


def plotted(looks: Sequence[Look], metric: str | None) -> list[Look]:
    """Choose the comparisons for a picture: those of the metric asked for, else of all that decide."""
    return [look for look in looks if not look.is_check and (metric is not None or look.kind != "exploratory")]


def foremost(looks: Sequence[Look]) -> list[Look]:
    """Choose the comparisons for a terminal, of each model those of the first metric."""
    first: dict[str, str] = {}
    for look in looks:
        first.setdefault(look.model, look.metric)
    return [look for look in looks if first[look.model] == look.metric]


_UNKNOWN = {"effect": math.nan, "low": -math.inf, "high": math.inf}


def _numbers(column: pa.ChunkedArray, unknown: float) -> Floats:
    filled: Floats = column.fill_null(unknown).to_numpy()
    return filled
