"""
How good scores are as rankings and as probabilities, for two classes.

ROC AUC and average precision come from the histogram of scores in 1,000 bins. What the bins hide is bounded, and
the bound is added to the interval on both sides, so that the interval covers what the raw scores would have given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streams.core.metric.base import Estimate, Floats, Metric, Totals
from streams.core.metric.calibration import calibration_slope, expected_calibration_error
from streams.core.metric.estimators import mean, population, powers
from streams.core.metric.histograms import SCORE_BINS
from streams.core.metric.interval import Interval, bounded, divide, student

_CLASSES = ("positive", "negative")
_CURVE_COLUMNS = ("1:positive", "2:positive", "1:negative", "2:negative")
_ROWS_AT_ONCE = 64  # dense histograms of so many rows stay in a processor's cache

Curve = Callable[[Floats, Floats, Floats, Floats], tuple[Floats, ...]]


def _over_scores(totals: Totals, curve: Curve) -> tuple[Floats, ...]:
    """
    Apply `curve` to dense histograms, some rows at a time, and join its results, each (R,).

    `curve` gets `_CURVE_COLUMNS` as (rows, bins), bins in ascending order of score.
    """
    histogram = totals.histograms["score"]
    parts = [
        curve(*(np.maximum(histogram.dense(name, first, last, SCORE_BINS), 0.0) for name in _CURVE_COLUMNS))
        for first, last in histogram.chunks(_ROWS_AT_ONCE)
    ]
    if not parts:
        return curve(*(np.zeros((0, SCORE_BINS)),) * len(_CURVE_COLUMNS))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _widen(limits: Interval, below: Floats, above: Floats) -> Interval:
    """Add what the bins hide to an interval within 0..1."""
    return np.maximum(limits[0] - below, 0.0), np.minimum(limits[1] + above, 1.0)


def _auc_curve(positive: Floats, positive2: Floats, negative: Floats, negative2: Floats) -> tuple[Floats, ...]:
    """AUC, its variance's part from positives and from negatives, and half the weight of pairs that share a bin."""
    sum1, sum0 = (part.sum(axis=1, keepdims=True) for part in (positive, negative))
    beaten = divide(np.cumsum(negative, axis=1) - negative / 2, sum0)
    beating = 1 - divide(np.cumsum(positive, axis=1) - positive / 2, sum1)
    auc = divide((positive * beaten).sum(axis=1, keepdims=True), sum1)
    from_positives = divide((positive2 * (beaten - auc) ** 2).sum(axis=1), sum1[:, 0] ** 2)
    from_negatives = divide((negative2 * (beating - auc) ** 2).sum(axis=1), sum0[:, 0] ** 2)
    shared = divide((positive * negative).sum(axis=1), 2 * sum1[:, 0] * sum0[:, 0])
    return auc[:, 0], from_positives, from_negatives, shared


def _roc_auc(totals: Totals) -> Estimate:
    """
    Weighted chance that a positive scores above a negative, pairs in one bin counting half.

    Variance by structural components (DeLong, DeLong & Clarke-Pearson 1988), weighted. The raw scores' AUC
    differs by at most half the share of pairs that fall in one bin.
    """
    positives, negatives = (population(totals, name) for name in _CLASSES)
    auc, from_positives, from_negatives, shared = _over_scores(totals, _auc_curve)
    auc = np.where((positives.n > 0) & (negatives.n > 0), auc, np.nan)
    variance = positives.replacement * from_positives + negatives.replacement * from_negatives
    limits = bounded(auc, variance, np.minimum(positives.n_effective, negatives.n_effective))
    among = positives + negatives
    return Estimate(auc, *_widen(limits, shared, shared), among.n, among.n_effective)


def _precision_curve(positive: Floats, positive2: Floats, negative: Floats, negative2: Floats) -> tuple[Floats, ...]:
    """Average precision, its variance but for n / (n - 1), and its least and largest value over raw scores."""
    h1, h0 = positive[:, ::-1], negative[:, ::-1]  # thresholds fall from the highest score
    sum1 = h1.sum(axis=1, keepdims=True)
    tp, fp = np.cumsum(h1, axis=1), np.cumsum(h0, axis=1)
    called = tp + fp
    precision = np.nan_to_num(divide(tp, called))
    average = divide((h1 * precision).sum(axis=1, keepdims=True), sum1)

    per_called = np.nan_to_num(divide(h1, called))
    up = _sum_after(per_called * (1 - precision))  # a positive raises the precision at every lower threshold
    down = _sum_after(per_called * precision)
    spread = positive2[:, ::-1] * (precision - average + up) ** 2 + negative2[:, ::-1] * down**2
    variance = divide(spread.sum(axis=1), sum1[:, 0] ** 2)

    before = tp - h1
    most = h1 * np.nan_to_num(divide(tp, tp + fp - h0))
    least = h1 - fp * np.log1p(np.nan_to_num(divide(h1, before + fp)))
    least = np.where(before + fp > 0, least, h1)
    return (average[:, 0], variance, *(divide(part.sum(axis=1), sum1[:, 0]) for part in (least, most)))


def _sum_after(values: Floats) -> Floats:
    """Sum from each column to the last."""
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]


def _average_precision(totals: Totals) -> Estimate:
    """
    Sum of precision times the step in recall over thresholds, a bin being one threshold.

    Variance by the delta method over the bins' totals. Within a bin the best order has positives first; the worst
    has them last and, whatever their weights, gives at least the integral of t / (t + fp) over their weight t.
    """
    positives, negatives = (population(totals, name) for name in _CLASSES)
    average, spread, least, most = _over_scores(totals, _precision_curve)
    average = np.where(positives.n > 0, average, np.nan)
    among = positives + negatives
    limits = bounded(average, among.replacement * spread, positives.n_effective)
    return Estimate(average, *_widen(limits, average - least, most - average), among.n, among.n_effective)


def _brier(totals: Totals) -> Estimate:
    """Mean of (score - y)^2 (Brier 1950)."""
    value, variance, among = mean(totals, "brier", "brier_squared", *_CLASSES)
    low, high = bounded(value, variance, among.n_effective)
    return Estimate(value, low, high, among.n, among.n_effective)


def _mean_score(totals: Totals) -> Estimate:
    """Mean of the score."""
    value, variance, among = mean(totals, "score", "score_squared", *_CLASSES)
    low, high = bounded(value, variance, among.n_effective)
    return Estimate(value, low, high, among.n, among.n_effective)


def _log_loss(totals: Totals) -> Estimate:
    """Mean of -log of the probability given to what happened, scores cut to [1e-15, 1 - 1e-15]."""
    value, variance, among = mean(totals, "log_loss", "log_loss_squared", *_CLASSES)
    low, high = student(value, variance, among.n_effective, low=0.0)
    return Estimate(value, low, high, among.n, among.n_effective)


_COUNTED = powers(*_CLASSES)


def _metric(
    name: str, estimate: Callable[[Totals], Estimate], columns: tuple[str, ...] = (), histograms: tuple[str, ...] = ()
) -> Metric:
    return Metric(name, frozenset({"binary"}), _COUNTED + columns, histograms, estimate)


METRICS: tuple[Metric, ...] = (
    _metric("roc_auc", _roc_auc, histograms=("score",)),
    _metric("average_precision", _average_precision, histograms=("score",)),
    _metric("brier", _brier, columns=("1:brier", "2:brier", "2:brier_squared")),
    _metric("mean_score", _mean_score, columns=("1:score", "2:score", "2:score_squared")),
    _metric("log_loss", _log_loss, columns=("1:log_loss", "2:log_loss", "2:log_loss_squared")),
    _metric("ece", expected_calibration_error, histograms=("score", "score_sum")),
    _metric("calibration_slope", calibration_slope, histograms=("score", "score_sum")),
)
