"""Whether scores mean what they say: expected calibration error and calibration slope, from the score histogram."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from streams.core.metric.base import Estimate, Floats, Ints, Totals
from streams.core.metric.estimators import group_sums, population
from streams.core.metric.histograms import SCORE_BINS
from streams.core.metric.interval import Z, divide, student

ECE_BINS = 10

_COLUMNS = ("1:positive", "2:positive", "2:negative")

_MAX_ITERATIONS = 30
_TOLERANCE = 1e-10
_LONGEST_STEP = 3.0  # in standard deviations of the log-odds: keeps a first step from overshooting
_LOWEST_SCORE = 1e-6  # a score of 0 has no log-odds; beyond this one in a million is not told from none


def expected_calibration_error(totals: Totals) -> Estimate:
    """
    Weighted mean over 10 bins of equal width, each (lo, hi], of |share of positives - mean score| (Guo et al. 2017).

    The interval linearises with the signs of the bins' differences held fixed. A mean of magnitudes is too large
    where differences are chance, by sd * sqrt(2 / pi) a bin, so the lower limit is lowered by this for every bin
    whose difference could be chance: a calibrated model's interval then reaches down to where it is.
    """
    histogram = totals.histograms["score"]
    among = population(totals, "positive", "negative")
    bin_of = histogram.row * ECE_BINS + histogram.bin // (SCORE_BINS // ECE_BINS)

    def by_bin(values: Floats) -> Floats:
        return group_sums(bin_of, values, histogram.rows * ECE_BINS).reshape(histogram.rows, ECE_BINS)

    positive, positive2, negative2 = (histogram.columns[c] for c in _COLUMNS)
    score, mean = totals.histograms["score_sum"].columns["1:score"], _mean_score(totals)
    excess = by_bin(positive - score)
    excess2 = by_bin(positive2 * (1 - mean) - negative2 * mean)
    square2 = np.maximum(by_bin(positive2 * (1 - mean) ** 2 + negative2 * mean**2), 0.0)

    weight = np.where(among.n > 0, among.weight, np.nan)
    value = np.abs(excess).sum(axis=1) / weight
    spread = square2.sum(axis=1) - 2 * value * (np.sign(excess) * excess2).sum(axis=1) + value**2 * among.square
    half = Z * np.sqrt(np.maximum(among.replacement * spread, 0.0)) / weight
    chance = np.where(np.abs(excess) <= Z * np.sqrt(square2), np.sqrt(square2 * 2 / math.pi), 0.0).sum(axis=1) / weight
    alone = among.n == 1
    low = np.where(alone, 0.0, np.maximum(value - half - chance, 0.0))
    high = np.where(alone, 1.0, np.minimum(value + half, 1.0))
    return Estimate(value, low, high, among.n, among.n_effective)


def _mean_score(totals: Totals) -> Floats:
    """Mean score in each entry's bin, shape (E,), 0 where a correction has left the bin empty."""
    columns = totals.histograms["score"].columns
    weight = columns["1:positive"] + columns["1:negative"]
    return np.clip(np.nan_to_num(divide(totals.histograms["score_sum"].columns["1:score"], weight)), 0.0, 1.0)


def calibration_slope(totals: Totals) -> Estimate:
    """
    Slope of the logistic regression of the label on the log-odds of its bin's mean score (Cox 1958).

    1 where scores are calibrated, less where they are too extreme. NaN where scores or labels do not vary, where
    the scores separate the labels, so that no finite slope is best, and where 30 iterations do not converge.
    Its variance is the sandwich of weighted scores (Binder 1983).
    """
    columns = totals.histograms["score"].columns
    among = population(totals, "positive", "negative")
    mixed = (population(totals, "positive").n > 0) & (population(totals, "negative").n > 0)
    positive, negative = columns["1:positive"], columns["1:negative"]
    row = totals.histograms["score"].row
    keep = mixed[row] & (positive + negative > 0)
    bins = _Bins(
        row=row[keep],
        rows=len(among.n),
        positive=np.maximum(positive[keep], 0.0),
        negative=np.maximum(negative[keep], 0.0),
        log_odds=_log_odds(_mean_score(totals)[keep]),
    )
    scaled, scale = bins.standardised()
    intercept, slope = scaled.fit()
    variance = scaled.slope_variance(intercept, slope, columns["2:positive"][keep], columns["2:negative"][keep])
    value, variance = slope / scale, among.replacement * variance / scale**2
    return Estimate(value, *student(value, variance, among.n_effective), among.n, among.n_effective)


def _log_odds(scores: Floats) -> Floats:
    return np.asarray(special.logit(np.clip(scores, _LOWEST_SCORE, 1 - _LOWEST_SCORE)))


class _Bins:
    """Non-empty bins of many rows, each array (E,): what one logistic regression a row is fitted to."""

    def __init__(self, row: Ints, rows: int, positive: Floats, negative: Floats, log_odds: Floats) -> None:
        self.row, self.rows = row, rows
        self.positive, self.negative, self.log_odds = positive, negative, log_odds
        self.weight = positive + negative

    def total(self, values: Floats) -> Floats:
        """Sum values of bins by row, shape (R,)."""
        return group_sums(self.row, values, self.rows)

    def standardised(self) -> tuple[_Bins, Floats]:
        """Bins with log-odds centred and scaled by row, and the scale (R,), NaN where they do not vary."""
        weight = self.total(self.weight)
        centred = self.log_odds - divide(self.total(self.weight * self.log_odds), weight)[self.row]
        scale = np.sqrt(divide(self.total(self.weight * centred**2), weight))
        scale = np.where(scale > 1e-9, scale, np.nan)
        return _Bins(self.row, self.rows, self.positive, self.negative, centred / scale[self.row]), scale

    def among(self, chosen: Ints) -> _Bins:
        """Return the bins of the chosen rows, renumbered in their order."""
        place = np.full(self.rows, -1)
        place[chosen] = np.arange(len(chosen))
        keep = place[self.row] >= 0
        parts = (part[keep] for part in (self.positive, self.negative, self.log_odds))
        return _Bins(place[self.row[keep]], len(chosen), *parts)

    def fit(self) -> tuple[Floats, Floats]:
        """Intercept and slope by row, by Newton's method; NaN where it does not converge."""
        result = np.full((2, self.rows), np.nan)
        rows = np.flatnonzero(self.total(self.positive) > 0)
        bins = self.among(rows)
        start = np.log(bins.total(bins.positive) / bins.total(bins.negative))
        beta = np.stack([start, np.zeros(len(rows))])
        for _ in range(_MAX_ITERATIONS):
            step = bins.newton_step(beta)
            beta = beta + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            done = (np.abs(step) < _TOLERANCE).all(axis=0)
            result[:, rows[done]] = beta[:, done]
            going = np.flatnonzero(np.isfinite(step).all(axis=0) & ~done)
            rows, beta, bins = rows[going], beta[:, going], bins.among(going)
            if len(rows) == 0:
                break
        return result[0], result[1]

    def _probability(self, beta: Floats) -> Floats:
        return np.asarray(special.expit(beta[0][self.row] + beta[1][self.row] * self.log_odds))

    def _information(self, probability: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Second derivatives by intercept, by both and by slope, and their determinant."""
        curvature = self.weight * probability * (1 - probability)
        h00, h01, h11 = (self.total(curvature * self.log_odds**power) for power in range(3))
        return h00, h01, h11, h00 * h11 - h01**2

    def newton_step(self, beta: Floats) -> Floats:
        """Newton's step from intercept and slope, both (2, R); NaN where the information is singular."""
        probability = self._probability(beta)
        h00, h01, h11, determinant = self._information(probability)
        residual = self.positive - self.weight * probability
        g0, g1 = self.total(residual), self.total(residual * self.log_odds)
        return np.stack([divide(h11 * g0 - h01 * g1, determinant), divide(h00 * g1 - h01 * g0, determinant)])

    def slope_variance(self, intercept: Floats, slope: Floats, positive2: Floats, negative2: Floats) -> Floats:
        """Sandwich variance of the slope, from the squared weights of positives and negatives (E,)."""
        probability = self._probability(np.stack([intercept, slope]))
        h00, h01, _, determinant = self._information(probability)
        lever = h00[self.row] * self.log_odds - h01[self.row]
        squares = positive2 * (1 - probability) ** 2 + negative2 * probability**2
        return divide(self.total(squares * lever**2), determinant**2)
