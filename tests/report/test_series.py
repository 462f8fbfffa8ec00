"""What plots draw is the history of each comparison, in a range in which something can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.report.looks import Look, newest
from streams.report.series import foremost, limits, plotted, series_of
from tests.report.rows import DAY, NOON, history, look, rows, series


def test_a_history_is_taken_apart() -> None:
    """Each comparison gets its own rows, in the order asked for; NULL is an open side, or no effect."""
    accuracy, other = series(looks=3), series(looks=5, arm="other")
    first, second, third = series_of(history([accuracy, other]), [other.look, accuracy.look, look(arm="nobody")])

    assert (len(first.ticks), len(second.ticks), len(third.ticks)) == (5, 3, 0)
    assert second.look == accuracy.look
    np.testing.assert_array_equal(second.ticks, accuracy.ticks)
    np.testing.assert_array_equal(second.effect, accuracy.effect)
    np.testing.assert_array_equal(second.low, accuracy.low)
    np.testing.assert_array_equal(second.high, accuracy.high)
    assert (second.low[0], second.high[0]) == (-np.inf, np.inf)


def test_a_margin_is_a_line_unless_it_is_none() -> None:
    """The margin of the newest look is drawn; where it is 0, harm begins at the line of no difference."""
    guard, strict = series(kind="guardrail", margin=-0.01), series(kind="guardrail", margin=0.0)

    assert (guard.margin, guard.lines) == (-0.01, (0.0, -0.01))
    assert (strict.margin, strict.lines) == (None, (0.0,))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "first better at 2024-02-11"),
        ({"verdict": "not enough evidence", "first_reached": None}, "not enough evidence"),
    ],
)
def test_it_is_said_when_a_verdict_was_first_reached(changes: dict[str, Any], words: str) -> None:
    """The words do not say that the verdict has held ever since, for it may have been lost in between."""
    assert series(**changes).first == words


def test_the_range_is_that_of_the_later_half() -> None:
    """The range holds every later interval and the lines with little room beyond, however wide early ones were."""
    low, high = limits(series(margin=0.1))
    later = 0.08 / np.sqrt(51)

    assert low < 0.01 - later
    assert high > 0.1
    assert high - low == pytest.approx(1.1 * (0.1 - (0.01 - later)))


@pytest.mark.parametrize("changes", [{"effect": 0.0, "low": 0.0, "high": 0.0}, {"effect": np.nan, "low": -np.inf}])
def test_there_is_a_range_for_anything(changes: dict[str, float]) -> None:
    """Where nothing varies, or nothing is known, the range is around no difference."""
    some = series(looks=4)
    for name, value in changes.items():
        getattr(some, name)[:] = value
    low, high = limits(some)

    assert low < 0 < high < np.inf


def test_where_a_verdict_was_first_reached() -> None:
    """The mark is at the tick, and at the effect of the look that was the newest then."""
    some = series(looks=10, first_reached=NOON - 3 * DAY)
    some.effect[6] = 0.02

    assert some.reached == (some.ticks[6], 0.02)
    assert series(first_reached=None).reached is None
    assert series(verdict="not enough evidence").reached is None
    assert series(looks=0).reached is None


def test_what_is_drawn() -> None:
    """A picture has what decides, a terminal the first metric of each model; a metric asked for is always drawn."""
    looks = newest([*map(Look.of, rows()), look(arm="other"), look(model="second", metric="mae")])
    decide = plotted(looks, None)

    assert {(seen.model, seen.metric) for seen in decide} == {
        ("ranker", "accuracy"),
        ("ranker", "latency_p95"),
        ("second", "mae"),
    }
    assert [(seen.metric, seen.arm) for seen in foremost(decide)] == [
        ("accuracy", "new"),
        ("accuracy", "other"),
        ("mae", "new"),
    ]
    assert [seen.metric for seen in plotted([seen for seen in looks if seen.metric == "crash_rate"], "crash_rate")] == [
        "crash_rate"
    ]
