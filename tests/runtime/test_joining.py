"""A partition's join: each record is worked on once, and what is saved belongs together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.core import join
from streams.runtime import joining as module
from streams.runtime.checkpoint import TakenOver
from streams.runtime.joining import Message
from streams.runtime.packing import encode
from tests.runtime.parts import Bench, at, header, outcome, prediction, show

CITIES = tuple("abcdefgh")


def busy(bench: Bench, first: int, many: int) -> None:
    """Emit so many predictions, one an hour, each with its outcome two hours later."""
    for number in range(first, first + many):
        bench.emit(prediction(number, number, city=CITIES[number % len(CITIES)]), outcome(number, number + 2))


def test_records_that_come_again_are_passed_over() -> None:
    """Blocks that begin before the position count what is new in them, and the position never goes back."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        busy(bench, 0, 5)
        bench.read(joining)
        busy(bench, 5, 2)
        bench.read(joining, again=4)
        bench.read(joining, again=100)

        assert joining.upstream.read == 14
        assert joining.upstream.tallies()["duplicate"] == 0
        assert list(joining.positions.values()) == [7, 7, 0]

    asyncio.run(run())


def test_the_end_of_all_topics_lets_go_of_what_waits() -> None:
    """With the last end an outcome without a prediction is an orphan, and the watermark is where the events ended."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        bench.emit(prediction(1, 1), outcome(1, 2), outcome(2, 3))
        bench.end("prediction", 3)
        bench.end("outcome", 3)
        before = bench.read(joining)
        ended_before = joining.ended
        bench.end("feedback", 3)
        after = bench.read(joining)

        assert (ended_before, before) == (False, {})
        assert (joining.ended, [row["reason"] for row in after["orphans"]]) == (True, ["unmatched"])
        assert joining.upstream.tallies()["orphan"] == 1
        assert list(joining.positions.values()) == [2, 3, 1]

    asyncio.run(run())


def summary(number: int, hour: float, n: int) -> dict[str, Any]:
    """Sum up so many predictions of a minute."""
    known = {"type": "summary", "summary_id": f"s{number}", "event_time": at(hour), "model": "m", "version": "1"}
    return {**known, "n": n, "weight": float(n), "square": float(n)}


def test_summaries_of_a_service_reach_the_windows() -> None:
    """In the topic of predictions a summary adds to their count; the same one again does not, nor after a restart."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        bench.emit(prediction(1, 0), summary(1, 1, 100), summary(2, 2, 20), summary(1, 1, 100))
        bench.read(joining)
        await bench.send(await bench.save(joining))
        joining, _ = await bench.joining()
        bench.emit(summary(2, 2, 20), summary(3, 3, 5))
        bench.read(joining)
        await bench.send(await bench.save(joining))
        windowing = await bench.windowing()
        bench.merge(windowing)
        counts = [row["value"] for row in show(windowing)["windows"] if row["metric"] == "count" and not row["slice"]]

        assert counts == [126.0]
        assert [joining.upstream.tallies()[name] for name in ("summaries", "duplicate_summaries")] == [5, 2]

    asyncio.run(run())


def test_a_topic_that_ended_may_go_on() -> None:
    """Events behind an end, in the same block, are worked on, and the topic has not ended."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        for kind in bench.inputs:
            bench.end(kind, 1)
        busy(bench, 0, 3)
        bench.read(joining)

        assert not joining.ended
        assert joining.upstream.tallies()["predictions"] == 3

    asyncio.run(run())


def test_what_has_not_changed_is_not_captured() -> None:
    """A second capture at the same place is None, and so is the first one without any record."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        bench.emit(prediction(1, 1))
        bench.read(joining)

        assert [joining.capture() is None for _ in range(2)] == [False, True]

    asyncio.run(run())


def test_a_capture_has_the_offsets_of_its_moment() -> None:
    """Blocks that come between capturing and writing are in the next checkpoint, offsets and state alike."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        busy(bench, 0, 3)
        bench.read(joining)
        captured = joining.capture()
        assert captured is not None
        busy(bench, 3, 4)
        bench.read(joining)
        await joining.save(captured)
        again, _ = await bench.joining()

        assert captured.offsets == again.positions
        assert (again.upstream.read, list(again.positions.values())) == (6, [3, 3, 0])
        bench.read(again)
        assert again.upstream.tallies() == joining.upstream.tallies()

    asyncio.run(run())


def test_messages_are_numbered_without_a_gap_over_recoveries() -> None:
    """Each capture's messages follow those before, whoever made them; a capture without sums has one as well."""

    async def run() -> None:
        bench = Bench()
        numbers: list[int] = []
        for first in range(0, 30, 10):
            joining, _ = await bench.joining()
            for number in (first, first + 4):
                busy(bench, number, 4)
                bench.read(joining)
                numbers += [header(message)["number"] for message in await bench.save(joining)]
            bench.end("feedback", 1)
            bench.read(joining)
            (without,) = await bench.save(joining)
            numbers.append(header(without)["number"])
            assert header(without)["sums"] is None

        assert numbers == list(range(1, 10))

    asyncio.run(run())


def test_large_sums_go_in_parts_of_which_only_the_last_has_no_more() -> None:
    """Where a record takes little there are several messages, and all but the last say that more is to come."""

    async def run() -> None:
        bench = Bench(record_bytes=500)
        joining, _ = await bench.joining()
        busy(bench, 0, 40)
        bench.read(joining)
        messages = [header(message) for message in await bench.save(joining)]

        assert len(messages) > 2
        assert [message["more"] for message in messages] == [True] * (len(messages) - 1) + [False]

    asyncio.run(run())


def test_messages_are_sent_again_as_they_were() -> None:
    """After a recovery the outbox has those of the last capture, with the same numbers and the same bytes."""

    async def run() -> None:
        bench = Bench(record_bytes=500)
        joining, first = await bench.joining()
        sent: list[Message] = []
        for number in (0, 20):
            busy(bench, number, 20)
            bench.read(joining)
            sent = await bench.save(joining)
        _, outbox = await bench.joining()
        _, twice = await bench.joining()

        assert (first, outbox, twice) == ([], sent, sent)
        assert len(sent) > 1

    asyncio.run(run())


def test_an_overtaken_worker_may_not_send() -> None:
    """Saving after somebody else has claimed the partition raises, so that its messages stay unsent."""

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        busy(bench, 0, 3)
        bench.read(joining)
        captured = joining.capture()
        assert captured is not None
        await bench.joining()
        with pytest.raises(TakenOver):
            await joining.save(captured)

    asyncio.run(run())


def test_accounts_of_a_later_owner_stand() -> None:
    """The revision of a partition's accounts is higher after each capture, and after each claim."""

    async def run() -> None:
        bench = Bench()
        revisions = []
        for first in range(0, 9, 3):
            joining, _ = await bench.joining()
            busy(bench, first, 3)
            bench.read(joining)
            joining.capture()  # not saved: the next owner counts its captures from before
            revisions += [row["revision"] for row in joining.accounts().to_pylist()]

        assert revisions == sorted(set(revisions))

    asyncio.run(run())


@pytest.mark.parametrize("seldom", [1, 7])
def test_a_worker_that_is_replaced_all_the_time_joins_as_one_that_is_not(
    seldom: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovered after every few captures, with sweeps and bases between, it counts and holds the same."""
    monkeypatch.setattr(module, "_SMALL", 3_000)
    monkeypatch.setattr(module, "_COUNTED_ROWS", 1)
    monkeypatch.setattr(join, "_NOT_WAITED_FOR", 8)

    async def run() -> None:
        bench, straight = Bench(), Bench()
        joining, _ = await bench.joining()
        undisturbed, _ = await straight.joining()
        for number in range(60):
            for each in (bench, straight):
                busy(each, 3 * number, 3)
                each.emit(outcome(10_000 + number, 3 * number))
            assert bench.read(joining).get("orphans") == straight.read(undisturbed).get("orphans")
            await bench.save(joining)
            if number % seldom == 0:
                joining, _ = await bench.joining()

        assert joining.upstream.sweeps > 3
        assert joining.upstream.counts() == undisturbed.upstream.counts()
        assert joining.upstream.held() == undisturbed.upstream.held()

    asyncio.run(run())


@pytest.mark.parametrize("counted", [1, 1_000])
def test_what_a_recovery_reads_stays_in_proportion(counted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the state is bounded, so are the segments that the manifest names, after however many captures."""
    monkeypatch.setattr(module, "_SMALL", 20_000)
    monkeypatch.setattr(module, "_COUNTED_ROWS", counted)
    monkeypatch.setattr(join, "_NOT_WAITED_FOR", 8)

    async def run() -> None:
        bench = Bench()
        joining, _ = await bench.joining()
        sizes = []
        for number in range(250):
            for each in range(20):
                bench.emit(prediction(20 * number + each, number / 10), outcome(20 * number + each, number / 10 + 0.5))
            bench.read(joining)
            await bench.save(joining)
            sizes.append((joining.size, len(encode(joining.upstream.rows()))))
        named, state = sizes[-1]

        assert max(held for _, held in sizes) < 2 * state
        assert max(size for size, _ in sizes) < 3 * max(held for _, held in sizes) + 20_000
        assert named < 3 * state + 20_000
        assert sum(map(len, bench.log.checkpoints().values())) < 4 * state + 2 * 20_000

    asyncio.run(run())
