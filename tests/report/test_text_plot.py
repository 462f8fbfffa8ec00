"""A plot of characters shows effect, interval and lines, whatever the numbers and however wide the terminal."""

from __future__ import annotations

import numpy as np
import plotext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.report.series import Series
from streams.report.text_plot import HEIGHT, text_plot
from tests.report.rows import DAY, NOON, look, series

GUARDRAIL = """\
               accuracy (guardrail): new - old
       ┌───────────────────────────────────────────────────┐
 0.0225┤░░░░░░░░░░░░░░░░░░░░░░░░░░                         │
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░       │
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
       │••••••••••••••••••••••••••••••◆••••••••••••••••••••│
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
       │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
 0.0000┤───────────────────────────────────────────────────│
-0.0050┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄│
-0.0063┤░░░░░░░░░░░░░░░                                    │
       └┬────────────────────────┬────────────────────────┬┘
        2023-11-23 12:00     2024-01-12    2024-03-01 12:00
• effect  ░ its interval  ─ no difference  ┄ margin  ◆ first worse at 2024-01-21 12:00
"""
ANY = st.floats(-1e60, 1e60) | st.sampled_from([np.inf, -np.inf, 0.0])


def test_a_plot() -> None:
    """A plot has a title, the interval as an area, the effect, both lines, the mark, both axes and a legend."""
    some = series(margin=-0.005, kind="guardrail", verdict="worse", first_reached=NOON - 40 * DAY)

    assert "".join(f"{line.rstrip()}\n" for line in text_plot(some, 60).splitlines()) == GUARDRAIL


@pytest.mark.parametrize(("asked", "given"), [(10, 40), (80, 80), (97, 97), (500, 120)])
def test_a_plot_is_as_wide_as_asked_for(asked: int, given: int) -> None:
    """A plot is as wide as the terminal, of which plotext is not asked, within what can be read."""
    *plot, _legend = text_plot(series(), asked).splitlines()

    assert len(plot) == HEIGHT
    assert max(map(len, plot)) == given


def test_a_single_look() -> None:
    """One look is one column, in the middle, with its time below."""
    plot = text_plot(series(looks=1), 60)

    assert plot.count("◆") == 2
    assert plot.count("─ no difference") == 1
    assert "2024-03-01 12:00" in plot


def test_a_comparison_without_an_estimate() -> None:
    """Where no look has an effect there is nothing to draw, and the plot says so."""
    some = series(looks=3)
    some.effect[:] = np.nan

    assert text_plot(some, 80) == "accuracy (primary): new - old: no look has an estimate yet"
    assert text_plot(series(looks=0), 80) == "accuracy (primary): new - old: no look has an estimate yet"


def test_two_plots_do_not_meet() -> None:
    """A plot is the same whatever was drawn before it, by us or on plotext's own figure."""
    before = text_plot(series(), 80)
    text_plot(series(looks=5, margin=0.1), 50)
    plotext.figure.draw(plotext.figure.signal([1, 2], [3, 4]))
    after = text_plot(series(), 80)
    plotext.figure.clear()

    assert before == after


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ANY, ANY, ANY), min_size=1, max_size=12), st.integers(0, 10**17), st.integers(0, 10**12))
def test_any_numbers_can_be_drawn(looks: list[tuple[float, float, float]], first: int, step: int) -> None:
    """Effects and limits of any size, in any order, make a plot of the right size and never end the process."""
    effect, low, high = (np.array(column) for column in zip(*looks, strict=True))
    ticks = first + step * np.arange(len(looks))
    plot = text_plot(Series(look(first_reached=None, margin=1e30), ticks, effect, low, high), 60).splitlines()

    assert len(plot) == (HEIGHT + 1 if np.isfinite(effect).any() else 1)
