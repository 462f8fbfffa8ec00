"""Which rows land: what fits the budget, and the reservoir, each row with its joint probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.sampling.joint import estimated_total
from streams.core.sampling.landing import Landing
from streams.core.sampling.plan import Budget, Plan, Rows
from streams.core.sampling.uniform import uniforms
from streams.core.watermark import FOREVER
from streams.core.window_spec import HOUR
from streams.runtime.packing import decode, encode
from tests.core.sampling.drawing import POPULATIONS, assert_unbiased, keys, numbered

MANY = 60
PLANS = {
    "nothing": Plan(),
    "budget": Plan(budget=Budget(12)),
    "budget of bytes": Plan(budget=Budget(None, 200)),
    "reservoir": Plan(reservoir=Rows(HOUR, 8)),
    "both": Plan(reservoir=Rows(HOUR, 8), budget=Budget(12, 300)),
    "reservoir of two hours": Plan(reservoir=Rows(2 * HOUR, 8), budget=Budget(12)),
    "reservoir of half an hour": Plan(reservoir=Rows(HOUR // 2, 4), budget=Budget(12)),
}


def population(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times within four hours, probabilities (of some rows 0), and sizes."""
    rng = np.random.default_rng(seed)
    chances = np.where(np.arange(MANY) % 9 == 0, 0.01, rng.uniform(0.1, 1, MANY))
    return rng.integers(0, 4 * HOUR, MANY), chances, rng.integers(5, 40, MANY)


@pytest.mark.parametrize("name", PLANS)
def test_totals_are_unbiased(name: str) -> None:
    """Whatever bounds and adds, over 2,000 populations."""
    rng = np.random.default_rng(8)
    times, chances, sizes = population(8)
    values, totals = rng.uniform(1, 2, MANY), []
    for _ in range(POPULATIONS):
        landing = Landing(PLANS[name])
        landing.add(times, uniforms(keys(rng, MANY)), chances, sizes, numbered(MANY))
        reference, probability = landing.take(FOREVER)
        totals.append(estimated_total(values[reference], probability)[0])

    assert_unbiased(totals, values.sum())


def test_a_reservoir_has_its_rows_whatever_policies_say() -> None:
    """So many of each window, beside what the budget keeps; without policies the reservoir is all there is."""
    rng = np.random.default_rng(9)
    times, _, sizes = population(9)
    landing = Landing(PLANS["both"])
    landing.add(times, uniforms(keys(rng, MANY)), np.zeros(MANY), sizes, numbered(MANY))
    landed = landing.take(FOREVER).reference

    assert np.bincount(times[landed] // HOUR).tolist() == np.minimum(8, np.bincount(times // HOUR)).tolist()


@pytest.mark.parametrize("name", PLANS)
@given(seed=st.integers(0, 999), cut=st.integers(0, MANY), looks=st.lists(st.integers(0, 4 * HOUR), max_size=3))
def test_blocks_partitions_and_restarts_do_not_matter(name: str, seed: int, cut: int, looks: list[int]) -> None:
    """One block, two, two parts, or a restart: the same lands; what may land is among what is waited for."""
    rng = np.random.default_rng(seed)
    times, chances, sizes = population(seed)
    columns: tuple[Any, ...] = (times, uniforms(keys(rng, MANY)), chances, sizes, numbered(MANY))
    whole, blocks, merged, part = (Landing(PLANS[name]) for _ in range(4))
    whole.add(*columns)
    for rows in (slice(cut), slice(cut, None)):
        blocks.add(*(column[rows] for column in columns))
        saved, blocks = encode(blocks.snapshot()), Landing(PLANS[name])
        blocks.restore(decode(saved, "test"))
    merged.add(*(column[:cut] for column in columns))
    part.add(*(column[cut:] for column in columns))
    merged.merge(part)

    for before in [*sorted(looks), FOREVER]:
        waiting = whole.references()
        landed = [landing.take(before) for landing in (whole, blocks, merged)]
        assert set(landed[0].reference) <= set(waiting)
        for other in landed[1:]:
            np.testing.assert_array_equal(other.reference, landed[0].reference)
            np.testing.assert_array_equal(other.probability, landed[0].probability)


def test_rows_of_an_hour_land_together_with_those_of_the_reservoir() -> None:
    """Where the reservoir's window is longer than an hour the hours wait for it."""
    landing = Landing(PLANS["reservoir of two hours"])
    landing.add(np.array([1, HOUR]), np.array([0.1, 0.2]), np.ones(2), np.ones(2, np.int64), numbered(2))

    assert landing.take(2 * HOUR - 1).reference.tolist() == []
    assert landing.take(2 * HOUR).reference.tolist() == [0, 1]


def test_a_reservoir_that_is_declared_later_begins_anew() -> None:
    """State from before has none for it."""
    before, after = Landing(PLANS["budget"]), Landing(PLANS["both"])
    before.add(np.array([1]), np.array([0.5]), np.ones(1), np.ones(1, np.int64), numbered(1))
    after.restore(before.snapshot())

    assert after.take(FOREVER).reference.tolist() == [0]


@pytest.mark.parametrize("name", PLANS)
def test_forgotten_rows_do_not_land_and_the_others_do_as_before(name: str) -> None:
    """What lands is what would have landed without forgetting, less the forgotten, with the same probabilities."""
    rng, many = np.random.default_rng(5), 200
    rows = (rng.integers(0, 4 * HOUR, many), uniforms(keys(rng, many), ""), rng.random(many), rng.integers(1, 90, many))
    one, other = Landing(PLANS[name]), Landing(PLANS[name])
    for landing in (one, other):
        landing.add(*rows, numbered(many))
    gone = numbered(many)[::3]
    other.forget(gone)
    before, after = one.take(FOREVER), other.take(FOREVER)
    stays = ~np.isin(before.reference, gone)

    assert 0 < len(after.reference) < len(before.reference)
    np.testing.assert_array_equal(after.reference, before.reference[stays])
    np.testing.assert_array_equal(after.probability, before.probability[stays])
