"""Simulated predictions whose positive labels are slow and whose negative ones are fast, summed up by the pipeline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streams.core.catalog import Catalog
from streams.core.columns import Floats, Mask
from streams.core.ids import hash_text
from streams.core.measures import Measures
from tests.core.making import make_config

DAY = 86_400_000_000
START = 20_000 * DAY
DAYS, A_DAY, HORIZON_DAYS = 25, 400, 10
SLOW, FAST = 2.8, 0.3  # days that positive and negative labels take on average
_POSITIVES = 0.1893
TRUTH = _POSITIVES * (1 - math.exp(-HORIZON_DAYS / SLOW))
TRUTH = TRUTH / (TRUTH + (1 - _POSITIVES) * (1 - math.exp(-HORIZON_DAYS / FAST)))
"""Share of positives among the labels that come within the horizon: 0.185."""

Rows = list[dict[str, Any]]


def model(metrics: list[str], **labels: object) -> dict[str, Any]:
    """Declare a binary model `m` with windows of five days."""
    binary = {"task": "binary", "positive": "1", "negative": "0"}
    return {**binary, "label_horizon": "10d", "windows": ["5d"], "slices": [[], ["c"]], "metrics": metrics} | {
        "labels": labels
    }


def _always(_: np.random.Generator, positive: Mask) -> Floats:
    return np.full(len(positive), 0.7)


def slow_positives(
    seed: int,
    metrics: Sequence[str] = ("positive_rate", "recall", "count"),
    scores: Callable[[np.random.Generator, Mask], Floats] = _always,
    partitions: int = 1,
) -> Rows:
    """
    Return the rows of the last window of everything, at the end of 25 days of predictions, by metric.

    `scores` draws a score for each prediction, given which are positive; they come in partitions, which are merged.
    """
    rng = np.random.default_rng(seed)
    config = make_config({"m": model(list(metrics), delays=True) | {"slices": [[]]}}, disorder="1h")
    catalogs = [Catalog(config) for _ in range(partitions)]
    rows = DAYS * A_DAY
    time = START + rng.integers(0, DAYS * DAY, rows)
    positive = rng.random(rows) < _POSITIVES
    delay = (rng.exponential(1.0, rows) * np.where(positive, SLOW, FAST) * DAY).astype(np.int64)
    now = START + DAYS * DAY
    (cohort,) = {catalog.groups.cohort("m", "1", {"c": "a"}, START) for catalog in catalogs}
    ones = np.ones(rows)
    made = {
        "cohort": np.full(rows, cohort),
        "time": time,
        "known": time,
        "sign": ones,
        "weight": ones,
        "latency": ones * np.nan,
    }
    come = (time + delay <= now) & (delay <= HORIZON_DAYS * DAY)
    said = np.where(positive, np.uint64(hash_text("1")), np.uint64(hash_text("0")))
    labels = made | {"known": time + delay, "label": said, "score": scores(rng, positive), "prediction_weight": ones}
    labels |= {"predicted": np.zeros(rows, np.uint64)}
    measures = [Measures(catalog) for catalog in catalogs]
    for part, one in enumerate(measures):
        mine = np.arange(rows) % partitions == part
        one.add("traffic", {name: column[mine] for name, column in made.items()})
        one.add("label", {name: column[mine & come] for name, column in labels.items()})
    for one in measures[1:]:
        measures[0].merge(one.collect())
    catalogs[0].groups.admit(now)
    shown = [row for table in measures[0].show(now - 1, now, 1, provisional=True) for row in table.to_pylist()]
    last = max(row["window_start"] for row in shown)
    return [row for row in shown if row["window_start"] == last]
