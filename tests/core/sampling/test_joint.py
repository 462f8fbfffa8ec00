"""Joint probabilities: what comes of several decisions, and that totals estimated with it are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.sampling.joint import estimated_total, joint_probability, known_probability
from streams.core.sampling.uniform import kept, uniforms
from tests.core.sampling.drawing import POPULATIONS, assert_unbiased, keys

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=5)


@given(values=probabilities, number=st.floats(0, 1, exclude_max=True))
def test_side_by_side_a_row_is_kept_if_one_policy_keeps_it(values: list[float], number: float) -> None:
    """What is below the joint probability is what is below one of them."""
    number_of_row = np.array([number])
    joint = joint_probability([np.array([value]) for value in values])

    assert kept(number_of_row, joint)[0] == any(number < value for value in values)


@given(first=st.floats(0, 1), second=st.floats(0, 1), number=st.floats(0, 1, exclude_max=True))
def test_one_after_the_other_the_second_is_inside_the_first(first: float, second: float, number: float) -> None:
    """A step keeps a share of what came before it, and nothing else."""
    joint = joint_probability([np.array([first])], [second])

    assert joint[0] == first * second
    assert not kept(np.array([number]), joint)[0] or number < first


def test_two_steps_in_a_row_do_not_count_20_errors_as_38() -> None:
    """Comparing one number with two rates in turn, and multiplying them, counts 38; with the product it is 20."""
    rng = np.random.default_rng(20)
    errors, first, second = 20, 20 / 38, 0.1
    wrong, right = [], []
    for _ in range(POPULATIONS):
        numbers = uniforms(keys(rng, errors))
        twice = kept(numbers, first) & kept(numbers, second)
        wrong.append(twice.sum() / (first * second))
        joint = joint_probability([np.full(errors, first)], [second])
        some = kept(numbers, joint)
        right.append(estimated_total(np.ones(int(some.sum())), joint[some])[0])

    assert_unbiased(wrong, 38)
    assert_unbiased(right, errors)


def test_two_policies_that_keep_errors_in_full_count_each_once() -> None:
    """20 errors that two policies keep in full are 20, beside any rate."""
    joint = joint_probability([np.full(20, 0.1), np.ones(20), np.ones(20)])

    assert estimated_total(np.ones(20), joint) == (20.0, 0.0)


def test_totals_are_right_on_average_and_so_is_their_variance() -> None:
    """Over 2,000 populations of unequal probabilities."""
    rng = np.random.default_rng(1)
    values, probability = rng.normal(5, 3, 60), rng.uniform(0.05, 1, 60)
    drawn = []
    for _ in range(POPULATIONS):
        some = kept(uniforms(keys(rng, 60)), probability)
        drawn.append(estimated_total(values[some], probability[some]))

    assert_unbiased((total for total, _ in drawn), values.sum())
    assert_unbiased((error**2 for _, error in drawn), float(((1 - probability) / probability * values**2).sum()))


@pytest.mark.parametrize("after", [1.0, 0.3])
def test_labelled_rows_are_unbiased_where_errors_are_kept_once_they_show(after: float) -> None:
    """Errors and totals of all labelled rows, in full or bounded by a budget, whatever was kept before."""
    rng = np.random.default_rng(2)
    errors, values = np.arange(60) % 7 == 0, rng.uniform(1, 2, 60)
    before = rng.uniform(0.05, 0.6, 60)
    probability = known_probability(before, errors, after)
    totals, counts = [], []
    for _ in range(POPULATIONS):
        numbers = uniforms(keys(rng, 60))
        landed = kept(numbers, before) | (errors & kept(numbers, after))
        totals.append(estimated_total(values[landed], probability[landed])[0])
        counts.append(estimated_total(errors[landed].astype(float), probability[landed])[0])

    assert_unbiased(totals, values.sum())
    assert_unbiased(counts, errors.sum())


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    """By its value, wherever it stands."""
    good = np.array([0.5])
    for give in (
        lambda: joint_probability([good, np.array([wrong])]),
        lambda: joint_probability([good], [wrong]),
        lambda: known_probability(np.array([wrong]), np.array([True])),
        lambda: estimated_total(good, np.array([wrong])),
    ):
        with pytest.raises(ValueError, match=f"{wrong} is no probability"):
            give()


def test_no_policies_and_rows_that_cannot_be_kept_are_refused() -> None:
    """There is no probability without a policy, and no weight without a probability."""
    with pytest.raises(ValueError, match="no policy is given"):
        joint_probability([])
    with pytest.raises(ValueError, match="has the probability 0"):
        estimated_total(np.ones(1), np.zeros(1))
