"""Regression metrics against scikit-learn, and against exact fractions where floats lose their way."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from sklearn import metrics as sk

from streams.core.metric.base import Estimate, Floats

Evaluate = Callable[..., Estimate]
weightings = pytest.mark.parametrize("weighted", [False, True])

REFERENCE: dict[str, Callable[..., float]] = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
    "bias": lambda v, s, sample_weight: np.average(s - v, weights=sample_weight),
    "quantile_coverage": lambda v, s, sample_weight: np.average(v <= s, weights=sample_weight),
}


def regression_rows(seed: int, n: int = 120, offset: float = 3.0) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    value = offset + rng.normal(0, 2, n)
    return value + rng.normal(0.3, 1, n), value, 1 / rng.uniform(0.1, 1, n)


@weightings
@pytest.mark.parametrize("name", REFERENCE)
def test_values(name: str, weighted: bool, evaluate: Evaluate) -> None:
    """Each metric equals scikit-learn's, with sample weights and without."""
    for seed in range(5):
        score, value, weight = regression_rows(seed)
        weight = weight if weighted else np.ones(len(value))

        e = evaluate(name, "regression", score=score, value=value, weight=weight)

        np.testing.assert_allclose(e.value, REFERENCE[name](value, score, sample_weight=weight), rtol=1e-11)


@weightings
@pytest.mark.parametrize("name", ["r2", "mse", "bias", "mae"])
def test_far_from_zero(name: str, weighted: bool, evaluate: Evaluate) -> None:
    """With outcomes around 1e9, values are right to 1e-9, as exact fractions show; squared floats have none left."""
    score, value, weight = regression_rows(6, offset=1e9)
    weight = weight if weighted else np.ones(len(value))

    e = evaluate(name, "regression", score=score, value=value, weight=weight)

    w, s, v = ([Fraction(x) for x in column.tolist()] for column in (weight, score, value))
    error = [a - b for a, b in zip(s, v, strict=True)]

    def average(terms: list[Fraction]) -> Fraction:
        return sum((a * b for a, b in zip(w, terms, strict=True)), Fraction(0)) / sum(w)

    mse, centre = average([x**2 for x in error]), average(v)
    expected = {
        "mse": mse,
        "bias": average(error),
        "mae": average([abs(x) for x in error]),
        "r2": 1 - mse / average([(x - centre) ** 2 for x in v]),
    }
    np.testing.assert_allclose(e.value, float(expected[name]), rtol=1e-9)


def test_variance_of_a_notorious_example(evaluate: Evaluate) -> None:
    """The outcomes 1e9 + (4, 7, 13, 16) have variance 30, so predicting their mean has R2 0 and MSE 22.5."""
    value = 1e9 + np.array([4.0, 7, 13, 16])
    columns = {"score": np.full(4, 1e9 + 10), "value": value}

    r2, mse = (evaluate(name, "regression", **columns) for name in ("r2", "mse"))

    assert abs(r2.value[0]) < 1e-12
    assert mse.value[0] == 22.5


def influence(score: Floats, value: Floats, weight: Floats) -> Floats:
    """W dR2/dw, from its definition."""
    centre = np.average(value, weights=weight)
    total = (weight * (value - centre) ** 2).sum()
    ratio = (weight * (score - value) ** 2).sum() / total
    return np.asarray(weight * ((score - value) ** 2 - ratio * (value - centre) ** 2) / total)


@pytest.mark.parametrize("offset", [0.0, 50.0, 1e3])
def test_r2_interval_is_the_delta_methods(offset: float, evaluate: Evaluate) -> None:
    """R2's standard error is that of its linearisation, also where outcomes are far from zero."""
    score, value, weight = regression_rows(7, offset=offset)

    e = evaluate("r2", "regression", score=score, value=value, weight=weight)
    other = evaluate("bias", "regression", score=score, value=value, weight=weight)

    se = np.sqrt(120 / 119 * (influence(score, value, weight) ** 2).sum())
    error = weight * (score - value - other.value)
    se_of_bias = np.sqrt(120 / 119 * (error**2).sum()) / weight.sum()
    np.testing.assert_allclose((e.high - e.low) / (other.high - other.low), se / se_of_bias, rtol=1e-4)


def test_r2_interval_where_rounding_would_decide(evaluate: Evaluate) -> None:
    """Fourth powers of 1e9 leave nothing of a spread of 2: the value stands, the interval is NaN, not wrong."""
    score, value, _ = regression_rows(8, offset=1e9)

    e = evaluate("r2", "regression", score=score, value=value)

    np.testing.assert_allclose(e.value, sk.r2_score(value - 1e9, score - 1e9), rtol=1e-9)
    assert np.isnan([e.low, e.high]).all()


def test_root_of_the_interval(evaluate: Evaluate) -> None:
    """RMSE's limits are the roots of MSE's."""
    score, value, _ = regression_rows(9)

    mse, rmse = (evaluate(name, "regression", score=score, value=value) for name in ("mse", "rmse"))

    np.testing.assert_allclose([rmse.value**2, rmse.low**2, rmse.high**2], [mse.value, mse.low, mse.high], rtol=1e-12)


@pytest.mark.parametrize("constant", [0.1, 1e9 + 0.1, 0.0])
def test_constant_outcomes_have_no_r2(constant: float, evaluate: Evaluate) -> None:
    """Outcomes that do not vary leave nothing to explain: R2 is NaN, whatever they are weighted with."""
    weight = 1 / np.random.default_rng(1).uniform(0.1, 1, 50)

    e = evaluate("r2", "regression", score=np.arange(50.0), value=np.full(50, constant), weight=weight)

    assert np.isnan([e.value, e.low, e.high]).all()


def test_one_row(evaluate: Evaluate) -> None:
    """One error has a mean but no interval; a share has one."""
    mae, share = (evaluate(name, "regression", score=[2.0], value=[1.0]) for name in ("mae", "quantile_coverage"))

    assert mae.value[0] == 1.0
    assert np.isnan([mae.low, mae.high]).all()
    assert share.low[0] > 0


def test_zero_outcomes_are_left_out_of_mape(evaluate: Evaluate) -> None:
    """MAPE is a fraction over the outcomes that are not 0, and n counts those."""
    e = evaluate("mape", "regression", score=[1.5, 3.0, 9.0], value=[1.0, 4.0, 0.0])

    assert e.value[0] == pytest.approx(0.375)
    assert e.n[0] == 2


def test_perfect_scores(evaluate: Evaluate) -> None:
    """No error at all gives R2 1 and error 0, without a warning."""
    value = np.arange(10.0)

    r2, mse = (evaluate(name, "regression", score=value, value=value) for name in ("r2", "mse"))

    assert (r2.value[0], r2.high[0]) == (1.0, 1.0)
    assert mse.value[0] == 0.0
