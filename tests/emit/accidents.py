"""What happens to services: a full disk, and time that passes; for the tests of emitting."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.emit import Event, Spool
from streams.emit.packing import unpack
from streams.emit.spool import OpenSpool

_LONGEST_JUMP = 0.5  # seconds: shorter than what waits for something that answers


@contextmanager
def full_disk() -> Iterator[None]:
    """Have every write of this process fail that would make a file larger, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer where nothing else is to be done, until it is told not to hurry."""

    def __init__(self) -> None:
        super().__init__()
        self.hurries = True
        self.ahead = 0.0
        self.jumped = threading.Event()
        selector: Any = self._selector  # type: ignore[attr-defined]
        self._select = selector.select
        selector.select = self._jump

    def time(self) -> float:
        return super().time() + self.ahead

    def _jump(self, timeout: float | None) -> Any:
        if not self.hurries or timeout is None:
            return self._select(timeout)
        found = self._select(0)
        if not found:
            self.ahead += min(timeout, _LONGEST_JUMP)
            self.jumped.set()
        return found


def left_in(directory: Path) -> list[Event]:
    """Take over what ended processes left in a spool, and remove it."""
    spool = OpenSpool(Spool(directory, 1 << 30))
    spool.adopt()
    found: list[Event] = []
    while (taken := spool.take()) is not None:
        found += map(unpack, taken.events)
        spool.settle(taken)
    spool.close()
    return found
