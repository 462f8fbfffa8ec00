"""What stands between Faust and the work: an error ends the run, and is not taken for a block that was done."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from streams.runtime.records import Records
from streams.runtime.transport import Fetch
from streams.runtime.transport_custody import Custody

TOPICS = ("events", "summaries")


class Consumer:
    """What custody uses of the consumer: the generation, and what it is told."""

    generation: int | None = 1

    def __init__(self) -> None:
        self.told: list[str] = []

    def suspend(self) -> None:
        self.generation = None
        self.told.append("suspended")

    def taken(self, fetch: Fetch) -> None:
        self.told.append(f"taken {fetch.records.offsets[0]}")


class Work:
    """Takes blocks, but for the second."""

    topics = TOPICS

    def __init__(self, error: BaseException) -> None:
        self.took: list[Any] = []
        self._error = error

    async def take(self, fetch: Fetch) -> None:
        if self.took:
            raise self._error
        self.took += fetch.records.offsets.tolist()


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_a_block_that_failed_is_not_taken_and_ends_the_run(error: BaseException) -> None:
    """The run has failed with that very error, the block is not called taken, and none after it is handed over."""

    async def run() -> tuple[Custody, Consumer, Work]:
        consumer, work = Consumer(), Work(error)
        custody = Custody(cast("Any", work))
        custody.attach(cast("Any", SimpleNamespace(consumer=consumer)))
        for offset in range(3):
            await custody.take("join", Fetch(TOPICS[0], 0, 1, Records([b""], np.array([offset]), 0)))
        return custody, consumer, work

    custody, consumer, work = asyncio.run(run())

    assert custody.failed.done()
    assert custody.failed.result() is error
    assert consumer.told == ["taken 0", "suspended"]
    assert work.took == [0]
