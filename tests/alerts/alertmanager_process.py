"""
A real Alertmanager on this machine, from Debian's package, which is fetched once and not installed.

It listens on 127.0.0.1 only, keeps its data in a directory that is given, and ends with the test.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from deploy.kafka.kafka import HOST, free_port

CACHE = Path(__file__).parents[2] / ".streams" / "alertmanager"
PACKAGE = "prometheus-alertmanager"
_INSTALLED = b"/usr/share/prometheus/alertmanager"
_TEMPLATES = CACHE / "package" / _INSTALLED.decode().lstrip("/")
_PROGRAM = CACHE / "package" / "usr" / "bin" / PACKAGE


class NotFetched(RuntimeError):
    """The package cannot be had."""


def program() -> Path:
    """
    Return Alertmanager's program: that of the machine, or else that of Debian's package, fetched once.

    Raises
    ------
    NotFetched
        There is no apt-get, or it cannot fetch the package; ends with what it said.
    """
    installed = shutil.which(PACKAGE)
    if installed is not None:
        return Path(installed)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NotFetched(f"Alertmanager is fetched as Debian's package {PACKAGE}, and there is no apt-get")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:  # one process fetches, others wait for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _PROGRAM.exists():
            _fetch()
    return _PROGRAM


def _fetch() -> None:
    sys.stderr.write(f"fetching {PACKAGE} with apt-get (10 MB, once) ...\n")
    done = _run("apt-get", "download", PACKAGE)
    if done.returncode and os.geteuid() == 0 and _run("apt-get", "update").returncode == 0:
        done = _run("apt-get", "download", PACKAGE)
    found = sorted(CACHE.glob("*.deb"))
    if done.returncode or not found:
        raise NotFetched(f"apt-get cannot fetch {PACKAGE}: {(done.stdout + done.stderr).strip()}")
    unpacking = CACHE / "unpacking"
    shutil.rmtree(unpacking, ignore_errors=True)
    if (unpacked := _run("dpkg-deb", "-x", str(found[-1]), str(unpacking))).returncode:
        raise NotFetched(f"dpkg-deb cannot unpack {found[-1]}: {unpacked.stderr.strip()}")
    _take_templates_from_working_directory(unpacking / _PROGRAM.relative_to(CACHE / "package"))
    unpacking.rename(CACHE / "package")


def _take_templates_from_working_directory(path: Path) -> None:
    """
    Let the program find its templates although it is not installed.

    Debian's build reads them from one directory of the machine, and no option says another. So the name of that
    directory is replaced by one that is as long, and is whatever the process's working directory is.
    """
    here = b"/proc/self/cwd"
    path.write_bytes(path.read_bytes().replace(_INSTALLED, here + b"/" * (len(_INSTALLED) - len(here))))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)  # noqa: S603


def require() -> Path:
    """Return the program; skip where a machine cannot have it, fail where CI has apt-get and still cannot."""
    try:
        return program()
    except NotFetched as error:
        if os.environ.get("CI") == "true" and shutil.which("apt-get"):
            pytest.fail(f"CI cannot run Alertmanager: {error}")
        pytest.skip(str(error))


class AlertmanagerProcess:
    """
    One Alertmanager.

    Parameters
    ----------
    data
        Where it keeps what it knows, and its configuration.
    receiver
        The URL of the webhook that it notifies; it groups by model, and waits for nothing.
    """

    def __init__(self, data: Path, receiver: str) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._said = data / "alertmanager.log"
        self._settings = data / "alertmanager.json"  # JSON is YAML
        self._data = data
        grouping = {"group_by": ["model"], "group_wait": "1ms", "group_interval": "10ms", "repeat_interval": "1h"}
        hook = {"name": "hook", "webhook_configs": [{"url": receiver, "send_resolved": True}]}
        self._settings.write_text(json.dumps({"route": {"receiver": "hook", **grouping}, "receivers": [hook]}))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        arguments = [f"--config.file={self._settings}", f"--storage.path={self._data}", "--cluster.listen-address="]
        arguments += [f"--web.listen-address={HOST}:{self.port}"]
        command = [str(require()), *arguments]
        where = _TEMPLATES if command[0] == str(_PROGRAM) else None
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(command, cwd=where, stdout=said, stderr=said)  # noqa: S603
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> Any:
        """Ask its API, version 2."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", f"/api/v2/{path}")
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise ConnectionError(f"Alertmanager answers {answer.status}: {content!r}")
            return json.loads(content)
        finally:
            connection.close()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < until:
            try:
                self.get("status")
            except OSError:
                continue
            return
        raise RuntimeError(f"Alertmanager does not answer:\n{self._said.read_text(errors='replace')}")
