"""
Open an embedded store, and say clearly why it cannot be opened.

chDB's own message is no help when another process has the directory open (the reason goes to the process's
standard error only), and it creates directories before it finds that it cannot use them. So what can be known
beforehand is checked beforehand, and what was created is removed when opening fails.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from streams.errors import StoreError
from streams.sinks.clickhouse.faults import explain

_STORE = frozenset({"metadata", "store"})  # directories that a store has
_BEGUN = frozenset({"status", "tmp"})  # what opening one leaves that was given no tables
_OTHER_PATH = re.compile(r"already initialized with path '(?P<path>[^']*)'")


def open_embedded(path: Path, settings: Mapping[str, object], *, create: bool) -> Client:
    """
    Open the store in directory `path`, made if it is missing and `create` is true.

    The engine knows one directory a process, which any number of clients may share; the process must not fork
    afterwards (a query in the child would wait for ever).

    Raises
    ------
    StoreError
        The directory is missing (without `create`), is no directory, is no store, cannot be written to, is open
        in another process, or this process has another store open. Nothing is left behind that was not there.
    """
    _check(path, create=create)
    made = _topmost_missing(path)
    try:
        return clickhouse_connect.get_client(interface="chdb", path=str(path), settings=dict(settings))
    except Error as error:
        # Somebody may have opened the directory since it was checked: what lies in it now is theirs.
        if made is not None and not _lock_holder(path):
            shutil.rmtree(made, ignore_errors=True)
        raise _explained(path, error) from error


def _check(path: Path, *, create: bool) -> None:
    if not path.exists() and not create:
        raise StoreError(f"there is no store at {path}: check the path, or fill one with `streams replay`")
    existing = next(place for place in (path, *path.parents) if place.exists())
    if not existing.is_dir():
        raise StoreError(f"cannot keep a store at {path}: {existing} is not a directory")
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        # Reading needs it too: the engine keeps a lock file in the directory.
        raise StoreError(f"cannot keep a store at {path}: no permission to write to {existing}")
    if existing == path:
        _check_content(path, create=create)


def _check_content(path: Path, *, create: bool) -> None:
    entries = {entry.name for entry in path.iterdir()}
    if not entries >= _STORE:
        if others := entries - _BEGUN:
            raise StoreError(f"{path} is not a store, it holds other files ({min(others)!r}): name a new directory")
        if not create:
            raise StoreError(f"there is no store at {path}: the directory is empty")
    holder = _lock_holder(path)
    if holder not in (None, os.getpid()):
        raise _open_elsewhere(path, f"process {holder}" if holder else "another process")


def _lock_holder(path: Path) -> int | None:
    """Return the process that has the store open: its number, 0 when it is unknown, None when there is none."""
    try:
        status = os.open(path / "status", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(status, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = re.search(rb"PID: (\d+)", os.read(status, 200))
        return int(written.group(1)) if written else 0
    finally:
        os.close(status)
    return None


def _topmost_missing(path: Path) -> Path | None:
    missing = [place for place in (path, *path.parents) if not place.exists()]
    return missing[-1] if missing else None


def _open_elsewhere(path: Path, who: str) -> StoreError:
    return StoreError(
        f"the store {path} is open in another process ({who}): an embedded store belongs to one process at a time. "
        "Wait for it or stop it, or use a ClickHouse server for several"
    )


def _explained(path: Path, error: Error) -> StoreError:
    if other := _OTHER_PATH.search(str(error)):
        return StoreError(f"cannot open {path}: this process has {other['path']} open, close that store first")
    if _lock_holder(path) is not None:
        return _open_elsewhere(path, "it has just been opened")
    return StoreError(f"cannot open the store {path}: {explain(error)}")
