"""Locks on files, for processes that share a directory. They end with the process that has them, however it ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":  # there is no spool there
    import fcntl

_TRIES, _PAUSE = 500, 0.01  # so often, and so many seconds apart, is asked for what others have for milliseconds


def try_lock(path: Path) -> int | None:
    """Make and lock a file; returns what `release` takes, or None if somebody else has locked it."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return file


def release(lock: int) -> None:
    """Unlock and close: the first because a child that was forked in between has the file open as well."""
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lock a file that others have for a short time only. Raises OSError if one of them has it for five seconds."""
    for _ in range(_TRIES):
        if (lock := try_lock(path)) is not None:
            break
        time.sleep(_PAUSE)
    else:
        raise OSError(errno.EBUSY, f"another process has kept {path} locked")
    try:
        yield
    finally:
        release(lock)
