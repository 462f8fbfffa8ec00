"""The gate before the join: too late, from the future, seen before or new; and that the counters add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.block import Block, Reject
from streams.core.catalog import Catalog
from streams.core.intake import Intake, keep
from streams.core.sampling.stage import Sampling
from streams.core.watermark import NEVER
from streams.pipeline import Pipeline
from tests.core.making import Event, make_batch, make_config, prediction
from tests.driving import block_of, drive, gather
from tests.streams_strategy import Delivery, Part, deliveries, make_stream

HOUR = 3_600_000_000
DAY = 24 * HOUR
MODEL = {"task": "regression", "label_horizon": "1h", "metrics": ["count"]}
CONFIG = make_config({"m": MODEL}, disorder="1h")


def typed(event: Event) -> Event:
    return {"type": "prediction", **event}


def read(*parts: list[Event], **config: Any) -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
    """Read parts of one input to its end, with an hour of disorder."""
    return drive(
        make_config({"m": MODEL | config}, disorder="1h"), Delivery(("a",), [Part("a", part) for part in parts])
    )


def rejects(watermark: int, *times: int) -> list[Reject]:
    """Rejects of predictions that come at a watermark; the first of them has the position 100."""
    events = [prediction(str(place), time) for place, time in enumerate(times)]
    block = Block("a", (make_batch("prediction", events),))
    catalog = Catalog(CONFIG)
    return Intake(catalog, Sampling(catalog)).admit(block, 100 * DAY, watermark)[1]


def test_a_prediction_behind_its_horizon_is_too_late() -> None:
    """When the watermark has passed its time by the horizon, a prediction takes part in nothing; at it, it does."""
    late = rejects(5 * HOUR, 4 * HOUR - 1, 4 * HOUR)

    assert [(reject.reason, reject.position) for reject in late] == [("too_late", 100)]


def test_a_late_prediction_is_told_the_truth() -> None:
    """The detail gives its time and the watermark, and does not call windows final that are not (its day is open)."""
    (late,) = rejects(5 * HOUR, HOUR)

    assert f"{HOUR}" in late.detail
    assert f"{5 * HOUR}" in late.detail
    assert "every window that holds it is final" not in late.detail


def test_a_prediction_that_is_too_late_counts_as_rejected_only() -> None:
    """It is in no window and no other counter; the row keeps where it came from."""
    counts, tables = read([typed(prediction("p", 3 * DAY))], [typed(prediction("late", 1))])

    assert (counts["read"], counts["predictions"], counts["rejected"], counts["waiting"]) == (2, 1, 1, 1)
    assert [(row["reason"], row["position"], row["type"]) for row in tables["rejected"]] == [
        ("too_late", 1, "prediction")
    ]
    assert {row["window_start"].timestamp() for row in tables["windows"]} == {3 * DAY / 1e6}


def test_an_event_from_the_future_moves_no_watermark() -> None:
    """A timestamp too far ahead of now is rejected, and what comes after it is not late."""
    pipeline = Pipeline(CONFIG)
    pipeline.open("a")
    tables: dict[str, list[dict[str, Any]]] = {}
    for event in (prediction("p", DAY), prediction("future", DAY + 367 * DAY), prediction("q", DAY)):
        gather(tables, pipeline.process(block_of("a", [typed(event)]), DAY))

    assert [row["reason"] for row in tables["rejected"]] == ["future_time"]
    assert pipeline.watermarks.value() == DAY - HOUR
    assert (pipeline.counts()["predictions"], pipeline.counts()["rejected"]) == (2, 1)


def test_duplicates_are_counted_and_not_joined() -> None:
    """Copies of all three types count as duplicates, in one batch and later."""
    outcome = {"type": "outcome", "request_id": "r-p", "event_time": 2, "value": 1.0}
    reaction = {"type": "feedback", "feedback_id": "f", "request_id": "r-p", "event_time": 2, "kind": "click"}
    events = [typed(prediction("p", 1)), outcome, reaction]

    counts, tables = read([*events, *events], events)

    assert [counts[f"duplicate_{kind}"] for kind in ("predictions", "outcomes", "feedback")] == [2, 2, 2]
    assert (counts["duplicate"], counts["joined"], counts["labelling"], counts["attributed"]) == (6, 1, 1, 1)
    assert [row["n"] for row in tables["windows"]] == [1.0]


@pytest.mark.parametrize("absent", [None, ""])
def test_an_orphan_is_kept_with_its_record(absent: str | None) -> None:
    """An outcome of nobody leaves a row with its fields, the request that it would have joined, and the reason."""
    outcome = {"type": "outcome", "request_id": absent, "prediction_id": "x", "event_time": 5, "value": 2.5}
    _, tables = read([outcome | {"revision": 3}])
    (row,) = tables["orphans"]

    assert (row["type"], row["reason"], row["source"], row["position"]) == ("outcome", "unmatched", "a", 0)
    assert (row["request_id"], row["prediction_id"], row["value"], row["revision"]) == ("x", "x", 2.5, 3)


def test_a_group_over_the_cap_is_counted_and_kept() -> None:
    """Its events count in `__other__`, its name is in the catalogue of slices, and the counter says how many."""
    cities = [typed(prediction(city, time, attributes={"city": city})) for time, city in enumerate("abc")]
    counts, tables = read(cities, slices=[["city"]], max_groups=1)

    assert counts["overflow"] == 2
    assert [(dict(row["slice"])["city"], row["state"]) for row in tables["slices"]] == [
        ("a", "admitted"),
        ("b", "overflow"),
        ("c", "overflow"),
    ]
    assert {dict(row["slice"]).get("city", ""): row["n"] for row in tables["windows"]} == {
        "": 3,
        "a": 1,
        "__other__": 2,
    }


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_the_counters_add_up(seed: int, data: st.DataObject) -> None:
    """The sums of docs/semantics.md hold for any stream, with bad records among the good."""
    stream = make_stream(seed, 40)
    bad = [{"type": "outcome", "event_time": 1}, {"type": "feedback", "feedback_id": "", "event_time": 1}]
    config = make_config(stream.config["models"], disorder=stream.config["disorder"])
    counts, _ = drive(config, data.draw(deliveries(stream.events + bad, stream.disorder)))
    fates = {
        "predictions": ("joined", "waiting", "expired", "duplicate_predictions"),
        "outcomes": ("labelling", "corrected", "orphan_outcomes", "duplicate_outcomes"),
        "feedback": ("attributed", "orphan_feedback", "duplicate_feedback"),
    }

    assert counts["read"] == counts["rejected"] + sum(counts[kind] for kind in fates) == len(stream.events) + 2
    assert counts["rejected"] == 2
    assert {kind: counts[kind] for kind in fates} == {
        kind: sum(counts[f] for f in each) for kind, each in fates.items()
    }


def test_what_is_kept_of_a_batch_keeps_its_places() -> None:
    """Rows taken from a batch have the positions and the bytes that they had in it, also when taken twice."""
    batch = make_batch("prediction", [prediction(str(number), number) for number in range(4)])
    less = keep(keep(batch, batch.positions != 101), batch.positions[:3] != 100)

    assert less.positions.tolist() == [102, 103]
    assert [less.original(row) for row in range(2)] == [b"2", b"3"]
    assert keep(batch, batch.positions > 0) is batch


def test_nothing_is_late_before_the_watermark_begins() -> None:
    """Before any event has shown how far time is, no prediction is too late."""
    assert rejects(NEVER, 0, DAY) == []
