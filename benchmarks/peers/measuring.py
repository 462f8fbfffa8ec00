"""What a process used between two moments: processor time and wall time, and its largest memory."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Moment:
    """Seconds of wall time, and of processor time that a process and its threads have used by then."""

    wall: float
    cpu: float


def now(process: int) -> Moment:
    """Return this moment of a process."""
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return Moment(time.monotonic(), (int(stat[11]) + int(stat[12])) / _TICKS)


def peak_memory(process: int) -> float:
    """Largest resident memory of a process so far, MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else 0.0


def split_cores() -> tuple[set[int], set[int]]:
    """Return the contestant's core, and the cores of everything else; raises `RuntimeError` on a single core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        message = "a contestant has a core of its own, and this machine has only one"
        raise RuntimeError(message)
    return set(cores[:1]), set(cores[1:])


def pin(process: subprocess.Popen[str] | subprocess.Popen[bytes], cores: set[int]) -> None:
    """Keep a process that has just begun, and the threads that it will have, to these cores."""
    os.sched_setaffinity(process.pid, cores)
