"""Corrected estimates against simulated cohorts, and against sums written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.core.maturity.corrected import kinds_of
from streams.core.maturity.strata import responses
from streams.core.metric.base import Task
from streams.core.metric.registry import metric_for
from tests.core.making import make_config, prediction
from tests.core.maturity.cohorts import DAY, START, TRUTH, model, slow_positives
from tests.driving import Tables, drive
from tests.streams_strategy import Delivery, Event, Part

POPULATIONS = 150
METRICS = ["accuracy", "positive_rate", "brier", "log_loss", "ece"]


@pytest.fixture(scope="module")
def looked() -> list[dict[str, dict[str, Any]]]:
    """Return the last windows of many populations, by metric."""
    return [{row["metric"]: row for row in slow_positives(seed)} for seed in range(POPULATIONS)]


def test_slow_positives(looked: list[dict[str, dict[str, Any]]]) -> None:
    """
    Where the naive share of positives is 0.118 and the truth 0.185, the corrected one is right, as often as it says.

    Within four standard errors of the simulation: its mean, and that its 95 % intervals hold the truth.
    """
    rates = [one["positive_rate"] for one in looked]
    corrected = np.array([one["corrected"] for one in rates])
    inside = np.array([one["corrected_low"] <= TRUTH <= one["corrected_high"] for one in rates])

    assert np.mean([one["value"] for one in rates]) == pytest.approx(0.118, abs=0.004)
    assert pytest.approx(0.185, abs=5e-4) == TRUTH
    assert abs(corrected.mean() - TRUTH) < 4 * corrected.std() / np.sqrt(POPULATIONS)
    assert inside.mean() > 0.95 - 4 * np.sqrt(0.95 * 0.05 / POPULATIONS)
    assert not any(one["low"] <= TRUTH <= one["high"] for one in rates)


def test_maturity(looked: list[dict[str, dict[str, Any]]]) -> None:
    """Maturity is the share of the labels to come that have: what coverage is of what it will be."""
    for one in looked[:20]:
        row = one["positive_rate"]
        in_the_end = 0.1893 * (1 - np.exp(-10 / 2.8)) + (1 - 0.1893)
        assert row["maturity"] == pytest.approx(row["label_coverage"] / in_the_end, abs=0.03)
        assert not row["is_final"]


def test_what_is_not_corrected(looked: list[dict[str, dict[str, Any]]]) -> None:
    """What is not late has no maturity and no correction."""
    count = looked[0]["count"]

    assert (count["corrected"], count["maturity"]) == (None, None)
    assert count["value"] == count["n"]


def _story(number: int, country: str, day: float, label: str | None, after: float = 0.1) -> list[Event]:
    time = START + int(day * DAY)
    told = prediction(str(number), time, score=0.9 if number % 3 else 0.1, attributes={"c": country})
    ids = {"request_id": told["request_id"]}
    outcome = {"type": "outcome", **ids, "event_time": time + int(after * DAY), "label": label}
    return [{"type": "prediction", **told}, *([outcome] if label else [])]


def _tables(events: list[Event], size: int, **labels: object) -> Tables:
    config = make_config({"m": model(METRICS, **labels)}, disorder="1h")
    events = sorted(events, key=lambda event: event["event_time"])
    parts = [Part("a", events[at : at + size]) for at in range(0, len(events), size)]
    return drive(config, Delivery(("a",), parts))[1]


def _row(tables: Tables, metric: str) -> dict[str, Any]:
    return [row for row in tables["windows"] if row["metric"] == metric and not row["slice"]][-1]


def _biased() -> list[Event]:
    """Two countries of 400: all labelled and a tenth of them positive; a tenth labelled and all of them positive."""
    first = [_story(i, "a", 1 + i / 1_000, "1" if i % 10 == 0 else "0") for i in range(400)]
    other = [_story(1_000 + i, "b", 1 + i / 1_000, "1" if i % 10 == 0 else None) for i in range(400)]
    return [event for story in (*first, *other) for event in story]


def test_strata_stand_for_all() -> None:
    """Each stratum weighs what it has of the predictions: (0.1 + 1) / 2, beside the 0.182 of those heard of."""
    row = _row(_tables(_biased(), 100, strata=["c"]), "positive_rate")

    assert row["value"] == pytest.approx(80 / 440)
    assert row["corrected"] == pytest.approx(0.55)
    assert row["corrected_low"] < 0.55 < row["corrected_high"]
    assert row["corrected_n_effective"] == pytest.approx(800**2 / (400 * 1 + 40 * 100))
    assert row["maturity"] is None


@pytest.mark.parametrize("labels", [{"strata": ["c"]}, {"delays": True}, {"delays": True, "strata": ["c"]}])
def test_any_cut(labels: dict[str, Any]) -> None:
    """However events are cut into blocks, the last rows are the same."""
    events = _biased() + [event for i in range(60) for event in _story(5_000 + i, "a", 2 + i / 4, "1", 0.01 * i)]

    ours, theirs = (_tables(events, size, **labels)["windows"] for size in (37, 1_000_000))
    newest = [{(r["metric"], r["window_start"], str(r["slice"])): r for r in rows} for rows in (ours, theirs)]

    assert newest[0].keys() == newest[1].keys()
    for key, row in newest[0].items():
        for name in ("corrected", "corrected_low", "corrected_high", "maturity"):
            known = newest[1][key][name]
            assert row[name] == (known if known is None else pytest.approx(known, rel=1e-12))


def test_a_stratum_without_answers() -> None:
    """Where more than a twentieth of the predictions are in a stratum of which nothing is heard, nothing is claimed."""
    silent = [_story(9_000 + i, "z", 1.1 + i / 1_000, None) for i in range(50)]
    row = _row(_tables(_biased() + [event for story in silent for event in story], 100, strata=["c"]), "accuracy")

    assert (row["corrected"], row["corrected_low"], row["corrected_n_effective"]) == (None, None, None)
    assert row["value"] is not None


def test_small_strata_are_put_together() -> None:
    """Strata with fewer than ten answers share theirs."""
    window, stratum = np.zeros(4, np.int64), np.arange(4)
    made, heard = np.array([100.0, 8.0, 6.0, 40.0]), np.array([20.0, 1.0, 1.0, 10.0])

    weights = responses(window, stratum, made, heard, heard)

    assert weights.tolist() == [5.0, 7.0, 7.0, 4.0]


def test_final_windows_need_no_curve() -> None:
    """What is final is mature, and both estimates agree, also when there is nothing to draw a curve from any more."""
    late = prediction("late", START + 60 * DAY, attributes={"c": "a"})
    events = [*_biased(), {"type": "prediction", **late}]
    rows = [row for row in _tables(events, 100, delays=True)["windows"] if row["is_final"] and not row["slice"]]

    assert {row["metric"] for row in rows} == set(METRICS)
    for row in rows:
        assert (row["maturity"], row["corrected"]) == (1, pytest.approx(row["value"]))
        assert row["corrected_n_effective"] == pytest.approx(row["n_effective"])


@pytest.mark.parametrize(
    ("name", "task", "kinds"),
    [
        ("roc_auc", "binary", {"positive", "negative"}),
        ("ece", "binary", {"positive", "negative"}),
        ("log_loss", "binary", {"positive", "negative"}),
        ("r2", "regression", {"label"}),
        ("f1", "multiclass", {"label"}),
        ("ndcg@10", "ranking", {"label"}),
        ("mean_rating", "none", {"rating"}),
        ("complaint_rate", "binary", {"complaint"}),
        ("latency_p95", "binary", set()),
    ],
)
def test_what_metrics_rest_on(name: str, task: Task, kinds: set[str]) -> None:
    """Each metric rests on the labels or the feedback that its sums are of."""
    assert kinds_of(metric_for(name, task), task) == kinds
