"""The emitter while its broker is away: with a spool nothing that was flushed is lost, and all of it is bounded."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.kafka import free_port
from streams.emit import Emitter, Prediction, Spool, Stats
from streams.emit.spool import LEAST_BYTES
from tests.emit.accidents import HurriedLoop, full_disk, left_in
from tests.emit.example_events import nowhere, prediction

ROOT = Path(__file__).parents[2]
WAITS = 60.0
TEN_MINUTES = 600.0


def offline(directory: Path, max_events: int = 100_000) -> Emitter:
    return Emitter(nowhere(free_port()), spool=Spool(directory, LEAST_BYTES), max_events=max_events)


def names_in(directory: Path) -> list[str]:
    """Return the predictions left there, but for reports of drops."""
    found = [event for event in left_in(directory) if isinstance(event, Prediction)]
    return [event.prediction_id for event in found if event.model == "m"]


def drops(stats: Stats) -> dict[str, int]:
    return {reason: count for reason, count in stats.dropped.items() if count}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[HurriedLoop]]:
    """Have the clocks of couriers jump; returns their loops."""
    loops: list[HurriedLoop] = []

    def new_loop() -> HurriedLoop:
        loops.append(HurriedLoop())
        return loops[-1]

    monkeypatch.setattr("streams.emit.courier._new_loop", new_loop)
    logging.getLogger("aiokafka").disabled = True
    yield loops
    logging.getLogger("aiokafka").disabled = False


def test_what_was_flushed_outlives_the_emitter(tmp_path: Path) -> None:
    """Flushed or closed, events are on disk as they were emitted: ids, times and order."""
    events = [prediction(number, event_time=1_000 + number) for number in range(5_000)]
    emitter = offline(tmp_path)
    taken = [emitter.emit(event) for event in events[:4_000]]
    flushed = emitter.flush(WAITS)
    taken += [emitter.emit(event) for event in events[4_000:]]
    closed, stats = emitter.close(0), emitter.stats()

    assert (flushed, closed, all(taken)) == (True, True, True)
    assert (stats.emitted, stats.confirmed, stats.queued, drops(stats)) == (5_000, 0, 5_000, {})
    assert left_in(tmp_path) == events


def test_a_loss_of_power_costs_nothing_that_was_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each file only what the disk was told to make safe is left, and of names those in directories made safe."""
    safe: dict[Path, bytes] = {}
    named: set[Path] = set()
    fsync = os.fsync

    def watched(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        if path.is_dir():
            named.update(path.iterdir())
        else:
            safe[path] = path.read_bytes()
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr("streams.emit.courier.SYNC_STORES", 1 << 30)  # nothing is made safe but by a flush
    spool, after = tmp_path / "spool", tmp_path / "after"
    emitter = offline(spool)
    flushed = []
    for round_ in range(8):  # each of several writes, between which a file may end
        for number in range(1_000 * round_, 1_000 * round_ + 400):
            emitter.emit(prediction(number, label="x" * 1_000))
            flushed.append(f"p{number}")
        assert emitter.flush(WAITS)
    left = {path: data for path, data in safe.items() if {path, path.parent} <= named}
    for path, data in left.items():
        copy = after / path.relative_to(spool)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
    emitter.emit(prediction(9_999))
    emitter.close(0)

    assert len(left) >= 2
    assert names_in(after) == flushed


def test_the_next_emitter_has_what_was_left(tmp_path: Path) -> None:
    """Its account counts it as inherited, and leaves it again where it cannot deliver it either."""
    for number in range(3):
        emitter = offline(tmp_path)
        emitter.emit(prediction(number))

        assert emitter.flush(WAITS)
        assert (emitter.stats().inherited, emitter.stats().queued) == (number, number + 1)
        assert emitter.close(0)
    assert names_in(tmp_path) == ["p0", "p1", "p2"]


def test_on_disk_more_waits_than_in_memory(tmp_path: Path) -> None:
    """The bound of memory is no bound of the spool: once events are on disk, others fit."""
    emitter = offline(tmp_path, max_events=100)
    for round_ in range(20):
        for number in range(100):
            assert emitter.emit(prediction(100 * round_ + number))
        assert emitter.flush(WAITS)
    emitter.close(0)

    assert names_in(tmp_path) == [f"p{number}" for number in range(2_000)]


def test_a_full_spool_lets_the_oldest_go(tmp_path: Path) -> None:
    """Twice what fits: the newest are there, in order, and the account says how many are not."""
    emitter = offline(tmp_path)
    for number in range(2 * LEAST_BYTES // 10_000):
        emitter.emit(prediction(number, label="x" * 10_000))
        if number % 50 == 0:
            emitter.flush(WAITS)
    emitter.close(0)
    stats, names = emitter.stats(), names_in(tmp_path)

    assert sum(path.stat().st_size for path in tmp_path.rglob("*.events")) <= LEAST_BYTES
    assert (stats.emitted, stats.queued) == (838, len(names))
    assert drops(stats) == {"evicted": 838 - len(names)}
    assert 300 < len(names) < 420
    assert names == [f"p{number}" for number in range(838 - len(names), 838)]


def test_a_full_disk_is_told_and_bounded_and_over_when_it_is(tmp_path: Path) -> None:
    """While nothing can be written, events wait in memory as without a spool; with room again, all are safe."""
    emitter = offline(tmp_path, max_events=100)
    emitter.emit(prediction(0))
    before = emitter.flush(WAITS)
    with full_disk():
        taken = [emitter.emit(prediction(number)) for number in range(1, 1_001)]
        flushed, full = emitter.flush(0.05), emitter.stats()
    after, stats = emitter.flush(WAITS), emitter.stats()
    emitter.close(0)

    assert (before, flushed, after) == (True, False, True)
    assert taken == [True] * 100 + [False] * 900
    assert full.problem is not None
    assert "the spool cannot be written: File too large" in full.problem
    assert (full.queued, drops(full)) == (101, {"full": 900})
    assert "spool" not in (stats.problem or "")
    assert names_in(tmp_path) == [f"p{number}" for number in range(101)]


def test_closing_on_a_full_disk_says_what_is_lost(tmp_path: Path) -> None:
    """What is neither delivered nor on disk is `failed`, closing says so, and what is on disk stays."""
    emitter = offline(tmp_path)
    emitter.emit(prediction(0))
    emitter.flush(WAITS)
    with full_disk():
        emitter.emit(prediction(1))
        closed = emitter.close(0)
    stats = emitter.stats()

    assert not closed
    assert (stats.queued, drops(stats)) == (1, {"failed": 1})
    assert names_in(tmp_path) == ["p0"]


def test_32_threads_and_every_event_is_on_disk_once(tmp_path: Path) -> None:
    """Threads that emit and flush at once: what was taken is there, each thread's in its order."""
    emitter = Emitter(nowhere(free_port()), spool=Spool(tmp_path))
    problems: list[str] = []

    def serve(thread: int) -> None:
        said = [emitter.emit(prediction(prediction_id=f"{thread}/{number:03}")) for number in range(500)]
        if not (all(said) and emitter.flush(WAITS)):
            problems.append(f"{thread}: {said.count(True)} taken")

    threads = [threading.Thread(target=serve, args=(thread,)) for thread in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    emitter.close(0)
    names = names_in(tmp_path)

    assert problems == []
    assert len(names) == len(set(names)) == 32 * 500
    for number in range(32):
        mine = [name for name in names if name.startswith(f"{number}/")]
        assert mine == sorted(mine)


@pytest.mark.parametrize("has_spool", [False, True])
def test_ten_minutes_without_a_broker_cost_bounded_memory(
    tmp_path: Path, hurried: list[HurriedLoop], has_spool: bool
) -> None:
    """Emitting all the while, memory and disk stay within their bounds, and every event is accounted for."""
    spool = Spool(tmp_path, LEAST_BYTES) if has_spool else None
    emitter, given = Emitter(nowhere(free_port()), max_events=1_000, spool=spool), 1
    emitter.emit(prediction())
    tracemalloc.start()
    while hurried[0].ahead < TEN_MINUTES:
        hurried[0].jumped.wait(WAITS)
        hurried[0].jumped.clear()
        for _ in range(10):
            emitter.emit(prediction(given, label="x" * 2_000))
            given += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    emitter.close(0)
    stats = emitter.stats()

    assert given > 1_000
    assert stats.emitted + drops(stats).get("full", 0) == given
    assert stats.emitted == stats.queued + sum(stats.dropped[reason] for reason in ("failed", "evicted"))
    assert peak < 8 << 20
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.events")) <= LEAST_BYTES


KILLED = """
import itertools, logging, sys
from pathlib import Path
from streams.emit import Emitter, Spool
from tests.emit.example_events import nowhere

logging.disable()
emitter = Emitter(nowhere(int(sys.argv[1])), spool=Spool(sys.argv[2]))
step = int(sys.argv[4])
for number in itertools.count(int(sys.argv[3])):
    with emitter.measure("m", "1", request_id=f"{number:09}") as call:
        call.label = call.prediction_id
    if number % step == 0 and emitter.flush(60):
        print(number, flush=True)
"""


def kill_after(arguments: list[str], lines: int) -> int:
    """Run a service, kill it when it has said so many lines; returns the number that it said last."""
    said = -1
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as service:
        assert service.stdout is not None
        for _ in range(lines):
            said = int(service.stdout.readline())
        service.send_signal(signal.SIGKILL)
        rest = [int(line) for line in service.stdout if line.endswith("\n")]
    return max([said, *rest])


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_instants_nothing_flushed_is_lost(tmp_path: Path, seed: int) -> None:
    """SIGKILL between and in the midst of writes and flushes: what was flushed is there, in order, once, as it was."""
    rng = random.Random(seed)
    flushed = []
    for life in range(3):
        first = 1_000_000 * life
        last = kill_after(
            [str(free_port()), str(tmp_path), str(first), str(rng.choice([1, 7, 1_000]))], rng.randint(1, 60)
        )
        flushed += [f"{number:09}" for number in range(first, last + 1)]
    found = [event for event in left_in(tmp_path) if isinstance(event, Prediction)]
    requests = [str(event.request_id) for event in found]

    assert set(flushed) <= set(requests)
    assert len(requests) == len(set(requests))
    assert requests == sorted(requests)
    assert all(event.label == event.prediction_id for event in found)


FORK = """
import json, logging, os, sys
from pathlib import Path
from streams.emit import Emitter, Spool
from streams.emit.spool import OpenSpool
from tests.emit.example_events import nowhere, prediction

logging.disable()
spool = Spool(Path(sys.argv[2]))
emitter = Emitter(nowhere(int(sys.argv[1])), spool=spool)
emitter.emit(prediction(0))
emitter.flush(60)
child = os.fork()
if child == 0:
    files = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    shared = sum(os.readlink(file).startswith(sys.argv[2]) for file in files if os.path.exists(file))
    emitter.emit(prediction(10))
    print(json.dumps([emitter.flush(60), emitter.stats().queued, shared]), flush=True)
    os._exit(0)
os.waitpid(child, 0)
emitter.emit(prediction(1))
flushed = emitter.flush(60)
other = OpenSpool(spool)
other.adopt()
print(json.dumps([flushed, emitter.stats().queued, other.inherited]))
other.close()
emitter.close(0)
"""


def test_a_forked_child_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """Parent and child share no file; the child's end leaves the parent its lock, and its own events to be adopted."""
    command = [sys.executable, "-c", FORK, str(free_port()), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=WAITS)  # noqa: S603
    child, parent = map(json.loads, done.stdout.splitlines())

    assert (done.returncode, done.stderr) == (0, "")
    assert child == [True, 1, 0]
    assert parent == [True, 2, 1]
    assert sorted(names_in(tmp_path)) == ["p0", "p1", "p10"]


def test_another_process_in_the_spool_is_left_alone(tmp_path: Path) -> None:
    """Two emitters on one directory: each closes with its own, and what both left is there once."""
    first, second = offline(tmp_path), offline(tmp_path)
    for number in range(100):
        (first if number % 2 else second).emit(prediction(number))
    flushed = first.flush(WAITS), second.flush(WAITS)
    queued = first.stats().queued, second.stats().queued
    first.close(0)
    second.close(0)

    assert (flushed, queued) == ((True, True), (50, 50))
    assert sorted(names_in(tmp_path)) == sorted(f"p{number}" for number in range(100))


def test_drops_of_the_last_moment_are_left_as_events(tmp_path: Path) -> None:
    """What was dropped and could not be told while the broker was away is on disk too, for the next to tell."""
    emitter = offline(tmp_path)
    emitter.emit(prediction(0))
    for _ in range(4):
        emitter.emit(prediction(score="high"))
    emitter.close(0)
    event, report = left_in(tmp_path)

    assert isinstance(report, Prediction)
    assert (event.event_time, report.model) == (event.event_time, "streams.emit")
    assert report.attributes == {"reason": "invalid", "host": os.uname().nodename}
    assert (report.features, report.inclusion_probability) == ({"dropped": 4.0}, 0.25)
