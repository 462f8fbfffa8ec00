"""Cells and their sums by slot, which are given again when they are dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.core.exact import Exact
from streams.core.panes import Panes, Slots, SumTable
from tests.core.making import ints

SECOND = 1_000_000
YEAR_9000 = 221_845_392_000 * SECOND
keys = st.sets(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=8).map(sorted)


def exact(*values: float) -> Exact:
    return Exact.of(np.array(values, np.float64))


def panes_with(*cells: tuple[int, int]) -> tuple[Panes, list[int]]:
    """Panes of ten seconds in which each (cohort, second) was touched once; and the slots in that order."""
    panes = Panes(10 * SECOND, ("0:n",), {"h": ("1:w",)})
    slots = [
        panes.touch(panes.keys_of(ints([cohort]), ints([second * SECOND]))).tolist()[0] for cohort, second in cells
    ]
    return panes, slots


class SumsAgainstADictionary(RuleBasedStateMachine):
    """Whatever is added, dropped and restored, a table of sums holds what a dictionary holds."""

    def __init__(self) -> None:
        super().__init__()
        self.table = SumTable(("a", "b"))
        self.model: dict[int, list[float]] = {}

    @rule(chosen=keys, column=st.sampled_from(("a", "b")), amount=st.integers(-5, 5))
    def add(self, chosen: list[int], column: str, amount: int) -> None:
        slots = self.table.resolve(ints(chosen))
        self.table.add(column, slots, exact(*(float(amount + place) for place in range(len(chosen)))))
        for place, key in enumerate(chosen):
            self.model.setdefault(key, [0.0, 0.0])["ab".index(column)] += amount + place

    @rule(modulus=st.integers(1, 4))
    def drop(self, modulus: int) -> None:
        self.table.drop(self.table.index.keys % modulus == 0)
        self.model = {key: sums for key, sums in self.model.items() if key % modulus}

    @rule()
    def restore(self) -> None:
        saved = self.table.snapshot()
        self.table = SumTable(("a", "b"))
        self.table.add("a", self.table.resolve(ints([3])), exact(9.0))
        self.table.restore(saved)

    @invariant()
    def holds_the_same_sums(self) -> None:
        held, slots = self.table.index.keys.tolist(), self.table.index.slots
        sums = zip(*(self.table.read(name, slots).value().tolist() for name in ("a", "b")), strict=True)

        assert held == sorted(self.model)
        assert [list(pair) for pair in sums] == [self.model[key] for key in held]
        assert len(set(slots.tolist())) == len(held) == len(self.table)


TestSumsAgainstADictionary = SumsAgainstADictionary.TestCase


@given(chosen=st.lists(keys, max_size=6))
def test_a_key_keeps_its_slot(chosen: list[list[int]]) -> None:
    """Whatever other keys come, a key has one slot and no other key has it."""
    slots = Slots()
    of: dict[int, int] = {}
    for some in chosen:
        given_slots = dict(zip(some, slots.resolve(ints(some)).tolist(), strict=True))

        assert all(of.get(key, slot) == slot for key, slot in given_slots.items())
        of |= given_slots

    assert sorted(of.values()) == list(range(len(of)))
    assert slots.size == len(of)


def test_dropped_slots_are_given_again() -> None:
    """New keys take the slots of dropped ones, so that memory follows what is held."""
    slots = Slots()
    slots.resolve(ints([10, 20, 30]))
    freed = slots.drop(slots.keys == 20)
    again = slots.resolve(ints([15, 40]))

    assert freed.tolist() == [1]
    assert again.tolist() == [1, 3]
    assert slots.keys.tolist() == [10, 15, 30, 40]


def test_restored_slots_know_which_are_free() -> None:
    """After a restore the holes are given first, and no slot twice."""
    slots, copy = Slots(), Slots()
    slots.resolve(ints([10, 20, 30]))
    slots.drop(slots.keys == 10)
    copy.restore(slots.snapshot())

    assert copy.resolve(ints([1, 2])).tolist() == [0, 3]


def test_a_reused_slot_begins_at_zero() -> None:
    """What a dropped key had summed is not seen by the key that takes its slot."""
    table = SumTable(("a",))
    table.add("a", table.resolve(ints([1])), exact(5.0))
    table.drop(np.array([True]))

    assert table.read("a", table.resolve(ints([2]))).value().tolist() == [0.0]


def test_cells_are_cohorts_in_panes() -> None:
    """Times of one pane share a cell; cohorts and panes part them; starts are multiples of the pane."""
    panes, slots = panes_with((3, 10), (3, 19), (3, 20), (4, 10))
    cohort, time, slot, dirty = panes.live()

    assert slots[0] == slots[1]
    assert list(zip(cohort.tolist(), (time // SECOND).tolist(), strict=True)) == [(3, 10), (3, 20), (4, 10)]
    assert slot.tolist() == [slots[0], slots[2], slots[3]]
    assert dirty.all()


def test_cells_reach_the_year_9000() -> None:
    """The last pane of a second that events can have keeps its time and cohort."""
    panes = Panes(SECOND, ("0:n",), {})
    panes.touch(panes.keys_of(ints([2**24]), ints([YEAR_9000 - 1])))
    cohort, time, _, _ = panes.live()

    assert (cohort.tolist(), time.tolist()) == ([2**24], [YEAR_9000 - SECOND])


def test_what_was_shown_is_clean_until_it_changes() -> None:
    """Settled cells are not dirty; touching one makes it dirty and no other."""
    panes, slots = panes_with((1, 0), (2, 0))
    panes.settle(ints(slots))
    clean = panes.live()[3].tolist()
    panes.touch(panes.keys_of(ints([2]), ints([0])))

    assert (clean, panes.live()[3].tolist()) == ([False, False], [False, True])


def add_entries(panes: Panes, entries: list[tuple[int, int, float]]) -> None:
    """Add weight to (cell slot, bin) pairs, one at a time."""
    for slot, code, weight in entries:
        table = panes.histograms["h"]
        table.add("1:w", table.resolve(panes.entry_keys("h", ints([slot]), ints([code]))), exact(weight))


def read_entries(panes: Panes) -> list[tuple[int, int, int, float]]:
    """Every entry as (cohort, pane start in s, bin, weight)."""
    cohort, time, slot, _ = panes.live()
    place = {s: (c, t // SECOND) for c, t, s in zip(cohort.tolist(), time.tolist(), slot.tolist(), strict=True)}
    cell, bins, entry = panes.entries("h")
    weights = panes.histograms["h"].read("1:w", entry).value().tolist()
    rows = zip(cell.tolist(), bins.tolist(), weights, strict=True)
    return sorted((*place[c], code, weight) for c, code, weight in rows)


def test_histograms_hold_bins_of_any_size() -> None:
    """Bin codes up to 2**40 come back as they were, with their sums."""
    panes, (one, two) = panes_with((1, 0), (2, 30))
    add_entries(panes, [(one, 7, 1.0), (two, 2**40, 2.0), (one, 0, 4.0), (one, 7, 8.0)])

    assert read_entries(panes) == [(1, 0, 0, 4.0), (1, 0, 7, 9.0), (2, 30, 2**40, 2.0)]
    assert panes.entries("h")[0].tolist() == sorted(panes.entries("h")[0].tolist())


def test_dropping_a_cell_drops_its_bins() -> None:
    """The cell that takes a dropped cell's slot has neither its sums, its bins nor its dirt."""
    panes, (one, two) = panes_with((1, 0), (2, 0))
    add_entries(panes, [(one, 7, 1.0), (two, 7, 2.0)])
    panes.cells.add("0:n", ints([one]), exact(5.0))
    panes.drop(np.array([True, False]))
    (again,) = panes.touch(panes.keys_of(ints([0]), ints([0]))).tolist()

    assert again == one
    assert read_entries(panes) == [(2, 0, 7, 2.0)]
    assert panes.cells.read("0:n", ints([again])).value().tolist() == [0.0]


def test_restored_panes_hold_the_same() -> None:
    """Slots are given anew, but cells, sums, bins and what has changed are as they were."""
    panes, (one, two, three) = panes_with((5, 0), (1, 0), (2, 0))
    add_entries(panes, [(one, 9, 1.0), (three, 2, 2.0), (two, 9, 3.0)])
    panes.cells.add("0:n", ints([one, two, three]), exact(5.0, 6.0, 7.0))
    panes.settle(ints([two]))
    panes.drop(panes.live()[0] == 2)
    saved: dict[str, Any] = panes.snapshot()
    copy, _ = panes_with((8, 8))
    copy.restore(saved)
    cohort, _, slot, dirty = copy.live()

    assert (cohort.tolist(), dirty.tolist()) == ([1, 5], [False, True])
    assert copy.cells.read("0:n", slot).value().tolist() == [6.0, 5.0]
    assert read_entries(copy) == [(1, 0, 9, 3.0), (5, 0, 9, 1.0)]
