"""The sample stage within the pipeline: what lands of events, against the events themselves."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from streams.config import Config
from streams.pipeline import Pipeline
from streams.runtime.snapshot import load, save
from tests.core.making import make_config, prediction
from tests.driving import block_of, drive
from tests.streams_strategy import Delivery, Event, Part

HOUR = 3_600_000_000
START = 400_000 * HOUR
HOURS = 6
Rows = dict[tuple[str, str, int], dict[str, Any]]


def declared(**sampling: Any) -> Config:
    """Declare a model `m` that is sampled in some way, and another one that is not."""
    binary = {"task": "binary", "positive": "1", "negative": "0", "slices": [[], ["country"]], "metrics": ["accuracy"]}
    return make_config({"m": binary, "n": binary}, disorder="1h", samples=0.25, sampling={"models": {"m": sampling}})


def told(traffic: list[int], seed: int = 1) -> list[Event]:
    """Return so many predictions in each hour, with outcomes half an hour later and some complaints, by time."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    for hour, count in enumerate(traffic):
        for number in range(count):
            name, time = f"{hour}-{number}", START + hour * HOUR + int(rng.integers(0, HOUR))
            score, country = float(rng.random()), "NZ" if rng.random() < 0.05 else "DE"
            label = "1" if rng.random() < score else "0"
            fields = {"model": "m" if rng.random() < 0.9 else "n", "score": score, "attributes": {"country": country}}
            ids = {"request_id": f"r-{name}"}
            events.append({"type": "prediction", **prediction(name, time, **fields)})
            events.append({"type": "outcome", **ids, "event_time": time + HOUR // 2, "label": label})
            if rng.random() < 0.1:
                complaint = {"feedback_id": f"f-{name}", **ids, "event_time": time + 1, "kind": "complaint"}
                events.append({"type": "feedback", **complaint})
    return sorted(events, key=lambda event: event["event_time"])


def landed(config: Config, events: list[Event], size: int, *, restart: bool = False) -> Rows:
    """Return what lands, by type, id of the request and time."""
    parts = [Part("a", events[at : at + size]) for at in range(0, len(events), size)]

    def again(pipeline: Pipeline, number: int) -> Pipeline:
        return load(save(pipeline, config), config) if restart and number % 3 == 1 else pipeline

    rows = drive(config, Delivery(("a",), parts), again)[1].get("samples", [])
    found: Rows = {}
    for row in rows:
        key = row["type"], row["request_id"], json.loads(row["payload"])["event_time"]
        assert key not in found or found[key]["inclusion_probability"] < row["inclusion_probability"], "it landed twice"
        found[key] = row
    return found


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return six hours of events."""
    return told([300] * HOURS)


EVERY = {
    "rate": 0.2,
    "policies": [
        {"keep": "0.4 < score < 0.6"},
        {"where": {"country": "NZ"}, "rate": 0.9},
        {"by": ["country"], "per_hour": 20},
        {"once_known": ["error", "complaint"]},
    ],
}
WAYS = [EVERY, EVERY | {"budget": {"events_per_hour": 40}}, {"rate": 0.01, "reservoir": {"per": "1h", "rows": 15}}]


@pytest.mark.parametrize("sampling", WAYS, ids=["policies", "budget", "reservoir"])
def test_any_cut_and_restart(events: list[Event], sampling: dict[str, Any]) -> None:
    """However events are cut, and wherever it is stopped and restored, the same rows land with the same chances."""
    config = declared(**sampling)
    expected = landed(config, events, 250)
    others = [landed(config, events, 41), landed(config, events, 250, restart=True)]

    for other in others:
        assert other.keys() == expected.keys()
        for key, row in other.items():
            assert row["inclusion_probability"] == pytest.approx(expected[key]["inclusion_probability"], rel=1e-6)


def test_policies(events: list[Event]) -> None:
    """Low confidence, errors and complaints land in full with their predictions; else events land with those."""
    rows = landed(declared(**EVERY), events, 500)
    of_m = {event["request_id"]: event for event in events if event["type"] == "prediction" and event["model"] == "m"}
    shown = {event["request_id"] for event in events if event["type"] == "feedback"}
    for event in events:
        if event["request_id"] not in of_m:
            continue
        made = of_m[event["request_id"]]
        row = rows.get((event["type"], event["request_id"], event["event_time"]))
        of_it = rows.get(("prediction", made["request_id"], made["event_time"]))
        wrong = event["type"] == "outcome" and (made["score"] >= 0.5) != (event["label"] == "1")
        if 0.4 < made["score"] < 0.6 or wrong or event["type"] == "feedback":
            assert row is not None
            assert row["inclusion_probability"] == 1
            assert of_it is not None
            assert of_it["inclusion_probability"] == 1
        elif event["type"] == "outcome" and event["request_id"] not in shown:
            assert (row is None) == (of_it is None)


def test_others_keep_their_share(events: list[Event]) -> None:
    """A model that is not named is sampled by `samples`."""
    rows = landed(declared(**EVERY), events, 500)
    n = {event["request_id"] for event in events if event["type"] == "prediction" and event["model"] == "n"}

    assert {row["inclusion_probability"] for key, row in rows.items() if key[1] in n} == {0.25}
    assert 0 < sum(key[1] in n for key in rows) < 2.3 * len(n)


@pytest.mark.parametrize("sampling", WAYS, ids=["policies", "budget", "reservoir"])
def test_totals_are_right(sampling: dict[str, Any]) -> None:
    """Over 30 streams the weights of landed predictions add up to how many there were, within four standard errors."""
    config, errors = declared(**sampling), []
    for seed in range(30):
        stream = told([150] * 3, seed)
        made = {e["request_id"] for e in stream if e["type"] == "prediction" and e["model"] == "m"}
        rows = landed(config, [_renamed(event, seed) for event in stream], 300)
        total = sum(
            1 / row["inclusion_probability"]
            for key, row in rows.items()
            if key[0] == "prediction" and key[1].partition("/")[2] in made
        )
        errors.append(total / len(made) - 1)

    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors))


def _renamed(event: Event, seed: int) -> Event:
    """Give a request another id, so that it has another number in each stream."""
    ids: dict[str, Any] = {name: f"{seed}/{event[name]}" for name in ("request_id", "prediction_id") if name in event}
    return {**event, **ids}


def test_budget_under_a_burst() -> None:
    """Where an hour has ten times the traffic, what lands of it is within 5 % of the budget, and no more."""
    stream = told([100, 100, 1_000, 100])
    config = declared(rate=0.9, budget={"events_per_hour": 60})
    rows = landed(config, stream, 500)
    n = {event["request_id"] for event in stream if event["type"] == "prediction" and event["model"] == "n"}
    hours = [key[2] // HOUR - START // HOUR for key in rows if key[1] not in n]

    assert all(0.95 * 60 <= hours.count(hour) <= 60 for hour in range(4))


def test_a_reservoir_fills_up() -> None:
    """A reservoir has its rows of every window, though hardly a row is kept by policy."""
    stream = told([100] * 4)
    rows = landed(declared(rate=0.0, reservoir={"per": "1h", "rows": 15}), stream, 500)
    n = {event["request_id"] for event in stream if event["type"] == "prediction" and event["model"] == "n"}
    hours = [key[2] // HOUR - START // HOUR for key in rows if key[1] not in n]

    counts = [hours.count(hour) for hour in range(4)]
    assert all(13 <= count <= 15 for count in counts)  # events of one request have one number, and share their fate


def test_what_comes_before_any_prediction_lands_or_not_by_its_request() -> None:
    """An outcome that is the very first event is of no model that is known: it does not wait for a budget."""
    first: Event = {"type": "outcome", "request_id": "r", "event_time": START, "label": "1"}
    pipeline = Pipeline(declared(rate=1.0, budget={"events_per_hour": 10}))
    pipeline.open("a")
    rows = [rows for table, rows in pipeline.process(block_of("a", [first]), START + HOUR) if table == "samples"]

    assert sum(len(each) for each in rows) in (0, 1)
    assert pipeline.counts()["outcomes"] == 1
