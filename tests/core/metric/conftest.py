"""Sums of raw rows by the plainest means (math.fsum, dictionaries), from which metrics are estimated in tests."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from streams.core.exact import Exact
from streams.core.metric.base import Changes, Estimate, Floats, Histogram, HistogramSpec, Ints, Metric, Task, Totals
from streams.core.metric.histograms import HISTOGRAMS
from streams.core.metric.registry import metric_for
from streams.core.metric.variables import variable

CODES = {"actual", "predicted", "rank", "kind"}
Rows = Mapping[str, Any]


def make_changes(rows: Rows) -> Changes:
    """Rows in which every column not given is absent, and weights are 1."""
    length = max((len(column) for column in rows.values()), default=0)
    filled = {name: np.full(length, -1 if name in CODES else np.nan) for name in Changes.__dataclass_fields__}
    filled |= {"weight": np.ones(length), **{name: column for name, column in rows.items() if name != "window"}}
    if "prediction_weight" not in rows:
        filled["prediction_weight"] = filled["weight"]
    typed: dict[str, Any] = {k: np.asarray(v, np.int64 if k in CODES else np.float64) for k, v in filled.items()}
    return Changes(**typed)


def with_scores(traffic: Rows) -> Rows:
    """Predictions of which some have a score, as those that have one."""
    if "score" not in traffic:
        return {}
    there = np.flatnonzero(np.isfinite(traffic["score"]))
    rows = {name: np.asarray(column)[there] for name, column in traffic.items()}
    return rows | {"answers": np.ones(len(there)), "score_squared": rows["score"] ** 2}


def exact_sum(values: list[float]) -> tuple[float, float]:
    """Return the double nearest to the sum, and the one nearest to what that leaves."""
    nearest = math.fsum(values)
    return nearest, math.fsum([*values, -nearest])


def sum_by_window(values: Floats, window: Ints, windows: int) -> Exact:
    order = np.argsort(window, kind="stable")
    bounds = np.searchsorted(window[order], np.arange(windows + 1)).tolist()
    ordered = values[order].tolist()
    pairs = [exact_sum(ordered[bounds[w] : bounds[w + 1]]) for w in range(windows)]
    hi, lo = np.array(pairs).reshape(windows, 2).T.copy()
    return Exact.normal(hi, lo)


def column_values(column: str, changes: Changes) -> Floats:
    power, _, name = column.partition(":")
    return np.asarray(changes.weight ** int(power) * variable(name)[1](changes))


def make_histogram(spec: HistogramSpec, changes: Changes, window: Ints, windows: int) -> Histogram:
    bins = spec.bin_of(changes)
    inside = np.flatnonzero(bins >= 0)
    order = inside[np.lexsort((bins[inside], window[inside]))]
    row, code = window[order], bins[order]
    starts = np.flatnonzero(np.diff(row, prepend=-1) | np.diff(code, prepend=-1))
    bounds = [*starts.tolist(), len(order)]
    columns = {}
    for column in spec.columns:
        values = column_values(column, changes)[order].tolist()
        columns[column] = np.array([math.fsum(values[a:b]) for a, b in itertools.pairwise(bounds)])
    return Histogram(windows, row[starts], code[starts], columns)


def make_totals(metrics: Iterable[Metric], sources: Mapping[str, Rows], windows: int, seconds: float) -> Totals:
    chosen = list(metrics)
    traffic = sources.get("traffic", {})
    sources = {"timing": traffic, "scoring": with_scores(traffic), **sources}
    changes = defaultdict(lambda: make_changes({}), {s: make_changes(rows) for s, rows in sources.items()})

    def window(source: str) -> Ints:
        given = sources.get(source, {}).get("window", np.zeros(len(changes[source].weight)))
        return np.asarray(given, dtype=np.int64)

    sums = {}
    for column in sorted({column for metric in chosen for column in metric.columns}):
        source = variable(column.partition(":")[2])[0]
        sums[column] = sum_by_window(column_values(column, changes[source]), window(source), windows)
    histograms = {}
    for name in sorted({name for metric in chosen for name in metric.histograms}):
        source = variable(HISTOGRAMS[name].columns[0].partition(":")[2])[0]
        histograms[name] = make_histogram(HISTOGRAMS[name], changes[source], window(source), windows)
    return Totals(sums, histograms, np.full(windows, seconds))


@pytest.fixture(scope="session")
def changes() -> Callable[..., Changes]:
    """Build rows from columns given by name."""
    return lambda **columns: make_changes(columns)


@pytest.fixture(scope="session")
def build() -> Callable[..., Totals]:
    """Totals of metrics from rows by source, each a mapping of columns; `window` numbers their windows."""

    def totals(metrics: Iterable[Metric], windows: int = 1, seconds: float = 60.0, **sources: Rows) -> Totals:
        return make_totals(metrics, sources, windows, seconds)

    return totals


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., Estimate]:
    """Estimate one metric, by name and task, from the columns of label rows."""

    def estimate(name: str, task: Task, windows: int = 1, **columns: Any) -> Estimate:
        metric = metric_for(name, task)
        return metric.estimate(make_totals([metric], {"label": columns}, windows, 60.0))

    return estimate


@pytest.fixture(scope="session")
def combine() -> Callable[..., Totals]:
    """Add the totals of the same windows, or subtract the second when `sign` is -1."""

    def signed(part: Exact, sign: int) -> Exact:
        return part if sign > 0 else -part

    def histogram(first: Histogram, second: Histogram, sign: int) -> Histogram:
        cells: dict[tuple[int, int], Floats] = {}
        for part, factor in ((first, 1), (second, sign)):
            for k, key in enumerate(zip(part.row.tolist(), part.bin.tolist(), strict=True)):
                entry = np.array([factor * column[k] for column in part.columns.values()])
                cells[key] = cells.get(key, 0.0) + entry
        keys = sorted(cells)
        table = np.array([cells[key] for key in keys]).reshape(len(keys), len(first.columns))
        row, code = (np.array([key[i] for key in keys], dtype=np.int64) for i in range(2))
        return Histogram(first.rows, row, code, {c: table[:, j] for j, c in enumerate(first.columns)})

    def totals(first: Totals, second: Totals, sign: int = 1) -> Totals:
        sums = {name: part + signed(second.sums[name], sign) for name, part in first.sums.items()}
        histograms = {k: histogram(part, second.histograms[k], sign) for k, part in first.histograms.items()}
        return Totals(sums, histograms, first.seconds)

    return totals


@pytest.fixture(scope="session")
def everything() -> Callable[..., dict[str, dict[str, Any]]]:
    """Random rows of every source, with every task's columns filled, over some windows."""

    def rows(seed: int, n: int, windows: int = 1) -> dict[str, dict[str, Any]]:
        rng = np.random.default_rng(seed)
        score = rng.random(n)
        shared = {"window": rng.integers(0, windows, n), "weight": 1 / rng.uniform(0.2, 1.0, n)}
        label = {
            "prediction_weight": np.sqrt(shared["weight"]),
            "score": score,
            "y": (rng.random(n) < score).astype(float),
            "yhat": (score > 0.5).astype(float),
            "actual": rng.integers(0, 4, n),
            "predicted": rng.integers(0, 5, n),
            "value": score + rng.normal(0.1, 0.2, n),
            "rank": rng.integers(0, 15, n),
        }
        feedback = {"kind": np.arange(n) % 9, "value": rng.integers(1, 6, n).astype(float), "first": np.ones(n)}
        traffic = {"latency": rng.lognormal(3, 1, n), "score": score}
        return {"label": shared | label, "traffic": shared | traffic, "feedback": shared | feedback}

    return rows
