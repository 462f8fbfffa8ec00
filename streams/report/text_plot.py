"""An interval over time, drawn with characters: for terminals, and for wherever text goes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import plotext

from streams.report.numbers import digits_for, moment, number
from streams.report.series import Series, limits

HEIGHT = 16
_NARROWEST, _WIDEST = 40, 120
_INTERVAL, _EFFECT, _REACHED = "░", "•", "◆"
_LINES = ("─", "┄")  # no difference, margin


def text_plot(series: Series, width: int) -> str:
    """
    Draw a comparison over time, `width` characters wide (within reason), without colours, with a legend below.

    Each column shows the look that was the newest by its time. What is beyond the range is drawn at its edge.
    """
    known = np.isfinite(series.effect)
    if not known.any():
        return f"{series.title}: no look has an estimate yet"
    low, high = limits(series)
    figure = _figure(series.title, min(max(width, _NARROWEST), _WIDEST))
    ticks = series.ticks[known]
    places, rows = _columns(ticks, figure.size()[0])
    # Only points within the range, and no lines between them: plotext 6.1 ends the process ("Assertion `new_length
    # <= get_capacity()' failed") where dense lines leave the range.
    effect, below, above = (np.clip(each[known][rows], low, high) for each in (series.effect, series.low, series.high))
    upper = figure.signal(places, above.tolist(), marker=_INTERVAL)
    upper.fill(figure.signal(places, below.tolist(), marker=_INTERVAL))
    figure.draw(upper)
    for line, marker in zip(series.lines, _LINES, strict=False):
        figure.draw(figure.signal(places, [line] * len(places), marker=marker))
    figure.draw(figure.signal(places, effect.tolist(), marker=_EFFECT))
    if series.reached and np.isfinite(series.reached[1]):
        at = float(np.interp(series.reached[0], ticks, _shares(ticks)))
        figure.draw(figure.signal([at], [float(np.clip(series.reached[1], low, high))], marker=_REACHED))
    _rule(figure, ticks, (low, high), series.lines)
    return f"{figure.build().string(True).rstrip()}\n{_legend(series)}"


def _figure(title: str, width: int) -> Any:
    """Make a figure that is not plotext's only one, which is global, nor cut to the size of a terminal."""
    terminal = type(plotext.terminal)()
    terminal.limit(False, False)
    figure = type(plotext.figure)(terminal)
    figure.plot_size(width, HEIGHT)
    figure.legend(False)
    figure.title(title)
    return figure


def _shares(ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Place each tick between 0 and 1; a single one in the middle."""
    span = int(ticks[-1] - ticks[0])
    return (ticks - ticks[0]) / span if span else np.full(len(ticks), 0.5)


def _columns(ticks: npt.NDArray[np.int64], columns: int) -> tuple[list[float], npt.NDArray[np.int64]]:
    """Places from 0 to 1, one a column at least, and at each the number of the newest look."""
    shares = _shares(ticks)
    places = np.linspace(shares[0], shares[-1], columns if len(ticks) > 1 else 1)
    rows = np.searchsorted(shares, places, side="right") - 1
    return places.tolist(), rows


def _rule(figure: Any, ticks: npt.NDArray[np.int64], range_: tuple[float, float], lines: tuple[float, ...]) -> None:
    """Label both axes: times of the first, the middle and the last look, effects at the edges and the lines."""
    ends = (int(ticks[0]), int(ticks[0] + ticks[-1]) // 2, int(ticks[-1]))
    times = [moment(datetime.fromtimestamp(tick // 1_000_000, UTC)) for tick in ends]
    figure.ruler("x").lim(0, 1)
    figure.ruler("x").ticks([0, 0.5, 1] if len(ticks) > 1 else [0.5], times if len(ticks) > 1 else times[:1])
    low, high = range_
    marks, digits = sorted({low, high, *lines}), digits_for(high - low)
    figure.ruler("y").lim(low, high)
    figure.ruler("y").ticks(marks, [number(mark, digits) for mark in marks])


def _legend(series: Series) -> str:
    signs = [f"{_EFFECT} effect", f"{_INTERVAL} its interval", f"{_LINES[0]} no difference"]
    signs += [] if series.margin is None else [f"{_LINES[1]} margin"]
    signs += [f"{_REACHED} {series.first}"] if series.reached else []
    return "  ".join(signs)
