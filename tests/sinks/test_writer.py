"""Rows on their way to a store that comes and goes: none is lost, and none is said to be stored that is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pyarrow as pa
import pytest

from streams.errors import StoreError, StoreUnavailable, StreamsError
from streams.sinks.clickhouse.rows import SCHEMAS, TableName
from streams.sinks.writer import Writer
from tests.simulation.outside import virtual_loop


def rows(*partitions: int, revision: int = 0) -> pa.Table:
    """Rows of the accounts, one for each partition."""
    schema = SCHEMAS["intake"]
    filled: dict[str, Any] = {"partition": partitions, "revision": [revision] * len(partitions)}
    filled["counts"] = [{"read": 1}] * len(partitions)
    columns = {field.name: filled.get(field.name, [None] * len(partitions)) for field in schema}
    return pa.table(columns, schema=schema)


class Shelf:
    """A store in memory; `errors` are what its next inserts end with (None: they do not), before or after storing."""

    def __init__(self) -> None:
        self.inserts: list[list[tuple[int, int]]] = []
        self.errors: list[StreamsError | None] = []
        self.lose_answers = False

    def insert(self, table: TableName, batch: pa.Table) -> None:
        assert table == "intake"
        error = self.errors.pop(0) if self.errors else None
        if error is None or self.lose_answers:
            self.inserts.append([(row["partition"], row["revision"]) for row in batch.to_pylist()])
        if error is not None:
            raise error

    @property
    def stored(self) -> list[tuple[int, int]]:
        return [row for rows in self.inserts for row in rows]


class Gate:
    """Makes calls in the loop once it is open."""

    def __init__(self) -> None:
        self.open, self.asked = asyncio.Event(), asyncio.Event()

    async def run(self, call: Callable[[], None]) -> None:
        self.asked.set()
        await self.open.wait()
        call()


async def at_once(call: Callable[[], None]) -> None:
    call()


def story(told: Callable[[Shelf], Coroutine[Any, Any, None]]) -> None:
    """Run a story in virtual time: pauses between inserts cost none."""
    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        runner.run(told(Shelf()))


def away(times: int) -> list[StreamsError | None]:
    return [StoreUnavailable("away") for _ in range(times)]


def test_rows_are_stored_when_flush_returns() -> None:
    """Everything that was added before, in one insert, and nothing twice."""

    async def told(shelf: Shelf) -> None:
        writer = Writer(shelf, run=at_once)
        writer.add("intake", rows(1, 2))
        writer.add("intake", rows(3))
        waiting = writer.gathered
        await writer.flush()
        await writer.flush()

        assert shelf.stored == [(1, 0), (2, 0), (3, 0)]
        assert (waiting > 0, writer.gathered, writer.state.stored) == (True, 0, 3)

    story(told)


@pytest.mark.parametrize("lost", [False, True])
def test_rows_survive_an_outage(lost: bool) -> None:
    """A flush lasts as long as the store is away; where answers were lost, rows come again, but none is missing."""

    async def told(shelf: Shelf) -> None:
        shelf.errors, shelf.lose_answers = away(20), lost
        writer = Writer(shelf, run=at_once)
        writer.add("intake", rows(1, 2))
        await writer.flush()

        assert set(shelf.stored) == {(1, 0), (2, 0)}
        assert (shelf.errors, writer.state.away_since, writer.state.stored) == ([], None, 2)

    story(told)


def test_it_is_known_since_when_the_store_is_away() -> None:
    """From the first failure until an insert succeeds."""

    async def told(shelf: Shelf) -> None:
        calls: list[float | None] = []

        async def look(call: Callable[[], None]) -> None:
            calls.append(writer.state.away_since)
            call()

        shelf.errors = away(2)
        writer = Writer(shelf, run=look)
        writer.add("intake", rows(1))
        await writer.flush()

        assert calls[0] is None
        assert calls[1] == calls[2] is not None
        assert writer.state.away_since is None

    story(told)


def test_room_waits_when_it_is_full_and_returns_when_that_is_stored() -> None:
    """Below the limit it returns at once, and nothing is inserted; at the limit not before the rows are stored."""

    async def told(shelf: Shelf) -> None:
        gate = Gate()
        writer = Writer(shelf, max_bytes=2 * rows(1).nbytes, run=gate.run)
        writer.add("intake", rows(1))
        await writer.room()
        asked_early = gate.asked.is_set()
        writer.add("intake", rows(2))
        waiting = asyncio.create_task(writer.room())
        await gate.asked.wait()
        early = waiting.done()
        gate.open.set()
        await waiting

        assert (asked_early, early, shelf.stored) == (False, False, [(1, 0), (2, 0)])

    story(told)


def test_rows_gather_while_others_are_on_their_way() -> None:
    """What is added during an insert goes with the next one; only then does its flush return."""

    async def told(shelf: Shelf) -> None:
        gate = Gate()
        writer = Writer(shelf, run=gate.run)
        writer.add("intake", rows(1))
        first = asyncio.create_task(writer.flush())
        await gate.asked.wait()
        writer.add("intake", rows(2))
        second = asyncio.create_task(writer.flush())
        gate.open.set()
        await asyncio.gather(first, second)

        assert shelf.inserts == [[(1, 0)], [(2, 0)]]

    story(told)


@pytest.mark.parametrize("wait", [Writer.flush, Writer.room])
def test_who_no_longer_waits_loses_nothing(wait: Callable[[Writer], Awaitable[None]]) -> None:
    """A waiter that is cancelled in the middle of an insert leaves the rows on their way."""

    async def told(shelf: Shelf) -> None:
        gate = Gate()
        writer = Writer(shelf, max_bytes=1, run=gate.run)
        writer.add("intake", rows(1))
        waiting = asyncio.ensure_future(wait(writer))
        await gate.asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.open.set()
        writer.add("intake", rows(2))
        await writer.flush()

        assert shelf.stored == [(1, 0), (2, 0)]

    story(told)


def test_rows_of_one_key_are_stored_in_the_order_in_which_they_came() -> None:
    """Through outages and any number of flushes at once: the newest revision is stored last."""

    async def told(shelf: Shelf) -> None:
        writer = Writer(shelf, run=at_once)
        flushes = []
        for revision in range(30):
            shelf.errors += [*away(revision % 3), None]
            writer.add("intake", rows(7, revision=revision))
            flushes.append(asyncio.create_task(writer.flush()))
            await asyncio.sleep(0.1 * (revision % 4))
        await asyncio.gather(*flushes)

        assert shelf.stored == [(7, revision) for revision in range(30)]

    story(told)


def test_a_refusal_that_waiting_does_not_mend_ends_the_flush() -> None:
    """The error of the store is raised to who waits, after as many tries as one."""

    async def told(shelf: Shelf) -> None:
        shelf.errors = [StoreError("no such table")]
        writer = Writer(shelf, run=at_once)
        writer.add("intake", rows(1))
        with pytest.raises(StoreError, match="no such table"):
            await writer.flush()

        assert shelf.stored == []

    story(told)


def test_after_a_refusal_nobody_is_told_that_the_rows_are_stored() -> None:
    """Who flushes with it, or after it, is told as well: a checkpoint behind these rows must not be written."""

    async def told(shelf: Shelf) -> None:
        shelf.errors = [StoreError("no such table"), StoreError("no such table")]
        gate = Gate()
        writer = Writer(shelf, run=gate.run)
        writer.add("intake", rows(1, 2))
        both = [asyncio.create_task(writer.flush()) for _ in range(2)]
        await gate.asked.wait()
        gate.open.set()
        ends = await asyncio.gather(*both, return_exceptions=True)

        assert [type(end) for end in ends] == [StoreError, StoreError]

    story(told)
