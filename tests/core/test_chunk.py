"""Chunks hold rows as plain arrays would, whichever of their columns are one value."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.chunk import Chunk
from streams.core.columns import Columns

KINDS = {"x": np.empty(0), "wide": np.empty((0, 2), np.uint64)}
CAPACITY = 12
VALUES = st.sampled_from([0.0, -0.0, 1.0, float("nan")])


def rows_of(values: list[float]) -> Columns:
    return {"x": np.array(values), "wide": np.array([[value == 1.0, 7] for value in values], np.uint64)}


def bytes_of(columns: Columns) -> dict[str, bytes]:
    return {name: np.ascontiguousarray(column).tobytes() for name, column in columns.items()}


@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 11), VALUES), max_size=4),
    st.lists(st.integers(0, 11), max_size=5),
)
def test_a_chunk_holds_what_was_added_and_overwritten(
    added: list[list[float]], overwritten: list[tuple[int, float]], asked: list[int]
) -> None:
    """Rows, copies, what is kept and what is joined are those of one array of all values, bit by bit."""
    chunk, plain = Chunk(KINDS, CAPACITY), np.empty(0)
    for values in added:
        chunk.add(rows_of(values))
        plain = np.append(plain, values)
    for place, value in overwritten:
        chunk.put(np.array([place % len(plain)]), rows_of([value]))
        plain[place % len(plain)] = value
    some = np.array([place % len(plain) for place in asked], np.int64)
    out = {"x": np.empty(len(some)), "wide": np.empty((len(some), 2), np.uint64)}
    chunk.copy(some, out)

    assert bytes_of(chunk.rows()) == bytes_of(rows_of(plain.tolist()))
    if len(some):
        assert bytes_of(out) == bytes_of(rows_of(plain[some].tolist()))
        assert bytes_of(chunk.kept(some).rows()) == bytes_of(rows_of(plain[some].tolist()))
    both = np.concatenate([plain, plain])
    assert bytes_of(chunk.joined(chunk).rows()) == bytes_of(rows_of(both.tolist()))


def test_what_was_kept_or_joined_can_be_overwritten() -> None:
    """A row of a column that was one value can be another in a chunk made of it, and the others stay."""
    chunk = Chunk(KINDS, CAPACITY)
    chunk.add(rows_of([1.0, 1.0, 1.0]))
    one, twice = chunk.kept(np.array([1])), chunk.joined(chunk)
    one.put(np.array([0]), {"x": np.array([5.0])})
    twice.put(np.array([4]), {"x": np.array([5.0])})

    assert one.rows()["x"].tolist() == [5.0]
    assert twice.rows()["x"].tolist() == [1.0, 1.0, 1.0, 1.0, 5.0, 1.0]
    assert chunk.rows()["x"].tolist() == [1.0, 1.0, 1.0]


def test_only_new_and_overwritten_rows_are_changed() -> None:
    """A row overwritten with what it was counts as changed too: its neighbours do not."""
    chunk = Chunk(KINDS, CAPACITY)
    chunk.add(rows_of([1.0, 1.0]))
    chunk.changed[:] = False
    chunk.put(np.array([1]), {"x": np.array([1.0])})
    chunk.add(rows_of([2.0]))

    assert chunk.changed[: chunk.filled].tolist() == [False, True, True]
    assert chunk.room == CAPACITY - 3
