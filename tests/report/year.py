"""
A year of signals in which it is known what happened.

- accuracy falls by 0.06 on day 120, when version v2 takes over, and by 0.08 from day 250 to 262, in an outage.
- brier rises by 0.0042 a week, all year.
- precision stays as it is.
- recall falls by 0.25 in Italy alone, from day 180 on: a fifth of the traffic.
- specificity falls by 0.05 from day 300 to 325, when half of the labels are missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from streams.core.columns import Floats
from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import signal_row, table, window_row, windows

FIRST = datetime(2013, 1, 1, tzinfo=UTC)
DAYS = 365
DAY = timedelta(days=1)
RELEASE, OUTAGE, ITALY, UNLABELLED = 120, (250, 262), 180, (300, 325)
COUNTRIES = {"DE": 0.5, "FR": 0.3, "IT": 0.2}
SLOPE = 0.0006  # a day
REQUESTS = 4_000.0

_DAY = np.arange(DAYS)
_WEEKEND = np.where(_DAY % 7 >= 5, 1.0, 0.0)


def during(days: tuple[int, int]) -> Floats:
    return ((days[0] <= _DAY) & (days[1] > _DAY)).astype(np.float64)


def level(metric: str, country: str) -> Floats:
    """Return what a metric is in a country, day by day, without noise."""
    known = {
        "accuracy": 0.9 - 0.06 * (_DAY >= RELEASE) - 0.08 * during(OUTAGE),
        "brier": 0.1 + SLOPE * _DAY,
        "precision": np.full(DAYS, 0.7),
        "recall": 0.8 - 0.25 * ((_DAY >= ITALY) & (country == "IT")),
        "specificity": 0.6 - 0.05 * during(UNLABELLED),
    }
    return known[metric] - 0.03 * _WEEKEND


METRICS = ("accuracy", "brier", "precision", "recall", "specificity")


def signals(days: int = DAYS) -> list[dict[str, Any]]:
    """Return rows of `signals` for the first days of the year."""
    requests = REQUESTS * (1 - 0.3 * _WEEKEND) * (1 - 0.7 * during(OUTAGE))
    coverage = 0.8 - 0.4 * during(UNLABELLED)
    rng = np.random.default_rng(0)
    log_traffic = np.log(requests) + 0.03 * rng.standard_normal(DAYS)
    delay = 9 + 0.02 * rng.standard_normal(DAYS)
    coverage = coverage * np.exp(0.01 * rng.standard_normal(DAYS))
    found = [row for metric in METRICS for row in _of_metric(metric, requests * coverage, days)]
    for watch, values in (("traffic", log_traffic), ("label_coverage", coverage), ("label_delay", delay)):
        found += [_row(watch, "traffic", {}, day, float(values[day]), float(requests[day])) for day in range(days)]
    return found


def _of_metric(metric: str, labels: Floats, days: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(zlib.crc32(metric.encode()))
    shared = 0.006 * rng.standard_normal(DAYS)
    whole = np.zeros(DAYS)
    for country, share in COUNTRIES.items():
        value = level(metric, country) + shared + 0.006 * rng.standard_normal(DAYS)
        whole += share * value
        for day in range(days):
            yield _row(metric, "metric", {"country": country}, day, float(value[day]), share * float(labels[day]))
    for day in range(days):
        yield _row(metric, "metric", {}, day, float(whole[day]), float(labels[day]))


def _row(watch: str, kind: str, where: dict[str, str], day: int, value: float, n: float) -> dict[str, Any]:
    number = zlib.crc32(str(sorted(where.items())).encode()) if where else 0
    named = {"model": "fraud", "watch": watch, "kind": kind, "slice": where, "slice_id": number}
    return signal_row(**named, tick=FIRST + (day + 1) * DAY, value=value, n=n, n_effective=n)


def versions(metric: str = "count", window: str = "1d", days: int = DAYS) -> list[dict[str, Any]]:
    """Return rows of `windows` that say which version answered; of other metrics, 80 % of the answers are labelled."""
    found = []
    for day in range(days):
        start = FIRST + day * DAY
        when = {"window": window, "window_start": start, "window_end": start + DAY}
        n = REQUESTS if metric == "count" else 0.8 * REQUESTS
        which = {"version": "v2" if day >= RELEASE else "v1", "metric": metric, "value": n, "n": n}
        found.append(window_row(model="fraud", **which, **when))
    return found


def fill(store: Store, days: int = DAYS) -> None:
    """Write the first days of the year into a store."""
    store.migrate()
    store.insert("signals", table("signals", signals(days)))
    store.insert("windows", windows(*versions(days=days)))
