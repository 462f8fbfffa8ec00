"""What tests in several places share: the command line, run in this process or, as users do, in its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.cli import main

STREAMS = Path(sys.executable).with_name("streams")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in the last lines which tests this machine could not run, and why."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    for reason, number in reasons.items():
        terminalreporter.write_line(f"NOT RUN: {number} tests. {reason}", yellow=True)


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process, which is quick."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["streams", *map(str, arguments)])
        code: str | int | None = 0
        try:
            main()
        except SystemExit as done:
            code = done.code
        written = capsys.readouterr()
        return Ran(int(code or 0), written.out, written.err)

    return run


@pytest.fixture(scope="session")
def shell() -> Run:
    """Run the installed command in a process of its own, on a screen of 80 columns."""

    def run(*arguments: object) -> Ran:
        environment = {**os.environ, "COLUMNS": "80", "LINES": "24"}
        command = [str(STREAMS), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
