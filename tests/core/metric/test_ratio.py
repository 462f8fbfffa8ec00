"""A ratio is the metric of its name: its two sums give the same value, in every task that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from streams.core.metric.base import Changes, Task, Totals
from streams.core.metric.ratio import Sum, ratio_for
from streams.core.metric.registry import METRICS, metric_for

NO_RATIOS = {
    *("count", "request_rate", "latency_p50", "latency_p95", "latency_p99"),
    *("balanced_accuracy", "mcc", "roc_auc", "average_precision", "ece", "calibration_slope", "rmse", "r2"),
}
OF_CLASSES = {"precision", "recall", "f1"}  # of multiclass models these are averages over classes
EVERY: list[tuple[str, Task]] = [(name, task) for name, by_task in METRICS.items() for task in by_task]


def rows(seed: int) -> dict[str, Mapping[str, Any]]:
    """Two hundred changes of each source, weighted, some of them without what metrics read."""
    rng, many = np.random.default_rng(seed), 200
    weight = 1 / rng.choice([1.0, 0.5, 0.3], many)
    score = np.where(rng.random(many) < 0.1, np.nan, rng.random(many))
    label = {
        "weight": weight,
        "score": score,
        "y": rng.choice([0.0, 1.0, np.nan], many),
        "yhat": rng.choice([0.0, 1.0], many),
        "actual": rng.integers(-1, 3, many),
        "predicted": rng.integers(0, 3, many),
        "value": np.where(rng.random(many) < 0.1, np.nan, rng.normal(size=many)),
        "rank": rng.integers(-1, 15, many),
    }
    feedback = {
        "weight": weight,
        "kind": rng.integers(0, 9, many),
        "value": rng.integers(1, 6, many).astype(np.float64),
        "first": rng.integers(0, 2, many).astype(np.float64),
    }
    answers = np.ones(many)
    scoring = {"weight": weight, "answers": answers, "score": np.nan_to_num(score), "score_squared": score**2}
    return {"label": label, "traffic": {"weight": weight}, "scoring": scoring, "feedback": feedback}


def summed(one: Sum, given: Mapping[str, Mapping[str, Any]], changes: Callable[..., Changes]) -> float:
    some = changes(**given[one.source])
    return float((one.of(some) * some.weight).sum())


@pytest.mark.parametrize(("name", "task"), EVERY, ids=str)
def test_a_ratio_is_its_metric(
    name: str, task: Task, changes: Callable[..., Changes], build: Callable[..., Totals]
) -> None:
    """Numerator over denominator is the metric's estimate; only metrics that are no ratio of sums are none."""
    ratio, metric, given = ratio_for(name, task), metric_for(name, task), rows(7)
    if ratio is None:
        assert name in NO_RATIOS or (task == "multiclass" and name in OF_CLASSES)
        return
    expected = float(metric.estimate(build([metric], **given)).value[0])

    assert summed(ratio.numerator, given, changes) / summed(ratio.denominator, given, changes) == pytest.approx(
        expected
    )


@pytest.mark.parametrize(("name", "task"), EVERY, ids=str)
def test_a_share_counts_some_of_what_it_is_a_share_of(name: str, task: Task, changes: Callable[..., Changes]) -> None:
    """What is called a share adds 0 or 1 for each change, and 1 only where the denominator does."""
    ratio, given = ratio_for(name, task), rows(8)
    if ratio is None or not ratio.is_share:
        assert name not in {"accuracy", "hit_rate@10", "crash_rate"}
        return
    hits = ratio.numerator.of(changes(**given[ratio.numerator.source]))

    assert set(hits.tolist()) == {0.0, 1.0}
    if ratio.numerator.source == ratio.denominator.source:
        assert (hits <= ratio.denominator.of(changes(**given[ratio.denominator.source]))).all()


def test_cut_offs_are_read_from_the_name() -> None:
    """`hit_rate@3` and `ndcg@3` are ratios; a cut-off that no ranking can have is none."""
    assert ratio_for("hit_rate@3", "ranking") is not None
    assert ratio_for("ndcg@3", "ranking") is not None
    assert ratio_for("hit_rate@0", "ranking") is None
    assert ratio_for("hit_rate@3", "binary") is None
