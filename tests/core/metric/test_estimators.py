"""Weighted shares and means against survey sampling's published examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from streams.core.metric.base import Estimate
from streams.core.metric.estimators import Population, proportion, share_interval
from streams.core.metric.interval import wilson


def of_weights(*weights: float) -> Population:
    w = np.array(weights)
    return Population(np.array([float(len(w))]), np.array([w.sum()]), np.array([(w**2).sum()]))


def test_effective_size_is_kishs() -> None:
    """(sum w)^2 / sum w^2: two rows that weigh 1 and one that weighs 2 count as 16/6; none count as 0."""
    assert of_weights(1, 1, 2).n_effective[0] == 16 / 6
    assert of_weights().n_effective[0] == 0.0


def test_unrelated_weights_use_kishs_size() -> None:
    """Where hits carry the same weights as misses, the limits are Wilson's at Kish's effective size."""
    share, low, high = share_interval(of_weights(1, 1, 3), of_weights(1, 1, 3, 1, 1, 3))

    expected = wilson(np.array([0.5]), np.array([10.0**2 / 22]))
    np.testing.assert_allclose(share, 0.5)
    np.testing.assert_allclose([low, high], expected, rtol=1e-12)


def test_heavy_hits_widen_the_interval() -> None:
    """
    Three misses of weight 100 among 150 hits of weight 5 decide the interval, though Kish's size is 33.

    Stratified labels (1,000 flagged of which 200 labelled, 99,000 others of which 990): recall 0.714 with standard
    error 0.117 by Cochran's (1977, ch. 5) variance of strata; here without its finite population correction, 0.119.
    """
    hits = of_weights(*[5.0] * 150)

    e = proportion(hits, hits + of_weights(*[100.0] * 3))

    np.testing.assert_allclose(e.value, 0.7142857142857143)
    assert 0.9 < (e.high[0] - e.low[0]) / (2 * 1.96 * 0.1190) < 1.0
    assert round(e.n_effective[0]) == 33


def test_ratio_variance_by_taylor(evaluate: Callable[..., Estimate]) -> None:
    """
    The weighted mean's standard error is Taylor's with replacement.

    Ratio 0.4420849420849421, standard error 0.11658441647778241 from samplics 0.6.0 (TaylorEstimator): a ratio of
    numerators to denominators is the mean of their quotients weighted by the denominators.
    """
    numerator, denominator = np.array([1.0, 1, 1, 0, 1]), np.array([2.0, 1, 3, 1, 2])
    weight = denominator / np.array([0.9, 0.5, 0.5, 0.6, 0.8])

    e = evaluate("bias", "regression", score=numerator / denominator, value=np.zeros(5), weight=weight)

    t = stats.t.ppf(0.975, e.n_effective[0] - 1)
    np.testing.assert_allclose(e.value, 0.4420849420849421, rtol=1e-12)
    np.testing.assert_allclose((e.high - e.low) / (2 * t), 0.11658441647778241, rtol=1e-9)
