"""How much of the machine a benchmark had, and how much others: processor time, from /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Machine:
    """Seconds of processor time since it was made: of this process and its children, and of all others."""

    ours: float = 0.0
    all: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.ours, self.all = _ours(), _all()

    def others(self) -> float:
        """Return the share of the machine's processors that others have had."""
        spent = _all() - self.all - (_ours() - self.ours)
        return spent / (time.monotonic() - self.since) / (os.cpu_count() or 1)


def _all() -> float:
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _ours() -> float:
    spent, me = 0, os.getpid()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        if me in (int(fields[1]), int(path.parent.name)):
            spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")
