"""
A real Alertmanager on this machine, from Debian's package, which is fetched once and not installed.

It listens on 127.0.0.1 only, keeps its data in a directory that is given, and ends with the test.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.kafka.kafka import HOST, free_port
from tests.debian import debian_binary

PACKAGE = "prometheus-alertmanager"
_PROGRAM = f"usr/bin/{PACKAGE}"
_TEMPLATES = b"/usr/share/prometheus/alertmanager"


def program() -> tuple[Path, Path | None]:
    """
    Return Alertmanager's program and the directory to run it in: that of the machine, or that of Debian's package.

    Debian's build reads its templates from one directory of the machine, and no option says another. So the name of
    that directory is replaced by one that is as long, and is whatever the process's working directory is.
    """
    installed = shutil.which(PACKAGE)
    if installed is not None:
        return Path(installed), None
    fetched = debian_binary(PACKAGE, _PROGRAM)
    root = fetched.parents[len(Path(_PROGRAM).parents) - 1]
    moved = fetched.with_name(f"{PACKAGE}-here")
    if not moved.exists():
        here = b"/proc/self/cwd"
        written = fetched.with_name(f"{PACKAGE}-{os.getpid()}")
        written.write_bytes(fetched.read_bytes().replace(_TEMPLATES, here + b"/" * (len(_TEMPLATES) - len(here))))
        written.chmod(0o755)
        written.rename(moved)
    return moved, root / _TEMPLATES.decode().lstrip("/")


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
        path, where = program()
        command = [str(path), *arguments]
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
