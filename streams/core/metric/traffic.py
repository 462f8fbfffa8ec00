"""How much was asked, how fast it was answered, and what the answers were on average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streams.core.metric.base import Estimate, Floats, Histogram, Ints, Metric, Totals
from streams.core.metric.estimators import Population, mean, population, powers
from streams.core.metric.feedback import EVERY_TASK
from streams.core.metric.histograms import latency_edges, latency_value
from streams.core.metric.interval import Z, bounded, divide, student

_LEAST = 0.5
_TIE = 1e-12  # cumulative weights this close, relative to the total, differ by rounding only


def _count(totals: Totals) -> Estimate:
    """
    Estimate how many predictions were made, sampled ones standing for those left out.

    Horvitz-Thompson total sum w, variance sum w (w - 1) of independent sampling with probabilities 1 / w.
    No fewer were made than were seen one by one. What a service has summarized adds to the sums so that predictions it
    also sent count once, and so that noise which it put into a count adds its variance (docs/summaries.md).
    """
    seen = population(totals, "predictions", "summarized")
    half = Z * np.sqrt(np.maximum(seen.square - seen.weight, 0.0))
    low = np.minimum(np.maximum(seen.weight - half, population(totals, "predictions").n), seen.weight)
    return Estimate(seen.weight, low, seen.weight + half, seen.n, seen.n_effective)


def _request_rate(totals: Totals) -> Estimate:
    """Predictions a second of the window."""
    count = _count(totals)
    value, low, high = (divide(part, totals.seconds) for part in (count.value, count.low, count.high))
    return Estimate(value, low, high, count.n, count.n_effective)


def _mean_answer(totals: Totals) -> tuple[Floats, Floats, Population]:
    """
    Mean score of all predictions, its variance, and the population; NaN where there is less than half a prediction.

    Each weighs 1 at least, so that less is left only where noise, or a sample that its summary is ahead of, takes
    away what there is.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # of what is then not told
        value, variance, among = mean(totals, "answer", "answer_squared", "answered")
    known = among.weight >= _LEAST
    return np.where(known, value, np.nan), np.where(known, variance, np.nan), among


def _mean_probability(totals: Totals) -> Estimate:
    """Of scores from 0 to 1, beyond which only noise that a service has put in may carry the mean."""
    value, variance, among = _mean_answer(totals)
    value = np.clip(value, 0.0, 1.0)
    return Estimate(value, *bounded(value, variance, among.n_effective), among.n, among.n_effective)


def _mean_number(totals: Totals) -> Estimate:
    value, variance, among = _mean_answer(totals)
    return Estimate(value, *student(value, variance, among.n_effective), among.n, among.n_effective)


@dataclass(frozen=True)
class _Sketch:
    """Latencies of some rows: bins in ascending order, padded on the right, each (rows, entries)."""

    bins: Ints
    cumulated: Floats
    cumulated2: Floats
    entries: Ints

    def reaching(self, position: Floats) -> Ints:
        """Place of the first entry that, with those before it, holds this share (rows,) of the weight."""
        target = (position - _TIE) * self.cumulated[:, -1]
        before: Ints = (self.cumulated < target[:, None]).sum(axis=1)
        return np.clip(before, 0, np.maximum(self.entries - 1, 0))

    def bin_at(self, position: Floats) -> Ints:
        """Bin in which the cumulative share of the weight reaches this position (rows,)."""
        return np.take_along_axis(self.bins, self.reaching(position)[:, None], axis=1)[:, 0]


def _sketch(histogram: Histogram, first: int, last: int) -> _Sketch:
    """Align the entries of rows first..last-1, each row by itself, so that no row's sums depend on another's."""
    lo, hi = np.searchsorted(histogram.row, (first, last))
    row = histogram.row[lo:hi] - first
    entries = np.bincount(row, minlength=last - first)
    place = np.arange(hi - lo) - (np.cumsum(entries) - entries)[row]
    shape = (last - first, max(int(entries.max(initial=0)), 1))
    bins = np.zeros(shape, dtype=np.int64)
    weight, square = np.zeros(shape), np.zeros(shape)
    bins[row, place] = histogram.bin[lo:hi]
    weight[row, place] = np.maximum(histogram.columns["1:timed"][lo:hi], 0.0)
    square[row, place] = np.maximum(histogram.columns["2:timed"][lo:hi], 0.0)
    return _Sketch(bins, np.cumsum(weight, axis=1), np.cumsum(square, axis=1), entries)


def _quantile(sketch: _Sketch, level: float) -> tuple[Floats, Floats, Floats]:
    """
    Quantile with its limits, (rows,) each: the observations at level +- z sqrt(level (1 - level) / size).

    Order statistics (Conover 1999, 3.2), at Kish's effective size or at that of the design where it is smaller
    (Woodruff 1952), then widened to the edges of the bins. Where so few were timed that a limit lies beyond the
    smallest or largest observation, the lower is 0 and the upper NaN: it could be anything.
    """
    positions = np.full(len(sketch.entries), level)
    total, total2 = sketch.cumulated[:, -1], sketch.cumulated2[:, -1]
    below2 = np.take_along_axis(sketch.cumulated2, sketch.reaching(positions)[:, None], axis=1)[:, 0]
    spread = divide(below2 * (1 - level) ** 2 + (total2 - below2) * level**2, total**2)
    half = np.nan_to_num(Z * np.sqrt(np.fmax(spread, level * (1 - level) * divide(total2, total**2))))
    low = np.where(level - half > 0, latency_edges(sketch.bin_at(level - half))[0], 0.0)
    high = np.where(level + half > 1, np.nan, latency_edges(sketch.bin_at(level + half))[1])
    return latency_value(sketch.bin_at(positions)), low, high


def _latency(level: float) -> Callable[[Totals], Estimate]:
    def estimate(totals: Totals) -> Estimate:
        histogram = totals.histograms["latency"]
        among = population(totals, "timed")
        parts = [_quantile(_sketch(histogram, first, last), level) for first, last in histogram.chunks()]
        joined = (np.concatenate(part) for part in zip(*parts, strict=True)) if parts else (np.zeros(0),) * 3
        value, low, high = (np.where(among.n > 0, part, np.nan) for part in joined)
        return Estimate(value, low, high, among.n, among.n_effective)

    return estimate


def _latency_metric(percent: int) -> Metric:
    return Metric(f"latency_p{percent}", EVERY_TASK, powers("timed"), ("latency",), _latency(percent / 100))


_OF_SCORES = (*powers("answered"), "1:answer", "2:answer", "2:answer_squared")

METRICS = (
    Metric("count", EVERY_TASK, powers("predictions", "summarized"), (), _count),
    Metric("request_rate", EVERY_TASK, powers("predictions", "summarized"), (), _request_rate),
    _latency_metric(50),
    _latency_metric(95),
    _latency_metric(99),
    Metric("mean_prediction", frozenset({"binary"}), _OF_SCORES, (), _mean_probability),
    Metric("mean_prediction", frozenset({"regression"}), _OF_SCORES, (), _mean_number),
)
