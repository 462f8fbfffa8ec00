"""What assignments say is read as a dictionary would be, for any experiments and arms."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.exposure import BUCKETS, Exposures, bucket_of

NAMES, ARMS = ["a", "b", "c"], ["x", "y", "z"]
DECLARED = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(ARMS), min_size=1, max_size=3, unique=True))
ENTRIES = st.lists(st.tuples(st.sampled_from([*NAMES, "d"]), st.sampled_from([*ARMS, "w"])), max_size=6)


def column(rows: list[list[tuple[str, str]]]) -> pa.MapArray:
    return pa.array(rows, pa.map_(pa.string(), pa.string()))


def place(declared: dict[str, list[str]], experiment: str, entries: list[tuple[str, str]]) -> int:
    """Return what `arm` should: the last entry of the experiment."""
    arm = dict(entries).get(experiment)
    arms = declared[experiment]
    return -1 if arm is None else arms.index(arm) if arm in arms else len(arms)


@given(DECLARED, st.lists(ENTRIES, min_size=1, max_size=6), st.integers(0, 3))
def test_numbers_say_each_arm(declared: dict[str, list[str]], rows: list[list[tuple[str, str]]], skipped: int) -> None:
    """Each row's arm of each declared experiment is the one in its map, also behind rows that were cut away."""
    exposures = Exposures(declared)
    numbers = exposures.read(column([*[[("a", "x")]] * skipped, *rows]).slice(skipped))

    for experiment in declared:
        assert exposures.arm(experiment, numbers).tolist() == [place(declared, experiment, row) for row in rows]


@given(st.data(), st.integers(1, 30), st.sampled_from([["x", "xy", "yx", "y"], ["a" * 5_000, "b"], ["long " * 9, "z"]]))
def test_rows_alike_are_read_as_a_whole(data: st.DataObject, many: int, arms: list[str]) -> None:
    """Where all rows name the same experiments, arms whose texts run together alike are told apart all the same."""
    declared = dict.fromkeys(NAMES, arms[:-1])
    order = data.draw(st.permutations([*NAMES, "d"][: data.draw(st.sampled_from([3, 3, 4]))]))
    rows = [[(name, data.draw(st.sampled_from(arms))) for name in order] for _ in range(many)]
    exposures = Exposures(declared)
    numbers = exposures.read(column(rows))

    for experiment in declared:
        assert exposures.arm(experiment, numbers).tolist() == [place(declared, experiment, row) for row in rows]


@given(DECLARED, DECLARED, st.lists(ENTRIES, min_size=1, max_size=6))
def test_numbers_survive_another_declaration(
    before: dict[str, list[str]], after: dict[str, list[str]], rows: list[list[tuple[str, str]]]
) -> None:
    """What is declared before and after keeps its arms; an arm that is no longer declared is unknown."""
    old, new = Exposures(before), Exposures(after)
    numbers = new.adopt(old.read(column(rows)), before)

    for experiment, arms in after.items():
        for row, found in zip(rows, new.arm(experiment, numbers).tolist(), strict=True):
            told = [entry for entry in row if entry[0] in before]
            forgotten = dict(told).get(experiment, before.get(experiment, [""])[0]) not in before.get(experiment, [""])
            assert found == (len(arms) if forgotten else place(after, experiment, told))


def test_as_many_experiments_as_fit_are_told_apart() -> None:
    """Thirty-two experiments of two arms fit into a number; forty are refused, with the cause."""
    exposures = Exposures({f"e{number}": ("x", "y") for number in range(32)})
    numbers = exposures.number([{f"e{number}": "y" for number in range(32)}, {"e31": "x"}])

    assert [exposures.arm(f"e{number}", numbers).tolist() for number in (0, 30, 31)] == [[1, -1], [1, -1], [1, 0]]
    with pytest.raises(ValueError, match="40 experiments with all their arms"):
        Exposures({f"e{number}": ("x", "y") for number in range(40)})


def test_units_spread_over_all_buckets() -> None:
    """Hashes that are spread evenly fill every bucket alike."""
    units = np.random.default_rng(3).integers(0, 2**64, 64_000, dtype=np.uint64)
    counts = np.bincount(bucket_of(units), minlength=BUCKETS)

    assert len(counts) == BUCKETS
    assert abs(counts - 1_000).max() < 5 * np.sqrt(1_000)
