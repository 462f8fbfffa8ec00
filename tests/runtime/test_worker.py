"""What a worker does in which order: rows are stored before anything says that they are, and sent sums are saved."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from streams.pipeline import Rows
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.part import Part
from streams.runtime.topics import ALERTS, SUMMARIES, VERDICTS
from streams.runtime.windowing import Windowing
from streams.sinks.clickhouse.rows import TableName
from tests.runtime.held import Held
from tests.runtime.parts import outcome, prediction
from tests.simulation.outside import virtual_loop
from tests.sinks.filled import records

TOPICS: dict[TableName, str] = {"verdicts": VERDICTS, "alerts": ALERTS}
"""Tables whose rows are announced, with their topics."""

told = pytest.mark.parametrize(
    ("table", "fields"), [("verdicts", ("metric", "verdict")), ("alerts", ("dedup_key", "title"))], ids=list(TOPICS)
)
"""Both tables, with fields that tell rows apart."""


async def holding() -> Held:
    """Return a worker that holds partition 0 and has read one prediction with its outcome."""
    held = Held()
    await held.worker.assigned(frozenset({0}))
    held.bench.emit(prediction(1, 1), outcome(1, 2))
    await held.deliver()
    return held


def blobs(held: Held, role: str) -> list[bytes]:
    """Keys of the state that was saved of a role, without the manifests."""
    return [key for key in held.bench.log.checkpoints() if key.startswith(role.encode()) and b"manifest" not in key]


class Telling(Windowing):
    """Windows that come with three rows of a table, of verdicts or of alerts, whenever anything has changed."""

    def __init__(self, part: Part, table: TableName) -> None:
        super().__init__(part.windowing.config, 0, 1, part.windowing.checkpoints)
        self._table = table

    def tell(self) -> Rows:
        anything = self._untold
        yield from super().tell()
        if anything:
            yield self._table, records()[self._table]


def tell(held: Held, table: TableName) -> None:
    """Have a worker tell verdicts or alerts, which has merged nothing yet."""
    held.worker.parts[0].windowing = Telling(held.worker.parts[0], table)


async def telling(table: TableName) -> Held:
    """Return a worker that holds partition 0, and has sums whose verdicts or alerts it has not shown."""
    held = await holding()
    tell(held, table)
    await held.worker.tick()
    await held.deliver()
    held.seconds += 60.0  # windows are not shown again at once
    return held


def announced(held: Held, table: TableName) -> list[dict[str, Any]]:
    """Return the messages of the topic of verdicts or alerts."""
    log = held.bench.log.kafka
    return [json.loads(value or b"") for value in log.fetch(TOPICS[table], 0, 0, 1_000).values]


async def turns() -> None:
    """Let everything go on until it waits for something."""
    for _ in range(100):
        await asyncio.sleep(0)


def test_a_tick_saves_sends_and_commits() -> None:
    """In one go: rows are stored, the checkpoint stands, the summary is sent, the group knows the offsets."""

    async def run() -> None:
        held = await holding()
        await held.worker.tick()

        assert len(held.shelf.tables.rows["intake"]) == 1
        assert blobs(held, "join")
        assert held.bench.log.kafka.end(SUMMARIES, 0) == 1
        assert sorted(held.committed.values()) == [0, 1, 1]

    asyncio.run(run())


def test_nothing_is_saved_or_sent_before_the_rows_are_stored() -> None:
    """While the store is away there is no checkpoint, no summary and no commit; they come when it is back."""

    async def run() -> None:
        held = await holding()
        held.shelf.away = True
        ticking = asyncio.create_task(held.worker.tick())
        await turns()
        meanwhile = (blobs(held, "join"), held.bench.log.kafka.end(SUMMARIES, 0), dict(held.committed))
        held.shelf.away = False
        await ticking

        assert meanwhile == ([], 0, {})
        assert blobs(held, "join")

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        runner.run(run())


def test_sums_are_not_saved_before_what_was_shown_is_stored() -> None:
    """Windows that the store has not taken are shown again by the next owner, since the sums say nothing of them."""

    async def run() -> None:
        held = await holding()
        await held.worker.tick()
        await held.deliver()
        held.shelf.away = True
        letting_go = asyncio.create_task(held.worker.revoked(frozenset({0})))
        await turns()
        meanwhile = blobs(held, "window")
        held.shelf.away = False
        await letting_go

        assert meanwhile == []
        assert len(blobs(held, "window")) == 1
        assert held.shelf.tables.rows["windows"]

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        runner.run(run())


def test_an_append_that_is_not_confirmed_ends_the_tick() -> None:
    """Nothing follows from it: nothing is sent or committed."""

    async def run() -> None:
        held = await holding()
        held.bench.log.left = 0
        with pytest.raises(KafkaUnavailable):
            await held.worker.tick()

        assert held.committed == {}
        assert held.bench.log.kafka.end(SUMMARIES, 0) == 0

    asyncio.run(run())


@told
def test_findings_are_stored_and_announced(table: TableName, fields: tuple[str, str]) -> None:
    """Every row of the table is a message of its topic, once and in order; what is only stored elsewhere is none."""

    async def run() -> None:
        held = await telling(table)
        await held.worker.tick()
        await held.worker.tick()
        stored = held.shelf.tables.rows[table]

        assert stored == records()[table].to_pylist()
        assert [[said[name] for name in fields] for said in announced(held, table)] == [
            [row[name] for name in fields] for row in stored
        ]
        assert sum(len(announced(held, other)) for other in TOPICS) == len(stored) == 3

    asyncio.run(run())


@told
def test_findings_are_announced_after_the_store_has_them_and_before_the_sums_are_saved(
    table: TableName, fields: tuple[str, str]
) -> None:
    """While the store is away nothing is announced; while the topic is, the sums are not saved as shown."""

    async def run() -> None:
        held = await telling(table)
        held.shelf.away = True
        letting_go = asyncio.create_task(held.worker.revoked(frozenset({0})))
        await turns()
        meanwhile = announced(held, table)
        held.bench.log.left = 1  # of three messages
        held.shelf.away = False
        with pytest.raises(KafkaUnavailable):
            await letting_go

        assert meanwhile == []
        assert [said[fields[0]] for said in announced(held, table)] == [records()[table][fields[0]][0].as_py()]
        assert len(held.shelf.tables.rows[table]) == 3
        assert blobs(held, "window") == []

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("table", TOPICS)
def test_findings_wait_for_no_windows(table: TableName) -> None:
    """They are announced in a tick in which windows are not shown, since showing them took long not long ago."""

    async def run() -> None:
        held = await telling(table)
        held.worker.parts[0].show_at = held.seconds + 1e6
        await held.worker.tick()

        assert len(announced(held, table)) == len(records()[table])
        assert "windows" not in held.shelf.tables.rows

    asyncio.run(run())


@told
@pytest.mark.parametrize("confirmed", [1, 3], ids=["some were announced", "all were announced"])
def test_findings_are_announced_again_by_the_next_owner(
    table: TableName, fields: tuple[str, str], confirmed: int
) -> None:
    """Who takes over sums that were not saved as shown announces all of their findings, with the same fields."""

    async def run() -> None:
        held = await telling(table)
        held.bench.log.left = confirmed
        with pytest.raises(KafkaUnavailable):
            await held.worker.revoked(frozenset({0}))
        before = announced(held, table)
        held.bench.log.left = None
        successor = Held(held.bench)
        await successor.worker.assigned(frozenset({0}))
        tell(successor, table)
        await successor.deliver()
        await successor.worker.tick()
        again = announced(held, table)[confirmed:]

        assert len(before) == confirmed
        assert len(again) == 3
        assert again[:confirmed] == before
        assert all(name in said for said in again for name in fields)

    asyncio.run(run())
