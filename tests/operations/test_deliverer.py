"""The deliverer as a process of its own: it says how it is, takes over, and ends where something has to be mended."""

from __future__ import annotations

import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.cluster import STREAMS, WorkerProcess
from deploy.kafka.kafka import free_port
from streams.alerts.encoding import encoded
from tests.alerts.making import CANARY, numbered
from tests.operations.stage import Stage, code_of, says, wait
from tests.operations.test_document import TEXT

SECTION = """
alerting:
  routes: {{hook: {{kind: webhook, url: "{url}", {secret}}}}}
  default: hook
"""


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers with the first status of its server's `answers`, and with 204 once there is none left."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answers: list[int] = self.server.answers  # type: ignore[attr-defined]
        self.send_response(answers[0] if answers else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def hooked(staged: Stage, *answers: int, secret: str = "secret_env: S") -> Iterator[list[int]]:  # noqa: S107 - where it is
    """Add a route to the configuration; what it answers may be changed while it runs."""
    left = list(answers)
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        server.answers = left  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with staged.path.open("a", encoding="utf-8") as file:
            file.write(SECTION.format(url=f"http://127.0.0.1:{server.server_port}/", secret=secret))
        yield left
        server.shutdown()


def start(staged: Stage, *options: str, **environ: str) -> WorkerProcess:
    """Start a deliverer, which the stage ends."""
    number, port = len(staged.workers), free_port()
    given = ["--config", str(staged.path), "--web", f"127.0.0.1:{port}", *options]
    variables = {"STREAMS_STORE": staged.store.dsn, **environ}
    command = [str(STREAMS), "alerts", "deliver", *given]
    deliverer = WorkerProcess("deliver", command, staged.directory / f"deliver-{number}.log", variables, port=port)
    staged.workers.append(deliverer)
    deliverer.start()
    return deliverer


def value(deliverer: WorkerProcess, sample: str) -> float | None:
    """Value of one sample; None while it is not there."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", deliverer.metrics(), re.MULTILINE)
    return float(found[1]) if found else None


def is_ready(deliverer: WorkerProcess) -> bool:
    return deliverer.status().get("ready") is True


def test_what_it_says_of_itself(staged: Stage) -> None:
    """A route that fails is told as failing and its notice as waiting; once it is well, the notice as sent, in time."""
    with hooked(staged, 500) as answers:
        deliverer = start(staged, S=CANARY)
        wait(lambda: is_ready(deliverer), "ready", deliverer)
        staged.send([("alerts", 0, encoded(numbered(1)), [])])
        wait(
            lambda: (value(deliverer, 'streams_delivery_failing_seconds{route="hook"}') or 0) > 0, "it fails", deliverer
        )
        assert value(deliverer, 'streams_delivery_waiting{route="hook"}') == 1
        assert says(deliverer, "hook: 500; tried again in ")
        answers.clear()
        sent = 'streams_deliveries_total{outcome="sent",route="hook"}'
        wait(lambda: value(deliverer, sent) == 1, "it is sent", deliverer)
        wait(lambda: value(deliverer, "streams_delivery_unrecorded") == 0, "it is on record", deliverer)

        assert value(deliverer, 'streams_delivery_seconds_count{route="hook"}') == 1
        assert (value(deliverer, 'streams_delivery_attempts_total{route="hook"}') or 0) >= 2
        assert value(deliverer, 'streams_delivery_failing_seconds{route="hook"}') == 0
        assert CANARY not in deliverer.metrics()
        assert deliverer.end() == 0
    (row,) = staged.query("SELECT outcome, route FROM deliveries")
    assert row == {"outcome": "sent", "route": "hook"}


def test_the_metrics_are_those_of_the_document(staged: Stage) -> None:
    """It shows the metrics that docs/operations.md has a row for, with their labels, and those of every process."""
    with hooked(staged):
        deliverer = start(staged, S=CANARY)
        wait(lambda: is_ready(deliverer), "ready", deliverer)
        said = deliverer.metrics()
    section = TEXT.partition("## The deliverer")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(streams_\w+)` \| ([\w, ]*?) ?\|", section, re.MULTILINE))
    shown = {name for name in re.findall(r"^# TYPE (\w+) ", said, re.MULTILINE) if name.startswith("streams_")}
    labels = {
        name: set(re.findall(r"(\w+)=", found)) for name, found in re.findall(r"^(streams_\w+?)\{(.*)\} ", said, re.M)
    }
    of_process = set(re.findall(r"^\| `(process_\w+)`", TEXT, re.MULTILINE))

    assert rows.keys() == shown
    assert {name: set(re.findall(r"\w+", text)) for name, text in rows.items() if name in labels} == {
        name: labels[name] for name in rows if name in labels
    }
    assert of_process <= set(re.findall(r"^# TYPE (\w+) ", said, re.MULTILINE))


def test_a_second_one_stands_by(staged: Stage) -> None:
    """Of two, one has the topic and is ready; the other is healthy and not ready, and takes over when it ends."""
    with hooked(staged):
        first = start(staged, S=CANARY)
        wait(lambda: is_ready(first), "ready", first)
        second = start(staged, S=CANARY)
        wait(lambda: says(second, "health, readiness and metrics on"), "it answers", second)
        assert not is_ready(second)
        assert value(second, "streams_delivery_active") == 0
        assert first.end() == 0
        wait(lambda: is_ready(second), "it takes over", second)
        assert value(second, "streams_delivery_active") == 1


@pytest.mark.parametrize(
    ("secret", "line"),
    [
        ("secret_env: S", "environment variable S is not set; put the secret of alerting.routes.hook into it"),
        (
            "secret_file: nowhere",
            "file nowhere, which should hold the secret of alerting.routes.hook, cannot be read: ",
        ),
    ],
)
def test_a_secret_that_is_missing(staged: Stage, secret: str, line: str) -> None:
    """It ends with 2 and says where the secret should be."""
    with hooked(staged, secret=secret):
        deliverer = start(staged)
        assert code_of(deliverer) == 2
    assert f"error: {line}" in deliverer.last_lines()


def test_a_port_that_is_taken(staged: Stage) -> None:
    """A port that somebody else listens on ends it with 2 and one line."""
    with hooked(staged), socket.create_server(("127.0.0.1", 0)) as taken:
        web = f"127.0.0.1:{taken.getsockname()[1]}"
        deliverer = start(staged, "--web", web, S=CANARY)
        assert code_of(deliverer) == 2
    assert f"error: --web {web} cannot be used: " in deliverer.last_lines()
    assert "Traceback" not in deliverer.last_lines()
