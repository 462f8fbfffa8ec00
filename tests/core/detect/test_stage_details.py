"""Detect as a stage: single errors, numbers far from zero, and what moved in a column, from events to alerts."""

from __future__ import annotations

import re
from collections import defaultdict
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streams.core.detect.error_sample import ranks
from streams.core.groups import Slice
from streams.core.ids import hash_strings, hash_twice, mix
from tests.core.detect.test_stage import START, _right, config, events, run, ticks
from tests.streams_strategy import DAY, Event

FRAUD = Slice("fraud", (), ())


def test_errors_are_those_of_first_labels() -> None:
    """Of each day those with the smallest ranks among the first labels that became known in it, right or wrong."""
    told = events(8, requests=1_500)
    made = {event["request_id"]: event for event in told if event["type"] == "prediction" and event["model"] == "fraud"}
    firsts: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for request, prediction in made.items():
        mine = [one for one in told if one["type"] == "outcome" and one["request_id"] == request]
        if mine:
            first = min(mine, key=lambda one: one["event_time"])
            day = max(first["event_time"], prediction["event_time"]) // DAY
            firsts[day].append((_rank(prediction), 1 - _right(prediction, first)))

    whole = ticks(told, 113, config())
    seen = [(tick.end // DAY - 1, tick.errors[FRAUD].value[:20].tolist()) for tick in whole if FRAUD in tick.errors]
    assert sum(len(errors) for _, errors in seen) > 200
    for day, errors in seen:
        assert errors == [float(error) for _, error in sorted(firsts[day])][:20]


def _rank(prediction: Event) -> float:
    (check,) = hash_twice(pa.array([prediction["request_id"]]))[1:]
    named = mix(hash_strings(pa.array([prediction["prediction_id"]])), check)
    return float(ranks(mix(named, np.array([0x6572726F72730001], np.uint64)), np.ones(1))[0])


def test_a_detector_of_river_alerts_if_that_is_declared() -> None:
    """Its flag fires with the severity that is declared, and says how far; without one it is on record only."""
    told = events(2, requests=12_000, changed=35)
    fired, silent = (
        run(told, 2_000, config(metrics=["complaint_rate"], columns=[], detectors=[{"detector": "hddm_a"} | declared]))
        for declared in ({"severity": "info"}, {})
    )
    alerts = [row for row in fired["alerts"] if row["status"] == "firing"]
    flags = [row for row in silent["signals"] if row["standing"] == "changed"]

    assert [(row["rule"], row["watch"], row["severity"]) for row in alerts] == [
        ("detector errors by hddm_a", "errors by hddm_a", "info")
    ]
    assert "errors by hddm_a rose by" in alerts[0]["title"]
    assert START + 35 * DAY < alerts[0]["tick"].timestamp() * 1e6 <= START + 37 * DAY
    assert {row["watch"] for row in flags} == {"errors by hddm_a"}
    assert "alerts" not in silent


def test_numbers_far_from_zero_need_a_center() -> None:
    """Temperatures near 280 K rise by 2 K: all are in one bin and nothing is seen; from their center it is found."""
    told, rng = events(7), Random(1)
    for event in told:
        if event["type"] == "prediction":
            event["features"]["kelvin"] = rng.gauss(280.0 + 2.0 * (event["event_time"] > START + 35 * DAY), 2.0)
    declared: dict[str, Any] = {"metrics": ["complaint_rate"], "columns": ["features.kelvin"], "detectors": []}
    blind = run(told, 500, config(**declared))
    seeing = run(told, 500, config(**declared, centers={"features.kelvin": 280.0}))
    [fired] = [row for row in seeing["alerts"] if row["status"] == "firing"]

    assert blind["alerts"] == []
    assert fired["watch"] == "features.kelvin"
    assert START + 35 * DAY < fired["tick"].timestamp() * 1e6 <= START + 40 * DAY
    middle = [float(word) for word in re.findall(r"median (\S+) instead of (\S+) since", fired["title"])[0]]
    assert middle == [pytest.approx(282, abs=1), pytest.approx(280, abs=0.6)]


@pytest.mark.parametrize(("size", "restored"), [(9_000, -1), (97, 40)])
def test_an_alert_names_the_categories_that_moved(size: int, restored: int) -> None:
    """Most requests come from France from a day on: the title says so by name."""
    told, rng = events(7), Random(1)
    for event in told:
        if event["type"] == "prediction" and event["event_time"] > START + 35 * DAY and rng.random() < 0.8:
            event["attributes"]["country"] = "fr"
    declared = config(metrics=["complaint_rate"], columns=["attributes.country"], detectors=[])
    [fired] = [row for row in run(told, size, declared, restored)["alerts"] if row["status"] == "firing"]

    said = r", with de ([\d.]+) % instead of ([\d.]+) % and fr ([\d.]+) % instead of ([\d.]+) % since 2024"
    shares = [float(share) for share in re.findall(said, fired["title"])[0]]
    assert shares == [pytest.approx(share, abs=12) for share in (10, 50, 90, 50)]
    assert fired["watch"] == "attributes.country"
