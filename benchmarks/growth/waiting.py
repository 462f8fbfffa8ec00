"""Throughput and memory of the join, by how many predictions wait."""

from __future__ import annotations

from benchmarks.growth.alone import alone, peak, resident
from benchmarks.growth.driving import Driver, warm_up
from benchmarks.growth.results import Row
from benchmarks.growth.stream import Stream
from streams.runtime.allocator import give_back

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
EVENTS, QUICK_EVENTS = 2_000_000, 400_000


def measure(*, quick: bool) -> list[Row]:
    """Measure each size in a process of its own."""
    return [alone(measure_one, size, QUICK_EVENTS if quick else EVENTS) for size in (SIZES[:2] if quick else SIZES)]


def measure_one(waiting: int, events: int) -> Row:
    """
    Fill the store, then let events come and go.

    At least half as many events as wait: the store is then swept twice, so that what sweeping and merging cost at
    this size is counted in the share that an event has of them.
    """
    warm_up()
    driver = Driver(Stream(waiting))
    driver.stream.predictions(0, 1)
    give_back(0)
    before = resident()
    driver.fill()
    filled = resident()
    driver.forget()
    came = driver.drive(max(events, waiting // 2))
    seconds = sum(driver.seconds.values())
    return {
        "waiting": waiting,
        "held_at_the_end": driver.held,
        "events": came,
        "cpu_seconds": seconds,
        "events_a_cpu_second": came / seconds,
        "longest_block_cpu_seconds": max(driver.blocks),
        "bytes_before": before,
        "bytes_filled": filled,
        "bytes_at_the_end": resident(),
        "bytes_at_most": peak(),
        "bytes_a_prediction": (filled - before) / waiting,
        "bytes_a_prediction_at_most": (peak() - before) / waiting,
    }
