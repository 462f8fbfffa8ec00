"""Intervals over time as a picture: a row for each metric, a column for each arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from streams.errors import UsageError
from streams.report.looks import Look
from streams.report.series import Series, limits

PANEL = (640, 320)  # pixels
_DPI = 100
_HEAD = 60  # pixels above the panels
_FEW = 60  # looks up to which each has a dot
_BLUE, _GREY, _RED, _GREEN = "#1f77b4", "#666666", "#d62728", "#2ca02c"


def picture(title: str, series: Sequence[Series], trusts: Callable[[Look], bool]) -> Figure:
    """
    Draw comparisons over time.

    Parameters
    ----------
    title
        What stands above.
    series
        The comparisons, at least one, each in a panel of `PANEL` pixels.
    trusts
        Whether a look is to be trusted; of others it is said in red that they are not.
    """
    rows = list(dict.fromkeys((each.look.model, each.look.metric) for each in series))
    arms = list(dict.fromkeys(each.look.arm for each in series))
    width, height = PANEL[0] * len(arms), PANEL[1] * len(rows) + _HEAD
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(arms), squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    for each in series:
        axes = panels[rows.index((each.look.model, each.look.metric)), arms.index(each.look.arm)]
        _panel(axes, each)
        name = f"{each.look.model}, {each.title}"
        warned = (
            {"label": name} if trusts(each.look) else {"label": f"MISMATCH, not to be trusted: {name}", "color": _RED}
        )
        axes.set_title(**warned, fontsize=10, parse_math=False)
    figure.suptitle(title, parse_math=False)
    return figure


def write_picture(figure: Figure, path: Path) -> None:
    """Write a picture as PNG. Raises UsageError if that cannot be done."""
    try:
        figure.savefig(path, format="png", dpi=_DPI)
    except OSError as error:
        raise UsageError(f"cannot write the plot to {path}: {error.strerror or error}") from error


def _panel(axes: Axes, series: Series) -> None:
    axes.set_axis_on()
    low, high = limits(series)
    times = series.ticks.astype("datetime64[us]")
    below, above = np.clip(series.low, low, high), np.clip(series.high, low, high)
    dot = "o" if len(times) <= _FEW else ""
    axes.fill_between(times, below, above, color=_BLUE, alpha=0.25, linewidth=1.5, label="its interval")
    axes.plot(times, series.effect, color=_BLUE, marker=dot, markersize=3, label="effect")
    axes.axhline(0.0, color=_GREY, linewidth=1, label="no difference")
    if series.margin is not None:
        axes.axhline(series.margin, color=_RED, linewidth=1, linestyle="--", label="margin")
    if series.reached:
        _mark(axes, series, *series.reached)
    axes.set_ylim(low, high)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # its module is half typed
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.legend(fontsize=7, loc="best")


def _mark(axes: Axes, series: Series, tick: int, effect: float) -> None:
    """Mark where the verdict was first reached."""
    axes.plot([np.datetime64(tick, "us")], [effect], linestyle="", marker="D", color=_GREEN, label=series.first)
