"""Verdicts of a stream of events become alerts: the same, once, in whatever blocks the events came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from streams.config import Config
from streams.config.detection import DetectionConfig
from streams.core.catalog import Catalog
from streams.core.measures import Measures
from streams.pipeline import Downstream, Pipeline, Upstream
from streams.runtime.snapshot import load, save
from tests.core.making import make_config
from tests.driving import FAR_FUTURE, block_of
from tests.streams_strategy import DAY, HOUR, Event

START = 1_709_164_800_000_000  # 2024-02-29
RIGHT = {"old": 0.9, "new": 0.6}
Rows = list[dict[str, Any]]


def config(experiments: bool = True, **changes: Any) -> Config:
    """Return a model that nobody watches, with an experiment that must not make it worse."""
    canary = {
        "model": "fraud",
        "arms": {"old": 1, "new": 1},
        "planned": 1_000,
        "metrics": {"guardrail": [{"metric": "accuracy", "margin": 0.05}]},
    }
    return make_config(
        {"fraud": {"task": "binary", "positive": "1", "label_horizon": "1d"}, "other": {"task": "none"}},
        disorder="1h",
        experimentation={"experiments": {"canary": canary | changes} if experiments else {}},
    )


def events(seed: int, right: dict[str, float], share: float = 0.5, hours: int = 12, after: int = 0) -> list[Event]:
    """
    Requests of units in two arms, which are right so often, and of which `share` are in the new one.

    Then so many days of requests to another model.
    """
    rng, told = Random(seed), list[Event]()
    for number in range(hours * 60):
        time, arm = START + number * HOUR // 60, "new" if rng.random() < share else "old"
        label = rng.choice("01")
        score = 0.9 if (label == "1") == (rng.random() < right[arm]) else 0.1
        named: Event = {"request_id": f"r{number}", "prediction_id": f"p{number}", "unit_id": f"u{number}"}
        answer: Event = {"model": "fraud", "version": "1", "score": score, "assignments": {"canary": arm}}
        told.append({"type": "prediction", "event_time": time, **named, **answer})
        outcome: Event = {"event_time": time + rng.randrange(HOUR), "label": label}
        told.append({"type": "outcome", "request_id": f"r{number}", **outcome})
    for number in range(after * 24):
        named = {"request_id": f"o{number}", "prediction_id": f"o{number}", "model": "other", "version": "1"}
        told.append({"type": "prediction", "event_time": START + hours * HOUR + number * HOUR, **named})
    return sorted(told, key=lambda event: event["event_time"] + rng.randrange(HOUR // 2))


def alerts(told: Sequence[Event], size: int, declared: Config, restored: int = -1, after: Config | None = None) -> Rows:
    """Run events through a pipeline in blocks; stop and go on, perhaps configured otherwise, before one of them."""
    pipeline, found = Pipeline(declared), Rows()
    pipeline.open("s")

    def keep(rows: Any) -> None:
        for name, table in rows:
            found.extend(table.drop_columns(["revision"]).to_pylist() if name == "alerts" else [])

    for number, first in enumerate(range(0, len(told), size)):
        if number == restored:
            pipeline = load(save(pipeline, declared), after or declared)
        keep(pipeline.process(block_of("s", told[first : first + size]), FAR_FUTURE))
        keep(pipeline.flush())
    pipeline.close("s")
    keep(pipeline.flush(ended=True))
    return found


@pytest.mark.parametrize(("size", "restored"), [(2_000, -1), (191, -1), (17, -1), (191, 3)])
def test_a_harmful_arm_is_one_alert_in_any_blocks(size: int, restored: int) -> None:
    """All at once, in blocks, and stopped and restored in between: one page, with all that is known of the harm."""
    told = events(1, RIGHT)
    [one] = alerts(told, size, config(), restored)

    assert [one] == alerts(told, 10_000, config())
    assert (one["status"], one["severity"], one["kind"], one["watch"]) == ("firing", "page", "verdict", "accuracy")
    assert dict(one["slice"]) == {"arm": "new", "experiment": "canary"}
    assert one["low"] <= one["effect"] <= one["high"] < -0.05
    assert one["value"] - one["reference"] == pytest.approx(one["effect"])
    assert (one["n"] > 20, 0.5 < one["label_coverage"] <= 1) == (True, True)
    assert one["runbook"] == "docs/runbooks/canary-harmed.md"


@pytest.mark.parametrize("size", [2_000, 191])
def test_a_decision_is_a_marker(size: int) -> None:
    """When an experiment first reaches a verdict on a metric, the watchman of its model knows; once for each."""
    declared = config().model_copy(
        update={"detection": DetectionConfig.model_validate({"learn": "60d", "models": {"fraud": {}}})}
    )
    pipeline, told = Pipeline(declared), events(1, RIGHT)
    pipeline.open("s")
    verdicts = Rows()
    for first in range(0, len(told), size):
        for rows in (pipeline.process(block_of("s", told[first : first + size]), FAR_FUTURE), pipeline.flush()):
            verdicts += [row for name, table in rows if name == "verdicts" for row in table.to_pylist()]
    [decision] = {row["first_reached"] for row in verdicts if row["metric"] == "accuracy"} - {None}

    markers = pipeline.snapshot()["downstream"]["watchmen"]["fraud"]["markers"]
    assert markers == [[int(decision.timestamp() * 1e6), "decision of experiment canary"]]


def test_what_it_says_can_be_acted_upon() -> None:
    """The title names experiment, arm, effect with interval and what to do; the query is of the verdicts."""
    [one] = alerts(events(1, RIGHT), 500, config())
    title, query = one["title"], one["query"]

    assert title.startswith("fraud: accuracy in arm new of canary is below its control by 0.")
    assert title.endswith(": roll it back")
    assert "FROM verdicts FINAL" in query
    assert "experiment = 'canary' AND metric = 'accuracy' AND arm = 'new'" in query


@pytest.mark.parametrize("right", [{"old": 0.8, "new": 0.8}, {"old": 0.6, "new": 0.9}])
def test_no_evidence_and_a_win_are_no_alert(right: dict[str, float]) -> None:
    """Arms that are alike, and a new one that is better, raise nothing."""
    assert alerts(events(2, right), 500, config(metrics={"primary": ["accuracy"]})) == []


@pytest.mark.parametrize("size", [4_000, 97])
def test_wrong_arms_explain_the_harm_that_was_told(size: int) -> None:
    """Harm was told first; once the arms are known to be of the wrong sizes, that is told of the same alert."""
    told = alerts(events(3, {"old": 0.9, "new": 0.3}, share=0.1, hours=15), size, config())
    harm, again = told

    assert [(row["status"], row["cause"]) for row in told] == [("firing", "alone"), ("updated", "arms")]
    assert (harm["dedup_key"], again["members"]) == (again["dedup_key"], 2)
    assert again["explanation"] == "sample ratio of canary is off: arm old has 0.888 of the units instead of 0.5"
    assert again["title"].endswith(f"while {again['explanation']}")


def test_wrong_arms_are_told() -> None:
    """A sample ratio mismatch is an alert of the experiment, with the arm that is furthest off, and all its units."""
    [one] = alerts(events(3, {"old": 0.8, "new": 0.8}, share=0.1), 200, config())

    assert (one["watch"], one["cause"], dict(one["slice"])) == ("sample_ratio", "arms", {"experiment": "canary"})
    assert one["title"].endswith(
        "has 0.888 of the units instead of 0.5 since 2024-02-29 10:00: trust none of its verdicts"
    )
    assert ([dict(slice_) for slice_ in one["worst_slices"]], one["n"]) == ([{"arm": "old"}], 600.0)
    assert "metric = 'sample_ratio'\n" in one["query"]
    assert one["runbook"] == "docs/runbooks/sample-ratio-mismatch.md"


@pytest.mark.parametrize("size", [5_000, 61])
def test_the_alerts_of_an_experiment_that_is_over_are(size: int) -> None:
    """Two days after the last prediction in its arms, in event time: what was rolled back rings no more."""
    told = alerts(events(1, RIGHT, after=4), size, config())
    last = START + 12 * HOUR + 2 * DAY

    assert [row["status"] for row in told] == ["firing", "resolved"]
    assert int(told[1]["tick"].timestamp() * 1_000_000) == last
    assert told[1]["title"].endswith("is over: nobody has come into the experiment for two days")


def test_the_alerts_of_an_experiment_that_is_taken_out_are_over() -> None:
    """Declared no more after a restart, it leaves no alert that stays open for ever."""
    told = alerts(events(1, RIGHT), 97, config(), 12, config(experiments=False))

    assert [(row["status"], row["reason"]) for row in told] == [
        ("firing", "new"),
        ("resolved", "is over: the experiment is declared no more"),
    ]


@pytest.mark.parametrize(
    ("changes", "severity", "page"),
    [
        ({}, "page", "canary-harmed"),
        ({"severity": "warning"}, "warning", "canary-harmed"),
        ({"metrics": {"primary": ["brier"], "guardrail": ["accuracy"]}}, "warning", "guardrail-harmed"),
        ({"metrics": {"primary": ["accuracy"]}}, "info", "arm-worse"),
    ],
)
def test_how_urgent_it_is(changes: dict[str, Any], severity: str, page: str) -> None:
    """Harm of a canary pages, of an experiment that has something to win warns, unless declared; a loss is to read."""
    told = alerts(events(1, RIGHT), 500, config(team="risk", **changes))
    found = Counter((row["severity"], row["runbook"], row["team"]) for row in told)

    assert found == {(severity, f"docs/runbooks/{page}.md", "risk"): 1}


def test_partitions_that_are_merged_tell_what_one_pipeline_tells() -> None:
    """Events of two upstreams whose sums meet in a downstream, as workers have it: the same alerts to the last word."""
    declared, told = config(), events(1, RIGHT, after=3)
    catalog = Catalog(declared)
    down, found = Downstream(catalog, Measures(catalog)), Rows()
    sides = [Upstream(one, Measures(one), declared.disorder) for one in (Catalog(declared), Catalog(declared))]

    def merge(*, ended: bool) -> None:
        for side in sides:
            down.measures.merge(side.measures.collect())
        watermark = (
            max(event["event_time"] for event in told) if ended else min(one.watermarks.value() for one in sides)
        )
        for name, table in down.tell(watermark, 1, recorded=watermark, ended=ended):
            found.extend(table.drop_columns(["revision"]).to_pylist() if name == "alerts" else [])

    for first in range(0, len(told), 150):
        for number, side in enumerate(sides):
            mine = [one for one in told[first : first + 150] if int(one["request_id"][1:]) % 2 == number]
            for _ in side.process(block_of("s", mine), FAR_FUTURE) if mine else ():
                pass
        merge(ended=False)
    merge(ended=True)

    assert [row["status"] for row in found] == ["firing", "resolved"]
    assert found == alerts(told, 400, declared)
