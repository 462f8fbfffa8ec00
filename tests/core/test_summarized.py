"""What services summarize enters the windows as if every prediction had come by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.summarized import times_of
from streams.emit import Prediction
from streams.emit.events import Summary
from streams.emit.summaries import Summaries, merge
from streams.pipeline import Pipeline
from tests.core.making import make_config
from tests.driving import FAR_FUTURE, block_of, drive
from tests.streams_strategy import Delivery, Part

Event = dict[str, Any]
Rows = dict[tuple[Any, ...], dict[str, Any]]

MINUTE = 60_000_000
START = 1_709_164_800_000_000  # 2024-02-29
MODEL = {
    "task": "binary",
    "positive": "1",
    "label_horizon": "6h",
    "windows": ["5m", "1h"],
    "slices": [[], ["country"], ["role"]],
    "metrics": [
        *("count", "request_rate", "latency_p50", "latency_p95", "latency_p99", "mean_prediction"),
        *("accuracy", "complaint_rate"),
    ],
}
CONFIG = make_config({"m": MODEL}, disorder="1h")
OF_NUMBERS = {name: value for name, value in MODEL.items() if name != "positive"} | {
    "task": "regression",
    "metrics": ["mean_prediction"],
}
OF_TRAFFIC = {"count", "request_rate", "latency_p50", "latency_p95", "latency_p99", "mean_prediction"}


def requests(many: int, seed: int) -> list[Prediction]:
    """Answer so many requests in two hours, some without a latency, each to be sampled with a chance of its own."""
    rng = Random(seed)
    return [
        Prediction(
            request_id=f"r{number}",
            prediction_id=f"p{number}",
            event_time=START + rng.randrange(120 * MINUTE),
            model="m",
            version=rng.choice("12"),
            role=rng.choice(("live", "live", "shadow")),
            score=None if rng.random() < 0.1 else rng.random(),
            attributes={"country": rng.choice(("DE", "FR")), "user": str(number)},
            latency_ms=None if rng.random() < 0.1 else rng.choice((0.0, rng.lognormvariate(3, 1))),
            inclusion_probability=rng.choice((0.1, 0.3, 1.0)),
        )
        for number in range(many)
    ]


def as_event(prediction: Prediction, probability: float) -> Event:
    fields = {name: getattr(prediction, name) for name in prediction.__struct_fields__}
    return {"type": "prediction", **fields, "inclusion_probability": probability}


def as_summary(summary: Summary) -> Event:
    return {"type": "summary", **summary.record()}


def outcomes(predictions: Sequence[Event]) -> list[Event]:
    """Label what is sent, with complaints about some of it."""
    labels = [
        {"type": "outcome", "request_id": p["request_id"], "event_time": p["event_time"] + 1, "label": "1"}
        for p in predictions
    ]
    complaints = [
        {"type": "feedback", "feedback_id": "f", "kind": "complaint"}
        | {name: p[name] for name in ("request_id", "event_time")}
        for p in predictions[::7]
    ]
    return labels + complaints


def sampled(predictions: Sequence[Prediction], seed: int) -> tuple[list[Event], list[Event]]:
    """Send a sample of the predictions, and return it with the summaries beside it."""
    rng = Random(seed)
    summaries, sent = Summaries("a", ["country"]), []
    for one in predictions:
        chosen = rng.random() < one.inclusion_probability
        if chosen:
            sent.append(as_event(one, one.inclusion_probability))
        assert summaries.add(one, sent=chosen)
    return sent, [as_summary(one) for one in summaries.take_all()]


def windows(events: Sequence[Event], seed: int = 0, parts: int = 3) -> Rows:
    """Read events in any order, and return the last row of each window, slice and metric."""
    mixed = Random(seed).sample(list(events), len(events))
    size = len(mixed) // parts + 1
    delivery = Delivery(("a",), [Part("a", mixed[at : at + size]) for at in range(0, len(mixed), size)])
    _, tables = drive(CONFIG, delivery)
    return newest(tables["windows"])


def newest(rows: Sequence[dict[str, Any]]) -> Rows:
    keys = ("version", "slice", "window", "window_start", "metric")
    return {tuple(str(row[key]) for key in keys): row for row in rows}


def assert_alike(ours: Rows, theirs: Rows, names: Sequence[str], metrics: set[str]) -> None:
    """Same rows of these metrics; equal in these columns."""
    wanted = {key: row for key, row in theirs.items() if row["metric"] in metrics}
    assert {key for key, row in ours.items() if row["metric"] in metrics} == wanted.keys()
    for key, row in wanted.items():
        for name in names:
            mine, other = (math.nan if each[name] is None else float(each[name]) for each in (ours[key], row))
            assert math.isclose(mine, other, rel_tol=1e-9) or (math.isnan(mine) and math.isnan(other)), (key, name)


@given(st.tuples(*[st.floats(-1e6, 1e6)] * 3))
def test_any_power_sums_are_those_of_three_weights(sums: tuple[float, float, float]) -> None:
    """Rows of weight 0, 1 and 2, counted as said, have the power sums that they are made from."""
    times = times_of(*(np.array([each]) for each in sums))
    made = [sum(float(t[0]) * w**power for t, w in zip(times, (0.0, 1.0, 2.0), strict=True)) for power in range(3)]

    assert made == pytest.approx(sums, rel=1e-12, abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_summaries_alone_are_every_prediction(seed: int) -> None:
    """Without a sample, counts, rates and latencies are those of all predictions: values, limits and sizes."""
    everything = requests(600, seed)
    summaries = Summaries("a", ["country"])
    assert all(summaries.add(one, sent=False) for one in everything)

    ours = windows([as_summary(one) for one in summaries.take_all()], seed)

    theirs = windows([as_event(one, 1.0) for one in everything])
    assert_alike(ours, theirs, ("value", "low", "high", "n", "n_effective"), OF_TRAFFIC)


@pytest.mark.parametrize("seed", range(3))
def test_samples_beside_summaries_count_once(seed: int) -> None:
    """With samples of any weights beside them, counts and latencies are those of all predictions all the same."""
    everything = requests(600, seed)
    sent, summaries = sampled(everything, seed)

    ours = windows([*sent, *summaries, *outcomes(sent)], seed)

    theirs = windows([as_event(one, 1.0) for one in everything])
    assert 100 < len(sent) < 500
    assert_alike(ours, theirs, ("value", "n_effective", "n", "low", "high"), OF_TRAFFIC - {"count", "request_rate"})
    for name in ("count", "request_rate"):  # their limits have a root of a sum that is zero but for rounding
        assert_alike(ours, theirs, ("value", "n", "n_effective"), {name})
    counts = [row for row in ours.values() if row["metric"] == "count"]
    assert max(abs(row["value"] - row["low"]) + abs(row["value"] - row["high"]) for row in counts) < 1e-4


def test_what_needs_labels_is_as_without_summaries() -> None:
    """Accuracy, shares of feedback and label coverage are those of the samples: no summary has a label."""
    sent, summaries = sampled(requests(600, 5), 5)
    truth = outcomes(sent)

    ours, theirs = windows([*sent, *summaries, *truth]), windows([*sent, *truth])

    columns = ("value", "low", "high", "n", "label_coverage")
    mine = {key: row for key, row in ours.items() if key in theirs}
    assert_alike(mine, theirs, columns, {"accuracy", "complaint_rate"})


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_means_of_numbers_far_from_zero_are_exact(share: float) -> None:
    """Scores near 1e6 that differ by 1 have the mean and the interval of their events, to 9 and to 3 digits."""
    rng, config = Random(3), make_config({"m": OF_NUMBERS}, disorder="1h")
    held, sent, every = Summaries("a", ["country"]), [], []
    for one in requests(600, 3):
        number = msgspec.structs.replace(one, score=1e6 + rng.gauss(0, 1), inclusion_probability=share or 1.0)
        every.append(as_event(number, 1.0))
        if chosen := rng.random() < share:
            sent.append(as_event(number, share))
        held.add(number, sent=chosen)
    summed = [*sent, *map(as_summary, held.take_all())]
    ours, theirs = (
        newest(drive(config, Delivery(("a",), [Part("a", events)]))[1]["windows"]) for events in (summed, every)
    )

    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        assert ours[key]["value"] == pytest.approx(row["value"], rel=1e-9)
        if row["n"] >= 100:
            length = row["high"] - row["low"]
            assert ours[key]["high"] - ours[key]["low"] == pytest.approx(length, rel=1e-3)


def test_merged_summaries_are_the_sum() -> None:
    """Summaries of one slice and minute that an agent adds up give the windows of their parts."""
    everything = requests(400, 8)
    clients = [Summaries(name, ["country"]) for name in "abc"]
    for number, one in enumerate(everything):
        clients[number % 3].add(one, sent=number % 5 == 0)
    parts = [one for client in clients for one in client.take_all()]
    places: dict[str, list[Summary]] = {}
    for part in parts:
        places.setdefault(str((part.event_time, part.version, part.role, part.attributes)), []).append(part)
    whole = [merge(some, f"merged {number}") for number, some in enumerate(places.values())]

    ours, theirs = windows([as_summary(one) for one in whole]), windows([as_summary(one) for one in parts])

    assert len(whole) < len(parts)
    assert_alike(ours, theirs, ("value", "n", "low", "high"), OF_TRAFFIC)


@pytest.mark.parametrize("every", [1, 3])
def test_the_same_summary_again_is_a_duplicate(every: int) -> None:
    """A summary counts once, however often it comes and whether or not the pipeline was restored in between."""
    summaries = [as_summary(one) for one in _summaries(requests(300, 2))]
    parts = [Part("a", summaries[:40]), Part("a", summaries), Part("a", [*summaries, *summaries])]

    def stop(pipeline: Pipeline, number: int) -> Pipeline:
        if number % every:
            return pipeline
        again = Pipeline(CONFIG)
        again.restore(pipeline.snapshot())
        return again

    counts, tables = drive(CONFIG, Delivery(("a",), parts), stop)

    _, once = drive(CONFIG, Delivery(("a",), [Part("a", summaries)]))
    assert (counts["summaries"], counts["duplicate_summaries"]) == (3 * len(summaries) + 40, 2 * len(summaries) + 40)
    assert counts["read"] == counts["summaries"]
    assert_alike(newest(tables["windows"]), newest(once["windows"]), ("value", "n"), OF_TRAFFIC)


def test_a_summary_that_is_too_late_is_refused_and_the_same_ones_are_forgotten() -> None:
    """Behind its model's horizon a summary is too late, as a prediction is; from then on it need not be remembered."""
    pipeline = Pipeline(CONFIG)
    pipeline.open("a")
    old, new = _summaries(requests(2, 0))[0], Prediction(prediction_id="p", model="m", version="1", score=0.5)
    late = old.event_time + 12 * 60 * MINUTE
    drive_on = [as_summary(old)], [as_event(_at(new, late), 1.0)], [as_summary(old)]
    reasons: Counter[str] = Counter()
    for events in drive_on:
        reasons += _rejected(pipeline, events)
    list(pipeline.flush())

    assert reasons == {"too_late": 1}
    assert len(pipeline._upstream.stores()["summaries"]) == 0


def test_a_summary_is_remembered_for_as_long_as_it_may_come() -> None:
    """Within the horizon the same summary is a duplicate, however often waiting rows were swept in between."""
    pipeline = Pipeline(CONFIG)
    pipeline.open("a")
    old, new = _summaries(requests(1, 0))[0], Prediction(prediction_id="p", model="m", version="1", score=0.5)
    for events in ([as_summary(old)], [as_event(_at(new, old.event_time + 6 * 60 * MINUTE), 1.0)], [as_summary(old)]):
        assert not _rejected(pipeline, events)
        list(pipeline.flush())

    assert pipeline.counts()["duplicate_summaries"] == 1


def _summaries(predictions: Sequence[Prediction]) -> list[Summary]:
    held = Summaries("a", ["country"])
    assert all(held.add(one, sent=False) for one in predictions)
    return held.take_all()


def _at(prediction: Prediction, time: int) -> Prediction:
    fields = {name: getattr(prediction, name) for name in prediction.__struct_fields__}
    return Prediction(**(fields | {"event_time": time}))


def _rejected(pipeline: Pipeline, events: list[Event]) -> Counter[str]:
    rows = [
        row
        for name, table in pipeline.process(block_of("a", events), FAR_FUTURE)
        if name == "rejected"
        for row in table.to_pylist()
    ]
    return Counter(row["reason"] for row in rows)
