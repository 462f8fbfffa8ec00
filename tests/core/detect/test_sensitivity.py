"""How often there may be false alarms."""

from __future__ import annotations

import math

import pytest

from streams.core.detect.sensitivity import Sensitivity


@pytest.mark.parametrize(
    ("apart", "reference", "season", "told"),
    [
        (0.5, 56, 7, "0.5 ticks between false alarms"),
        (math.inf, 56, 7, "inf ticks between false alarms"),
        (math.nan, 56, 7, "nan ticks between false alarms"),
        (30, 56, 0, "a season of 0 ticks"),
        (30, 9, 1, "give at least 10"),
        (30, 300, 168, "give at least 336"),
        (30, 10, 7, "give at least 14"),
    ],
)
def test_what_cannot_be_kept_is_refused(apart: float, reference: int, season: int, told: str) -> None:
    """Each limit of the parameters has its message, which says what to give instead."""
    with pytest.raises(ValueError, match=told):
        Sensitivity(apart, reference, season)


def test_the_least_that_is_allowed_is_allowed() -> None:
    """The limits themselves are allowed."""
    assert Sensitivity(1, 10).season == 1
    assert Sensitivity(30, 336, 168).reference_ticks == 336


def test_one_budget_is_shared_by_all_signals() -> None:
    """50 signals with one false alarm in 30 ticks together: one in 1,500 each; no signal yet counts as one."""
    asked = Sensitivity(30, 56, 7)

    assert math.exp(asked.log_threshold(50)) == pytest.approx(1500)
    assert asked.log_threshold(0) == asked.log_threshold(1)
