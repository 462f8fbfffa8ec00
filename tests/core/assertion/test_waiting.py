"""Events that wait, against a sorted list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.assertion.waiting import Waiting
from streams.core.watermark import NEVER


def waiting_for(*parts: list[int]) -> Waiting:
    """Rows that came in parts."""
    waiting = Waiting({"time": np.empty(0, np.int64)})
    for part in parts:
        waiting.add({"time": np.array(part, np.int64)})
    return waiting


@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=5), st.lists(st.integers(0, 22), max_size=5))
def test_rows_come_out_when_they_are_due(parts: list[list[int]], asked: list[int]) -> None:
    """Once, and all that are earlier; the others wait on."""
    waiting, held = waiting_for(*parts), sorted(time for part in parts for time in part)
    for before in asked:
        assert sorted(waiting.due(before)["time"].tolist()) == [time for time in held if time < before]
        held = [time for time in held if time >= before]
        assert len(waiting) == len(held)
        assert waiting.latest() == max(held, default=NEVER)
        assert sorted(waiting.rows()["time"].tolist()) == held


@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=5), st.integers(1, 40))
def test_at_least_half_of_a_crowd_is_due(parts: list[list[int]], most: int) -> None:
    """Where more wait than may, looking at the earliest leaves no more than half; where not, nothing is hurried."""
    waiting = waiting_for(*parts)
    many, before = len(waiting), waiting.crowded(most)
    waiting.due(before)

    assert (before == NEVER) == (many <= most)
    assert len(waiting) == many if many <= most else len(waiting) <= many // 2


def test_nothing_waits_after_all_is_let_go() -> None:
    """Neither rows nor their number are left."""
    waiting = waiting_for([1, 2], [3])
    waiting.clear()

    assert (len(waiting), waiting.latest(), waiting.due(10)["time"].tolist()) == (0, NEVER, [])
