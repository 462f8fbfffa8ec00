"""Processor time of checkpoints, and of a recovery, by how many predictions wait. The log is in memory."""

from __future__ import annotations

import statistics
import time

from benchmarks.growth.alone import alone
from benchmarks.growth.driving import Driver, warm_up
from benchmarks.growth.results import Row
from benchmarks.growth.stream import Stream

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
EVENTS, QUICK_EVENTS = 2_000_000, 600_000


def measure(*, quick: bool) -> list[Row]:
    """Measure each size in a process of its own."""
    return [alone(measure_one, size, QUICK_EVENTS if quick else EVENTS) for size in (SIZES[:2] if quick else SIZES)]


def measure_one(waiting: int, events: int) -> Row:
    """Fill the store, let events come with a checkpoint at each tick, and take the partition over."""
    warm_up()
    driver = Driver(Stream(waiting), saves=True)
    driver.fill()
    driver.forget()
    came = driver.drive(events)
    began, wall = time.process_time(), time.perf_counter()
    recovered = driver.recover()
    cpu_seconds, seconds = time.process_time() - began, time.perf_counter() - wall
    if (found := recovered.upstream.held()) != driver.held:
        raise RuntimeError(f"{found:,} predictions were recovered, expected {driver.held:,}")
    return {
        "waiting": waiting,
        "events": came,
        "checkpoints": len(driver.captures),
        "checkpoint_cpu_seconds": statistics.median(driver.captures),
        "longest_checkpoint_cpu_seconds": max(driver.captures),
        "checkpoint_share": driver.seconds["checkpoint"] / sum(driver.seconds.values()),
        "checkpoint_bytes": driver.joining.size,
        "recovery_cpu_seconds": cpu_seconds,
        "recovery_seconds": seconds,
    }
