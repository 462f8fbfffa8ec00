"""Samples of a bounded size: what fits is kept, in whatever order it comes, with probabilities that are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.sampling import bottom_k
from streams.core.sampling.bottom_k import BottomK
from streams.core.sampling.joint import estimated_total
from streams.core.sampling.uniform import uniforms
from tests.core.sampling.drawing import POPULATIONS, assert_unbiased, keys, numbered

Population = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def populations(draw: st.DrawFn, most: int = 40) -> Population:
    """Numbers that differ, probabilities, and sizes."""
    many = draw(st.integers(0, most))
    numbers = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=many, max_size=many, unique=True))
    chances = draw(st.lists(st.sampled_from([0.0, 0.01, 0.3, 1.0]), min_size=many, max_size=many))
    sizes = draw(st.lists(st.integers(0, 50), min_size=many, max_size=many))
    return np.array(numbers, float), np.array(chances, float), np.array(sizes, np.int64)


bounds = st.tuples(st.none() | st.integers(1, 20), st.none() | st.integers(1, 300))


def filled(population: Population, rows: Any, sample: BottomK) -> BottomK:
    numbers, chances, sizes = (column[rows] for column in population)
    sample.add(numbers, chances, sizes, numbered(len(population[0]))[rows])
    return sample


def brute(population: Population, rows: int | None, size: int | None) -> list[int]:
    """Rows by u / p, as long as they fit."""
    numbers, chances, sizes = population
    order = sorted(
        (row for row in range(len(numbers)) if numbers[row] < chances[row]), key=lambda r: numbers[r] / chances[r]
    )
    fitting: list[int] = []
    for row in order:
        total = sum(sizes[one] for one in [*fitting, row])
        if fitting and (len(fitting) + 1 > (rows or np.inf) or total > (size or np.inf)):
            break
        fitting.append(row)
    return sorted(fitting)


@given(population=populations(), bound=bounds)
def test_what_fits_is_kept(population: Population, bound: tuple[int | None, int | None]) -> None:
    """The smallest u / p that fit, one at least."""
    sample = filled(population, slice(None), BottomK(*bound))

    assert sample.kept().reference.tolist() == brute(population, *bound) == sample.references().tolist()
    assert len(sample) == len(sample.references())


@given(population=populations(), bound=bounds, cuts=st.lists(st.integers(0, 40)), seed=st.integers(0, 99))
def test_blocks_order_and_parts_do_not_matter(
    population: Population, bound: tuple[int | None, int | None], cuts: list[int], seed: int
) -> None:
    """Rows in any order and blocks, in one sample or in several that are merged, give the same state."""
    whole = filled(population, slice(None), BottomK(*bound))
    order = np.random.default_rng(seed).permutation(len(population[0]))
    one, merged = BottomK(*bound), BottomK(*bound)
    for rows in np.split(order, sorted(min(cut, len(order)) for cut in cuts)):
        filled(population, rows, one)
        merged.merge(filled(population, rows, BottomK(*bound)))
    restored = BottomK(*bound)
    restored.begin(merged.threshold)
    filled(population, merged.references(), restored)

    for other in (one, merged, restored):
        assert other.threshold == whole.threshold
        for column, expected in zip(other.kept(), whole.kept(), strict=True):
            np.testing.assert_array_equal(column, expected)


@given(population=populations(), rows=st.integers(1, 20), more=st.integers(0, 20))
def test_a_larger_sample_contains_a_smaller(population: Population, rows: int, more: int) -> None:
    """With larger probabilities."""
    small = filled(population, slice(None), BottomK(rows)).kept()
    large = filled(population, slice(None), BottomK(rows + more)).kept()
    probability = dict(zip(large.reference.tolist(), large.probability, strict=True))

    assert set(small.reference.tolist()) <= probability.keys()
    for reference, one in zip(small.reference.tolist(), small.probability, strict=True):
        assert one <= probability[reference]


@pytest.mark.parametrize("bound", [(5, None), (None, 80)])
def test_what_is_kept_is_what_is_below_its_probability(bound: tuple[int | None, int | None]) -> None:
    """To the last bit, also at the threshold: an outcome follows its prediction by number, probability and share."""
    rng = np.random.default_rng(15)
    for _ in range(200):
        numbers, chances, sizes = uniforms(keys(rng, 20)), rng.uniform(0.3, 1, 20), rng.integers(5, 40, 20)
        sample = filled((numbers, chances, sizes), slice(None), BottomK(*bound))
        below = np.flatnonzero(numbers < chances * sample.share)

        assert below.tolist() == sample.kept().reference.tolist() == sample.references().tolist()


@pytest.mark.parametrize("bound", [(1, None), (7, None), (None, 200), (9, 250), (None, 20), (500, None)])
def test_totals_are_unbiased(bound: tuple[int | None, int | None]) -> None:
    """Bounds of rows, of bytes, of both, down to one row: totals and their variances over 2,000 populations."""
    rng = np.random.default_rng(3)
    many = 60
    chances, sizes, values = rng.uniform(0.2, 1, many), rng.integers(5, 40, many), rng.uniform(1, 2, many)
    totals = []
    for _ in range(POPULATIONS):
        sample = filled((uniforms(keys(rng, many)), chances, sizes), slice(None), BottomK(*bound))
        reference, probability = sample.kept()
        totals.append(estimated_total(values[reference], probability))

    assert_unbiased((total for total, _ in totals), values.sum())
    if bound not in {(1, None), (None, 20)}:  # of one row at a time there is no variance
        spread = np.var([total for total, _ in totals])
        assert np.mean([error**2 for _, error in totals]) == pytest.approx(spread, rel=0.2)


def test_memory_is_that_of_the_bound() -> None:
    """After a million rows no more are held than those that fit and a few that wait."""
    rng = np.random.default_rng(4)
    sample = BottomK(100)
    for block in range(100):
        rows = numbered(10_000) + block * 10_000
        sample.add(uniforms(keys(rng, 10_000)), np.ones(10_000), np.ones(10_000, np.int64), rows)
        assert len(sample._held["size"]) <= 2 * 100 + bottom_k._SPARE

    assert len(sample) == 100


@pytest.mark.parametrize("bound", [{"rows": 0}, {"size": 0}, {"rows": -3}])
def test_a_bound_that_nothing_fits_into_is_refused(bound: dict[str, int]) -> None:
    """Nothing would stand for the rows."""
    with pytest.raises(ValueError, match="so give at least 1"):
        BottomK(**bound)


def test_a_smaller_bound_after_a_restart_holds_at_once() -> None:
    """State from before comes under the bound that is configured now."""
    rng = np.random.default_rng(5)
    before, after = BottomK(50), BottomK(10)
    numbers = uniforms(keys(rng, 99))
    before.add(numbers, np.ones(99), np.ones(99, np.int64), numbered(99))
    after.begin(before.threshold)
    left = before.references()
    after.add(numbers[left], np.ones(len(left)), np.ones(len(left), np.int64), left)

    assert len(after) == 10
    assert set(after.references()) <= set(before.references())
