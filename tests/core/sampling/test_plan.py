"""What a plan decides: each policy alone, and all of them together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.assertion.events import Events
from streams.core.assertion.parse import parse_condition
from streams.core.columns import Floats
from streams.core.sampling.joint import estimated_total, known_probability
from streams.core.sampling.landing import Landing
from streams.core.sampling.plan import Budget, BySlice, InFull, Plan, Policy, Rows, Sampler, Targeted
from streams.core.sampling.reservoir import together
from streams.core.sampling.uniform import kept, uniforms
from streams.core.watermark import FOREVER
from streams.core.window_spec import HOUR
from streams.runtime.packing import decode, encode
from tests.core.making import make_batch, prediction
from tests.core.sampling.drawing import POPULATIONS, assert_unbiased, keys, numbered, predictions

MANY = 240  # a minute each: four hours
RARE = InFull(parse_condition('label == "rare"'))
UNSURE = InFull(parse_condition("0.4 < score < 0.6"))
NEW_ZEALAND = Targeted((("country", ("NZ",)),), 0.7, HOUR, 3 * HOUR)
COUNTRIES = BySlice(("country",), 10, 0.3)
EVERY = (RARE, UNSURE, NEW_ZEALAND, COUNTRIES)
EVENTS = predictions(
    MANY,
    label=["often", "often", "often", "rare", "often", "often", "often"],
    score=[0.1, 0.9, 0.5, None, 0.99],
    attributes=[{"country": "DE"}, {"country": "DE"}, {"country": "NZ"}, {}],
)
TIMES = EVENTS.times


def decided(*policies: Policy, rate: float = 0.0) -> Floats:
    return Sampler(Plan(rate, policies)).decide(EVENTS)


def test_a_rate_is_the_same_for_all() -> None:
    """Without policies every prediction has it."""
    assert decided(rate=0.2).tolist() == [0.2] * MANY


def test_predictions_of_which_an_expression_is_true_are_kept_in_full() -> None:
    """Rare classes and low confidence; where the score is missing there is no telling, so the policy keeps nothing."""
    rare, unsure = decided(RARE), decided(UNSURE, rate=0.1)

    assert rare.tolist() == [1.0 if row % 7 == 3 else 0.0 for row in range(MANY)]
    assert unsure.tolist() == [1.0 if row % 5 == 2 else 0.1 for row in range(MANY)]


def test_a_target_has_its_rate_for_its_time() -> None:
    """From the first moment to before the last, where attributes have the values; absent ones have none."""
    inside = (TIMES >= HOUR) & (TIMES < 3 * HOUR) & (np.arange(MANY) % 4 == 2)

    assert decided(NEW_ZEALAND, rate=0.1).tolist() == np.where(inside, 0.7, 0.1).tolist()
    assert decided(Targeted((), 0.5)).tolist() == [0.5] * MANY
    assert decided(Targeted((), 0.5, HOUR, 3 * HOUR)).tolist() == [0.0] * 60 + [0.5] * 120 + [0.0] * 60
    several = decided(Targeted((("country", ("NZ", "DE")),), 0.5))
    assert several.tolist() == [0.0 if row % 4 == 3 else 0.5 for row in range(MANY)]


def test_slices_have_rates_of_their_own() -> None:
    """30 predictions of DE, 15 of NZ and 15 of no country an hour, of which 10 are aimed at."""
    found = decided(COUNTRIES).reshape(4, 60)

    assert found[0].tolist() == [0.3] * 60
    assert found[3].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3] * 15)


@given(
    rates=st.tuples(st.floats(0, 1), st.floats(0, 1)), some=st.sets(st.sampled_from(range(4))), seed=st.integers(0, 9)
)
def test_a_higher_rate_and_more_policies_keep_what_was_kept(
    rates: tuple[float, float], some: set[int], seed: int
) -> None:
    """A plan contains every plan with a lower rate and fewer policies."""
    numbers = uniforms(keys(np.random.default_rng(seed), MANY))
    less = decided(*(EVERY[place] for place in some), rate=min(rates))
    more = decided(*EVERY, rate=max(rates))

    assert not (kept(numbers, less) & ~kept(numbers, more)).any()


@pytest.mark.parametrize("policy", [*EVERY, None])
@pytest.mark.parametrize("also", [(), EVERY])
def test_totals_are_unbiased(policy: Policy | None, also: tuple[Policy, ...]) -> None:
    """For each policy with a rate, and for all of them together, over 2,000 populations."""
    rng = np.random.default_rng(12)
    probability = decided(*[policy] if policy else [], *also, rate=0.1)
    values, totals = rng.uniform(1, 2, MANY), []
    for _ in range(POPULATIONS):
        some = kept(uniforms(keys(rng, MANY)), probability)
        totals.append(estimated_total(values[some], probability[some])[0])

    assert_unbiased(totals, values.sum())


def test_totals_are_unbiased_after_every_stage_together() -> None:
    """Policies, budget, reservoir, and errors kept once they show, over 2,000 populations."""
    rng = np.random.default_rng(13)
    plan = Plan(0.1, EVERY, frozenset({"error"}), Rows(HOUR, 5), Budget(15, 400))
    before = Sampler(plan).decide(EVENTS)
    values, sizes, error = rng.uniform(1, 2, MANY), rng.integers(5, 40, MANY), np.arange(MANY) % 11 == 0
    totals, errors = [], []
    for _ in range(POPULATIONS):
        landing = Landing(plan)
        landing.add(TIMES, uniforms(keys(rng, MANY)), before, sizes, numbered(MANY))
        landed, probability = landing.take(FOREVER)
        shown = np.union1d(landed, np.flatnonzero(error))
        joint = np.zeros(MANY)
        joint[landed] = probability
        joint = known_probability(joint, plan.shown({"error": error}, MANY))
        totals.append(estimated_total(values[shown], joint[shown])[0])
        errors.append(estimated_total(error[shown].astype(float), joint[shown])[0])

    assert_unbiased(totals, values.sum())
    assert errors == [float(error.sum())] * POPULATIONS


def test_totals_are_unbiased_where_a_budget_bounds_what_shows_later() -> None:
    """Errors compete in the hour in which they are known; rows that either hour keeps have the larger probability."""
    rng = np.random.default_rng(14)
    plan = Plan(0.1, EVERY, frozenset({"error"}), budget=Budget(15, 400))
    before = Sampler(plan).decide(EVENTS)
    values, sizes, error = rng.uniform(1, 2, MANY), rng.integers(5, 40, MANY), np.arange(MANY) % 5 == 0
    totals, errors = [], []
    for _ in range(POPULATIONS):
        numbers, landing = uniforms(keys(rng, MANY)), Landing(plan)
        landing.add(TIMES, numbers, before, sizes, numbered(MANY))
        first = landing.take(24 * HOUR)
        landing.add(TIMES[error] + 24 * HOUR, numbers[error], np.ones(48), sizes[error], numbered(MANY)[error])
        reference, probability = together([first, landing.take(FOREVER)])
        totals.append(estimated_total(values[reference], probability)[0])
        errors.append(estimated_total(error[reference].astype(float), probability)[0])

    assert_unbiased(totals, values.sum())
    assert_unbiased(errors, error.sum())


def test_what_shows_later_is_kept_in_full_only_where_the_plan_says_so() -> None:
    """Several things may show of a row; what the plan does not name changes nothing."""
    plan = Plan(once_known=frozenset({"error", "crash"}))
    found = {
        "error": np.array([True, False, False, False]),
        "crash": np.array([True, True, False, False]),
        "complaint": np.array([False, False, True, False]),
    }

    assert plan.shown(found, 4).tolist() == [True, True, False, False]
    assert not plan.shown({}, 4).any()


@given(cuts=st.lists(st.integers(0, MANY), max_size=4))
def test_blocks_and_restarts_do_not_matter(cuts: list[int]) -> None:
    """Every prediction has the same probability in whatever blocks they come."""
    plan = Plan(0.1, (*EVERY, BySlice(("country", "city"), 3)))
    whole = Sampler(plan).decide(EVENTS)
    sampler, found = Sampler(plan), []
    for rows in np.split(np.arange(MANY), sorted(cuts)):
        found.append(sampler.decide(EVENTS.at(rows)))
        saved, sampler = encode(sampler.snapshot()), Sampler(plan)
        sampler.restore(decode(saved, "test"))

    np.testing.assert_array_equal(np.concatenate(found), whole)


def test_parts_know_together_what_one_would_know() -> None:
    """What several parts have counted adds up."""
    plan, later = Plan(0.0, (COUNTRIES,)), np.arange(180, MANY)
    whole, one, other = Sampler(plan), Sampler(plan), Sampler(plan)
    whole.decide(EVENTS.at(np.arange(180)))
    one.decide(EVENTS.at(np.arange(0, 180, 2)))
    other.decide(EVENTS.at(np.arange(1, 180, 2)))
    one.merge(other)

    np.testing.assert_array_equal(one.decide(EVENTS.at(later)), whole.decide(EVENTS.at(later)))


def test_a_policy_by_other_attributes_begins_anew() -> None:
    """After a change of the configuration counts stay with their attributes."""
    before = Sampler(Plan(0.0, (COUNTRIES,)))
    before.decide(EVENTS)
    after = Sampler(Plan(0.0, (BySlice(("city",), 10, 0.3), COUNTRIES)))
    after.restore(before.snapshot())
    last = EVENTS.at(np.arange(MANY - 60, MANY))

    np.testing.assert_array_equal(after.decide(last), before.decide(last))
    assert after.snapshot()["rates"][0][0] == ["city"]


def test_the_plan_of_a_part_aims_at_a_part() -> None:
    """Targets, budgets and reservoirs are divided, rates are not; one row at least is left to each."""
    plan = Plan(0.1, EVERY, frozenset({"error"}), Rows(HOUR, 3), Budget(100, 1_001))
    part = plan.share(4)

    assert part.policies == (*EVERY[:3], BySlice(("country",), 2.5, 0.3))
    assert (part.rate, part.once_known, part.reservoir, part.budget) == (
        0.1,
        plan.once_known,
        Rows(HOUR, 1),
        Budget(25, 250),
    )
    assert Plan().share(4) == Plan()
    assert Plan(budget=Budget(None, 8)).share(4).budget == Budget(None, 2)


def test_only_budgets_and_reservoirs_make_rows_wait() -> None:
    """Otherwise it is known at once what lands."""
    assert not Plan(0.5, EVERY).waits
    assert Plan(budget=Budget(1)).waits
    assert Plan(reservoir=Rows(1, 1)).waits


def test_no_events_have_no_probabilities() -> None:
    """An empty block is decided as any other."""
    batch = make_batch("prediction", [prediction("p", 1)])
    empty = Events(batch.table.slice(0, 0))

    assert isinstance(batch.table, pa.RecordBatch)
    assert Sampler(Plan(0.1, EVERY)).decide(empty).tolist() == []
