"""Variables as functions of rows: which rows they count, and what they do with extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.block import FEEDBACK_KINDS
from streams.core.metric.base import Changes
from streams.core.metric.variables import VARIABLES, variable

Make = Callable[..., Changes]


def values(name: str, rows: Changes) -> list[float]:
    return list(variable(name)[1](rows))


@pytest.mark.parametrize(
    "columns",
    [
        {"y": [1.0, np.nan]},
        {"actual": [0, -1]},
        {"value": [2.5, np.nan]},
        {"rank": [0, -1]},
    ],
)
def test_labelled_by_any_task(columns: dict[str, list[float]], changes: Make) -> None:
    """A row counts as labelled when its task's truth is there; `covered` counts it by the prediction's own weight."""
    rows = changes(weight=[8.0, 8.0], prediction_weight=[4.0, 4.0], **columns)

    assert values("labelled", rows) == [1.0, 0.0]
    assert values("covered", rows) == [4.0, 0.0]


def test_cells_exclude_each_other(changes: Make) -> None:
    """Each pair of labels is in one cell, and a row without either label in none."""
    rows = changes(y=[1, 0, 1, 0, np.nan, 1], yhat=[1, 1, 0, 0, 1, np.nan])

    cells = [values(name, rows) for name in ("tp", "fp", "fn", "tn")]

    assert cells == [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]]


def test_log_loss_of_certainty_is_finite(changes: Make) -> None:
    """A score of 0 for what happened costs -log(1e-15), not infinity; one of 1 costs nothing."""
    wrong, right = values("log_loss", changes(y=[1.0, 1.0], score=[0.0, 1.0]))

    assert wrong == pytest.approx(-math.log(1e-15))
    assert right == pytest.approx(0.0, abs=1e-14)


@given(
    weight=st.floats(1.0, 1e4),
    value=st.floats(-1e12, 1e12),
    power=st.sampled_from([("value", 1), ("value_squared", 2)]),
)
def test_weighted_values_keep_their_rounding(
    weight: float, value: float, power: tuple[str, int], changes: Make
) -> None:
    """Weight * value**k and its low part add up to the product to 1e-30 of it, as exact fractions show."""
    name, k = power
    rows = changes(weight=[weight], score=[0.0], value=[value])

    total = sum(Fraction(values(f"weighted_{name}{part}", rows)[0]) for part in ("", "_low"))

    exact = Fraction(weight) * Fraction(value) ** k
    assert abs(total - exact) <= abs(exact) * Fraction(10) ** -30 + Fraction(10) ** -300


@given(score=st.floats(allow_nan=False, allow_infinity=False), value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_regression_variable_is_finite(score: float, value: float, changes: Make) -> None:
    """Whatever finite numbers come, no variable is infinite: an infinity could not be taken out again."""
    rows = changes(weight=[1e6], score=[score], value=[value])
    names = [name for name, (source, _) in VARIABLES.items() if source == "label" and "log_loss" not in name]

    sums = {name: values(name, rows)[0] for name in names if not name.startswith(("brier", "score"))}

    assert all(abs(number) < 1e250 for number in sums.values()), sums


def test_relative_error_leaves_out_zero(changes: Make) -> None:
    """An outcome of 0 has no relative error and is not counted; one next to 0 has the largest that is kept."""
    rows = changes(score=[3.0, 1.0, 1.0], value=[2.0, 0.0, 1e-300])

    assert values("nonzero", rows) == [1.0, 0.0, 1.0]
    assert values("relative_error", rows) == [0.5, 0.0, 1e60]


def test_rank_gains(changes: Make) -> None:
    """Gain 1/log2(1 + rank) up to the cut-off, none beyond, for an item not in the list, or without a label."""
    rows = changes(rank=[1, 3, 4, 0, -1])

    assert values("ndcg@3", rows) == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert values("ndcg_squared@3", rows) == [1.0, 0.25, 0.0, 0.0, 0.0]
    assert values("hit@3", rows) == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert values("reciprocal_rank", rows) == [1.0, 1 / 3, 0.25, 0.0, 0.0]
    assert values("ranked", rows) == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_feedback_counts_the_first_of_a_kind(changes: Make) -> None:
    """A prediction's second click adds nothing to `click`, but each of its ratings is rated."""
    click, rating = FEEDBACK_KINDS.index("click"), FEEDBACK_KINDS.index("rating")
    rows = changes(kind=[click, click, rating, rating], first=[1, 0, 1, 0], value=[np.nan, np.nan, 4.0, 2.0])

    assert values("click", rows) == [1.0, 0.0, 0.0, 0.0]
    assert values("rated", rows) == [0.0, 0.0, 1.0, 1.0]
    assert values("rating", rows) == [0.0, 0.0, 4.0, 2.0]


@pytest.mark.parametrize("name", ["nope", "ndcg@0", "ndcg@1001", "ndcg@", "brier@3", "hit@03", "ndcg"])
def test_unknown_names_are_refused(name: str) -> None:
    """A name of no variable raises KeyError with the name."""
    with pytest.raises(KeyError, match=name):
        variable(name)


def test_sources() -> None:
    """Variables say which kind of change they read."""
    assert [variable(n)[0] for n in ("predictions", "tp", "ndcg@7", "crash")] == [
        "traffic",
        "label",
        "label",
        "feedback",
    ]
