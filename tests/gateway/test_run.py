"""`streams gateway` says what it was asked wrongly before it looks for Kafka."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from contextlib import closing
from pathlib import Path

import pytest

from streams.errors import UsageError
from streams.gateway.run import gateway
from tests.conftest import Run
from tests.gateway.serving import CONFIG, LIMITS, TOKENS, MemoryLog


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Write a configuration and a file of tokens."""
    (tmp_path / "config.yaml").write_text("models: {m: {task: none}}")
    digest = hashlib.sha256(b"secret").hexdigest()
    (tmp_path / "tokens.yaml").write_text(f"tokens: {{a: {{sha256: '{digest}', models: [m]}}}}")
    return ["--config", str(tmp_path / "config.yaml"), "--token-file", str(tmp_path / "tokens.yaml")]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--listen 8080", "--listen 8080: write an address and a port, such as 127.0.0.1:8080"),
        ("--listen localhost:65536", "write an address and a port"),
        ("--brokers nowhere", "--brokers: "),
        ("--max-events 0", "0 is not in the range x>=1"),
        ("--token-file nowhere.yaml", "nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_what_is_asked_wrongly_is_told(cli: Run, files: list[str], arguments: str, problem: str) -> None:
    """An address, a limit or a file that is none: exit code 2, and what to do."""
    ran = cli("gateway", *files, *arguments.split())

    assert ran.code == 2
    assert problem in " ".join(ran.err.replace("│", " ").split())


def test_without_a_broker_it_fails(cli: Run, files: list[str]) -> None:
    """Where no broker answers it waits as long as it may, and fails with exit code 1: the same may be tried again."""
    ran = cli("gateway", *files, *("--brokers", "127.0.0.1:1", "--timeout", "0.2", "--listen", "127.0.0.1:0"))

    assert ran.code == 1
    assert "no broker answered at 127.0.0.1:1 within 0.2 s" in ran.err


def test_an_address_that_is_taken_is_told() -> None:
    """A port that somebody else listens on is a usage error that names it."""

    async def serve(port: int) -> None:
        async with gateway(CONFIG, TOKENS, LIMITS, MemoryLog(), ("127.0.0.1", port)):
            pass

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--listen 127\.0\.0\.1:{port} cannot be used: .*name another"):
            asyncio.run(serve(port))
