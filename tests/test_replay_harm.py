"""An experiment that does harm, replayed: the alert is in the store, its query has the numbers, a backtest shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.core.alert.test_trial_watches import RIGHT, events

CONFIG = """
models:
  fraud: {task: binary, positive: "1", label_horizon: 1d}
disorder: 1h
experimentation:
  experiments:
    canary:
      model: fraud
      arms: {old: 1, new: 1}
      planned: 1000
      metrics: {guardrail: [{metric: accuracy, margin: 0.05}]}
alerting:
  routes:
    chat: {kind: slack, url_env: SLACK}
  default: [chat]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a configuration, and with events of twelve hours in which the new arm is wrong too often."""
    made = tmp_path_factory.mktemp("harm")
    (made / "config.yaml").write_text(CONFIG)
    (made / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events(1, RIGHT)))
    return made


def rows(cli: Run, dsn: str, query: str) -> list[dict[str, Any]]:
    """Return the answer of a store."""
    return [json.loads(line) for line in cli("query", "--store", dsn, "--format", "json", query).out.splitlines()]


def test_the_alert_is_stored_with_the_query_that_reproduces_it(folder: Path, cli: Run) -> None:
    """One page; its query gives the look that it tells of, and `streams alerts show` says all of it."""
    dsn = f"chdb:{folder}/store"
    assert cli("replay", "--config", folder / "config.yaml", "--store", dsn, folder / "events.jsonl").code == 0
    [alert] = rows(cli, dsn, "SELECT * FROM current_alerts")
    looks = rows(cli, dsn, alert["query"])
    shown = cli("alerts", "show", alert["dedup_key"], "--store", dsn).out

    assert (alert["kind"], alert["severity"], alert["status"]) == ("verdict", "page", "firing")
    assert [(look["verdict"], look["arm"]) for look in looks] == [("worse", "new")]
    assert {name: looks[0][name] for name in ("effect", "low", "high")} == pytest.approx(
        {name: alert[name] for name in ("effect", "low", "high")}
    )
    assert (looks[0]["n_arm"], looks[0]["label_coverage_arm"]) == (alert["n"], pytest.approx(alert["label_coverage"]))
    assert "FROM verdicts FINAL" in shown
    assert "runbook: docs/runbooks/canary-harmed.md" in shown


def test_a_backtest_shows_it(folder: Path, cli: Run) -> None:
    """With its severity and where it would have gone, though no model is watched."""
    told = cli("alerts", "backtest", "--config", folder / "config.yaml", folder / "events.jsonl").out

    assert "page     still open  (chat)" in told
    assert "fraud: accuracy in arm new of canary is below its control by" in told
    assert "1 alert (1 page), 1 notices" in told
