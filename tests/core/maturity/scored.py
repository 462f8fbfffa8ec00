"""The population that scores of slow positives and fast negatives are drawn from, and what metrics are of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy import special, stats

from streams.core.columns import Floats, Mask
from tests.core.maturity.cohorts import TRUTH

_POSITIVE, _NEGATIVE = (2.5, 2.0), (1.5, 6.0)  # Beta distributions of the scores of either class
_FINE = 20_000


def scores(rng: np.random.Generator, positive: Mask) -> Floats:
    """Draw scores: those of negatives are mostly low, and those of positives anywhere."""
    return np.where(positive, rng.beta(*_POSITIVE, len(positive)), rng.beta(*_NEGATIVE, len(positive)))


@cache
def truths() -> Mapping[str, float]:
    """
    Return what metrics are of all labels that come within the horizon.

    Of means by the moments of Beta distributions; of the other metrics by shares of each class in 20,000 bins.
    """
    (a1, b1), (a0, b0) = _POSITIVE, _NEGATIVE
    positives, negatives = stats.beta(*_POSITIVE), stats.beta(*_NEGATIVE)
    lost1 = special.digamma(a1 + b1) - special.digamma(a1)
    lost0 = special.digamma(a0 + b0) - special.digamma(b0)
    tp, fp = TRUTH * positives.sf(0.5), (1 - TRUTH) * negatives.sf(0.5)
    return {
        "brier": TRUTH * (1 - 2 * positives.mean() + positives.moment(2)) + (1 - TRUTH) * negatives.moment(2),
        "mean_score": TRUTH * positives.mean() + (1 - TRUTH) * negatives.mean(),
        "log_loss": TRUTH * lost1 + (1 - TRUTH) * lost0,
        "f1": 2 * tp / (tp + fp + TRUTH),
        **_of_bins(TRUTH * np.diff(positives.cdf(_EDGES)), (1 - TRUTH) * np.diff(negatives.cdf(_EDGES))),
    }


_EDGES = np.linspace(0.0, 1.0, _FINE + 1)


def _of_bins(positive: Floats, negative: Floats) -> dict[str, float]:
    score = (_EDGES[1:] + _EDGES[:-1]) / 2
    every = positive + negative
    excess = np.bincount((score * 10).astype(np.int64), positive - score * every)
    return {"ece": np.abs(excess).sum(), "calibration_slope": _slope(special.logit(score), positive, every)}


def _slope(log_odds: Floats, positive: Floats, every: Floats) -> float:
    """Slope of the logistic regression on log-odds, by Newton's method."""
    columns, beta = np.stack([np.ones(_FINE), log_odds]), np.zeros(2)
    for _ in range(50):
        chance = special.expit(beta @ columns)
        information = (columns * every * chance * (1 - chance)) @ columns.T
        beta = beta + np.linalg.solve(information, columns @ (positive - every * chance))
    return float(beta[1])
