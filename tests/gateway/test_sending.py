"""Sending: each request learns what became of its own events, in order, and what nobody waits for is not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from streams.gateway.judging import Message
from streams.gateway.sending import ROUND_BYTES, Sender


class Gate:
    """A log that answers a round when it is opened, and refuses messages whose key says so."""

    def __init__(self) -> None:
        self.rounds: list[list[bytes]] = []
        self.came = asyncio.Event()
        self.open = asyncio.Semaphore(0)

    async def append(self, messages: Sequence[Message]) -> list[str | None]:
        """Keep the keys of a round."""
        self.rounds.append([message.key for message in messages])
        self.came.set()
        await self.open.acquire()
        return ["bad" if message.key.startswith(b"bad") else None for message in messages]


def message(key: str, size: int = 0) -> Message:
    return Message("outcome", key.encode(), bytes(size))


def told(story: Callable[[Sender, Gate], Awaitable[None]]) -> None:
    """Run a story with a sender at work."""

    async def run() -> None:
        gate = Gate()
        sender = Sender(gate)
        working = asyncio.create_task(sender.run())
        await story(sender, gate)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    asyncio.run(run())


async def start(sender: Sender, *keys: str, size: int = 0) -> asyncio.Task[list[str | None]]:
    """Begin to send, so far that it waits."""
    task = asyncio.create_task(sender.send([message(key, size) for key in keys]))
    await asyncio.sleep(0)
    return task


def test_what_comes_while_a_round_is_on_its_way_goes_with_the_next() -> None:
    """The first goes alone, the two that came meanwhile together, in their order."""

    async def story(sender: Sender, gate: Gate) -> None:
        first = await start(sender, "a")
        await gate.came.wait()
        second, third = await start(sender, "b", "c"), await start(sender, "d")
        waiting = sender.events
        gate.open.release()
        gate.open.release()
        became = [await task for task in (first, second, third)]

        assert gate.rounds == [[b"a"], [b"b", b"c", b"d"]]
        assert waiting == 4
        assert became == [[None], [None, None], [None]]
        assert sender.events == 0

    told(story)


def test_each_request_learns_of_its_own_events() -> None:
    """A refused event is told to the request that it came with, and to no other."""

    async def story(sender: Sender, gate: Gate) -> None:
        await start(sender, "first")
        await gate.came.wait()
        tasks = [await start(sender, *keys) for keys in (("a", "bad1"), ("b",), ("bad2", "c", "d"))]
        gate.open.release()
        gate.open.release()

        assert [await task for task in tasks] == [[None, "bad"], [None], ["bad", None, None]]

    told(story)


def test_what_nobody_waits_for_is_not_sent() -> None:
    """A request that gave up before its round is left out; one whose round is on its way harms nobody."""

    async def story(sender: Sender, gate: Gate) -> None:
        first = await start(sender, "a")
        await gate.came.wait()
        second, third = await start(sender, "b"), await start(sender, "c")
        first.cancel()
        second.cancel()
        await asyncio.wait({first, second})
        gate.open.release()
        gate.open.release()

        assert await third == [None]
        assert gate.rounds == [[b"a"], [b"c"]]

    told(story)


def test_a_round_is_not_larger_than_it_may_be() -> None:
    """Requests that do not fit one round take several; one that is larger than a round goes alone."""

    async def story(sender: Sender, gate: Gate) -> None:
        tasks = [await start(sender, "first")]
        await gate.came.wait()
        half = ROUND_BYTES // 2 - 1
        tasks += [await start(sender, key, size=half) for key in ("a", "b", "c")]
        tasks += [await start(sender, "large", size=2 * ROUND_BYTES), await start(sender, "last")]
        for _ in range(5):
            gate.open.release()
        await asyncio.gather(*tasks)

        assert gate.rounds == [[b"first"], [b"a", b"b"], [b"c"], [b"large"], [b"last"]]

    told(story)
