"""docs/gateway.md: its programs run, and its tables are those of the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.cli_gateway import gateway as command
from streams.config import parse_config
from streams.gateway.problems import KINDS, SHOWN_EVENTS
from streams.gateway.tokens import load_tokens
from tests.gateway.serving import LIMITS, SECRET, Gateway, running

DOCUMENT = (Path(__file__).parents[2] / "docs/gateway.md").read_text(encoding="utf-8")
FRAUD = parse_config('models: {fraud: {task: binary, positive: "1", negative: "0"}}', "test")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Run a gateway that knows the model of the examples."""
    with running(LIMITS, FRAUD) as found:
        yield found


def run(gateway: Gateway, *program: str) -> str:
    """Run a program as a service would be, and return what it printed."""
    environment = {**os.environ, "GATEWAY": f"http://127.0.0.1:{gateway.port}", "TOKEN": SECRET}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603

    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_for_the_shell(gateway: Gateway) -> None:
    """Curl is answered what the document shows."""
    (program,) = blocks("sh")
    shell = shutil.which("sh")
    assert shell is not None

    assert json.loads(run(gateway, shell, "-c", program)) == {
        "accepted": 2,
        "prediction": 1,
        "outcome": 1,
        "feedback": 0,
        "summary": 0,
    }
    assert '    {"accepted": 2, "prediction": 1, "outcome": 1, "feedback": 0, "summary": 0}\n' in DOCUMENT


def test_the_client_without_packages(gateway: Gateway) -> None:
    """The program in Python sends its event; it takes what is refused for good as an error, with the reason."""
    program, _ = blocks("python")
    run(gateway, sys.executable, "-c", program)
    wrong = 'try:\n    send([{"type": "outcome"}])\nexcept RuntimeError as error:\n    print(error)'

    assert [message.kind for message in gateway.log.messages] == ["feedback"]
    assert "urn:streams:gateway:invalid_events" in run(gateway, sys.executable, "-c", f"{program}\n{wrong}")


def test_a_drawn_token_and_its_hash_fit(gateway: Gateway, tmp_path: Path) -> None:
    """What the program draws is known to a gateway whose file has the hash; the file in the document can be read."""
    _, program = blocks("python")
    token, digest = run(gateway, sys.executable, "-c", program).split()
    (shown,) = blocks("yaml")
    file = tmp_path / "tokens.yaml"
    file.write_text(shown)
    names = [found.name for found in load_tokens(file, ["fraud"])]
    file.write_text(f"tokens: {{drawn: {{sha256: '{digest}'}}}}")

    assert names == ["checkout", "reviews"]
    assert load_tokens(file, []).holder(f"Bearer {token}") is not None


def test_the_problem_that_is_shown(gateway: Gateway) -> None:
    """The example of a problem is what such a request is answered."""
    (shown,) = blocks("json")
    event = {"type": "outcome", "request_id": "r1", "event_time": "2026-11-22T09:00:00Z", "label": "0"}

    assert gateway.post([event, {**event, "label": 0}]).json == json.loads(shown)
    assert f"At most {SHOWN_EVENTS} problems are listed" in DOCUMENT


def test_every_kind_of_problem_is_documented() -> None:
    """The table has the kinds of the code, with their statuses, in the same order."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", DOCUMENT, re.MULTILINE)

    assert rows == [(str(kind.status), name) for name, kind in KINDS.items()]


def test_every_limit_is_documented() -> None:
    """The table has the options that limit, with their defaults."""
    rows = re.findall(r"^\| `(--[\w-]+)` \| ([\d.]+) \|", DOCUMENT, re.MULTILINE)
    defaults = {p.opts[0]: p.default for p in command.params if isinstance(p.default, int | float)}

    assert {name: float(value) for name, value in rows} == defaults


def test_every_metric_is_documented(gateway: Gateway) -> None:
    """The table has the metrics that a gateway gives, and no others."""
    gateway.post([], "wrong")
    families = re.findall(r"^# TYPE (streams_\w+) ", gateway.ask("GET", "/metrics").body.decode(), re.MULTILINE)

    assert sorted(re.findall(r"^\| `(streams_\w+)` \|", DOCUMENT, re.MULTILINE)) == sorted(
        name for name in families if not name.endswith("_created")
    )
