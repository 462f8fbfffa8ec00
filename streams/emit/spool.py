"""
The spool: events on disk until brokers have them, so that they outlive the process, and the machine's power.

Each process has a journal of its own below the spool's directory, and a lock on it. A journal that nobody has locked
was left by a process that ended; whoever finds it adopts it, delivers what is in it first, and removes it.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streams.emit.framing import first_line, framed
from streams.emit.journal import Journal, Mark
from streams.emit.locking import alone, release, try_lock
from streams.emit.packing import Packed
from streams.errors import UsageError

SPOOL_BYTES = 256 << 20
LEAST_BYTES = 4 << 20
_MOST_SEGMENT_BYTES = 8 << 20
_SEGMENTS = 8  # at least so many files, of which the oldest makes room
_LOCK, _ALL_LOCK = "lock", ".lock"


@dataclass(frozen=True)
class Spool:
    """
    Where an emitter keeps events on disk, and how many bytes of them.

    Processes may share a directory: each has `max_bytes` for its own events and those that it adopts. When they are
    used up, the oldest events go, and are counted as `evicted`.

    Raises
    ------
    ValueError
        `max_bytes` is less than 4 MiB.
    """

    directory: Path | str
    max_bytes: int = SPOOL_BYTES

    def __post_init__(self) -> None:
        if self.max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes of a spool is {self.max_bytes:,}; give it at least {LEAST_BYTES:,}")


def check(spool: Spool) -> None:
    """Make the spool's directory. Raises UsageError where that cannot be, or files in it cannot be locked."""
    if sys.platform == "win32":
        raise UsageError("a spool needs file locks that Windows does not have; emit without one there")
    try:
        Path(spool.directory).mkdir(parents=True, exist_ok=True)
        with alone(Path(spool.directory) / _ALL_LOCK):
            pass
    except OSError as error:
        raise UsageError(f"spool {spool.directory} cannot be used: {error.strerror or error}") from error


@dataclass(frozen=True)
class FromDisk:
    """Events read to be sent, and where they came from."""

    events: list[Packed]
    journal: Journal
    end: Mark


class OpenSpool:
    """
    A spool in use by one process. Its methods raise OSError where the disk does not do what it is asked.

    `inherited` counts the events that were adopted, `evicted` those that went to make room, or the disk has damaged.
    """

    def __init__(self, spool: Spool) -> None:
        self.inherited = self.evicted = 0
        self._directory = Path(spool.directory).absolute()
        self._max_bytes = spool.max_bytes
        self._segment_bytes = min(_MOST_SEGMENT_BYTES, spool.max_bytes // _SEGMENTS)
        self._locks: dict[Path, int] = {}
        self._adopted: list[Journal] = []
        self._own: Journal | None = None

    @property
    def waiting(self) -> int:
        """How many events on disk were not taken."""
        return sum(journal.waiting for journal in self._journals())

    def _journals(self) -> list[Journal]:
        return [*self._adopted, *([self._own] if self._own else [])]

    def adopt(self) -> None:
        """Lock and find what ended processes have left; the oldest is delivered first."""
        with alone(self._directory / _ALL_LOCK):
            unlocked = [path for path in sorted(self._directory.iterdir()) if path.is_dir() and path not in self._locks]
            found = [path for path in unlocked if self._lock(path)]
        for journal in map(Journal, found):
            self._adopted.append(journal)
            self.inherited += journal.waiting
        self._make_room(0)
        self._let_go()

    def append(self, events: Sequence[Packed]) -> None:
        """Write events behind the others: all of them, or none with an OSError. The oldest may go for them."""
        if self._own is None:
            self._own = self._make_own()
        segments = self._own.segments
        if segments and segments[-1].size >= self._segment_bytes:
            self._own.sync()
            self._own.stop()
        data = b"".join(map(framed, events))
        self._make_room(len(data) + len(first_line()))
        self._own.append(data, len(events))

    def _make_own(self) -> Journal:
        with alone(self._directory / _ALL_LOCK):
            # The name sorts by time; the rest is for processes of one machine, and of several, that share a disk.
            path = self._directory / f"{time.time_ns() // 1_000:017}-{os.getpid()}-{secrets.token_hex(4)}"
            path.mkdir()
            self._lock(path)
        return Journal(path)

    def _make_room(self, size: int) -> None:
        while sum(journal.size for journal in self._journals()) + size > self._max_bytes:
            oldest = next((journal for journal in self._journals() if journal.segments), None)
            if oldest is None:
                return
            self.evicted += oldest.evict()

    def take(self) -> FromDisk | None:
        """Read the next events, as many as make a round; None if there are none."""
        for journal in self._journals():
            while (taken := journal.take()) is not None:
                self.evicted += taken.lost
                if taken.events:
                    return FromDisk(taken.events, journal, taken.end)
                journal.settle(taken.end)
        self._let_go()
        return None

    def settle(self, taken: FromDisk) -> None:
        """Let go of events that were delivered, and of journals of others that have no more."""
        taken.journal.settle(taken.end)
        self._let_go()

    def _let_go(self) -> None:
        """Remove adopted journals of which everything is delivered."""
        for journal in [one for one in self._adopted if not one.segments]:
            self._adopted.remove(journal)
            self._remove(journal)

    def sync(self) -> bool:
        """Have all that was appended survive a loss of power; False where something before is in doubt."""
        if self._own is None:
            return True
        self._own.sync()
        return not self._own.is_doubtful

    def close(self) -> None:
        """Leave what is on disk to the next process."""
        own, self._own = self._own, None
        if own is not None:
            own.stop()
            self._adopted.append(own)
            self._let_go()
        for path in list(self._locks):
            self._unlock(path)

    def forget(self) -> None:
        """Close what a forked child shares with its parent, in the child; the parent keeps its locks."""
        if self._own is not None:
            self._own.close_file()
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    def _remove(self, journal: Journal) -> None:
        with suppress(OSError):  # an empty journal that stays is adopted and removed another time
            journal.remove()
        self._unlock(journal.directory)

    def _lock(self, path: Path) -> bool:
        """Lock a journal; False if somebody has."""
        try:
            lock = try_lock(path / _LOCK)
        except FileNotFoundError:  # its owner has just removed it
            return False
        if lock is not None:
            self._locks[path] = lock
        return lock is not None

    def _unlock(self, path: Path) -> None:
        release(self._locks.pop(path))
