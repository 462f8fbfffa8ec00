"""Verdicts of a stream are those of its events, counted one by one, at every look and in whatever blocks they came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streams.config import Config
from streams.core.exposure import BUCKETS, bucket_of
from streams.core.ids import hash_text
from streams.core.judge.comparison import EXACT, QUANTILE, SILENT, ArmSums, compare
from streams.pipeline import Pipeline
from streams.runtime.snapshot import load, save
from tests.core.making import make_config
from tests.driving import FAR_FUTURE, block_of
from tests.streams_strategy import Event

HOUR = 3_600_000_000
START = 1_709_164_800_000_000  # 2024-02-29, a whole hour
ARMS = ("a", "b", "c")
SHARES = {"accuracy", "complaint_rate"}
Rows = list[dict[str, Any]]


def config(**changes: Any) -> Config:
    """Return an experiment of three arms on a model with labels and complaints, and one that nobody is in."""
    experiment = {
        "model": "fraud",
        "arms": {"a": 2, "b": 1, "c": 1},
        "planned": 500,
        "metrics": {
            "primary": ["accuracy"],
            "guardrail": [{"metric": "complaint_rate", "margin": 0.1}],
            "exploratory": ["brier", "latency_p50"],
        },
    }
    return make_config(
        {"fraud": {"task": "binary", "positive": "1", "label_horizon": "1d"}, "other": {"task": "none"}},
        disorder="1h",
        experimentation={
            "experiments": {"e": experiment | changes, "empty": {"model": "fraud", "arms": {"x": 1, "y": 1}}}
        },
    )


def events(seed: int, requests: int = 150, *, weighted: bool = True, again: bool = True) -> list[Event]:
    """
    Requests of units that come `again` or once, some in two arms, with late, corrected and repeated labels.

    In the order of their event times, but for up to half an hour.
    """
    rng, told = Random(seed), []
    for number in range(requests):
        time, unit = START + rng.randrange(8 * HOUR), rng.randrange(requests // 2) if again else number
        arm = ARMS[unit % 3] if rng.random() < 0.95 else rng.choice([*ARMS, "z"])
        role = "shadow" if rng.random() < 0.05 else "live"
        assignments = {} if rng.random() < 0.1 else {"e": arm, "elsewhere": "q"}
        answer = {"prediction_id": f"p{number}", "request_id": f"r{number}", "model": "fraud", "version": "1"}
        shown = {"unit_id": f"u{unit}", "score": rng.random(), "role": role, "assignments": assignments}
        weight = {
            "inclusion_probability": rng.choice((1.0, 0.5)) if weighted else 1.0,
            "latency_ms": rng.expovariate(0.1),
        }
        told.append({"type": "prediction", "event_time": time, **answer, **shown, **weight})
        for revision in range(rng.choice((0, 1, 1, 2, 3))):
            known = time + rng.randrange(-HOUR // 4, 3 * HOUR)
            label = {"label": rng.choice("01"), "revision": rng.choice((revision, 0, 2))}
            told.append({"type": "outcome", "request_id": f"r{number}", "event_time": known, **label})
        if rng.random() < 0.2:
            complaint = {"feedback_id": f"f{number}", "kind": "complaint", "event_time": time + rng.randrange(HOUR)}
            told.append({"type": "feedback", "request_id": f"r{number}", **complaint})
    return sorted(told, key=lambda event: event["event_time"] + rng.randrange(HOUR // 2))


def told_by(tables: Iterable[tuple[str, pa.Table]]) -> Rows:
    """Rows of verdicts among those of all tables."""
    return [row for table, batch in tables if table == "verdicts" for row in batch.to_pylist()]


def verdicts(told: Sequence[Event], size: int, declared: Config, restored: int = -1) -> Rows:
    """Run events through a pipeline in blocks of a size; stop and go on before one of the blocks."""
    pipeline, rows = Pipeline(declared), []
    pipeline.open("s")
    for number, first in enumerate(range(0, len(told), size)):
        if number == restored:
            pipeline = load(save(pipeline, declared), declared)
        rows += told_by(pipeline.process(block_of("s", told[first : first + size]), FAR_FUTURE))
    pipeline.close("s")
    rows += told_by(pipeline.flush(ended=True))
    return [{name: value for name, value in row.items() if name != "revision"} for row in rows]


def close(one: Rows, other: Rows) -> bool:
    """Whether rows are the same, numbers to 1e-9."""
    return len(one) == len(other) and all(
        mine.keys() == yours.keys()
        and all(
            value == pytest.approx(yours[name], rel=1e-9, abs=1e-12)
            if isinstance(value, float)
            else value == yours[name]
            for name, value in mine.items()
        )
        for mine, yours in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("seed", range(3))
def test_verdicts_do_not_depend_on_blocks(seed: int) -> None:
    """One event a block, seven, or all at once, and stopped and restored in between: the same looks say the same."""
    told, declared = events(seed), config()
    whole = verdicts(told, len(told), declared)

    assert len(whole) > 30
    for size, restored in ((1, -1), (7, -1), (29, 4)):
        assert close(verdicts(told, size, declared, restored), whole)


@pytest.mark.parametrize(("weighted", "again"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("seed", range(2))
def test_verdicts_are_those_of_the_raw_events(seed: int, weighted: bool, again: bool) -> None:
    """At every look, each comparison is what `compare` says of sums that were added up event by event."""
    told = events(seed, weighted=weighted, again=again)
    rows = verdicts(told, 11, config())
    compared = [row for row in rows if row["experiment"] == "e" and row["metric"] in SHARES | {"brier"}]

    assert len(compared) > 30
    assert weighted or again or any(row["method"] == EXACT for row in compared)
    for row in compared:
        end = int(row["tick"].timestamp() * 1e6)
        control, arm = (counted(told, row["metric"], name, end) for name in (row["control"], row["arm"]))
        harm = 0.1 if row["metric"] == "complaint_rate" else None
        found = compare(control, arm, planned=500, alpha=row["alpha"], harm=harm)
        assert row["n_arm"] == arm.n.sum()
        assert row["n_control"] == control.n.sum()
        assert row["method"] == found.method
        if found.evidence is not None:
            assert row["effect"] == pytest.approx(found.evidence.estimate, rel=1e-9)
            assert row["log_e"] == pytest.approx(found.evidence.log_e, rel=1e-6, abs=1e-9)


def test_quantiles_are_those_of_the_raw_latencies() -> None:
    """A median of latencies is that of the arm's answers, to the 5 % between two edges; sampled ones are not judged."""
    told = events(3, weighted=False)
    last = [row for row in verdicts(told, 17, config()) if row["metric"] == "latency_p50"][-1]
    taken: dict[str, list[float]] = defaultdict(list)
    for event in told:
        if event["type"] == "prediction" and event["role"] == "live":
            taken[event["assignments"].get("e", "")].append(event["latency_ms"])
    sampled = [row for row in verdicts(events(3), 17, config()) if row["metric"] == "latency_p50"][-1]

    assert (last["arm"], last["control"], last["method"]) == ("c", "a", QUANTILE)
    assert (last["n_arm"], last["n_control"]) == (len(taken["c"]), len(taken["a"]))
    for value, arm in ((last["arm_value"], "c"), (last["control_value"], "a")):
        median = np.sort(taken[arm])[(len(taken[arm]) - 1) // 2]
        assert median <= value <= 1.06 * median
    assert last["low"] < last["effect"] < last["high"]
    assert (sampled["method"], sampled["effect"], sampled["verdict"]) == (SILENT, None, "not enough evidence")


def counted(told: Sequence[Event], metric: str, arm: str, end: int) -> ArmSums:
    """Add up what is known before `end` of one arm, one event at a time."""
    sums = {name: np.zeros(BUCKETS) for name in ("numerator", "denominator", "n", "squares", "events")}
    seen: list[str] = []
    outcomes: defaultdict[str, list[Event]] = defaultdict(list)
    complaints: defaultdict[str, list[Event]] = defaultdict(list)
    for event in told:
        if event["event_time"] < end and event["type"] != "prediction":
            (outcomes if event["type"] == "outcome" else complaints)[event["request_id"]].append(event)
    for event in told:
        if event["type"] != "prediction" or event["event_time"] >= end or event["role"] == "shadow":
            continue
        if event["assignments"].get("e") == arm:
            seen.append(event["unit_id"])
            weight = 1 / event["inclusion_probability"]
            measured = value(metric, event, outcomes[event["request_id"]], complaints[event["request_id"]])
            bucket = int(bucket_of(np.array([hash_text(event["unit_id"])], np.uint64))[0])
            if measured is not None:
                for name, added in (
                    ("numerator", weight * measured),
                    ("denominator", weight),
                    ("n", 1.0),
                    ("squares", weight * weight),
                    ("events", measured),
                ):
                    sums[name][bucket] += added
    events_of = sums.pop("events")
    return ArmSums(**sums, events=events_of if metric in SHARES else None, once=len(seen) == len(set(seen)))


def value(metric: str, prediction: Event, outcomes: list[Event], complaints: list[Event]) -> float | None:
    """Return what one prediction adds to a metric; None if it is not among those that the metric is about."""
    if metric == "complaint_rate":
        return float(bool(complaints))
    if not outcomes:
        return None
    best = max(outcomes, key=lambda one: (one["revision"], -one["event_time"], -hash_text(one["label"])))
    label, score = float(best["label"]), prediction["score"]
    return (score - label) ** 2 if metric == "brier" else float((score >= 0.5) == (label == 1))


def test_units_count_once_in_their_first_arm() -> None:
    """The sample ratio is of distinct units by the arm in which each was first seen, and crossovers of those in two."""
    told = events(1, requests=400)
    like = next(event for event in reversed(told) if event["type"] == "prediction")
    stray = {"role": "live", "unit_id": "stray", "assignments": {"e": "z"}}
    told.append(like | stray | {"request_id": "stray", "prediction_id": "stray"})
    rows = verdicts(told, 13, config())
    last = {row["metric"]: row for row in rows if row["experiment"] == "e" and row["kind"] == row["metric"]}
    seen: dict[str, list[str]] = {}
    for event in sorted(told, key=lambda one: one["event_time"]):
        if event["type"] == "prediction" and event["role"] == "live" and "e" in event["assignments"]:
            seen.setdefault(event["unit_id"], []).append(event["assignments"]["e"])
    crossed = sum(len(set(arms)) > 1 for arms in seen.values())

    assert last["crossovers"]["n_arm"] == crossed > 0
    assert last["crossovers"]["n_control"] == len(seen)
    assert last["sample_ratio"]["n_control"] == len(seen)
    assert last["sample_ratio"]["arm"] == "__unknown__"
    assert last["sample_ratio"]["n_arm"] == sum(arms[0] == "z" for arms in seen.values())
    assert last["sample_ratio"]["verdict"] == "mismatch"


def test_experiments_come_and_go_and_state_stays() -> None:
    """A pipeline goes on under a configuration with another experiment; what had begun goes on as if nothing was."""
    told = events(2)
    half = len(told) // 2
    declared = config()
    extended = declared.model_copy(
        update={"experimentation": config_with(declared, "late", {"model": "fraud", "arms": {"x": 1, "y": 1}})}
    )
    pipeline = Pipeline(declared)
    pipeline.open("s")
    rows = told_by(pipeline.process(block_of("s", told[:half]), FAR_FUTURE))
    pipeline = load(save(pipeline, declared), extended)
    rows += told_by(pipeline.process(block_of("s", told[half:]), FAR_FUTURE))
    pipeline.close("s")
    rows += told_by(pipeline.flush(ended=True))
    ends = [{name: v for name, v in row.items() if name != "revision"} for row in rows if row["experiment"] == "e"]

    assert close(ends, [row for row in verdicts(told, half, declared) if row["experiment"] == "e"])


def config_with(declared: Config, name: str, experiment: dict[str, Any]) -> Any:
    """Return the section with one more experiment."""
    section = declared.experimentation.plain()
    section["experiments"][name] = experiment
    return type(declared.experimentation).model_validate(section)


def poor(**changes: Any) -> list[Event]:
    """Two hundred requests in two arms, of which something is missing or always the same."""
    told: list[Event] = []
    for number in range(200):
        time, named = START + number * HOUR // 100, {"request_id": f"r{number}"}
        answer = {"prediction_id": f"p{number}", "model": "fraud", "version": "1", "score": 0.9, "role": "live"}
        placed = {"unit_id": f"u{number}", "assignments": {"e": ARMS[number % 2]}, "latency_ms": 5.0}
        told.append({"type": "prediction", "event_time": time, **named, **answer, **placed, **changes.get("p", {})})
        truth = {"label": "1", **changes.get("o", {})}
        told.append({"type": "outcome", "event_time": time + 1, **named, **truth})
    return told


@pytest.mark.parametrize(
    "changes",
    [
        {},  # nothing varies
        {"p": {"unit_id": "u"}},  # a single unit
        {"o": {"label": None}},  # labels that say nothing
        {"p": {"assignments": {"e": "a"}}},  # an arm without anybody
        {"p": {"assignments": {"e": "nobody declared this"}}},
        {"p": {"inclusion_probability": 1e-9}},
        {"p": {"score": None, "latency_ms": None}},
    ],
    ids=str,
)
def test_poor_data_are_told_as_such(changes: dict[str, Any]) -> None:
    """Nothing to compare gives no verdict and no number that is none; an undeclared arm is a mismatch."""
    rows = verdicts(poor(**changes), 50, config())
    unknown = changes.get("p", {}).get("assignments", {}).get("e", "a") not in ARMS

    assert rows
    assert unknown == any(row["arm"] == "__unknown__" and row["verdict"] == "mismatch" for row in rows)
    for row in rows:
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert np.isfinite(numbers).all()
        assert 0 <= row["p"] <= 1
        if row["kind"] not in {"sample_ratio", "crossovers"}:
            assert row["verdict"] == "not enough evidence" or row["metric"] in {"complaint_rate", "latency_p50"}
