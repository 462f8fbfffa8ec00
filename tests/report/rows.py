"""Looks to report: an experiment on a ranker, with a check, a primary metric that is known, and two that are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from streams.report.looks import COLUMNS, Look
from streams.report.series import Series
from streams.sinks.clickhouse.rows import SCHEMAS

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
UNLABELLED = {"label_coverage_arm": None, "label_coverage_control": None}


def row(**changes: Any) -> dict[str, Any]:
    """Return a row of `verdicts`: accuracy is better since 11 February, unless told otherwise."""
    known = {
        "model": "ranker",
        "experiment": "ranker-v2",
        "metric": "accuracy",
        "kind": "primary",
        "arm": "new",
        "control": "old",
        "tick": NOON,
        "verdict": "better",
        "effect": 0.0125,
        "low": 0.0045,
        "high": 0.0205,
        "error": 0.0027,
        "arm_value": 0.8125,
        "control_value": 0.8,
        "log_e": 9.4,
        "p": 8.27e-5,
        "n_arm": 12_000.0,
        "n_control": 11_900.0,
        "n_effective_arm": 12_000.0,
        "n_effective_control": 11_900.0,
        "label_coverage_arm": 0.98,
        "label_coverage_control": 0.979,
        "alpha": 0.05,
        "margin": 0.0,
        "method": "mixture over buckets of units",
        "first_reached": datetime(2024, 2, 11, tzinfo=UTC),
        "needed": None,
        "revision": 1,
    }
    assert set(changes) <= set(known)
    return known | changes


def sample_ratio(**changes: Any) -> dict[str, Any]:
    """Return a row of the check whether arms have the units that they were assigned; they do."""
    shares = {"effect": 0.002, "low": -0.001, "high": 0.005, "arm_value": 0.502, "control_value": 0.5, "error": None}
    found = {
        "verdict": "match",
        "log_e": -3.2,
        "p": 1.0,
        "alpha": 0.01,
        "n_control": 23_900.0,
        "n_effective_control": 23_900.0,
        "method": "Dirichlet multinomial",
    }
    check = {"metric": "sample_ratio", "kind": "sample_ratio", "control": ""}
    return row(**check | shares | found | UNLABELLED | changes)


def undecided(**changes: Any) -> dict[str, Any]:
    """Return a row of which nothing is known yet."""
    return row(**{"verdict": "not enough evidence", "first_reached": None, "needed": 12_345.0} | changes)


def rows() -> list[dict[str, Any]]:
    """Return the newest looks at the experiment, in no order."""
    latency = {"effect": 1.2, "low": -3.0, "high": None, "arm_value": 130.0, "control_value": 128.8}
    exact = {"margin": 2.0, "error": None, "method": "exact quantiles"}
    never = {"effect": 0.0, "low": -0.001, "high": 0.001, "arm_value": 0.0, "control_value": 0.0, "error": None}
    counted = {"verdict": "equivalent", "method": "exact counts", "tick": NOON - 2 * DAY}
    return [
        row(metric="crash_rate", kind="exploratory", **never | counted | UNLABELLED),
        undecided(
            metric="latency_p95",
            kind="guardrail",
            log_e=-1.0,
            p=1.0,
            **latency | exact | UNLABELLED,
        ),
        row(),
        sample_ratio(),
    ]


def look(**changes: Any) -> Look:
    """Return a row as a look."""
    return Look.of(row(**changes))


def table(some: list[dict[str, Any]]) -> pa.Table:
    """Return rows as the store takes them."""
    return pa.Table.from_pylist(some, schema=SCHEMAS["verdicts"])


def series(looks: int = 100, **changes: Any) -> Series:
    """Return a history whose interval narrows around 0.01, and was everything at first."""
    ticks = np.array([int((NOON - back * DAY).timestamp() * 1e6) for back in reversed(range(looks))], np.int64)
    half = 0.08 / np.sqrt(np.arange(1, looks + 1))
    half[:1] = np.inf
    effect = np.full(looks, 0.01)
    return Series(look(**changes), ticks, effect, effect - half, effect + half)


def history(some: list[Series]) -> pa.Table:
    """Return histories as a store gives them."""
    whole = [
        {
            "model": each.look.model,
            "metric": each.look.metric,
            "arm": each.look.arm,
            "tick": datetime.fromtimestamp(int(tick) / 1e6, UTC),
            "effect": effect,
            "low": None if np.isinf(low) else low,
            "high": None if np.isinf(high) else high,
        }
        for each in some
        for tick, effect, low, high in zip(each.ticks, each.effect, each.low, each.high, strict=True)
    ]
    schema = SCHEMAS["verdicts"]
    names = ("model", "metric", "arm", "tick", "effect", "low", "high")
    assert set(names) <= set(COLUMNS)
    return pa.Table.from_pylist(whole, schema=pa.schema([schema.field(name) for name in names]))
