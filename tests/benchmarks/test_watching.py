"""benchmarks/watching: what is measured is what is watched, and the command says it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from benchmarks import watching
from benchmarks.peers.workload import make_workload
from streams.config import load_config


def test_every_prediction_has_every_feature() -> None:
    """In one order and without gaps, and nothing else of the events is another one."""
    work = make_workload(50)
    made = watching.featured(work)

    features = made.predictions.table["features"].to_pylist()
    assert {tuple(name for name, _ in row) for row in features} == {watching.COLUMNS}
    assert made.predictions.table.drop_columns(["features"]).equals(work.predictions.table.drop_columns(["features"]))
    assert made.events == work.events


def test_all_features_are_watched_for_the_share(tmp_path: Path) -> None:
    """The configuration is one that the pipeline takes."""
    file = tmp_path / "watching.yaml"
    file.write_text(yaml.safe_dump(watching.watching(0.25)), encoding="utf-8")
    watch = load_config(file).detection.models["ranker"]

    assert len(watch.columns) == len(watching.COLUMNS) == 200
    assert watch.share == 0.25


def test_a_tick_is_judged_and_not_learned_from() -> None:
    """The watchman that is measured has learned all of its signals."""
    watchman = watching.make_watchman()
    ticks = [watching.make_tick(number, [0.9 + 0.01 * (number % 2)] * 5) for number in range(watching.LEARNED + 1)]
    told = [watchman.step(tick) for tick in ticks]

    assert [one.standing for one in told[-1].findings if one.watch == "accuracy"] == ["quiet"] * 5


def test_the_command_keeps_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the costs of columns and of signals, and writes the numbers down; without a promise kept it fails."""
    for name, value in (("PREDICTIONS", 200), ("ROUNDS", 1), ("SIGNALS", 20), ("SHARES", (1.0,))):
        monkeypatch.setattr(watching, name, value)
    monkeypatch.setattr(watching, "RESULTS", tmp_path / "watching.json")
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(watching, "MOST_SECONDS", 0.0)
    code = watching.main()

    kept = json.loads((tmp_path / "watching.json").read_text(encoding="utf-8"))
    said = capsys.readouterr().out
    assert code == 1
    assert set(kept["columns"]) == {"without", "usual", "1.0"}
    assert kept["columns"]["without"] > 0
    assert f"20 signals: {kept['signals_seconds']:.3f} s a tick" in said
    assert f"100% of the requests: {kept['added']['1.0']:.1%} more" in said
