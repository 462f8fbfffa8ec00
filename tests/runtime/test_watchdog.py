"""The watchdog: a worker that stands still though there is something to read is ended, and no other."""

from __future__ import annotations

import asyncio

import pytest

from streams.runtime.watchdog import Stalled, Watchdog
from tests.runtime.held import Held
from tests.runtime.parts import prediction
from tests.simulation.outside import virtual_loop


async def holding() -> tuple[Held, Watchdog]:
    """Return a worker that holds partition 0, with one record to read, and a watchdog that waits for ten seconds."""
    held = Held()
    await held.worker.assigned(frozenset({0}))
    held.bench.emit(prediction(1, 1))
    return held, Watchdog(held.worker, 10.0)


def test_a_worker_that_does_not_read_what_is_there_is_stalled() -> None:
    """The seconds count from the last look at which something had moved."""

    async def run() -> None:
        held, dog = await holding()
        first = dog.stalled_for()
        held.seconds += 7
        second = dog.stalled_for()
        held.seconds += 2

        assert (first, second, dog.stalled_for()) == (0, 7, 9)

    asyncio.run(run())


def test_reading_ends_a_stall() -> None:
    """One block is enough, though there is more to read."""

    async def run() -> None:
        held, dog = await holding()
        dog.look()
        held.seconds += 9
        await held.deliver()
        held.bench.emit(prediction(2, 2))
        moved = dog.stalled_for()
        held.seconds += 3

        assert (moved, dog.stalled_for()) == (0, 3)

    asyncio.run(run())


def test_a_worker_with_nothing_to_read_is_not_stalled() -> None:
    """However long nothing comes."""

    async def run() -> None:
        held, dog = await holding()
        await held.deliver()
        dog.look()
        held.seconds += 1_000

        assert dog.stalled_for() == 0

    asyncio.run(run())


def test_a_worker_without_partitions_is_not_stalled() -> None:
    """Others read what there is."""

    async def run() -> None:
        held, dog = await holding()
        await held.worker.revoked(frozenset({0}))
        dog.look()
        held.seconds += 1_000

        assert dog.stalled_for() == 0

    asyncio.run(run())


def test_a_worker_whose_store_is_away_is_not_stalled() -> None:
    """Waiting is right then; when the store is back, the seconds begin anew."""

    async def run() -> None:
        held, dog = await holding()
        dog.look()
        held.worker.writer.state.away_since = 0.0
        held.seconds += 1_000
        waiting = dog.stalled_for()
        held.worker.writer.state.away_since = None
        held.seconds += 4

        assert (waiting, dog.stalled_for()) == (0, 4)

    asyncio.run(run())


def test_watching_ends_with_what_there_is_to_read() -> None:
    """The error names the topic and partition and how many records wait; until then it watches."""

    async def run() -> None:
        held, dog = await holding()
        watching = asyncio.create_task(dog.watch(every=1.0))
        await asyncio.sleep(0.5)
        for _ in range(9):
            held.seconds += 1
            await asyncio.sleep(1)
        early = watching.done()
        held.seconds += 1
        with pytest.raises(Stalled, match=r"nothing was read for 10 s.*telemetry.predictions\[0\]': 1\}; start again"):
            await watching

        assert not early

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        runner.run(run())
