"""Sums of several experiments at once are those of each experiment, row by row."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.crossing import crossings
from streams.core.exposure import BUCKETS, UNKNOWN, Exposures

Row = tuple[int, int, dict[str, str], int, int]
"""Tick, bucket, assignments, value and bin."""

ARMS = {"a": ("x", "y"), "b": ("x", "y", "z"), "c": ("only",), "d": ("x", "y"), "e": ("p", "q", "r", "s")}
EXPOSURES = Exposures(ARMS)

assignments = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([*arms, UNKNOWN]) for name, arms in ARMS.items()}
)
rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, BUCKETS - 1), assignments, st.integers(-3, 3), st.integers(0, 4)),
    min_size=1,
    max_size=40,
)


@given(rows, st.sets(st.sampled_from(list(ARMS)), min_size=1), st.sampled_from([1, 100, 2_000]))
def test_sums_are_those_of_each_row(given_rows: list[Row], names: set[str], repeated: int) -> None:
    """However many experiments are summed up at once, which grows with the rows, each arm has what its rows add."""
    ticks, buckets, exposed, added, binned = (list(part) for part in zip(*given_rows * repeated, strict=True))
    cells, values = np.array(ticks) * BUCKETS + np.array(buckets), np.array(added, float)
    told = list(crossings(EXPOSURES, sorted(names), EXPOSURES.number(exposed), cells, 3))

    assert sorted(name for one in told for name in one.names) == sorted(names)
    for crossing in told:
        sums = crossing.sums(values)
        for name in crossing.names:
            wanted: Counter[tuple[int, str, int]] = Counter()
            bins: Counter[tuple[int, str, int]] = Counter()
            for tick, bucket, arms, value, place in given_rows:
                wanted[tick, arms.get(name, ""), bucket] += value * repeated
                bins[tick, arms.get(name, ""), place] += value * repeated
            histogram = crossing.histogram(name, np.array(binned), 5, values)
            assert sums[name].shape == (3, len(ARMS[name]), BUCKETS)
            for tick in range(3):
                for arm, declared in enumerate(ARMS[name]):
                    assert sums[name][tick, arm].tolist() == [wanted[tick, declared, one] for one in range(BUCKETS)]
                    assert histogram[tick, arm].tolist() == [bins[tick, declared, one] for one in range(5)]
            inside, strays = crossing.present(name)
            assert inside == any(arms.get(name) in ARMS[name] for _, _, arms, _, _ in given_rows)
            assert strays.tolist() == [
                any(arms.get(name) == UNKNOWN for tick, _, arms, _, _ in given_rows if tick == one) for one in range(3)
            ]


def test_tables_are_smaller_than_the_rows() -> None:
    """Few rows are crossed by one experiment at a time, many by several."""
    few, many = ([len(one.names) for one in crossings(EXPOSURES, list(ARMS), *_rows(n), 1)] for n in (100, 100 * 64))

    assert few == [1] * 5
    assert max(many) > 1


def _rows(n: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return np.zeros(n, np.uint64), np.zeros(n, np.int64)
