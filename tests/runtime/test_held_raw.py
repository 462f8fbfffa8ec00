"""Raw rows that wait, in checkpoints: a worker that is replaced writes the same rows, and little of what is old."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streams.config import parse_config
from streams.core import join
from streams.core.forget import Order
from streams.core.ids import hash_twice
from streams.runtime import joining as module
from streams.runtime.joining import Joining
from streams.runtime.topics import CHECKPOINTS
from tests.runtime.parts import CONFIG, Bench, at
from tests.runtime.parts import prediction as right

SAMPLING = """
samples: 0.5
sampling:
  models:
    m:
      rate: 0.3
      policies: [{once_known: [error, complaint]}]
      hold: {for: 6h, bytes: SIZE}
"""
WAYS = {
    "held": "",
    "budget": "      budget: {events_per_hour: 15}\n",
    "reservoir": "      reservoir: {per: 2h, rows: 10}\n",
}
Event = dict[str, Any]


def bench_of(way: str, size: int = 24_000) -> Bench:
    """Hold so many bytes, which are not enough unless something else is said."""
    bench = Bench()
    bench.config = parse_config(CONFIG + SAMPLING.replace("SIZE", str(size)) + WAYS[way], "test")
    return bench


def said(number: int, hour: float) -> list[Event]:
    """Outcomes of which every fifth shows an error, some of them corrected, and some complaints."""
    ids = {"request_id": f"r{number}", "event_time": at(hour)}
    label = {"label": "0" if number % 5 == 0 else "1"}
    events: list[Event] = [{"type": "outcome", **ids, **label, "revision": 0}]
    if number % 10 == 0:
        events.append({"type": "outcome", **ids, "label": "1", "revision": 1})
    if number % 7 == 0:
        events.append({"type": "feedback", **ids, "feedback_id": f"f{number}", "kind": "complaint"})
    return events


def busy(bench: Bench, number: int, many: int) -> None:
    """Emit so many predictions in a quarter of an hour, and what is said an hour and more later or just before."""
    for each in range(many * number, many * (number + 1)):
        hour = number / 4
        bench.emit(right(each, hour))
        if each % 3 == 0:
            bench.emit(*said(each, hour - 0.1))
        if number >= 6 and (each - 6 * many) % 3:
            bench.emit(*said(each - 6 * many, hour))


def gathered(rows: dict[tuple[str, int], float], tables: dict[str, list[dict[str, Any]]]) -> None:
    """Put rows as the store does: of each place the one with the largest chance."""
    for row in tables.get("samples", []):
        assert json.loads(row["payload"])
        place = row["source"], row["position"]
        rows[place] = max(rows.get(place, 0.0), row["inclusion_probability"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seldom", [1, 7])
def test_a_worker_that_is_replaced_all_the_time_writes_the_same_rows(
    way: str, seldom: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovered from deltas and bases after every few captures, with sweeps between."""
    monkeypatch.setattr(module, "_SMALL", 3_000)
    monkeypatch.setattr(module, "_COUNTED_ROWS", 1)
    monkeypatch.setattr(join, "_NOT_WAITED_FOR", 8)

    async def run() -> None:
        bench, straight = bench_of(way), bench_of(way)
        joining, _ = await bench.joining()
        undisturbed, _ = await straight.joining()
        rows: dict[tuple[str, int], float] = {}
        expected: dict[tuple[str, int], float] = {}
        for number in range(50):
            for each in (bench, straight):
                busy(each, number, 9)
            gathered(rows, bench.read(joining))
            gathered(expected, straight.read(undisturbed))
            await bench.save(joining)
            if number % seldom == 0:
                joining, _ = await bench.joining()

        assert rows == pytest.approx(expected)
        assert joining.upstream.tallies() == undisturbed.upstream.tallies()
        assert joining.upstream.tallies()["let_go"] > 0

    asyncio.run(run())


@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_costs_what_is_new(way: str) -> None:
    """However many rows wait, its head stays small, and so does what is written when little has come."""

    async def run() -> None:
        bench = bench_of(way)
        joining, _ = await bench.joining()
        sizes = []
        for number in range(12):
            busy(bench, number, 60)
            bench.read(joining)
            await bench.save(joining)
            bench.emit(right(10_000 + number, number / 4))
            bench.read(joining)
            sizes.append(await written(bench, joining))
        waiting = sum(len(store) for name, store in joining.upstream.stores().items() if name.startswith("raw"))

        assert waiting > 100
        assert max(sizes) < 8_000

    asyncio.run(run())


async def written(bench: Bench, joining: Joining) -> int:
    """Bytes that the next checkpoint appends to the log."""
    before = len(bench.log.kafka.records[CHECKPOINTS, 0])
    await bench.save(joining)
    appended = bench.log.kafka.records[CHECKPOINTS, 0][before:]
    return sum(len(value or b"") for _, value, _ in appended)


def test_what_is_forgotten_is_gone() -> None:
    """Rows of a request that wait never land after it was forgotten, nor from an older segment."""

    async def run() -> None:
        bench = bench_of("held", 1_000_000)
        joining, _ = await bench.joining()
        for number in range(40):
            bench.emit(right(number, 0))
        bench.read(joining)
        await bench.save(joining)
        key, check = hash_twice(pa.array([f"r{number}" for number in range(5)]))
        order = Order("order", np.empty(0, np.uint64), {"key": key, "check": check})
        found = joining.upstream.forget(order, "predictions")
        assert (found.removed["samples"], found.remaining["samples"]) == (5, 0)
        bench.emit(right(100, 0.1))
        bench.read(joining)
        await bench.save(joining)
        joining, _ = await bench.joining()
        bench.emit(*(wrong(number) for number in range(40)))
        for kind in bench.inputs:
            bench.end(kind, 9)
        rows = bench.read(joining)["samples"]

        full = {row["request_id"] for row in rows if row["type"] == "prediction" and row["inclusion_probability"] == 1}
        assert len(full) == 35

    asyncio.run(run())


def test_policies_come_and_go() -> None:
    """Whatever is declared between one restart and the next, predictions of all times find their labels."""

    async def run() -> None:
        bench = bench_of("held")
        sampled, plain = bench.config, parse_config(CONFIG + "samples: 0.5\n", "test")
        joining, _ = await bench.joining()
        for number, config in enumerate((sampled, plain, plain, sampled, sampled, plain)):
            bench.config = config
            joining, _ = await bench.joining()
            bench.emit(*(right(each, 0) for each in range(5 * number, 5 * number + 5)))
            bench.read(joining)
            await bench.save(joining)
        bench.emit(*(wrong(number) for number in range(30)))
        bench.read(joining)

        assert joining.upstream.counts()["joined"] == 30

    asyncio.run(run())


def wrong(number: int) -> Event:
    return {"type": "outcome", "request_id": f"r{number}", "event_time": at(1), "label": "0", "revision": 5}
