"""Units are counted as a dictionary would count them, however they are told of and how often."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Columns
from streams.core.exposure import Exposures
from streams.core.units import Attendance, Register, Sightings

EXPOSURES = Exposures({"e": ("x", "y"), "f": ("x",)})
NUMBERS = EXPOSURES.number([{"e": "x"}, {"e": "y"}, {"e": "z"}, {"f": "x"}, {"e": "x", "f": "x"}, {}])
SIGHTS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5), st.integers(0, 20)), max_size=25)
Sight = tuple[int, int, int]


def told(sightings: Sightings, sights: list[Sight]) -> None:
    units, places, times = (np.array(column) for column in zip(*sights, strict=True))
    sightings.see(units.astype(np.uint64), NUMBERS[places], times.astype(np.int64))


def counted(sights: list[Sight], experiment: str, before: int) -> tuple[list[int], int]:
    """Units by the arm in which each was first seen, and how many were seen in several; ties go to the smaller one."""
    seen: dict[int, list[int]] = {}
    for unit, place, time in sorted(sights, key=lambda sight: (sight[2], NUMBERS[sight[1]])):
        arm = int(EXPOSURES.arm(experiment, NUMBERS[[place]])[0])
        if time < before and arm >= 0:
            seen.setdefault(unit, []).append(arm)
    arms = len(EXPOSURES.arms[experiment])
    firsts = [chosen[0] for chosen in seen.values()]
    return [firsts.count(arm) for arm in range(arms + 1)], sum(len(set(chosen)) > 1 for chosen in seen.values())


@given(SIGHTS.filter(bool), st.integers(1, 9), st.integers(1, 3))
def test_units_are_counted_once_wherever_they_were_seen(sights: list[Sight], size: int, partitions: int) -> None:
    """Blocks of any size, partitions that each tell of what they see: every unit counts once, in its first arm."""
    register, sides = Register(EXPOSURES, {"e": 2, "f": 1}), [Sightings() for _ in range(partitions)]
    for number, first in enumerate(range(0, len(sights), size)):
        told(sides[number % partitions], sights[first : first + size])
        if number % 2:
            register.merge(sides[number % partitions].collect())
    for side in sides:
        register.merge(side.collect())
    register.advance(100)

    for experiment, attendance in register.attendance.items():
        assert (attendance.units.tolist(), attendance.crossed) == counted(sights, experiment, 100)


@given(SIGHTS.filter(bool), st.lists(st.integers(0, 25), max_size=4))
def test_who_was_seen_by_then_is_counted_by_then(sights: list[Sight], looks: list[int]) -> None:
    """When event time comes step by step, each look has those seen before it; saved and restored in between."""
    sightings, register = Sightings(), Register(EXPOSURES, {"e": 2, "f": 1})
    told(sightings, sights)
    register.merge(sightings.collect())
    for look in sorted(looks):
        register.advance(look)
        saved, register = register.snapshot(), Register(EXPOSURES, {"e": 2, "f": 1})
        register.restore(saved)
        for experiment, attendance in register.attendance.items():
            assert (attendance.units.tolist(), attendance.crossed) == counted(sights, experiment, look)


def test_a_unit_is_told_of_once() -> None:
    """What comes again later says nothing new; an earlier sight does."""
    sightings = Sightings()
    told(sightings, [(1, 0, 10)])
    told(sightings, [(1, 0, 11), (1, 0, 10)])
    told(sightings, [(1, 0, 9), (1, 1, 12)])
    rows: Columns = sightings.collect()

    assert sorted(zip(rows["time"].tolist(), rows["arms"].tolist(), strict=True)) == sorted(
        [(10, int(NUMBERS[0])), (9, int(NUMBERS[0])), (12, int(NUMBERS[1]))]
    )
    assert len(sightings.collect()["unit"]) == 0


def test_an_experiment_declared_otherwise_begins_anew() -> None:
    """Units of an experiment whose arms have changed are not those of the new one; the others stay."""
    register, after = Register(EXPOSURES, {"e": 2, "f": 1}), Exposures({"e": ("x", "w"), "f": ("x",)})
    sightings = Sightings()
    told(sightings, [(1, 0, 1), (2, 3, 2)])
    register.merge(sightings.collect())
    register.advance(10)
    restored = Register(after, {"e": 2, "f": 1})
    restored.restore(register.snapshot())

    assert restored.attendance["e"].units.tolist() == [0, 0, 0]
    assert restored.attendance["f"].units.tolist() == [1, 0]


def test_a_unit_crosses_once() -> None:
    """A unit that goes to and fro over many looks is one that crossed."""
    attendance = Attendance(2)
    for arm in (0, 1, 0, 1, 1, 0):
        attendance.count(np.array([7], np.uint64), np.array([arm]))

    assert (attendance.units.tolist(), attendance.crossed) == ([1, 0, 0], 1)
