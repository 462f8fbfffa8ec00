"""Calibration error against its definition, calibration slope against scikit-learn's logistic regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from streams.core.metric.base import Estimate, Floats

Evaluate = Callable[..., Estimate]
weightings = pytest.mark.parametrize("weighted", [False, True])


def binary_rows(seed: int, n: int = 400) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 3, n)
    return score, (rng.random(n) < score**1.5).astype(float), 1 / rng.uniform(0.1, 1, n)


def test_error_of_a_published_example(evaluate: Evaluate) -> None:
    """ECE 0.0409 over ten bins of equal width for 2,000 rows with 586 positives (Guo et al. 2017)."""
    rs = np.random.RandomState(5)
    p = rs.beta(1, 3, 2000).round(4)
    y = (rs.rand(2000) < np.clip(1.2 * p, 0, 1)) * 1.0

    e = evaluate("ece", "binary", score=p, y=y)

    assert y.sum() == 586
    assert round(e.value[0], 4) == 0.0409


@weightings
def test_error_by_definition(weighted: bool, evaluate: Evaluate) -> None:
    """ECE is the weighted mean over ten bins of |share of positives - mean score|."""
    score, y, weight = binary_rows(1)
    weight = weight if weighted else np.ones(len(y))

    e = evaluate("ece", "binary", score=score, y=y, weight=weight)

    tenth = np.ceil(score * 10).astype(int)
    gaps = [abs((weight * (y - score))[tenth == b].sum()) for b in range(1, 11)]
    np.testing.assert_allclose(e.value, sum(gaps) / weight.sum(), rtol=1e-12)


def test_error_interval_by_linearisation(evaluate: Evaluate) -> None:
    """With clear differences in every bin the interval is value +- z se, the signs of the differences fixed."""
    rng = np.random.default_rng(3)
    score = rng.random(4000)
    y, weight = (rng.random(4000) < 0.35 * score).astype(float), 1 / rng.uniform(0.3, 1, 4000)
    far = score > 0.1
    score, y, weight = score[far], y[far], weight[far]

    e = evaluate("ece", "binary", score=score, y=y, weight=weight)

    residual = weight * ((score - y) - e.value)
    se = np.sqrt(len(y) / (len(y) - 1) * (residual**2).sum()) / weight.sum()
    np.testing.assert_allclose([e.value - e.low, e.high - e.value], 1.959964 * se, rtol=2e-3)


@weightings
def test_slope_is_logistic_regressions(weighted: bool, evaluate: Evaluate) -> None:
    """The slope equals an unpenalised logistic regression on log-odds, but for scores' places within their bin."""
    score, y, weight = binary_rows(2)
    weight = weight if weighted else np.ones(len(y))
    score = (np.ceil(score * 1000) - 0.5) / 1000

    e = evaluate("calibration_slope", "binary", score=score, y=y, weight=weight)

    x = np.log(score / (1 - score))[:, None]
    fitted = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(e.value, fitted.coef_[0, 0], rtol=1e-5)


def test_slope_interval_is_the_sandwich(evaluate: Evaluate) -> None:
    """With equal weights and a model that is right, the interval is near the one of Fisher's information."""
    rng = np.random.default_rng(4)
    score = (rng.integers(0, 1000, 20_000) + 0.5) / 1000
    y = (rng.random(20_000) < score).astype(float)

    e = evaluate("calibration_slope", "binary", score=score, y=y)

    x = np.log(score / (1 - score))
    curvature = score * (1 - score)
    information = np.array(
        [[curvature.sum(), (curvature * x).sum()], [(curvature * x).sum(), (curvature * x**2).sum()]]
    )
    se = np.sqrt(np.linalg.inv(information)[1, 1])
    assert abs(e.value[0] - 1) < 3 * se
    np.testing.assert_allclose((e.high - e.low) / (2 * 1.96), se, rtol=0.03)


@pytest.mark.parametrize("power", [0.25, 1.0, 4.0])
def test_slope_says_how_extreme_scores_are(power: float, evaluate: Evaluate) -> None:
    """Scores whose log-odds are `power` times too large have the slope 1 / power."""
    rng = np.random.default_rng(5)
    truth = rng.beta(2, 2, 50_000)
    y = (rng.random(50_000) < truth).astype(float)
    odds = (truth / (1 - truth)) ** power

    e = evaluate("calibration_slope", "binary", score=odds / (1 + odds), y=y)

    assert abs(e.value[0] - 1 / power) < e.high[0] - e.low[0]
    np.testing.assert_allclose(e.value, 1 / power, rtol=0.05)


@pytest.mark.parametrize(
    ("score", "y"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
        ([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1]),
        ([0.1, 0.2, 0.3], [1, 1, 1]),
        ([0.1, 0.2, 0.3], [0, 0, 0]),
        ([0.4, 0.4, 0.4], [0, 1, 0]),
    ],
    ids=["separated", "separated but for a tie", "positives only", "negatives only", "one score"],
)
def test_slope_that_is_not_defined(score: list[float], y: list[int], evaluate: Evaluate) -> None:
    """Where no finite slope is best the slope is NaN."""
    e = evaluate("calibration_slope", "binary", score=score, y=y)

    assert np.isnan([e.value, e.low, e.high]).all()


def test_certain_scores_have_a_slope(evaluate: Evaluate) -> None:
    """Scores of exactly 0 and 1, some of them wrong, give a finite slope."""
    score, y = np.array([0.0, 1.0] * 50), np.array([0.0, 1.0] * 50)
    y[:6] = 1 - y[:6]

    e = evaluate("calibration_slope", "binary", score=score, y=y)

    assert 0 < e.value[0] < 1
