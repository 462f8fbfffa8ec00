"""Programs of other projects that tests run, from Debian's packages: unpacked in .streams/debian, never installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(__file__).resolve().parents[1] / ".streams" / "debian"


def debian_binary(package: str, path: str) -> Path:
    """
    Return a program of a Debian package, fetched the first time; one process fetches, others wait for it.

    A test on a machine that cannot fetch it is skipped; in CI, which can, it fails.

    Parameters
    ----------
    package : str
        Name of the package, such as "prometheus"; its dependencies are not fetched, so it must not need any but libc.
    path : str
        Where the package puts the program, such as "usr/bin/promtool".

    Raises
    ------
    RuntimeError
        The package holds no such file.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    unpacked = CACHE / package
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _require_tools()
            try:
                _fetch(package, unpacked)
            except RuntimeError as error:
                _give_up(str(error))
    if not (unpacked / path).is_file():
        raise RuntimeError(f"Debian's package {package} holds no {path}; look into {unpacked}")
    return unpacked / path


def _require_tools() -> None:
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        _give_up(f"packages are fetched with Debian's own tools; there is no {' and no '.join(missing)} in PATH")


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _fetch(package: str, target: Path) -> None:
    """Download and unpack; the directory gets its name last, so that half a package is never taken for a whole one."""
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        folder = Path(scratch)
        _download(package, folder)
        (archive,) = folder.glob("*.deb")
        _run(["dpkg-deb", "-x", str(archive), "unpacked"], folder)
        (folder / "unpacked").rename(target)


def _download(package: str, folder: Path) -> None:
    """Ask for the package; where apt does not know it, or knows one that is gone, read the lists of packages first."""
    try:
        _run(["apt-get", "download", package], folder)
    except RuntimeError:
        _run(["apt-get", "update"], folder)
        _run(["apt-get", "download", package], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()}")
