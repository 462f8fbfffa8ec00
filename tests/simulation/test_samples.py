"""Raw rows of predictions that turn out to be wrong, by workers in a world of accidents, against one run in order."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.driving import drive
from tests.simulation.story import config_of, simulate, stream_of
from tests.streams_strategy import Delivery, Part, Stream

LEGS, SEEDS_A_LEG = 2, 5
Chances = dict[tuple[str, str], float]


@pytest.mark.parametrize("leg", range(LEGS))
def test_no_accident_changes_which_predictions_land(leg: int) -> None:
    """Workers die, are frozen and wake up, and write rows again: each prediction's row has the chance it should."""
    for seed in range(leg * SEEDS_A_LEG, (leg + 1) * SEEDS_A_LEG):
        try:
            check(seed)
        except Exception as error:
            again = f'.venv/bin/python -c "from tests.simulation.test_samples import *; check({seed})"'
            raise AssertionError(f"world {seed} went wrong; to see it again: {again}\n{error!r}") from error


def check(seed: int) -> None:
    """Run one world by its seed, and the same stream without a world."""
    stream = sampled(stream_of(seed))
    world = simulate(stream, seed)
    ordered = sorted(stream.events, key=lambda event: event["event_time"])
    _, tables = drive(config_of(stream), Delivery(("a",), [Part("a", [event]) for event in ordered]))

    stored = world.tables.newest("samples", ("source", "position"))
    assert chances(stored) == pytest.approx(chances(tables.get("samples", [])))


def sampled(stream: Stream) -> Stream:
    """Keep a part of all predictions, and those that turn out to be wrong or bring a complaint."""
    models: dict[str, Any] = {}
    for name, model in stream.config["models"].items():
        shows = ["complaint", "error"] if model["task"] in ("binary", "multiclass") else ["complaint"]
        models[name] = {"rate": 0.3, "policies": [{"once_known": shows}]}
    return replace(stream, config=stream.config | {"samples": 0.5, "sampling": {"models": models}})


def chances(rows: list[dict[str, Any]]) -> Chances:
    """Return the largest chance of each prediction: a copy of one is read from another place."""
    found: Chances = {}
    for row in rows:
        if row["type"] == "prediction":
            name = row["request_id"], json.loads(row["payload"])["prediction_id"]
            found[name] = max(found.get(name, 0.0), row["inclusion_probability"])
    return found
