"""State of when something else was watched: what of it is passed over, and that nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from streams.config import Config
from streams.pipeline import Pipeline
from streams.runtime.snapshot import load, save
from tests.core.detect.test_stage import DAYS, START, config, events
from tests.core.making import make_config
from tests.driving import FAR_FUTURE, block_of
from tests.streams_strategy import DAY, Event


def restored(told: list[Event], cut: int, other: Config, before: Config | None = None) -> list[dict[str, Any]]:
    """Return signals of a pipeline that is restored, after so many events, with something else to watch."""
    declared = before or config()
    pipeline = Pipeline(declared)
    pipeline.open("s")
    for _ in pipeline.process(block_of("s", told[:cut]), FAR_FUTURE):
        pass
    pipeline = load(save(pipeline, declared), other)
    rows: list[dict[str, Any]] = []
    for tables in (pipeline.process(block_of("s", told[cut:]), FAR_FUTURE), pipeline.flush(ended=True)):
        rows += [row for name, table in tables if name == "signals" for row in table.to_pylist()]
    return rows


def days(rows: list[dict[str, Any]]) -> list[int]:
    return sorted({round((row["tick"].timestamp() * 1e6 - START) / DAY) for row in rows})


def test_state_without_any_sums_is_passed_over_in_no_time() -> None:
    """Nothing had been read: ticks begin with the first event, not with the first tick that can be numbered."""
    assert days(restored(events(3, 300), 0, config(metrics=["brier"], detectors=[]))) == list(range(1, DAYS + 1))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_only_days_that_had_begun_are_passed_over(share: float) -> None:
    """Those of which there were sums are not looked at; all that follow are."""
    told = events(3, 600)
    cut = int(share * len(told))
    begun = (max(event["event_time"] for event in told[:cut]) - START) // DAY
    found = days(restored(told, cut, config(metrics=["brier"], detectors=[])))

    assert found == list(range(begun + 2, DAYS + 1))


def test_a_model_that_was_never_seen_is_not_looked_at() -> None:
    """Where only another model's events came, no tick of it is made up: its events may be somewhere else."""
    told = [event | {"model": "other"} for event in events(3, 600) if event["type"] == "prediction"]
    found = restored(told, 300, both(columns=["score"]), before=both())

    assert {row["model"] for row in found} == {"other"}


def both(**changes: Any) -> Config:
    """Watch two models."""
    models = {"fraud": {"task": "binary", "positive": "1"}, "other": {"task": "none"}}
    watches = {"fraud": changes, "other": {}}
    return make_config(models, detection={"learn": "20d", "season": "1d", "models": watches})
