"""Watched columns: every value of every watched key is read and summed up, whatever keys its row has beside it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.block import SCHEMAS
from streams.core.detect.column_sums import ColumnSums
from streams.core.detect.grid import bins_of, category_bins
from streams.core.detect.watched_columns import _NOTHING_TOLD, Values, read
from streams.core.groups import Slice
from streams.core.ids import hash_strings

WATCHED = {"score": 3, "features.a": 4, "features.ab": 5, "features.c": 6, "features.x": 8, "attributes.c": 7}
KEYS = ("a", "ab", "b", "bc", "c", "x" * 300)

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
features = st.dictionaries(st.sampled_from(KEYS), numbers, max_size=4).map(lambda one: list(one.items()))
attributes = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("u", "v")), max_size=2)
events = st.lists(st.tuples(st.none() | numbers, features, attributes.map(lambda one: list(one.items()))), max_size=25)

Event = tuple[float | None, list[tuple[str, float]], list[tuple[str, str]]]


def table_of(told: list[Event]) -> pa.RecordBatch:
    """Make predictions of scores, features and attributes."""
    schema = SCHEMAS["prediction"]
    columns = zip(("score", "features", "attributes"), zip(*told, strict=True), strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(list(column), schema.field(name).type) for name, column in columns],
        ["score", "features", "attributes"],
    )


def held(values: Values) -> Counter[tuple[int, int, int]]:
    """Count entries by row, column and bin."""
    columns, bins = values.column[values.place], values.bin[values.place]
    return Counter(zip(values.row.tolist(), columns.tolist(), bins.tolist(), strict=True))


def expected(told: list[Event], rows: list[int]) -> Counter[tuple[int, int, int]]:
    """Look at the rows one by one."""
    found: Counter[tuple[int, int, int]] = Counter()
    for place, row in enumerate(rows):
        score, given_features, given_attributes = told[row]
        by_name = {"score": score} | {f"features.{key}": value for key, value in given_features}
        for name, value in by_name.items():
            if name in WATCHED and value is not None:
                found[place, WATCHED[name], int(bins_of(np.array([value]))[0])] += 1
        for key, text in given_attributes:
            if f"attributes.{key}" in WATCHED:
                found[place, WATCHED[f"attributes.{key}"], int(category_bins(hash_strings(pa.array([text])))[0])] += 1
    return found


@given(events.filter(bool), st.data())
def test_every_value_is_read(told: list[Event], data: st.DataObject) -> None:
    """Of any rows in any order, out of the middle of a table, with any keys: as if they were read one by one."""
    rows = data.draw(st.lists(st.integers(0, len(told) - 1), unique=True))
    before: Event = (0.5, [("a", 1.0)], [("c", "w")])
    table = table_of([before, *told, before]).slice(1, len(told))

    assert held(read(table, np.array(rows, np.int64), WATCHED)) == expected(told, rows)


@pytest.mark.parametrize(
    ("keys", "others"), [(("a", "bc"), ("ab", "c")), (("x", "x" * 257), ("x" * 257, "x"))], ids=["short", "long"]
)
def test_keys_that_run_together_are_told_apart(keys: tuple[str, str], others: tuple[str, str]) -> None:
    """Two rows have as many keys with the same letters in a row, and yet other keys."""
    told: list[Event] = [(None, list(zip(each, (1.0, 2.0), strict=True)), []) for each in (keys, others)]

    assert held(read(table_of(told), np.arange(2), WATCHED)) == expected(told, [0, 1])


@pytest.mark.parametrize("places", [10, 30_000], ids=["dense", "sparse"])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0, 1.0], [1.0, 0.25, 3.0, 2.5]], ids=["equal", "different"])
def test_values_are_summed_up_as_if_one_by_one(places: int, weights: list[float]) -> None:
    """In the cell of their row, with its weight, and none without a cell; of few possible values, or of very many."""
    rng = np.random.default_rng(1)
    row, place = rng.integers(0, 4, 40), rng.integers(0, places, 40)
    values = Values(row, place, 1 + np.arange(places) % 3, np.arange(places) // 3, _NOTHING_TOLD)
    quick, slow = ColumnSums(), ColumnSums()
    for sums in (quick, slow):
        assert [sums.cell(tick, Slice("m", (), ())) for tick in range(2)] == [0, 1]
    cells = np.array([0, 1, -1, 0])
    quick.tally(cells, np.array(weights), values)
    for entry in range(40):
        if cells[row[entry]] >= 0:
            some = slice(entry, entry + 1)
            at = place[some]
            slow.add(cells[row[some]], values.column[at], values.bin[at], np.array(weights)[row[some]])

    found, wanted = quick.snapshot(), slow.snapshot()
    assert found["cells"] == wanted["cells"]
    np.testing.assert_array_equal(found["key"], wanted["key"])
    np.testing.assert_array_equal(found["weight"], wanted["weight"])


@given(events.filter(bool), st.integers(1, 3))
def test_texts_are_told_by_group_of_rows(told: list[Event], groups: int) -> None:
    """Each text once in each group of rows that has it, with its column and its bin."""
    group = np.arange(len(told)) % groups * 7
    found = {
        (one, *place)
        for one, *lists in read(table_of(told), np.arange(len(told)), WATCHED).told.by(group)
        for place in zip(*lists, strict=True)
    }

    assert found == {
        (row % groups * 7, WATCHED["attributes.c"], int(category_bins(hash_strings(pa.array([text])))[0]), text)
        for row, (_, _, given_attributes) in enumerate(told)
        for key, text in given_attributes
        if key == "c"
    }


def test_numbers_are_read_from_their_center() -> None:
    """A column with a center has the bins of what is left without it; others have those of their numbers."""
    told: list[Event] = [(290.5, [("a", 290.5), ("c", 290.5)], [])]
    values = read(table_of(told), np.arange(1), WATCHED, {"score": 290.0, "features.a": 289.0, "other": 1.0})

    numbers = {"score": 0.5, "features.a": 1.5, "features.c": 290.5}
    assert held(values) == {(0, WATCHED[name], int(bins_of(np.array([of]))[0])): 1 for name, of in numbers.items()}
