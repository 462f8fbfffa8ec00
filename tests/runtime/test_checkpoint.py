"""Checkpoints in a log: the newest epoch's manifest is read, and what it names is there for as long as it stands."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest

from streams.errors import StateCorrupt
from streams.runtime.checkpoint import Checkpoints, TakenOver, claim
from streams.runtime.kafka import KafkaUnavailable
from streams.runtime.topics import CHECKPOINTS, CLAIMS
from tests.runtime.memory import MemoryLog

PRINT = 7


async def take_over(log: MemoryLog, role: str = "join", fingerprint: int = PRINT) -> tuple[Checkpoints, Any]:
    """Claim partition 0 and recover; returns the checkpoints, and what was found."""
    checkpoints = Checkpoints(role, await claim(log, 0, "a worker"), fingerprint)
    return checkpoints, await checkpoints.recover(await log.read(CHECKPOINTS, 0))


async def write(checkpoints: Checkpoints, name: str, data: bytes, *kept: str) -> str:
    """Write one blob and a manifest with the blob's name as its state; returns the blob's key."""
    key = checkpoints.key(name)
    await checkpoints.write({key: data}, kept, name)
    return key


def test_claims_count_from_one_and_the_last_one_holds() -> None:
    """Each claim has the next epoch; of two only the later one passes the check, and the message says who followed."""

    async def run() -> None:
        log = MemoryLog()
        first, second = await claim(log, 0, "one"), await claim(log, 0, "two")
        elsewhere = await claim(log, 1, "one")

        assert (first.epoch, second.epoch, elsewhere.epoch) == (1, 2, 1)
        await second.check()
        await elsewhere.check()
        with pytest.raises(TakenOver, match="partition 0 is no longer ours: epoch 1 was followed by 2"):
            await first.check()
        assert [value for _, value, _ in log.kafka.records[CLAIMS, 0]] == [b"one", b"two"]

    asyncio.run(run())


def test_nothing_is_recovered_where_nothing_was_written() -> None:
    """The first owner finds nothing, and so does the second if the first wrote nothing but its first manifest."""

    async def run() -> None:
        log = MemoryLog()

        assert [(await take_over(log))[1], (await take_over(log))[1]] == [None, None]

    asyncio.run(run())


def test_the_newest_state_is_recovered_with_what_it_names() -> None:
    """The state of the last write, with the blobs written with it and those it kept, and no others."""

    async def run() -> None:
        log = MemoryLog()
        first, _ = await take_over(log)
        old = await write(first, "old", b"1")
        kept = await write(first, "kept", b"22", old)
        new = await write(first, "new", b"333", kept)
        _, found = await take_over(log)

        assert found == ("new", {kept: b"22", new: b"333"})

    asyncio.run(run())


def test_roles_know_nothing_of_each_other() -> None:
    """Two kinds of work on one partition have a state each."""

    async def run() -> None:
        log = MemoryLog()
        claimed = await claim(log, 0, "a worker")
        roles = [Checkpoints(role, claimed, PRINT) for role in ("join", "window")]
        for role in roles:
            await role.recover(await log.read(CHECKPOINTS, 0))
            await write(role, role.role, b"x")

        assert [(await take_over(log, role.role))[1][0] for role in roles] == ["join", "window"]

    asyncio.run(run())


def test_the_manifest_of_an_epoch_before_is_never_read_again() -> None:
    """A worker thought dead writes after another took over: it is told so, and the third finds the second's state."""

    async def run() -> None:
        log = MemoryLog()
        zombie, _ = await take_over(log)
        await write(zombie, "before", b"1")
        second, found = await take_over(log)
        with pytest.raises(TakenOver):
            await write(zombie, "late", b"2")
        _, third = await take_over(log)

        assert found[0] == third[0] == "before"
        assert second.claim.epoch == 2

    asyncio.run(run())


def test_a_manifest_that_comes_between_claim_and_reading_is_taken_over() -> None:
    """What stands before the later owner reads is part of what it reads, though its writer is told to stop."""

    async def run() -> None:
        log = MemoryLog()
        first, _ = await take_over(log)
        await write(first, "before", b"1")
        claimed = await claim(log, 0, "another")
        with pytest.raises(TakenOver):
            await write(first, "between", b"2")
        found = await Checkpoints("join", claimed, PRINT).recover(await log.read(CHECKPOINTS, 0))

        assert found == ("between", {first.key("between"): b"2"})

    asyncio.run(run())


def test_what_a_later_owner_wrote_stands_over_what_a_zombie_writes() -> None:
    """Even with the zombie's manifest behind it in the log, and its tombstones too."""

    async def run() -> None:
        log = MemoryLog()
        zombie, _ = await take_over(log)
        first = await write(zombie, "first", b"1")
        await write(zombie, "second", b"2")
        owner, _ = await take_over(log)
        mine = await write(owner, "mine", b"3", zombie.key("second"))
        for name in ("late", "later"):
            with pytest.raises(TakenOver):
                await write(zombie, name, b"4")
        _, found = await take_over(log)

        assert found == ("mine", {zombie.key("second"): b"2", mine: b"3"})
        assert f"{first}/0".encode() not in log.checkpoints()

    asyncio.run(run())


def test_a_recovery_that_is_overtaken_says_so() -> None:
    """Somebody claims between a worker's claim and its first manifest: it does not begin."""

    async def run() -> None:
        log = MemoryLog()
        checkpoints = Checkpoints("join", await claim(log, 0, "slow"), PRINT)
        await claim(log, 0, "fast")
        with pytest.raises(TakenOver):
            await checkpoints.recover({})

    asyncio.run(run())


def test_what_is_superseded_is_deleted_once_its_successor_stands() -> None:
    """A blob that the newest manifest does not name is there until the manifest after that is written."""

    async def run() -> None:
        log = MemoryLog()
        checkpoints, _ = await take_over(log)
        old = f"{await write(checkpoints, 'old', b'1')}/0".encode()
        await write(checkpoints, "new", b"2")
        once = old in log.checkpoints()
        await write(checkpoints, "newer", b"3")

        assert (once, old in log.checkpoints()) == (True, False)

    asyncio.run(run())


@pytest.mark.parametrize("taken", range(6))
def test_an_append_that_ends_anywhere_leaves_a_whole_state(taken: int) -> None:
    """After any number of an append's records the state is the one before it or the new one, with all its blobs."""

    async def run() -> None:
        log = MemoryLog(record_bytes=2)
        checkpoints, _ = await take_over(log)
        await write(checkpoints, "oldest", b"000")
        before = await write(checkpoints, "before", b"111")
        log.left = taken
        with pytest.raises(KafkaUnavailable) if taken < 5 else nullcontext():
            await write(checkpoints, "after", b"222")
        log.left = None
        _, found = await take_over(log)

        assert found == (("before", {before: b"111"}) if taken < 5 else ("after", {checkpoints.key("after"): b"222"}))

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 1_000])
def test_large_blobs_are_cut_and_joined(size: int) -> None:
    """A blob of any size comes back as it was, from records that are no larger than the log takes."""

    async def run() -> None:
        log = MemoryLog(record_bytes=10)
        checkpoints, _ = await take_over(log)
        data = bytes(number % 251 for number in range(size))
        key = await write(checkpoints, "blob", data)
        parts = [len(value) for at, value in log.checkpoints().items() if at.startswith(f"{key}/".encode())]
        _, found = await take_over(log)

        assert found == ("blob", {key: data})
        assert sum(parts) == size
        assert all(part <= 10 for part in parts)

    asyncio.run(run())


def test_a_part_that_is_missing_is_named() -> None:
    """A state without one of its records is not restored."""

    async def run() -> None:
        log = MemoryLog(record_bytes=10)
        checkpoints, _ = await take_over(log)
        key = await write(checkpoints, "blob", b"x" * 25)
        await log.append(CHECKPOINTS, 0, [(f"{key}/1".encode(), None)])
        with pytest.raises(StateCorrupt, match=rf"{key}/1, which the manifest of partition 0 names, is gone"):
            await take_over(log)

    asyncio.run(run())


def test_a_damaged_manifest_is_named() -> None:
    """One wrong byte is noticed."""

    async def run() -> None:
        log = MemoryLog()
        checkpoints, _ = await take_over(log)
        await write(checkpoints, "blob", b"1")
        key = checkpoints.key("manifest").encode()
        data = log.checkpoints()[key]
        await log.append(CHECKPOINTS, 0, [(key, data[:-1] + bytes([data[-1] ^ 1]))])
        with pytest.raises(StateCorrupt, match=f"manifest {key.decode()} of .* is damaged"):
            await take_over(log)

    asyncio.run(run())


def test_another_configuration_is_refused_with_advice() -> None:
    """And nothing is written over what the other configuration left."""

    async def run() -> None:
        log = MemoryLog()
        checkpoints, _ = await take_over(log)
        await write(checkpoints, "blob", b"1")
        before = log.checkpoints()
        with pytest.raises(StateCorrupt, match="another configuration; change it back, or stop all workers, delete"):
            await take_over(log, fingerprint=PRINT + 1)

        assert log.checkpoints() == before
        assert (await take_over(log))[1] == ("blob", {checkpoints.key("blob"): b"1"})

    asyncio.run(run())


def test_what_stays_in_the_log_is_what_the_last_two_manifests_name() -> None:
    """However many states are written and taken over, compaction leaves a few records."""

    async def run() -> None:
        log = MemoryLog(record_bytes=10)
        for _ in range(5):
            checkpoints, _ = await take_over(log)
            for number in range(20):
                await write(checkpoints, f"blob {number}", b"x" * 45)
            assert len(log.checkpoints()) <= 2 * 5 + 2

    asyncio.run(run())
