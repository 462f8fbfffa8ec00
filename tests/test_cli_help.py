"""The command line explains itself, and says what it was asked wrongly."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from tests.conftest import Run

COMMANDS = (
    "demo",
    "replay",
    "query",
    "check",
    "schema",
    "schema check",
    "topics",
    "topics plan",
    "topics apply",
    "emit",
    "experiment",
    "experiment assign",
    "experiment plan",
    "experiment report",
    "gateway",
    "analyze",
    "analyze proportions",
    "analyze means",
    "analyze srm",
    "analyze offline",
    "power",
    "alerts",
    "alerts ack",
    "alerts backtest",
    "alerts changes",
    "alerts deliver",
    "alerts list",
    "alerts show",
    "alerts silence",
    "alerts test",
    "alerts unsilence",
)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_screen(shell: Run, command: str) -> None:
    """Help on the program and on each command is at most 24 lines of 80 columns on standard output, exit code 0."""
    ran = shell(*command.split(), "--help")
    lines = ran.out.splitlines()

    assert (ran.code, ran.err) == (0, "")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert f"Usage: streams {command}".rstrip() in ran.out


def test_help_names_every_command(shell: Run) -> None:
    """The program's help has a line for each of its commands, and the exit codes."""
    ran = shell("-h")

    for command in COMMANDS:
        assert f"│ {command.split()[0]} " in ran.out
    assert "Exit codes: 0 done, 1 failed, 2 asked wrongly." in ran.out


def test_version(cli: Run) -> None:
    """`--version` prints the installed version."""
    assert version("streams") in cli("--version").out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("replay --store chdb:s a.jsonl", "Missing option '--config'"),
        ("replay --config c.yaml --store chdb:s", "Missing argument 'FILE...'"),
        ("query --store chdb:s", "Missing argument 'SQL'"),
        ("query --store chdb:s --format xml sql", "'xml' is not one of 'table', 'json', 'csv'"),
        ("check --conf c.yaml", "No such option"),
        ("repla", "No such command 'repla'"),
        ("schema", "Usage: streams schema"),
        ("", "Usage: streams"),
    ],
)
def test_asked_wrongly(cli: Run, arguments: str, problem: str) -> None:
    """A command line that is not one says what is wrong with it, exit code 2, without a traceback."""
    ran = cli(*arguments.split())

    assert ran.code == 2
    assert problem in ran.out + ran.err
    assert "Traceback" not in ran.err
