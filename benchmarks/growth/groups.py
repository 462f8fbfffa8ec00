"""Throughput of a partition, windows included, by how many groups there are."""

from __future__ import annotations

from benchmarks.growth.alone import alone
from benchmarks.growth.driving import TICK, Driver
from benchmarks.growth.results import Row
from benchmarks.growth.stream import VERSIONS, Stream

GROUPS = (10, 1_000, 100_000)
WAITING = 50_000
EVENTS, QUICK_EVENTS = 2_000_000, 400_000


def measure(*, quick: bool) -> list[Row]:
    """Measure each number of groups in a process of its own."""
    return [
        alone(measure_one, groups, QUICK_EVENTS if quick else EVENTS) for groups in (GROUPS[:2] if quick else GROUPS)
    ]


def measure_one(groups: int, events: int) -> Row:
    """Let every group come before the clock starts; then each comes as often as any other."""
    driver = Driver(Stream(WAITING, countries=groups // VERSIONS - 1), windows=True)
    driver.fill()
    driver.drive(max(TICK, 2 * groups))
    driver.forget()
    came = driver.drive(events)
    seconds = sum(driver.seconds.values())
    return {
        "groups": driver.stream.groups,
        "events": came,
        "cpu_seconds": seconds,
        "events_a_cpu_second": came / seconds,
        "join_share": driver.seconds["take"] / seconds,
        "checkpoint_share": driver.seconds["checkpoint"] / seconds,
        "windows_share": driver.seconds["windows"] / seconds,
    }
