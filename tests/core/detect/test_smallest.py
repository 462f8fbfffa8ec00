"""Rows with the smallest ranks of each slice: as many as each keeps, in whatever blocks they come."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.columns import Columns
from streams.core.detect.smallest import Smallest
from streams.core.groups import Slice

SLICES = [Slice("m", ("country",), (country,)) for country in ("de", "fr", "it")]
MOST = {SLICES[0]: 1, SLICES[1]: 3, SLICES[2]: 0}
Row = tuple[int, int, int]
"""Slice, rank, and +1 or -1."""

rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.sampled_from((1, 1, -1))), max_size=40)


def add(sample: Smallest, told: list[Row]) -> None:
    """Add rows; those of a slice that keeps none are passed over."""
    numbers = [sample.number(SLICES[place], MOST.__getitem__) for place, _, _ in told]
    ranks, counts = np.array([rank for _, rank, _ in told], float), np.array([count for _, _, count in told])
    columns: Columns = {"slice": np.array(numbers, np.int64), "rank": ranks, "id": ranks.astype(np.uint64)}
    columns |= {"time": np.zeros(len(told), np.int64), "value": np.zeros(len(told)), "count": counts}
    kept = columns["slice"] >= 0
    sample.add({name: column[kept] for name, column in columns.items()})


def kept(sample: Smallest) -> dict[Slice, list[tuple[float, int]]]:
    """Return the ranks of each slice with how often each is there."""
    rows, found = sample.rows(), {}
    for number, one in enumerate(sample.slices):
        mine = rows["slice"] == number
        found[one] = list(zip(rows["rank"][mine].tolist(), rows["count"][mine].tolist(), strict=True))
    return {one: some for one, some in found.items() if some}


@given(rows, st.integers(1, 7), st.integers(0, 9))
def test_each_slice_keeps_its_smallest(told: list[Row], size: int, slack: int) -> None:
    """In blocks of any size, and sorted after any number of rows: as one look at all rows has them."""
    sample = Smallest(slack)
    for first in range(0, len(told), size):
        add(sample, told[first : first + size])
    expected = {}
    for place, one in enumerate(SLICES[:2]):
        counts: Counter[float] = Counter()
        for at, rank, count in told:
            counts[rank] += count if at == place else 0
        mine = sorted({float(rank) for at, rank, _ in told if at == place})[: MOST[one]]
        expected[one] = [(rank, counts[rank]) for rank in mine]

    assert kept(sample) == {one: some for one, some in expected.items() if some}
    assert SLICES[2] not in sample.slices
