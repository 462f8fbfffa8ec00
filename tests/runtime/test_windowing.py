"""The windows of a partition of the summaries: each message counts once, and rows of a later owner stand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.errors import StateCorrupt
from streams.runtime import windowing as module
from streams.runtime.joining import Message
from streams.runtime.packing import encode
from streams.runtime.windowing import Windowing
from tests.runtime.parts import Bench, at, header, outcome, prediction, show


async def messages_of(bench: Bench, captures: int = 3) -> list[Message]:
    """Messages of a join that is saved after each day of three predictions that were right; the last is the end."""
    joining, _ = await bench.joining()
    messages: list[Message] = []
    bench.end("feedback", 0)
    for day in range(captures):
        for number in range(3):
            hour = 24 * day + number
            bench.emit(prediction(hour, hour, city="abc"[number]), outcome(hour, hour + 1))
        bench.read(joining)
        messages += await bench.save(joining)
    bench.end("prediction", 24 * captures + 6)
    bench.end("outcome", 24 * captures + 6)
    bench.read(joining)
    return messages + await bench.save(joining)


def altered(message: Message, **changes: Any) -> Message:
    return Message(message.shard, encode(header(message) | changes))


def counts(tables: dict[str, list[dict[str, Any]]]) -> list[float]:
    """Counts of the whole's windows, in the order of time."""
    rows = [row for row in tables.get("windows", []) if not row["slice"] and row["metric"] == "count"]
    return [row["value"] for row in sorted(rows, key=lambda row: row["window_start"])]


async def merged(*messages: Message) -> Windowing:
    bench = Bench()
    windowing = await bench.windowing()
    await bench.send(messages)
    bench.merge(windowing)
    return windowing


def test_a_message_that_comes_twice_counts_once() -> None:
    """At once, or after others; only its number tells."""

    async def run() -> None:
        first, second, third, end = await messages_of(Bench())
        windowing = await merged(first, first, second, first, third, second, end)

        assert counts(show(windowing)) == [3, 3, 3]
        assert windowing.position == 7

    asyncio.run(run())


def test_a_missing_message_is_an_error_with_advice() -> None:
    """A number that does not follow ends the worker: sums would be missing for ever."""

    async def run() -> None:
        first, _, third, _ = await messages_of(Bench())
        with pytest.raises(StateCorrupt, match=r"summary 3 of input partition 0 follows 1 in partition 0.*stop all"):
            await merged(first, third)

    asyncio.run(run())


def test_a_message_of_another_configuration_is_an_error() -> None:
    """Its sums would mean something else."""

    async def run() -> None:
        first, *_ = await messages_of(Bench())
        with pytest.raises(StateCorrupt, match="another configuration"):
            await merged(altered(first, fingerprint=1))

    asyncio.run(run())


def test_a_damaged_message_is_named_by_its_offset() -> None:
    """One wrong byte is noticed."""

    async def run() -> None:
        first, second, *_ = await messages_of(Bench())
        damaged = Message(0, second.data[:-1] + bytes([second.data[-1] ^ 1]))
        with pytest.raises(StateCorrupt, match=r"summary at offset 1 of .* is damaged"):
            await merged(first, damaged)

    asyncio.run(run())


def test_messages_that_were_read_are_passed_over() -> None:
    """Blocks that begin before the position merge what is new in them."""

    async def run() -> None:
        bench = Bench()
        messages = await messages_of(bench)
        windowing = await bench.windowing()
        for message in messages:
            await bench.send([message])
            bench.merge(windowing, again=2)

        assert counts(show(windowing)) == [3, 3, 3]
        assert windowing.position == len(messages)

    asyncio.run(run())


def test_the_watermark_moves_with_the_last_of_several_parts() -> None:
    """Before that sums are missing that may be older than the watermark says; and so it is with the end."""

    async def run() -> None:
        small = Bench(record_bytes=100)
        messages = await messages_of(small, captures=1)
        more = [header(message)["more"] for message in messages]
        ends = [header(message)["ended"] for message in messages]
        bench = Bench()
        windowing = await bench.windowing()
        marks = []
        for message in messages:
            await bench.send([message])
            bench.merge(windowing)
            marks.append(windowing.watermarks.value())
        many = more.index(False)

        assert many > 1
        assert len(set(marks[:many])) == 1
        assert marks[many] > marks[many - 1]
        assert (ends[-1], marks[-1]) == (True, at(30))

    asyncio.run(run())


def test_what_did_not_change_is_not_shown_again() -> None:
    """A second show gives nothing, and so does one after a message that was there before."""

    async def run() -> None:
        bench = Bench()
        first, *_ = await messages_of(Bench())
        windowing = await bench.windowing()
        await bench.send([first])
        bench.merge(windowing)
        shown = show(windowing)
        await bench.send([first])
        bench.merge(windowing)

        assert (counts(shown), show(windowing)) == ([3], {})

    asyncio.run(run())


def test_rows_of_a_later_owner_stand_over_those_of_an_earlier_one() -> None:
    """Each show has a higher revision, and each claim a higher one than all shows before: however many there were."""

    async def run() -> None:
        bench, revisions = Bench(), []
        messages = await messages_of(Bench())
        for owner in range(3):
            windowing = await bench.windowing()
            for message in messages[: 3 - owner]:
                await bench.send([message])
                bench.merge(windowing)
                revisions += sorted({row["revision"] for row in show(windowing).get("windows", [])})
            bench.log.kafka.records.pop(("summaries", 0), None)

        assert len(revisions) > 3
        assert revisions == sorted(set(revisions))

    asyncio.run(run())


def test_what_was_saved_goes_on_and_is_shown_again() -> None:
    """The next owner begins behind what was merged, counts the same, and shows all that it may not have stored."""

    async def run() -> None:
        bench = Bench()
        messages = await messages_of(Bench())
        windowing = await bench.windowing()
        await bench.send(messages[:2])
        bench.merge(windowing)
        show(windowing)
        captured = windowing.capture(whole=True)
        assert captured is not None
        await windowing.save(captured)
        again = await bench.windowing()
        await bench.send(messages[2:])
        bench.merge(again, again=2)

        assert again.size == windowing.size > 0
        assert again.position == 4
        assert counts(show(again))[-1] == 3
        assert sum(counts(show(await merged(*messages)))) == 9

    asyncio.run(run())


def test_sums_are_saved_as_they_were_shown() -> None:
    """Nothing is captured while something is merged that was not shown, nor when nothing was merged."""

    async def run() -> None:
        bench = Bench()
        windowing = await bench.windowing()
        await bench.send(await messages_of(Bench()))
        empty = windowing.capture(whole=True)
        bench.merge(windowing)
        unseen = windowing.capture(whole=True)
        show(windowing)

        assert (empty, unseen) == (None, None)
        assert windowing.capture(whole=True) is not None
        assert windowing.capture(whole=True) is None

    asyncio.run(run())


def test_sums_are_saved_when_enough_was_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones after so many messages, large ones after half as many bytes as they have."""

    async def run() -> None:
        bench = Bench()
        messages = await messages_of(Bench())
        windowing = await bench.windowing()
        await bench.send(messages)
        bench.merge(windowing)
        show(windowing)
        too_little = windowing.capture()
        monkeypatch.setattr(module, "_MOST_MERGED", len(messages))

        assert too_little is None
        assert windowing.capture() is not None

    asyncio.run(run())


def test_windows_are_settled_when_the_end_was_shown() -> None:
    """Not before the end has come, and not before it was shown."""

    async def run() -> None:
        *before, end = await messages_of(Bench())
        bench = Bench()
        windowing = await bench.windowing()
        settled = [windowing.settled()]
        for message in (*before, end):
            await bench.send([message])
            bench.merge(windowing)
            settled.append(windowing.settled())
        show(windowing)

        assert (settled, windowing.settled()) == ([False] * 5, True)

    asyncio.run(run())


def test_every_window_is_final_at_the_end() -> None:
    """When every input has ended no row can change any more."""

    async def run() -> None:
        tables = show(await merged(*await messages_of(Bench())))

        assert all(row["is_final"] for row in tables["windows"])
        assert len(counts(tables)) == 3

    asyncio.run(run())
