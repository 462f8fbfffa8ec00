"""Sums that were collected in parts, on their way in pieces and in any order, are the sums of one who took all."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from streams.config import Config
from streams.core.block import Block
from streams.core.catalog import Catalog
from streams.core.measures import Measures
from streams.core.panes import Panes
from streams.core.summary import Sums, by_shard, parted
from streams.core.watermark import FOREVER
from streams.pipeline import Downstream, Upstream
from tests.core.making import ints, make_config
from tests.driving import FAR_FUTURE, Numbers, block_of, final_numbers
from tests.streams_strategy import Event, make_stream

HOUR = 3_600_000_000
START = 1_709_164_800_000_000  # 2024-02-29


def config(max_groups: int = 1_000) -> Config:
    """Two models: one with many classes, one with slices that a cap may close."""
    return make_config(
        {
            "topic": {
                "task": "multiclass",
                "classes": list("abcdefg"),
                "metrics": ["accuracy", "f1", "recall"],
                "label_horizon": "1d",
                "windows": ["6h"],
            },
            "fraud": {
                "task": "binary",
                "positive": "1",
                "metrics": ["count", "accuracy", "roc_auc", "brier", "latency_p95"],
                "slices": [[], ["city"]],
                "max_groups": max_groups,
                "label_horizon": "1d",
                "windows": ["6h"],
            },
        },
        disorder="1h",
    )


def events(seed: int) -> list[Event]:
    """Requests of both models in any order, with outcomes, latencies, and weights that are no binary fractions."""
    rng = Random(seed)
    told: list[Event] = []
    for number in range(rng.randrange(20, 120)):
        time = START + rng.randrange(20 * HOUR)
        request = {"request_id": f"r{number}"}
        told.append({"type": "prediction", **request, **_answer(rng, number), "event_time": time})
        for revision in range(rng.choice((0, 1, 1, 2))):
            label = rng.choice("01" if number % 2 else "abcdefgh")
            truth = {"label": label, "revision": revision, "event_time": time + rng.randrange(HOUR)}
            told.append({"type": "outcome", **request, **truth})
    return told


def _answer(rng: Random, number: int) -> Event:
    common = {"prediction_id": f"p{number}", "version": rng.choice("12"), "latency_ms": rng.random() * 50}
    common |= {"inclusion_probability": rng.choice((1.0, 0.3, 0.7)), "attributes": {"city": rng.choice("uvwxyz")}}
    answer = {"score": rng.random()} if number % 2 else {"label": rng.choice("abcdefgh")}
    return common | answer | {"model": "fraud" if number % 2 else "topic"}


class Side:
    """An upstream with its own numbers for cohorts and classes, and what it has collected."""

    def __init__(self, config: Config) -> None:
        catalog = Catalog(config)
        self.measures = Measures(catalog)
        self.upstream = Upstream(catalog, self.measures, config.disorder)
        self.collected: list[Sums] = []

    def take(self, *told: Event) -> None:
        block: Block = block_of("a", told)
        for _ in self.upstream.process(block, FAR_FUTURE):
            pass

    def collect(self) -> None:
        self.collected.append(self.measures.collect())


def numbers(config: Config, collected: list[Sums]) -> Numbers:
    """Merge sums in their order, and show all windows at the end."""
    catalog = Catalog(config)
    measures = Measures(catalog)
    for sums in collected:
        measures.merge(sums)
    rows: list[dict[str, Any]] = []
    for name, table in Downstream(catalog, measures).show(FOREVER, 1, provisional=True, ended=True):
        rows += table.to_pylist() if name == "windows" else []
    return final_numbers(rows)


def split(told: list[Event], rng: Random, config: Config) -> list[Sums]:
    """Have up to four sides take the events of some requests each, collect now and then, and cut and shuffle all."""
    sides = [Side(config) for _ in range(rng.randrange(1, 5))]
    owner: dict[str, int] = {}
    for event in told:
        side = sides[owner.setdefault(event.get("request_id") or event["prediction_id"], rng.randrange(len(sides)))]
        side.take(event)
        if rng.random() < 0.1:
            side.collect()
    for side in sides:
        side.collect()
    pieces = [piece for side in sides for sums in side.collected for piece in cut(sums, rng)]
    rng.shuffle(pieces)
    return pieces


def cut(sums: Sums, rng: Random) -> list[Sums]:
    """Part sums by model, or not, and then until few cohorts are left, or not."""
    shards = by_shard(sums, rng.choice((lambda _: 0, len)))
    most = rng.choice((1, 2, 5, 1_000))
    return [
        part for shard in shards.values() for part in parted(shard, lambda one: len(one["cohorts"]["numbers"]) <= most)
    ]


def assert_same(ours: Numbers, theirs: Numbers) -> None:
    assert ours.keys() == theirs.keys()
    for key, metrics in theirs.items():
        for name, (value, n, coverage, final) in metrics.items():
            mine = ours[key][name]
            assert (mine[1], mine[3]) == (n, final), (key, name)
            assert mine[2] == pytest.approx(coverage, rel=1e-12), (key, name)
            assert mine[0] == value or mine[0] == pytest.approx(value, rel=1e-12, abs=1e-12), (key, name)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("max_groups", [1_000, 3])
def test_sums_merge_in_any_cut_and_order(seed: int, max_groups: int) -> None:
    """Of any number of partitions, with groups over the cap too: the windows of one who took every event."""
    told, chosen = events(seed), config(max_groups)
    alone = Side(chosen)
    alone.take(*told)
    alone.collect()
    expected = numbers(chosen, alone.collected)

    assert expected
    assert_same(numbers(chosen, split(told, Random(seed), chosen)), expected)


@pytest.mark.parametrize("seed", range(15))
def test_any_stream_merges(seed: int) -> None:
    """Of every task, with corrections and feedback, in the order of arrival of one who took all."""
    stream = make_stream(seed, 40)
    chosen = make_config(stream.config["models"], **{k: v for k, v in stream.config.items() if k != "models"})
    ordered = sorted(stream.events, key=lambda event: event["event_time"])
    alone = Side(chosen)
    for event in ordered:
        alone.take(event)
    alone.collect()

    assert_same(numbers(chosen, split(ordered, Random(seed), chosen)), numbers(chosen, alone.collected))


def test_what_was_collected_is_not_collected_again() -> None:
    """A second collection has nothing, and what comes after a collection stands alone."""
    side = Side(config())
    side.take(*events(1))
    side.collect()
    side.collect()

    assert len(side.collected[0]["cohorts"]["numbers"]) > 0
    assert len(side.collected[1]["cohorts"]["numbers"]) == 0
    assert list(by_shard(side.collected[1], len)) == []


def test_shards_have_the_models_that_belong_to_them() -> None:
    """Each model is in one shard, and a shard without any is not there."""
    side = Side(config())
    side.take(*events(2))
    side.collect()
    shards = by_shard(side.collected[0], {"topic": 4, "fraud": 7}.__getitem__)

    assert {shard: {name[0] for name in sums["cohorts"]["names"]} for shard, sums in shards.items()} == {
        4: {"topic"},
        7: {"fraud"},
    }


def test_parts_fit_or_are_one_cohort() -> None:
    """Cohorts are in one part each, and together they are all."""
    side = Side(config())
    side.take(*events(3))
    side.collect()
    parts = list(parted(side.collected[0], lambda _: False))
    cohorts = [number for part in parts for number in part["cohorts"]["numbers"].tolist()]

    assert all(len(part["cohorts"]["numbers"]) == 1 for part in parts)
    assert cohorts == side.collected[0]["cohorts"]["numbers"].tolist()


def test_panes_merge_cells_that_become_one() -> None:
    """Two cohorts there may be one here, and so may two bins: their sums add up, and the cell has changed."""
    there, here = (Panes(10, ("0:n",), {"h": ("1:w",)}) for _ in range(2))
    collected = {
        "cells": {"key": there.keys_of(ints([0, 1]), ints([5, 5])), "parts": _parts(1.0, 2.0)},
        "h": {"cell": ints([0, 0, 1]), "bin": ints([3, 4, 3]), "parts": _parts(1.0, 2.0, 4.0)},
    }
    here.merge(collected, ints([6, 6]), lambda _, bins: np.minimum(bins, 3))
    cohort, _, slot, dirty = here.live()
    _, bins, entry = here.entries("h")

    assert (cohort.tolist(), dirty.tolist()) == ([6], [True])
    assert here.cells.read("0:n", slot).value().tolist() == [3.0]
    assert (bins.tolist(), here.histograms["h"].read("1:w", entry).value().tolist()) == ([3], [7.0])


def _parts(*values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Exact sums of one column: shape (3, 1, values)."""
    return np.array([values, [0.0] * len(values), [0.0] * len(values)])[:, None, :]
