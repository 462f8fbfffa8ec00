"""What is kept of each key, and for how long."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.assertion import latest as module
from streams.core.assertion.latest import Latest


def test_rows_are_forgotten_when_they_are_old_and_many() -> None:
    """What is earlier than asked goes once there is much of it, and nothing else."""
    latest = Latest({"score": np.float64})
    keys = np.arange(1, 3_001, dtype=np.uint64)
    times = np.arange(3_000)
    latest.put(keys, {"time": times, "score": times / 2})
    latest.forget(1_000)
    known, rows = latest.find(keys)

    assert known.tolist() == (times >= 1_000).tolist()
    assert rows["score"][1_000:].tolist() == (times[1_000:] / 2).tolist()
    latest.forget(2_000)
    assert len(latest) == 2_000
    latest.put(keys + np.uint64(3_000), {"time": times + 3_000, "score": times})
    latest.forget(2_000)
    assert len(latest) == 4_000
    latest.forget(10_000)
    assert len(latest) == 4_000


def test_a_key_has_one_row() -> None:
    """What is put replaces what was there; a snapshot gives it back."""
    latest, other = Latest({}), Latest({})
    latest.put(np.array([7, 8], np.uint64), {"time": np.array([1, 2])})
    latest.put(np.array([9, 7], np.uint64), {"time": np.array([3, 4])})
    other.restore(latest.snapshot())
    known, rows = other.find(np.array([9, 5, 7, 8, 7], np.uint64))

    assert known.tolist() == [True, False, True, True, True]
    assert rows["time"].tolist() == [3, 0, 4, 2, 4]


def test_two_sides_see_one_another() -> None:
    """The last event of the other side is found, among those given together and those that were kept."""
    latest = Latest({"score": np.float64})
    one = np.array([7], np.uint64)
    latest.follow(one, {"time": np.array([1]), "score": np.array([0.1])}, np.array([False]))
    events = {"time": np.array([2, 3, 4, 5]), "score": np.array([0.2, 0.3, 0.4, 0.5])}
    known, before = latest.follow(np.repeat(one, 4), events, np.array([False, True, True, False]))

    assert known.tolist() == [False, True, True, True]
    assert before["score"].tolist() == [0.0, 0.2, 0.2, 0.4]


def test_the_newest_are_kept_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more keys are seen than may be kept, half as many stay: those that were seen last."""
    monkeypatch.setattr(module, "MOST_KEPT", 100)
    monkeypatch.setattr(module, "_FEW", 10)
    latest, times = Latest({}), np.arange(101)
    latest.follow(times.astype(np.uint64), {"time": times[::-1].copy()})
    latest.forget(0)

    assert len(latest) == 50
    assert sorted(latest.snapshot()["time"].tolist()) == list(range(51, 101))
