"""Score metrics against scikit-learn, the histogram's error bound, and brute-force variances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from streams.core.metric.base import Changes, Estimate, Floats
from streams.core.metric.histograms import SCORE_BINS, score_bin
from streams.core.metric.interval import bounded

Evaluate = Callable[..., Estimate]
weightings = pytest.mark.parametrize("weighted", [False, True])
RANKED: dict[str, Callable[..., float]] = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
}


def example() -> tuple[Floats, Floats]:
    """2,000 rows with 586 positives; scores of four decimals."""
    rs = np.random.RandomState(5)
    p = rs.beta(1, 3, 2000).round(4)
    return np.array(p), np.where(rs.rand(2000) < np.clip(1.2 * p, 0, 1), 1.0, 0.0)


def binary_rows(seed: int, n: int = 300) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 2, n)
    return score, (rng.random(n) < score).astype(float), 1 / rng.uniform(0.1, 1, n)


def middle(score: Floats, changes: Callable[..., Changes]) -> Floats:
    """Scores moved to the middle of their bin, so that a bin's scores are tied."""
    return (score_bin(changes(score=score, y=np.zeros(len(score)))) + 0.5) / SCORE_BINS


@weightings
@pytest.mark.parametrize("name", RANKED)
def test_ranked_values(name: str, weighted: bool, evaluate: Evaluate, changes: Callable[..., Changes]) -> None:
    """AUC and average precision equal scikit-learn's on scores at bin level, ties counting as it counts them."""
    for seed in range(5):
        score, y, weight = binary_rows(seed)
        weight = weight if weighted else np.ones(len(y))

        e = evaluate(name, "binary", score=score, y=y, weight=weight)

        expected = RANKED[name](y, middle(score, changes), sample_weight=weight)
        np.testing.assert_allclose(e.value, expected, rtol=1e-12)


@given(seed=st.integers(0, 10_000), n=st.integers(5, 60), scale=st.sampled_from([1e-3, 0.01, 1.0]), ties=st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", RANKED)
def test_interval_covers_the_raw_scores(
    name: str, seed: int, n: int, scale: float, ties: bool, evaluate: Evaluate
) -> None:
    """However many scores share a bin, the raw scores' AUC and average precision are within the interval."""
    score, y, weight = binary_rows(seed, n)
    score = (score * scale).round(5) if ties else score * scale
    y[:2] = (0.0, 1.0)

    e = evaluate(name, "binary", score=score, y=y, weight=weight)

    raw = RANKED[name](y, score, sample_weight=weight)
    assert e.low[0] - 1e-12 <= raw <= e.high[0] + 1e-12


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_bound_is_for_the_histogram_alone(seed: int, evaluate: Evaluate) -> None:
    """With all scores in one bin the interval is 0..1 wide: the histogram says nothing, and the bound says so."""
    score, y, _ = binary_rows(seed, 40)
    y[:2] = (0.0, 1.0)

    e = evaluate("roc_auc", "binary", score=score / 1000, y=y)

    assert (e.value[0], e.low[0], e.high[0]) == (0.5, 0.0, 1.0)


def test_auc_of_a_published_histogram(evaluate: Evaluate) -> None:
    """
    AUC 0.7940095630723482 with bound 0.0005666156571776144 for 1,000 bins closed below.

    A two-class histogram with ties counting half, whose bound was checked against scikit-learn's AUC, 0.794010.
    """
    p, y = example()
    closed_below = np.searchsorted(np.linspace(0, 1, SCORE_BINS + 1), p, "right") - 1

    e = evaluate("roc_auc", "binary", score=(closed_below + 0.5) / SCORE_BINS, y=y)

    variance = delong_variance(closed_below.astype(float), y, np.ones(len(y)))
    low, high = bounded(e.value, np.array([variance]), fallback=np.ones(1))
    np.testing.assert_allclose(e.value, 0.7940095630723482, rtol=1e-12)
    np.testing.assert_allclose([low - e.low, e.high - high], 0.0005666156571776144, rtol=1e-6)


def delong_variance(score: Floats, y: Floats, weight: Floats) -> float:
    """Weighted structural components by comparing every pair."""
    positive, negative = y == 1, y == 0
    wins = np.sign(score[positive][:, None] - score[negative][None, :]) / 2 + 0.5
    w1, w0 = weight[positive], weight[negative]
    of_positives, of_negatives = wins @ w0 / w0.sum(), w1 @ wins / w1.sum()
    auc = w1 @ of_positives / w1.sum()
    parts = ((w1, of_positives), (w0, of_negatives))
    return float(sum(len(w) / (len(w) - 1) * ((w * (v - auc)) ** 2).sum() / w.sum() ** 2 for w, v in parts))


@weightings
def test_auc_variance_is_delongs(weighted: bool, evaluate: Evaluate, changes: Callable[..., Changes]) -> None:
    """The interval less the histogram's bound is that of DeLong's variance, found here pair by pair."""
    score, y, weight = binary_rows(8, 150)
    weight = weight if weighted else np.ones(len(y))
    tied = middle(score, changes)

    e = evaluate("roc_auc", "binary", score=score, y=y, weight=weight)

    pairs = np.outer(weight * y, weight * (1 - y))
    bound = pairs[tied[:, None] == tied[None, :]].sum() / (2 * pairs.sum())
    low, high = bounded(e.value, np.array([delong_variance(tied, y, weight)]), fallback=np.ones(1))
    np.testing.assert_allclose([e.low + bound, e.high - bound], [low, high], rtol=1e-9)


def test_average_precision_interval_is_the_delta_methods(evaluate: Evaluate) -> None:
    """On scores that share no bin, all but the bound is the linearised variance, its derivatives by differences."""
    rng = np.random.default_rng(2)
    score = rng.choice(SCORE_BINS, 60, replace=False) / SCORE_BINS
    y, weight = (rng.random(60) < score).astype(float), 1 / rng.uniform(0.2, 1, 60)

    e = evaluate("average_precision", "binary", score=score, y=y, weight=weight)

    step = 1e-5 * np.diag(weight)
    slopes = [(sk.average_precision_score(y, score, sample_weight=weight + s) - e.value[0]) / 1e-5 for s in step]
    variance = np.array([60 / 59 * np.square(slopes).sum()])
    low, high = bounded(e.value, variance, fallback=np.ones(1))
    tp = np.cumsum((y * weight)[np.argsort(-score)])
    assert e.low[0] <= low[0] + 1e-4
    np.testing.assert_allclose(e.high, high, rtol=1e-3)
    assert low[0] - e.low[0] < 0.5 * (weight.max() / tp[-1]) * len(y)


@weightings
def test_brier_and_log_loss(weighted: bool, evaluate: Evaluate) -> None:
    """Brier score and log loss equal scikit-learn's; log loss's interval is that of a weighted mean."""
    score, y, weight = binary_rows(9)
    weight = weight if weighted else np.ones(len(y))

    brier, loss = (evaluate(name, "binary", score=score, y=y, weight=weight) for name in ("brier", "log_loss"))

    residual = weight * (-np.log(np.where(y == 1, score, 1 - score)) - loss.value)
    se = np.sqrt(300 / 299 * (residual**2).sum()) / weight.sum()
    t = stats.t.ppf(0.975, loss.n_effective[0] - 1)
    np.testing.assert_allclose(brier.value, sk.brier_score_loss(y, score, sample_weight=weight), rtol=1e-12)
    np.testing.assert_allclose(loss.value, sk.log_loss(y, score, sample_weight=weight), rtol=1e-12)
    np.testing.assert_allclose(loss.high - loss.value, t * se, rtol=1e-9)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_only(label: float, evaluate: Evaluate) -> None:
    """Without positives neither ranking metric is defined; without negatives average precision is 1, AUC is not."""
    columns = {"score": [0.2, 0.7, 0.7], "y": [label] * 3}

    auc, precision = (evaluate(name, "binary", **columns) for name in RANKED)

    assert np.isnan([auc.value, auc.low, auc.high]).all()
    assert precision.value[0] == 1.0 if label else np.isnan(precision.value[0])


def test_one_positive_has_an_auc_but_no_variance(evaluate: Evaluate) -> None:
    """A single positive places the AUC anywhere: the interval is the whole range."""
    e = evaluate("roc_auc", "binary", score=[0.9, 0.1, 0.2, 0.3], y=[1, 0, 0, 0])

    assert (e.value[0], e.low[0], e.high[0]) == (1.0, 0.0, 1.0)


def test_perfect_ranking_is_not_certain(evaluate: Evaluate) -> None:
    """Ten positives above ten negatives give 1 with a lower limit that ten can support."""
    score, y = np.arange(20) / 20, (np.arange(20) >= 10).astype(float)

    for name in RANKED:
        e = evaluate(name, "binary", score=score, y=y)

        assert e.value[0] == 1.0
        assert 0.5 < e.low[0] < 0.8


def test_hard_scores_have_a_brier_interval(evaluate: Evaluate) -> None:
    """Five certain and right scores give Brier 0, with an upper limit well above it; one row gives 0..1."""
    five = evaluate("brier", "binary", score=[1.0] * 5, y=[1.0] * 5)
    one = evaluate("brier", "binary", score=[1.0], y=[1.0])

    assert five.value[0] == 0.0
    assert five.high[0] > 0.3
    assert (one.low[0], one.high[0]) == (0.0, 1.0)
