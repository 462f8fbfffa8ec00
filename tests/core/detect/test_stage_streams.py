"""River's detectors of slices and columns as a stage: from events to signals and alerts, however the events came."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import Any

import numpy as np
import pytest

from streams.config import Config
from streams.core.catalog import Catalog
from streams.core.detect.cut import where
from streams.core.detect.watchman import watchmen
from streams.core.measures import Measures
from streams.core.watermark import FOREVER
from tests.core.detect.test_stage import START, _right, config, events, messages, run, same, ticks
from tests.streams_strategy import DAY, Event

DETECTORS: list[dict[str, Any]] = [
    {"detector": "ddm", "errors_a_tick": 20},
    {"detector": "ddm", "errors_a_tick": 30, "slice": ["country"]},
    {"detector": "hddm_a", "slice": {"country": "de"}, "severity": "page"},
    {"detector": "adwin", "metric": "accuracy", "slice": ["country"]},
    {"detector": "adwin", "column": "features.age", "slice": ["country"]},
    {"detector": "page_hinkley", "column": "features.b", "missing": True},
    {"detector": "page_hinkley", "column": "attributes.country", "value": "de", "severity": "warning"},
    {"detector": "adwin", "column": "outcome", "value": "1", "slice": {"country": "fr"}},
]


def declared(**changes: Any) -> Config:
    """Return a model that river's detectors watch in slices and columns."""
    columns = ["outcome", "features.age", "features.b", "attributes.country"]
    slices = [[], ["country"]]
    watch = {"metrics": ["accuracy"], "columns": columns, "slices": slices, "column_slices": slices}
    return config(**{**watch, "detectors": DETECTORS, **changes})


def worse_in_germany(told: list[Event]) -> list[Event]:
    """Answers for German requests are wrong from day 35 on, and there are fewer of these."""
    made = {event["request_id"]: event for event in told if event["type"] == "prediction"}
    for number, event in enumerate(made.values()):
        late = event["event_time"] > START + 35 * DAY
        if late and number % 4:
            event["attributes"]["country"] = "fr"
        elif late and event["attributes"]["country"] == "de":
            event["label"] = "01"[event["label"] == "0"]
    return told


@pytest.mark.parametrize(("size", "restored"), [(97, 45), (1_000, 4)])
def test_findings_in_slices_do_not_depend_on_blocks(size: int, restored: int) -> None:
    """All at once, or in blocks, and stopped and restored in between: the same findings and the same alerts."""
    told = worse_in_germany(events(1, requests=4_000))
    whole, again = run(told, len(told), declared()), run(told, size, declared(), restored)
    rivers = [row for row in whole["signals"] if row["method"].startswith("river")]

    assert {row["watch"] for row in rivers} == {
        *("errors by ddm", "errors by hddm_a", "accuracy by adwin", "features.age by adwin"),
        *("missing features.b by page_hinkley", "attributes.country=de by page_hinkley", "outcome=1 by adwin"),
    }
    for name in ("signals", "alerts"):
        assert same(again[name], whole[name])


def test_detectors_of_slices_meet_from_partitions() -> None:
    """Collected in two partitions, parted into messages and merged elsewhere: the same findings as in one place."""
    told = worse_in_germany(events(6, requests=900))
    there = Catalog(declared())
    merged = Measures(there)
    for part in (0, 1):
        mine = [event for event in told if int(event["request_id"][1:]) % 2 == part]
        for message in messages(mine, declared()):
            merged.merge(message)
    there.groups.admit(FOREVER)
    found, whole = watchmen(there)["fraud"], watchmen(Catalog(declared()))["fraud"]
    last = max(event["event_time"] for event in told if event["type"] == "prediction")
    ours = [found._streams.look(tick) for tick in merged.watched.take(FOREVER, last)]
    theirs = [whole._streams.look(tick) for tick in ticks(told, 200, declared())]

    assert repr([list(one) for one in ours]) == repr([list(one) for one in theirs])


def fired(number: int) -> tuple[dict[str, Any], set[str]]:
    """Return the only alert of a detector, beside others without a severity, and in which slices it flagged."""
    told = worse_in_germany(events(2, requests=8_000))
    detectors = [{**one, "parameters": {"threshold": 0.5}} if "column" in one else one for one in DETECTORS]
    watched = declared(
        metrics=[],
        columns=["attributes.country"],
        detectors=[*detectors[1:2], {"detector": "hddm_a"}, detectors[number]],
    )
    found = run(told, 2_000, watched)
    [alert] = [row for row in found["alerts"] if row["status"] == "firing" and row["rule"].startswith("detector")]
    flags = [row for row in found["signals"] if row["standing"] == "changed" and row["watch"] == alert["watch"]]
    return alert, {str(dict(row["slice"])) for row in flags}


def test_an_alert_of_a_detector_says_in_which_slice() -> None:
    """Of three detectors of errors the one in Germany has a severity, and fires for Germany alone."""
    alert, flagged = fired(2)

    assert (alert["rule"], alert["watch"]) == ("detector errors by hddm_a where country=de", "errors by hddm_a")
    assert (dict(alert["slice"]), alert["severity"]) == ({"country": "de"}, "page")
    assert "errors by hddm_a where country=de rose by" in alert["title"]
    assert flagged == {"{}", "{'country': 'de'}"}


def test_a_column_by_a_detector_fires() -> None:
    """That fewer requests come from Germany is told as the share that it is, with the runbook of columns."""
    alert, flagged = fired(6)

    assert (alert["rule"], dict(alert["slice"])) == ("detector attributes.country=de by page_hinkley", {})
    assert (alert["severity"], alert["runbook"]) == ("warning", "docs/runbooks/column-drifted.md")
    assert "attributes.country=de by page_hinkley fell by" in alert["title"]
    assert flagged == {"{}"}


def test_numbers_of_columns_are_those_of_the_events() -> None:
    """Means and shares of each day and slice are those of its predictions, counted one by one."""
    told = worse_in_germany(events(4, requests=2_000))
    found = run(told, 300, declared())["signals"]
    made: defaultdict[int, list[Event]] = defaultdict(list)
    for event in told:
        if event["type"] == "prediction" and event["model"] == "fraud":
            made[event["event_time"] // DAY].append(event)
    seen = 0
    for row in found:
        mine = made[int(row["tick"].timestamp() * 1e6) // DAY - 1]
        if row["watch"] == "features.age by adwin" and row["standing"] != "no data":
            ages = [
                one["features"]["age"] for one in mine if one["attributes"]["country"] == dict(row["slice"])["country"]
            ]
            assert row["value"] == pytest.approx(np.mean(ages), rel=0.032)
            assert row["n"] == pytest.approx(len(ages))
            seen += 1
        elif row["watch"] == "missing features.b by page_hinkley":
            assert row["value"] == pytest.approx(np.mean(["b" not in one["features"] for one in mine]))
            seen += 1
        elif row["watch"] == "attributes.country=de by page_hinkley":
            assert row["value"] == pytest.approx(np.mean([one["attributes"]["country"] == "de" for one in mine]))
            seen += 1
    assert seen > 150


def test_errors_of_a_slice_are_those_of_its_labels() -> None:
    """Where no more labels than are asked for came, the share of errors of each day and country is that of all."""
    told = worse_in_germany(events(8, requests=900))
    made = {event["request_id"]: event for event in told if event["type"] == "prediction" and event["model"] == "fraud"}
    wrong: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for request, prediction in made.items():
        mine = [one for one in told if one["type"] == "outcome" and one["request_id"] == request]
        if mine:
            first = min(mine, key=lambda one: one["event_time"])
            day = max(first["event_time"], prediction["event_time"]) // DAY
            wrong[day, prediction["attributes"]["country"]].append(1 - _right(prediction, first))
    seen = {
        (tick.end // DAY - 1, dict(where(one)).get("country", "")): sorted(errors.value.tolist())
        for tick in ticks(told, 113, declared())
        for one, errors in tick.errors.items()
    }

    assert {key: errors for key, errors in seen.items() if key[1]} == {
        key: sorted(map(float, errors)) for key, errors in wrong.items()
    }


@pytest.mark.parametrize(("size", "restored"), [(97, 20), (500, -1)])
def test_what_is_refused_counts_in_the_rest_however_blocks_are_cut(size: int, restored: int) -> None:
    """With room for two countries of four, columns and errors of the others are those of `__other__`."""
    told, rng = events(6, requests=1_500), Random(3)
    for event in told:
        if event["type"] == "prediction":
            event["attributes"]["country"] = rng.choice("abcd")
    crowded = declared(detectors=DETECTORS[1:5])
    fraud = crowded.models["fraud"].model_copy(update={"max_groups": 2})
    crowded = crowded.model_copy(update={"models": {**crowded.models, "fraud": fraud}})
    whole, again = run(told, len(told), crowded), run(told, size, crowded, restored)
    slices = {dict(row["slice"]).get("country") for row in whole["signals"] if row["watch"] == "features.age by adwin"}

    assert len(slices) == 3
    assert "__other__" in slices
    assert same(again["signals"], whole["signals"])
