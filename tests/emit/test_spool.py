"""The spool: one process a journal, what ended processes left is adopted, and it is never larger than it may be."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.emit import Outcome, Spool
from streams.emit.packing import Packed, pack, unpack
from streams.emit.spool import LEAST_BYTES, OpenSpool, check
from streams.errors import UsageError


def packed(name: str, size: int = 0) -> Packed:
    found = pack(Outcome(request_id=name, event_time=1, label="x" * size))
    assert isinstance(found, Packed)
    return found


def opened(directory: Path, max_bytes: int = LEAST_BYTES) -> OpenSpool:
    spool = OpenSpool(Spool(directory, max_bytes))
    spool.adopt()
    return spool


def names(events: list[Packed]) -> list[str]:
    return [str(getattr(unpack(event), "request_id", None)) for event in events]


def drain(spool: OpenSpool) -> list[str]:
    """Take and settle everything; returns the names."""
    found: list[str] = []
    while (taken := spool.take()) is not None:
        found += names(taken.events)
        spool.settle(taken)
    return found


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*.events"))


def test_what_a_process_left_is_delivered_by_the_next_one_first(tmp_path: Path) -> None:
    """Two that ended and one that runs: the oldest events come first, and journals that are empty are removed."""
    for name in ("a", "b"):
        left = opened(tmp_path)
        left.append([packed(name)])
        left.forget()  # as the end of a process closes its files
    spool = opened(tmp_path)
    spool.append([packed("c")])
    found = drain(spool)
    spool.close()

    assert (spool.inherited, found) == (2, ["a", "b", "c"])
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_processes_never_share_a_journal(tmp_path: Path) -> None:
    """While its owner lives nobody adopts a journal; each sees its own events only."""
    first, second = opened(tmp_path), opened(tmp_path)
    first.append([packed("a")])
    second.append([packed("b")])
    first.adopt()
    second.adopt()

    assert (first.inherited, second.inherited) == (0, 0)
    assert (drain(first), drain(second)) == (["a"], ["b"])


def test_an_adopted_journal_is_adopted_again_if_its_finder_ends(tmp_path: Path) -> None:
    """What the finder had delivered is not sent again by the next one, and nothing is left out."""
    left = opened(tmp_path)
    left.append([packed(str(number)) for number in range(5_000)])
    left.forget()
    finder = opened(tmp_path)
    first = finder.take()
    assert first is not None
    finder.settle(first)
    finder.forget()
    spool = opened(tmp_path)

    assert names(first.events) + drain(spool) == [str(number) for number in range(5_000)]


def test_closing_leaves_what_waits(tmp_path: Path) -> None:
    """A journal with events stays for the next process, which finds those that were not settled."""
    spool = opened(tmp_path)
    spool.append([packed("a")])
    taken = spool.take()
    spool.append([packed("b")])
    spool.close()

    assert taken is not None
    assert drain(opened(tmp_path)) == ["a", "b"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1_000, 1_000_000), min_size=8, max_size=40), st.integers(0, 3))
def test_a_spool_is_never_larger_than_it_may_be(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], take_every: int
) -> None:
    """Whatever is written and read: the limit holds, the newest events are there in order, the others are counted."""
    directory = tmp_path_factory.mktemp("spool")
    left = opened(directory)
    left.append([packed("before", 500_000)])
    left.forget()
    spool, found = opened(directory), []
    for number, size in enumerate(sizes):
        spool.append([packed(str(number), size)])
        if take_every and number % 4 < take_every and (taken := spool.take()) is not None:
            found += names(taken.events)
            spool.settle(taken)

        assert on_disk(directory) <= LEAST_BYTES
    found += drain(spool)
    order = [name for name in ["before", *map(str, range(len(sizes)))] if name in found]

    assert found == order
    assert len(found) + spool.evicted == len(sizes) + 1
    assert found[-1] == str(len(sizes) - 1)
    spool.close()


def test_a_smaller_limit_holds_for_what_is_adopted(tmp_path: Path) -> None:
    """What was left under a larger limit is cut to the present one, the oldest first."""
    left = opened(tmp_path, 4 * LEAST_BYTES)
    for number in range(30):
        left.append([packed(str(number), 500_000)])
    left.forget()
    spool = opened(tmp_path)
    found = drain(spool)

    assert on_disk(tmp_path) <= LEAST_BYTES
    assert 0 < len(found) < 30
    assert found == [str(number) for number in range(30 - len(found), 30)]
    assert spool.evicted == 30 - len(found)


def test_a_lock_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process keeps the spool's lock, which takes it for milliseconds only, an error says so."""
    monkeypatch.setattr("streams.emit.locking._TRIES", 3)
    file = os.open(tmp_path / ".lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(OSError, match="has kept") as raised:
        opened(tmp_path)
    os.close(file)

    assert raised.value.errno == errno.EBUSY


def test_a_spool_that_cannot_be_is_told_at_the_start(tmp_path: Path) -> None:
    """A directory that cannot be made is a `UsageError`, and a limit that holds hardly anything a `ValueError`."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used: Not a directory"):
        check(Spool(tmp_path / "file" / "spool"))
    with pytest.raises(ValueError, match=r"max_bytes of a spool is 1,000; give it at least 4,194,304"):
        Spool(tmp_path, 1_000)
    check(Spool(tmp_path / "new" / "spool"))

    assert (tmp_path / "new" / "spool").is_dir()
