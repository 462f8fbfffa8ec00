"""Counts of sampled predictions, latencies from the sketch, and means of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams.core.metric.base import Estimate, Task, Totals
from streams.core.metric.registry import metric_for

Build = Callable[..., Totals]


def estimate(name: str, build: Build, latency: Any, seconds: float = 60.0, **columns: Any) -> Estimate:
    metric = metric_for(name, "none")
    return metric.estimate(build([metric], seconds=seconds, traffic={"latency": latency, **columns}))


def test_unsampled_counts_are_certain(build: Build) -> None:
    """Predictions that all were kept are counted exactly, and the rate is a second of the window."""
    count, rate = (estimate(name, build, [np.nan] * 30) for name in ("count", "request_rate"))

    assert (count.value[0], count.low[0], count.high[0], count.n[0]) == (30.0, 30.0, 30.0, 30.0)
    assert (rate.value[0], rate.low[0], rate.high[0]) == (0.5, 0.5, 0.5)


def test_sampled_counts(build: Build) -> None:
    """Weights add up to the estimate, with the variance sum w (w - 1), and no fewer can be than were seen."""
    weight = np.array([1.0] * 50 + [4.0] * 50)

    many = estimate("count", build, np.zeros(100), weight=weight)
    few = estimate("count", build, np.zeros(2), weight=[1.0, 2.0])

    np.testing.assert_allclose([many.value[0], many.high[0]], [250, 250 + 1.959964 * np.sqrt(600)], rtol=1e-6)
    assert few.low[0] == 2.0


def test_rate_needs_a_length(build: Build) -> None:
    """A window of no length has no rate."""
    assert np.isnan(estimate("request_rate", build, [1.0], seconds=0.0).value[0])


def test_quantiles_of_a_published_sketch(build: Build) -> None:
    """Median and 99 % of 20,000 log-normals are 1.01 and 9.87519774516468 in ddsketch 3.0.1 at 1 % accuracy."""
    data = np.random.RandomState(6).lognormal(0, 1, 20000)

    p50, p99 = (estimate(name, build, data).value[0] for name in ("latency_p50", "latency_p99"))

    np.testing.assert_allclose([p50, p99], [1.01, 9.87519774516468], rtol=1e-9)


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_weighted_quantile_within_one_percent(percent: int, build: Build) -> None:
    """The quantile is within 1 % of the smallest latency at which the weights reach its share."""
    rng = np.random.default_rng(percent)
    latency, weight = rng.lognormal(3, 1, 800), 1 / rng.uniform(0.1, 1, 800)

    e = estimate(f"latency_p{percent}", build, latency, weight=weight)

    order = np.argsort(latency)
    reached = np.cumsum(weight[order]) >= percent / 100 * weight.sum()
    exact = latency[order][np.argmax(reached)]
    np.testing.assert_allclose(e.value, exact, rtol=0.0100001)


def test_interval_of_order_statistics(build: Build) -> None:
    """The limits of a median of 1,000 are those of observations 469 and 531 of Conover's interval, within 2 %."""
    latency = np.random.default_rng(2).lognormal(3, 1, 1000)

    e = estimate("latency_p50", build, latency)

    low, high = np.sort(latency)[[469 - 1, 531 - 1]]
    assert low / 1.0205 <= e.low[0] <= low
    assert high <= e.high[0] <= high * 1.0205


def test_far_apart_latencies(build: Build) -> None:
    """With a tenth at 1 ms and the rest at 1 s, the median's lower limit is 1 s, not the next latency below."""
    e = estimate("latency_p50", build, [1.0] * 100 + [1000.0] * 900)

    np.testing.assert_allclose([e.low[0], e.high[0]], 1000.0, rtol=0.0205)


def test_limit_beyond_the_largest_is_unknown(build: Build) -> None:
    """Of fifty latencies none bounds the 99 % quantile from above; two bound no median at all."""
    fifty = estimate("latency_p99", build, np.arange(1.0, 51.0))
    two = estimate("latency_p50", build, [1.0, 2.0])

    assert fifty.low[0] > 40
    assert np.isnan(fifty.high[0])
    assert two.low[0] == 0.0
    assert np.isnan(two.high[0])


def test_missing_latencies_do_not_count(build: Build) -> None:
    """Predictions without a latency are left out of its size; with none at all it is NaN."""
    some, none = (estimate("latency_p50", build, values) for values in ([5.0, np.nan], [np.nan]))

    np.testing.assert_allclose(some.value, 5.0, rtol=0.01)
    assert some.n[0] == 1
    assert np.isnan([none.value, none.low, none.high]).all()


def of_scores(build: Build, task: Task, **sums: Any) -> Estimate:
    """Estimate from rows as they come of summaries, whose sums need not be those of any predictions."""
    metric = metric_for("mean_prediction", task)
    return metric.estimate(build([metric], scoring=sums))


def test_mean_of_scores_without_labels(build: Build) -> None:
    """Weighted by hand: (0.2 + 3 * 0.6) / 4; predictions without a score are not in it."""
    metric = metric_for("mean_prediction", "binary")
    rows = {"score": np.array([0.2, np.nan, 0.6]), "weight": np.array([1.0, 5.0, 3.0])}
    found = metric.estimate(build([metric], traffic=rows))

    assert (found.value[0], found.n[0], found.n_effective[0]) == (pytest.approx(0.5), 2.0, 1.6)
    assert 0 <= found.low[0] < 0.5 < found.high[0] <= 1


@pytest.mark.parametrize("weight", [-3.0, 0.0, 1e-300, 0.49])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_less_than_half_a_prediction_has_no_mean(weight: float, task: Task, build: Build) -> None:
    """Where noise or a sample that is still to come leaves next to nothing, there is no value, and no warning."""
    largest = {"answers": [1.0, 0.0], "score": [0.0, 1e75], "score_squared": [0.0, 1e135]}
    found = of_scores(build, task, weight=[weight, 1.0], **largest)

    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()


def test_noise_carries_no_mean_out_of_its_range(build: Build) -> None:
    """A sum of scores that is larger than their number gives 1, with an interval as wide as so few predictions have."""
    found = of_scores(build, "binary", answers=[1.0, 1.0, 0.0], score=[0.0, 0.0, 5.0], score_squared=[0.0, 0.0, 5.0])

    assert (found.value[0], found.high[0]) == (1.0, 1.0)
    assert 0 < found.low[0] < 0.5
