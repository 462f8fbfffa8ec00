"""Methods side by side: the reported numbers, that rows agree with their modules, and that verdicts keep their rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.judge import mixture, proportions
from streams.core.judge.evidence import Interval
from streams.core.judge.moments import Moments
from streams.core.judge.side_by_side import (
    Plan,
    SideBySide,
    means_side_by_side,
    proportions_side_by_side,
    verdict,
)

PLAN = Plan(alpha=0.05, planned=10_000)
CONTROL, TREATMENT = (378, 3662), (462, 3568)
COUNTS = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
MEANS = st.floats(-1e6, 1e6).map(lambda mean: round(mean, 6))  # a control of 1e-300 has no lift that a float holds
MOMENTS = st.builds(Moments.of_mean_sd, MEANS, st.floats(0, 1e3), st.integers(2, 10**9))


def chances(found: SideBySide) -> dict[str, float]:
    return {row.name.method: round(100 * row.chance, 1) for row in found.rows if row.chance is not None}


def test_every_method_is_there_by_name() -> None:
    """Names tell methods apart; fixed rows come first, always-valid ones last, and each has p or chance."""
    found = proportions_side_by_side(CONTROL, TREATMENT, PLAN)
    looks = [row.looks for row in found.rows]

    assert len({row.name for row in found.rows}) == len(found.rows) == 17
    assert looks == sorted(looks, key=["once", "any"].index)
    assert all((row.p is None) != (row.chance is None) for row in found.rows)
    assert all(row.name.formula for row in found.rows)


def test_reported_chances() -> None:
    """395/3504 beats 378/3662 with 90.2 % by the unpooled z, 90.3 % by others, 89.3 % on the relative scale."""
    assert chances(proportions_side_by_side(CONTROL, (395, 3504), PLAN)) == {
        "chance, unpooled z": 90.2,
        "chance, pooled z": 90.3,
        "chance, Beta(1, 1)": 90.3,
        "chance, Beta(0.5, 0.5)": 90.3,
        "chance, Gaussian, lift": 89.3,
    }


def test_rows_are_those_of_the_methods() -> None:
    """Rows repeat what the methods say by themselves, and lifts are relative."""
    found = {row.name.method: row for row in proportions_side_by_side(CONTROL, TREATMENT, PLAN).rows}
    alone = proportions.unpooled_z(CONTROL, TREATMENT)
    always = mixture.share_difference(CONTROL, TREATMENT, planned=10_000, alpha=0.05)

    assert (found["unpooled z"].p, found["unpooled z"].interval) == (alone.p, alone.interval)
    assert (found["normal mixture"].p, found["normal mixture"].interval) == (always.p, always.interval)
    assert {round(row.effect, 6) for row in found.values() if row.quantity == "lift"} == {0.254422}
    assert {round(row.effect, 6) for row in found.values() if row.quantity == "difference"} == {0.026262}


def test_few_events_are_judged_exactly() -> None:
    """With fewer than five successes in an arm the verdict rests on the exact method, else on the mixture."""
    few = proportions_side_by_side((4, 1000), (60, 1000), PLAN)
    many = proportions_side_by_side((5, 1000), (60, 1000), PLAN)

    assert (few.basis.name.method, many.basis.name.method) == ("beta-binomial, exact", "normal mixture")
    assert few.verdict == "better"


@given(COUNTS, COUNTS)
def test_any_counts_have_rows(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    """Any possible counts are compared: no error, no warning, and p-values and chances are probabilities."""
    found = proportions_side_by_side(control, treatment, PLAN)

    for row in found.rows:
        assert 0 <= (row.p if row.chance is None else row.chance) <= 1  # type: ignore[operator]
        assert not math.isnan(row.effect)


@given(MOMENTS, MOMENTS)
def test_any_moments_have_rows(control: Moments, treatment: Moments) -> None:
    """Any possible means are compared: no error, no warning, and p-values and chances are probabilities."""
    found = means_side_by_side(control, treatment, PLAN)

    for row in found.rows:
        assert 0 <= (row.p if row.chance is None else row.chance) <= 1  # type: ignore[operator]
        assert not math.isnan(row.effect)


def test_verdicts_of_one_look() -> None:
    """The verdict of one look is the unpooled z's, or Welch's: Student's would be sure of 5 against 0 +- 5."""
    sure_for_student = Moments.of_mean_sd(0.0, 10.0, 4), Moments.of_mean_sd(5.0, 0.1, 100)

    assert proportions_side_by_side(CONTROL, TREATMENT, PLAN).verdict_once == "better"
    found = means_side_by_side(*sure_for_student, PLAN)
    student = next(row for row in found.rows if row.name.method == "Student's t")

    assert found.verdict_once == "not enough evidence"
    assert (student.p or 0.0) < 0.05


def test_verdicts_on_means_survive_peeking() -> None:
    """Of 500 A/A tests with unequal variances and sizes, looked at 20 times, at most 5 % + 4 SE get a verdict."""
    rng = np.random.default_rng(1)
    plan = Plan(alpha=0.05, planned=600)
    wrong = {"verdict": 0, "once": 0}
    for _ in range(500):
        control, treatment = rng.normal(0, 5, 200), rng.normal(0, 1, 400)
        looks = [(control[: 10 * k], treatment[: 20 * k]) for k in range(1, 21)]
        found = [means_side_by_side(Moments.of(c), Moments.of(t), plan) for c, t in looks]
        wrong["verdict"] += any(each.verdict != "not enough evidence" for each in found)
        wrong["once"] += any(each.verdict_once != "not enough evidence" for each in found)

    assert wrong["verdict"] / 500 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)
    assert wrong["once"] / 500 > 0.15


@pytest.mark.parametrize(
    ("low", "high", "margin", "said"),
    [
        (0.1, 0.3, None, "better"),
        (-0.3, -0.1, None, "worse"),
        (-0.1, 0.3, None, "not enough evidence"),
        (0.0, 0.3, None, "not enough evidence"),
        (-0.1, 0.3, 0.4, "equivalent"),
        (0.1, 0.3, 0.4, "equivalent"),
        (0.1, 0.3, 0.3, "better"),
        (-0.1, 0.3, 0.3, "not enough evidence"),
    ],
)
def test_verdicts(low: float, high: float, margin: float | None, said: str) -> None:
    """An interval beyond 0 is better or worse, one within the margin equivalent, any other not enough evidence."""
    assert verdict(Interval(low, high), margin) == said


def test_margins_and_plans_that_cannot_be() -> None:
    """A margin of nothing, an alpha of 1.5, no planned units and impossible counts are refused."""
    for plan, problem in (
        (Plan(0.05, 100, 0.0), "the margin is"),
        (Plan(1.5, 100), "alpha is"),
        (Plan(0.05, 0), "tight at 0"),
    ):
        with pytest.raises(ValueError, match=problem):
            proportions_side_by_side(CONTROL, TREATMENT, plan)
    with pytest.raises(ValueError, match="500/100"):
        proportions_side_by_side((500, 100), TREATMENT, PLAN)
    with pytest.raises(ValueError, match="n is 1"):
        means_side_by_side(Moments.of([1.0]), Moments.of([1.0, 2.0]), PLAN)
    assert verdict(None) == "not enough evidence"
