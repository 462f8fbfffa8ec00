"""Raw rows by number: they are found in whatever tables they came, and those that are not asked for are let go of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streams.core.sampling.texts import Texts


def filled(many: list[int]) -> Texts:
    """Keep tables of so many rows, each row its own number."""
    texts = Texts()
    for rows in many:
        numbers = texts.reserve(rows)
        texts.keep(numbers, pa.table({"payload": [str(number) for number in numbers.tolist()]}))
    return texts


@given(many=st.lists(st.integers(0, 20), max_size=30), seed=st.integers(0, 99), left=st.floats(0, 1))
def test_rows_are_found_by_number(many: list[int], seed: int, left: float) -> None:
    """In the order asked for, as often as asked for, also after others were let go of."""
    texts, rng = filled(many), np.random.default_rng(seed)
    some = np.flatnonzero(rng.random(sum(many)) < left)
    texts.retain(some)
    asked = rng.choice(some, 2 * len(some)) if len(some) else some

    assert len(texts) == len(some)
    assert [row["payload"] for row in texts.fetch(asked).to_pylist()] == [str(number) for number in asked.tolist()]


def test_many_small_tables_become_few() -> None:
    """As many as their number has digits, or so, however many blocks there were."""
    assert len(filled([1] * 1_000)._parts) <= 12


def test_columns_that_an_earlier_version_did_not_write_are_null() -> None:
    """Tables need not have the same columns."""
    texts = filled([2])
    texts.keep(texts.reserve(1), pa.table({"payload": ["2"], "more": [5]}))

    assert texts.fetch(np.array([2, 0])).to_pylist() == [{"payload": "2", "more": 5}, {"payload": "0", "more": None}]
