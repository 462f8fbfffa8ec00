"""A two-arm event file, replayed with its experiment declared: the verdicts are those of the raw numbers."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from streams.core.exposure import BUCKETS, bucket_of
from streams.core.ids import hash_text
from streams.core.judge.comparison import ArmSums, compare, verdict
from tests.conftest import Run

HOUR = 3_600_000_000
START = 1_709_164_800_000_000  # 2024-02-29
RIGHT = {"control": 0.70, "treatment": 0.82}
CONFIG = """
models:
  spam: {task: binary, positive: "1", label_horizon: 1d}
disorder: 1h
experimentation:
  experiments:
    filter:
      model: spam
      arms: {control: 1, treatment: 1}
      planned: 2000
      metrics: {primary: [accuracy]}
"""


def made(requests: int, visits: int) -> tuple[list[dict[str, Any]], dict[str, list[tuple[str, bool]]]]:
    """Events of an experiment whose units come so often, and for each arm its requests as (unit, right)."""
    rng = Random(11)
    events: list[dict[str, Any]] = []
    raw: dict[str, list[tuple[str, bool]]] = {arm: [] for arm in RIGHT}
    for number in range(requests):
        unit = f"user-{number % (requests // visits)}"
        arm = "treatment" if hash_text(unit) % 2 else "control"
        right, label, time = rng.random() < RIGHT[arm], rng.choice("01"), START + rng.randrange(10 * HOUR)
        score = 0.9 if (label == "1") == right else 0.1
        named = {"request_id": f"r{number}", "prediction_id": f"p{number}", "unit_id": unit}
        answer = {"model": "spam", "version": "1", "score": score, "assignments": {"filter": arm}}
        events.append({"type": "prediction", "event_time": time, **named, **answer})
        events.append({"type": "outcome", "event_time": time + HOUR, "request_id": f"r{number}", "label": label})
        raw[arm].append((unit, right))
    return sorted(events, key=lambda event: int(event["event_time"])), raw


def sums(raw: list[tuple[str, bool]]) -> ArmSums:
    """Add up one arm, request by request."""
    right, every = np.zeros(BUCKETS), np.zeros(BUCKETS)
    for unit, was_right in raw:
        bucket = int(bucket_of(np.array([hash_text(unit)], np.uint64))[0])
        right[bucket] += was_right
        every[bucket] += 1
    return ArmSums(right, every, every, every, right, once=len({unit for unit, _ in raw}) == len(raw))


@pytest.mark.parametrize(("requests", "visits"), [(60, 1), (1_500, 3)])
def test_replayed_verdicts_are_those_of_the_raw_numbers(requests: int, visits: int, tmp_path: Path, cli: Run) -> None:
    """With few requests exactly, by counts, and with many by buckets: the last look says what the functions say."""
    events, raw = made(requests, visits)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    dsn = f"chdb:{tmp_path}/store"
    replayed = cli("replay", "--config", tmp_path / "config.yaml", "--store", dsn, tmp_path / "events.jsonl")
    asked = cli("query", "--store", dsn, "--format", "json", "SELECT * FROM current_verdicts WHERE metric = 'accuracy'")
    [row] = [json.loads(line) for line in asked.out.splitlines()]
    found = compare(sums(raw["control"]), sums(raw["treatment"]), planned=2_000, alpha=0.05)

    assert replayed.code == 0
    assert found.evidence is not None
    assert (row["method"], row["n_arm"]) == (found.method, len(raw["treatment"]))
    assert row["verdict"] == verdict(found.evidence.interval, higher_is_better=True)
    assert row["verdict"] == ("better" if requests > 1_000 else "not enough evidence")
    for name, number in (
        ("effect", found.evidence.estimate),
        ("low", found.evidence.interval.low),
        ("high", found.evidence.interval.high),
        ("log_e", found.evidence.log_e),
    ):
        assert row[name] == pytest.approx(number, rel=1e-9, abs=1e-12)
