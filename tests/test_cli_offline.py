"""`streams analyze offline`: from a store and a configuration to tables, answers and JSON, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.core.metric.interval import wilson
from streams.sinks.clickhouse.store import open_store
from tests.conftest import Ran, Run
from tests.sinks.filled import window_row, windows

CONFIG = """
models:
  fraud:
    task: binary
    positive: "1"
    windows: [1d, 1mo]
    metrics: [accuracy, recall, roc_auc, brier]
    offline:
      accuracy: {value: 0.93, n: 20000, margin: 0.01}
      recall: {value: 0.8, n: 900}
      roc_auc: {value: 0.91, low: 0.9, high: 0.92}
  price:
    task: regression
    windows: [1mo]
    metrics: [mae]
    offline:
      mae: {value: 12.5, low: 12.2, high: 12.8}
  other: {task: none}
"""


def row(metric: str, month: int, value: float | None, n: float, **changes: Any) -> dict[str, Any]:
    """Return what a month of the model says, with Wilson's interval."""
    low, high = (None, None) if value is None else (float(x) for x in wilson(np.array(value), np.array(n)))
    span = {
        "window_start": datetime(2026, month, 1, tzinfo=UTC),
        "window_end": datetime(2026, month + 1, 1, tzinfo=UTC),
    }
    named = {"model": "fraud", "version": "v2", "metric": metric, "window": "1mo", "n": n, "n_effective": n}
    return window_row(**(named | span | {"value": value, "low": low, "high": high} | changes))


def corrected(value: float, n: float) -> dict[str, Any]:
    low, high = (float(x) for x in wilson(np.array(value), np.array(n)))
    return {"corrected": value, "corrected_low": low, "corrected_high": high, "corrected_n_effective": n}


ROWS = (
    row("accuracy", 1, 0.929, 40_000),
    row("accuracy", 2, 0.931, 40_000),
    row("accuracy", 2, 0.5, 40_000, slice_id=1, slice={"country": "DE"}),
    row("accuracy", 2, 0.5, 40_000, window="1d"),
    row("accuracy", 3, 0.5, 40_000, is_final=False),
    row("recall", 1, 0.95, 500) | corrected(0.70, 450),
    row("recall", 2, 0.81, 500),
    row("recall", 2, 0.60, 400, version="v1"),
    row("brier", 2, 0.5, 400),
    row("roc_auc", 1, None, 400),
    row("roc_auc", 2, 0.905, 400) | {"low": None, "high": None},
    row("mae", 2, 0, 900) | {"model": "price", "value": 13.4, "low": 12.9, "high": 13.9},
)


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the DSN of a store with two months of two models."""
    dsn = f"chdb:{tmp_path_factory.mktemp('offline')}/store"
    with open_store(dsn) as store:
        store.migrate()
        store.insert("windows", windows(*({**corrected_nothing(), **one} for one in ROWS)))
    return dsn


def corrected_nothing() -> dict[str, Any]:
    return dict.fromkeys(("corrected", "corrected_low", "corrected_high", "corrected_n_effective"))


@pytest.fixture
def offline(cli: Run, dsn: str, tmp_path: Path) -> Run:
    """Compare the store with the configuration."""
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return lambda *arguments: cli("analyze", "offline", "--config", path, "--store", dsn, *arguments)


def rows(ran: Ran) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Read the rows of JSON by metric, month and version."""
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    return {(one["metric"], one["window_start"][5:7], one["version"]): one for one in json.loads(ran.out)["rows"]}


def test_answers(offline: Run) -> None:
    """The newest final months: one agrees, one differs, two are open, one of them without limits."""
    ran = offline("--json")
    found = rows(ran)
    mae = found["mae", "02", "v2"]

    assert {key: one["answer"] for key, one in found.items()} == {
        ("accuracy", "02", "v2"): "agrees",
        ("recall", "02", "v1"): "differs",
        ("recall", "02", "v2"): "not enough evidence",
        ("roc_auc", "02", "v2"): "not enough evidence",
        ("mae", "02", "v2"): "differs",
    }
    assert (json.loads(ran.out)["alpha"], json.loads(ran.out)["compared"]) == (0.05, 5)
    assert found["roc_auc", "02", "v2"]["production"]["low"] is found["roc_auc", "02", "v2"]["low"] is None
    assert mae["difference"] == pytest.approx(0.9)
    assert mae["offline"] == {"value": 12.5, "low": 12.2, "high": 12.8, "n": None, "margin": None}
    assert mae["p"] < mae["p_adjusted"] < 0.05


def test_the_corrected_value_is_taken_where_there_is_one(offline: Run) -> None:
    """January's recall is the corrected 0.70 and not the plain 0.95, and the row says so; February's is plain."""
    found = rows(offline("--json", "--model", "fraud", "--version", "v2", "--last", "2"))
    january, february = (found["recall", month, "v2"]["production"] for month in ("01", "02"))

    assert (january["value"], january["n_effective"], january["basis"]) == (0.70, 450, "corrected")
    assert (february["value"], february["n_effective"], february["basis"]) == (0.81, 500, "value")
    assert found["recall", "01", "v2"]["answer"] == "differs"
    assert ("roc_auc", "01", "v2") not in found


def test_tables(offline: Run) -> None:
    """A table a metric that fits 80 columns, with the basis of each number; the answers stand last."""
    ran = offline("--model", "fraud", "--last", "2")
    lines = ran.out.splitlines()

    assert (ran.code, ran.err) == (0, "")
    assert "accuracy of fraud: offline 93.00 % (92.64 % to 93.35 %), margin 1.00 pp" in lines
    assert any(
        columns(line) == ["2026-01-01", "v2", "70.00", "%", "corrected", "450", "-10.00", "pp"] for line in lines
    )
    assert "99.17 % interval" in ran.out
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "roc_auc of fraud 2026-02-01 v2: not enough evidence (p 1.000 among 6)"


def columns(line: str) -> list[str]:
    return line.split()[:8]


def test_windows_may_be_shorter(offline: Run) -> None:
    """`--window` takes others than the longest; what a model does not have is refused."""
    found = rows(offline("--json", "--model", "fraud", "--window", "1d"))

    assert [(key, one["answer"]) for key, one in found.items()] == [(("accuracy", "02", "v2"), "differs")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--model fraude", 2, "fraude is no model of the configuration; did you mean `fraud`?"),
        ("--model other", 2, "model other has no `offline` values in the configuration"),
        ("--model fraud --window 1w", 2, "model fraud has no windows of 1w"),
        ("--window 1d", 2, "model price has no windows of 1d"),
        ("--model fraud --version v9", 1, "the store has no final window of version v9 with these metrics yet"),
        ("--last 0", 2, "Invalid value for '--last'"),
        ("--alpha 1", 2, "Invalid value for '--alpha'"),
    ],
)
def test_asked_wrongly_or_too_early(offline: Run, arguments: str, code: int, said: str) -> None:
    """It says what is not declared, with the likeliest that was meant, and what is not there yet."""
    ran = offline(*arguments.split())

    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
