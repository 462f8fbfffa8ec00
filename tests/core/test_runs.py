"""The store under the join against a plain list of rows."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.core.columns import Columns
from streams.core.runs import Runs
from tests.core.making import ints

DTYPES = {"key": np.uint64, "row": np.int64, "value": np.float64}
keys = st.lists(st.sampled_from([0, 1, 2, 3, 7, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1), max_size=12)


def columns(rows: list[tuple[int, int, float]]) -> Columns:
    return {name: np.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(DTYPES.items())}


class AgainstAList(RuleBasedStateMachine):
    """Whatever is inserted, changed, removed and restored, the store holds what a dictionary (by `row`) holds."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs(DTYPES)
        self.model: dict[int, tuple[int, float]] = {}
        self.count = 0

    @rule(new=keys)
    def insert(self, new: list[int]) -> None:
        rows = [(key, self.count + place, float(place)) for place, key in enumerate(new)]
        self.count += len(new)
        self.runs.insert(columns(rows))
        self.model |= {row: (key, value) for key, row, value in rows}

    @rule(asked=keys)
    def find(self, asked: list[int]) -> None:
        query, at = self.runs.find(np.array(asked, np.uint64))
        found = self.runs.gather("row", at).tolist()
        expected = [(q, row) for q, key in enumerate(asked) for row, (held, _) in self.model.items() if held == key]

        assert sorted(zip(query.tolist(), found, strict=True)) == sorted(expected)

    @rule(asked=keys, value=st.floats(0, 9))
    def put(self, asked: list[int], value: float) -> None:
        _, at = self.runs.find(np.array(asked, np.uint64))
        self.runs.put(at, {"value": np.full(len(at), value)})
        self.model |= {row: (key, value) for row, (key, _) in self.model.items() if key in asked}

    @rule(modulus=st.integers(1, 5))
    def remove(self, modulus: int) -> None:
        gone = self.runs.remove(self.runs.where(lambda rows: rows["row"] % modulus == 0))

        assert sorted(gone["row"].tolist()) == sorted(row for row in self.model if row % modulus == 0)
        self.model = {row: held for row, held in self.model.items() if row % modulus}

    @rule()
    def restore(self) -> None:
        saved = self.runs.snapshot()
        self.runs = Runs(DTYPES)
        self.runs.insert(columns([(5, -1, 0.0)]))
        self.runs.restore(saved)

    @invariant()
    def holds_the_same_rows(self) -> None:
        rows = self.runs.snapshot()
        held = zip(*(rows[name].tolist() for name in ("row", "key", "value")), strict=True)

        assert sorted(held) == sorted((row, key, value) for row, (key, value) in self.model.items())
        assert len(self.runs) == len(self.model)


TestAgainstAList = AgainstAList.TestCase
TestAgainstAList.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_many_small_inserts_merge_into_few_runs() -> None:
    """A thousand inserts of ten rows leave about log2 of their number in runs, and every row can be found."""
    rng = np.random.default_rng(1)
    runs = Runs({"key": np.uint64, "row": np.int64})
    every = rng.permutation(np.arange(10_000)).astype(np.uint64)
    for first in range(0, 10_000, 10):
        runs.insert({"key": every[first : first + 10], "row": np.arange(first, first + 10)})

    query, at = runs.find(every)

    assert sorted(query.tolist()) == list(range(10_000))
    assert (runs.gather("row", at) == query).all()
    assert len(runs._index.runs) <= 11


def test_a_key_may_be_held_and_asked_for_many_times() -> None:
    """Three rows of a key asked for twice are six pairs, over several runs."""
    runs = Runs({"key": np.uint64})
    for size in (50, 9, 1):
        runs.insert({"key": np.arange(size, dtype=np.uint64)})

    query, at = runs.find(np.array([0, 0, 99], np.uint64))

    assert sorted(query.tolist()) == [0, 0, 0, 1, 1, 1]
    assert len(set(at.tolist())) == 3


def test_places_are_valid_until_rows_come_or_go() -> None:
    """Changing a column moves no row: the same places give the new values and the other columns."""
    runs = Runs(DTYPES)
    for first in (0, 100, 120):
        runs.insert(columns([(key, key, 0.0) for key in range(first, first + 100 - first // 2)]))
    _, at = runs.find(np.array([3, 110, 125], np.uint64))

    runs.put(at, {"value": runs.gather("row", at) * 2.0})

    assert (runs.gather("value", at) == 2.0 * runs.gather("row", at)).all()
    assert sorted(runs.take(at)["key"].tolist()) == sorted(runs.gather("row", at).tolist())
    assert runs.snapshot()["value"].sum() == 2.0 * runs.gather("row", at).sum()


def test_matrix_columns_are_rows_like_others() -> None:
    """A column of fixed width keeps its rows together through merges, gathers and snapshots."""
    runs = Runs({"key": np.uint64, "places": (np.uint64, 3)})
    for key in (5, 1, 3):
        runs.insert({"key": np.array([key], np.uint64), "places": np.full((1, 3), key, np.uint64)})
    query, at = runs.find(np.array([1, 5], np.uint64))

    assert runs.gather("places", at)[np.argsort(query)].tolist() == [[1, 1, 1], [5, 5, 5]]
    assert runs.snapshot()["places"].shape == (3, 3)


def test_what_is_given_and_what_is_held_are_apart() -> None:
    """Changing inserted arrays, or the store after a snapshot, changes neither the store nor the snapshot."""
    runs = Runs(DTYPES)
    given = columns([(1, 1, 1.0)])
    runs.insert(given)
    given["value"][0] = 9.0
    saved = runs.snapshot()
    runs.put(ints([0]), {"value": np.array([7.0])})

    assert saved["value"].tolist() == [1.0]
    assert runs.snapshot()["value"].tolist() == [7.0]


def test_an_empty_store_finds_nothing() -> None:
    """Before the first insert, and after inserting no rows, there are no pairs and typed empty columns."""
    runs = Runs(DTYPES)
    runs.insert(columns([]))
    query, at = runs.find(np.array([1], np.uint64))

    assert (len(runs), len(query), len(at)) == (0, 0, 0)
    assert runs.take(at)["value"].dtype == np.float64
    assert runs.remove(np.empty(0, np.bool_))["key"].dtype == np.uint64


def test_each_change_is_told_once() -> None:
    """New rows, and rows of which a column was put, since one last asked; moving between runs changes nothing."""
    runs = Runs(DTYPES)
    runs.insert(columns([(key, key, 0.0) for key in (5, 3, 9)]))
    first = sorted(runs.changed()["key"].tolist())
    _, at = runs.find(np.array([3], np.uint64))
    runs.put(at, {"value": np.array([7.0])})
    runs.insert(columns([(4, 4, 0.0)]))
    second = runs.changed()

    assert first == [3, 5, 9]
    assert sorted(zip(second["key"].tolist(), second["value"].tolist(), strict=True)) == [(3, 7.0), (4, 0.0)]
    assert set(second) == set(DTYPES)
    assert runs.changed()["key"].tolist() == []


def test_a_row_that_is_removed_is_not_told_as_changed() -> None:
    """What is gone is known from the sweep; the changes of the others stay."""
    runs = Runs(DTYPES)
    runs.insert(columns([(key, key, 0.0) for key in range(6)]))
    runs.remove(runs.where(lambda rows: rows["row"] % 2 == 0))

    assert sorted(runs.changed()["row"].tolist()) == [1, 3, 5]


def test_rows_between_keys_come_from_all_runs_in_order() -> None:
    """Both bounds belong to it, whether or not there is such a row, and the order is that of the keys."""
    runs = Runs(DTYPES)
    for first, many in ((0, 100), (200, 20), (150, 3)):
        runs.insert(columns([(key, key, 0.0) for key in range(first, first + many)]))

    assert len(runs._index.runs) > 1
    assert runs.between(98, 205)["key"].tolist() == [98, 99, 150, 151, 152, 200, 201, 202, 203, 204, 205]
    assert runs.between(100, 149)["key"].tolist() == []
    assert runs.between(2**64 - 1, 2**64 - 1)["key"].tolist() == []


def test_restored_rows_are_not_changed() -> None:
    """They are as they were written, in whatever order they come; what is put after that is a change."""
    runs = Runs(DTYPES)
    runs.restore(columns([(9, 1, 0.0), (2, 2, 0.0)]))
    before = runs.changed()["row"].tolist()
    query, at = runs.find(np.array([2, 9], np.uint64))
    runs.put(at[query == 0], {"value": np.array([1.0])})

    assert (before, sorted(query.tolist())) == ([], [0, 1])
    assert runs.changed()["row"].tolist() == [2]
