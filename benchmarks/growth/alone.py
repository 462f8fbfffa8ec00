"""A measurement in a process of its own, on one core; and the memory of that process."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


def alone(measured: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """
    Return what a function of a module returns in a new process, which has ended by then.

    The process is kept to one core before it loads anything, so that every pool of threads has a size of one.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # the new process has it from this one
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(measured, *given, **named).result()
    finally:
        os.sched_setaffinity(0, cores)


def resident() -> int:
    """Bytes of memory that this process has, without what only waits to be collected."""
    gc.collect()
    return _of_status("VmRSS")


def peak() -> int:
    """Most bytes of memory that this process has had."""
    return _of_status("VmHWM")


def _of_status(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError(f"the system does not tell {name} of a process")
    return int(found[1]) * 1024
