"""The emitters without a broker: bounded, quiet, and every event accounted for."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.kafka.kafka import free_port
from streams.emit import AsyncEmitter, Emitter, Feedback, KafkaConfig, NoEmitter, Outcome, Prediction, Stats
from streams.errors import UsageError
from streams.testing import MemoryEmitter
from tests.emit.example_events import EVENTS, nowhere, prediction

ROOT = Path(__file__).parents[2]
WAITS = 60.0


def run(script: str, *arguments: object) -> str:
    """Run Python in a process of its own; return what it prints."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=WAITS)  # noqa: S603

    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def drops(stats: Stats) -> dict[str, int]:
    return {reason: count for reason, count in stats.dropped.items() if count}


@pytest.fixture
def away() -> Iterator[Emitter]:
    """Return an emitter for 100 events whose broker is away."""
    emitter = Emitter(nowhere(free_port()), max_events=100)
    yield emitter
    emitter.close(0)


def test_without_a_broker_events_wait_and_then_are_dropped(away: Emitter) -> None:
    """As many as may wait are taken, the newest after them are dropped, and closing gives up the rest, all counted."""
    taken = [away.emit(prediction(number)) for number in range(1_000)]
    before = away.stats()
    closed = away.close(0)
    after = away.stats()

    assert taken == [True] * 100 + [False] * 900
    assert (before.emitted, before.confirmed, before.queued, drops(before)) == (100, 0, 100, {"full": 900})
    assert not closed
    assert (after.emitted, after.confirmed, after.queued) == (100, 0, 0)
    assert drops(after) == {"full": 900, "failed": 100}


def test_bytes_are_bounded_too() -> None:
    """What is packed is never more than `max_bytes`, and a small event may fit where a large one did not."""
    emitter = Emitter(nowhere(free_port()), max_bytes=10_000)
    taken = [emitter.emit(prediction(label="x" * size)) for size in (6_000, 6_000, 1_000)]
    emitter.close(0)

    assert taken == [True, False, True]


def test_flushing_ends_when_the_time_is_over(away: Emitter) -> None:
    """Nothing to wait for is success at once; a broker that is away makes it a failure, and nothing is lost."""
    idle = away.flush(0)
    away.emit(prediction())

    assert idle
    assert not away.flush(0.05)
    assert away.stats().queued == 1


def test_what_keeps_events_waiting_is_told(away: Emitter) -> None:
    """`problem` names the broker that does not answer."""
    away._backlog.problem = None
    away.emit(prediction())
    while (problem := away.stats().problem) is None:
        away.flush(0.05)

    assert problem.startswith("no broker answered at 127.0.0.1:")


def test_threads_that_emit_at_once_are_all_counted(away: Emitter) -> None:
    """32 threads give 32,000 events: each is queued or dropped, and the account says the same as the answers."""
    answers: list[bool] = []

    def emit() -> None:
        answers.extend([away.emit(prediction(number)) for number in range(1_000)])

    threads = [threading.Thread(target=emit) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = away.stats()

    assert (len(answers), sum(answers)) == (32_000, 100)
    assert (stats.queued, drops(stats)) == (100, {"full": 31_900})


def test_a_closed_emitter_takes_nothing(away: Emitter, caplog: pytest.LogCaptureFixture) -> None:
    """What comes after closing is `closed`, said in one line; closing again changes nothing, started or not."""
    closed = [away.close(0), away.close(0)]
    taken = [away.emit(prediction()) for _ in range(3)]

    assert closed == [True, True]
    assert taken == [False] * 3
    assert drops(away.stats()) == {"closed": 3}
    assert [record.message for record in caplog.records if record.name == "streams.emit"] == [
        "an event was emitted after the emitter was closed; it and all that follow are dropped"
    ]


def reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("dropped")]


def test_drops_are_logged_in_one_line_with_counts(away: Emitter, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand drops are one line, at the latest at the end, with the reason of each and why the last was refused."""
    for number in range(1_090):
        away.emit(prediction(number))
    for _ in range(10):
        away.emit(prediction(score="high"))
    away.close(0)
    (line,) = reports(caplog)

    assert line.startswith("dropped 1,100 events: 990 full, 10 invalid, 100 failed; 0 wait; last refused: prediction: ")
    assert line.partition("last refused: ")[2].startswith("prediction: Expected `float | null`, got `str`")


def test_drops_are_logged_while_the_service_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A line is written `report_seconds` later, and none while nothing new is dropped."""
    with caplog.at_level(logging.WARNING, "streams.emit"):
        emitter = Emitter(nowhere(1), report_seconds=0.01)
        emitter.emit(Outcome(label="1"))
        while not reports(caplog):
            emitter.flush(0)
        emitter.emit(Outcome(label="1"))
        while len(reports(caplog)) < 2:
            emitter.flush(0)
        emitter.close(0)

    assert [line.partition(";")[0] for line in reports(caplog)] == ["dropped 1 events: 1 invalid"] * 2


def test_on_asyncio_nothing_waits_but_flush_and_close() -> None:
    """`emit` answers at once, and the loop goes on while a flush waits for a broker that is away."""

    async def serve() -> tuple[list[bool], bool, int, bool, Stats]:
        async with AsyncEmitter(nowhere(free_port()), max_events=2) as emitter:
            taken = [emitter.emit(prediction(number)) for number in range(3)]
            flushing = asyncio.create_task(emitter.flush(0.05))
            turns = 0
            while not flushing.done():
                await asyncio.sleep(0)
                turns += 1
            return taken, await flushing, turns, await emitter.close(0), emitter.stats()

    taken, flushed, turns, closed, stats = asyncio.run(serve())

    assert taken == [True, True, False]
    assert (flushed, closed) == (False, False)
    assert turns > 1
    assert drops(stats) == {"full": 1, "failed": 2}


FORK = """
import logging, os, sys
from streams.emit import Emitter
from tests.emit.example_events import nowhere, prediction

logging.disable()
emitter, used = Emitter(nowhere(int(sys.argv[1]))), Emitter(nowhere(int(sys.argv[1])))
for number in range(3):
    used.emit(prediction(number))
with used._backlog._lock, used._starting:  # as if another thread was about to emit
    child = os.fork()
if child == 0:
    seen = [used.stats().queued, used.emit(prediction()), emitter.emit(prediction())]
    print([*seen, used.stats().queued, emitter.stats().queued, used.close(0)], flush=True)
    os._exit(0)
os.waitpid(child, 0)
print([used.stats().queued, emitter.stats().queued, used.close(0), used.stats().dropped["failed"]])
"""


def test_a_forked_child_begins_anew() -> None:
    """The child's emitter is empty and works, even if the parent held its locks; the parent's has what it had."""
    child, parent = run(FORK, free_port()).splitlines()

    assert json.loads(child.lower()) == [0, True, True, 1, 1, False]
    assert json.loads(parent.lower()) == [3, 0, False, 3]


ENDS = """
import logging, sys
from streams.emit import Emitter
import streams.emit.emitter
from tests.emit.example_events import nowhere, prediction

logging.basicConfig(stream=sys.stdout, format="%(message)s")
logging.getLogger("aiokafka").disabled = True
streams.emit.emitter.Emitter.close.__defaults__ = (0.1,)
emitter = Emitter(nowhere(int(sys.argv[1]), sys.argv[2]))
emitter.emit(prediction())
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_service_ends_without_a_broker_and_without_closing(host: str) -> None:
    """Python exits, in silence but for the line that says what was lost; a broker's name is looked up even then."""
    line = run(ENDS, free_port(), host)

    assert line.startswith("dropped 1 events: 1 failed; 0 wait")
    assert "atexit" not in line
    assert "shutdown" not in line


IMPORTS = """
import sys
from streams.emit import Emitter, KafkaConfig, Prediction

with Emitter(KafkaConfig(brokers=("127.0.0.1:" + sys.argv[1],))) as emitter:
    emitter.emit(Prediction(prediction_id="p", model="m", version="1"))
    emitter.flush(0.2)
    emitter.close(0)
print(sorted({"faust", "chdb", "clickhouse_connect", "polars", "scipy"} & set(sys.modules)))
"""


def test_a_service_that_emits_loads_nothing_heavy() -> None:
    """Neither the import nor emitting loads an engine, a store, or what metrics are computed with."""
    lines = run("import logging; logging.disable()\n" + IMPORTS, free_port()).splitlines()

    assert lines == ["[]"]


def test_secrets_that_are_missing_are_told_at_the_start() -> None:
    """An emitter that could never connect is a `UsageError` when it is made, not a service that drops everything."""
    sasl: dict[str, Any] = {
        "security": "sasl_tls",
        "sasl_mechanism": "PLAIN",
        "username": "u",
        "password_env": "SECRET",
    }
    with pytest.raises(UsageError, match="environment variable SECRET is not set"):
        Emitter(KafkaConfig(**sasl), {})
    with pytest.raises(UsageError, match=r"kafka\.ca_file absent\.pem cannot be used"):
        AsyncEmitter(KafkaConfig(security="tls", ca_file="absent.pem"))


@pytest.mark.parametrize(("security", "first"), [("tls", b"\x16\x03"), ("plaintext", b"\x00\x00")])
def test_connections_are_as_secure_as_configured(security: str, first: bytes) -> None:
    """With `tls` the first bytes on the wire are those of a TLS handshake, and with `plaintext` a request's length."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAITS)
        kafka = KafkaConfig.model_validate({"brokers": (f"127.0.0.1:{server.getsockname()[1]}",), "security": security})
        emitter = Emitter(kafka)
        emitter.emit(prediction())
        with server.accept()[0] as connection:
            connection.settimeout(WAITS)
            said = connection.recv(2)
        emitter.close(0)

    assert said == first


@given(st.lists(EVENTS | EVENTS.map(lambda event: type(event).__name__) | st.just(Outcome()), max_size=20))
def test_the_twin_in_memory_takes_what_the_emitter_takes(events: list[Any]) -> None:
    """`MemoryEmitter` gives the same answers and counts, and keeps copies of what was taken, in its order."""
    twin, emitter = MemoryEmitter(), Emitter(nowhere(1))
    emitter._start = lambda: None  # type: ignore[method-assign]  # nothing is to be delivered here
    answers = [(twin.emit(event), emitter.emit(event)) for event in events]
    kept = [*twin.predictions, *twin.outcomes, *twin.feedback]
    taken = [event for event, (answer, _) in zip(events, answers, strict=True) if answer]

    assert all(mine == its for mine, its in answers)
    assert twin.stats().dropped == emitter.stats().dropped
    assert kept == [event for type_ in (Prediction, Outcome, Feedback) for event in taken if type(event) is type_]
    assert not {id(event) for event in kept} & {id(event) for event in taken}
    assert twin.close()
    assert (twin.emit(Outcome(request_id="r")), twin.stats().dropped["closed"]) == (False, 1)
    emitter.close(0)


def test_the_emitters_have_the_same_methods() -> None:
    """What can be done with one can be done with the others, with the same arguments."""

    def shape(type_: type) -> dict[str, list[str]]:
        methods = {name: getattr(type_, name) for name in ("emit", "measure", "measured", "flush", "close", "stats")}
        return {name: [str(each) for each in inspect.signature(m).parameters.values()] for name, m in methods.items()}

    assert shape(Emitter) == shape(AsyncEmitter) == shape(MemoryEmitter) == shape(NoEmitter)


def test_a_service_that_is_to_emit_nothing_emits_nothing() -> None:
    """`NoEmitter` says that all is well, looks at nothing, counts nothing, and can be measured with like the others."""
    with NoEmitter() as emitter:
        said = [emitter.emit(prediction(score="high")), emitter.flush(0), emitter.close()]
        with emitter.measure("m", "1") as call:
            call.score = 0.5
    stats = emitter.stats()

    assert said == [True] * 3
    assert (stats.emitted, stats.confirmed, stats.queued, drops(stats), stats.problem) == (0, 0, 0, {}, None)


def test_a_service_on_asyncio_can_be_tested_too() -> None:
    """`AsyncEmitter.around` makes the twin one for asyncio."""

    async def serve(emitter: AsyncEmitter) -> list[bool]:
        async with emitter:
            return [emitter.emit(prediction()), await emitter.flush(1), await emitter.close()]

    twin = MemoryEmitter()

    assert asyncio.run(serve(AsyncEmitter.around(twin))) == [True] * 3
    assert len(twin.predictions) == 1
