"""How a worker ends and begins again: signals, a second one of the same name, a changed configuration, lost records."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

import streams.runtime.emit
from streams.runtime.topics import CHECKPOINTS, SUMMARIES
from tests.operations.stage import PARTITIONS, Stage, code_of, metric, pairs, python, says, wait

SLOW = python("""
from functools import partial
import streams.runtime.run as run
from streams.runtime.transport_thread import Limits
run.Options = partial(run.Options, limits=Limits(block_records=20))
""")
SHIFTED = """
import signal, time
real, shift = time.time, [{years} * 31_557_600]
time.time = lambda: real() + shift[0]
signal.signal(signal.SIGUSR1, lambda *_: shift.__setitem__(0, -shift[0]))
"""


def test_killed_and_stopped_under_load(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGKILL the same worker goes on where it was; SIGTERM under load ends it with 0 and within 10 seconds."""
    monkeypatch.setattr(streams.runtime.emit, "BATCH_BYTES", 2_000)  # a block has whole batches
    staged.emit(pairs("fraud", 4_000), end=True)
    worker = staged.start(program=SLOW)
    for number in (signal.SIGKILL, signal.SIGTERM):
        wait(lambda: bool(worker.status().get("partitions")), "it holds partitions", worker)
        before = metric(worker, "streams_events_read_total")
        wait(lambda b=before: metric(worker, "streams_events_read_total") > b, "it reads", worker)  # type: ignore[misc]
        assert metric(worker, "streams_lag_records") > 0
        assert worker.end(number, timeout=10) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        worker.start()
    staged.settle(worker)

    assert staged.quality()["fraud", ""] == (0.75, 4_000.0)
    assert (staged.counts()["read"], staged.counts()["duplicate"]) == (8_000, 0)


def test_two_workers_of_one_name(staged: Stage) -> None:
    """The second worker of a name takes over from the first, which ends with 1 and says so; nothing counts twice."""
    staged.emit(pairs("fraud", 40))
    first = staged.start(name="same")
    wait(lambda: bool(first.status().get("partitions")), "the first holds partitions", first)
    second = staged.start(name="same")

    assert code_of(first) == 1
    assert "error: another worker named same has taken over partition " in first.last_lines()
    staged.emit(pairs("fraud", 40, first=40), end=True)
    staged.settle(second)
    assert staged.quality()["fraud", ""] == (0.75, 80.0)
    assert (staged.counts()["read"], staged.counts()["duplicate"]) == (160, 0)


def test_another_configuration(staged: Stage) -> None:
    """Old checkpoints end a worker of a changed configuration; following its advice makes the tables anew."""
    staged.emit(pairs("fraud", 40), end=True)
    worker = staged.start()
    staged.settle(worker)
    assert worker.end() == 0
    assert staged.quality()["fraud", ""] == (0.75, 40.0)

    text = staged.path.read_text(encoding="utf-8")
    staged.path.write_text(text.replace("threshold: 0.5", "threshold: 0.05"), encoding="utf-8")
    worker.start()
    assert code_of(worker) == 1
    assert "was written under another configuration; change it back, or stop all workers, delete the topics of " in (
        worker.last_lines()
    )
    staged.delete(SUMMARIES, CHECKPOINTS)
    staged.apply()
    worker.start()
    staged.settle(worker)

    assert staged.quality()["fraud", ""] == (0.25, 40.0)
    assert staged.counts()["read"] == 80


def test_the_clock_of_the_host_jumps(staged: Stage) -> None:
    """Ten years back at first, ten years ahead in the midst: the tables are those of a clock that is right."""
    tables = ("windows", "intake", "orphans", "rejected")
    what = {name: f"SELECT * EXCEPT revision FROM {name} FINAL ORDER BY ALL" for name in tables[:2]}  # noqa: S608
    what |= {name: f"SELECT * FROM {name} FINAL ORDER BY ALL" for name in tables[2:]}  # noqa: S608
    staged.emit(pairs("fraud", 40), end=False)
    worker = staged.start()
    wait(lambda: staged.quality().get(("fraud", "")) == (0.75, 40.0), "the first half is shown", worker)
    staged.emit(pairs("fraud", 40, first=40), end=True)
    staged.settle(worker)
    assert worker.end() == 0
    right = {name: staged.query(sql) for name, sql in what.items()}
    newest = staged.query("SELECT max(revision) AS newest FROM windows")[0]["newest"]

    staged.delete(SUMMARIES, CHECKPOINTS)
    staged.apply()
    worker = staged.start(program=python(SHIFTED.format(years=-10)))
    wait(lambda: metric(worker, "streams_events_read_total") > 0, "it reads", worker)
    worker.send(signal.SIGUSR1)
    staged.settle(worker)

    assert {name: staged.query(sql) for name, sql in what.items()} == right
    assert staged.query("SELECT min(revision) AS oldest FROM windows FINAL")[0]["oldest"] > newest


def test_retention_was_quicker_than_the_worker(staged: Stage) -> None:
    """Events that were deleted before they were read are lost and counted; the worker goes on with the others."""
    staged.emit(pairs("fraud", 40))
    worker = staged.start()
    wait(lambda: staged.quality().get(("fraud", "")) == (0.75, 40.0), "the first are shown", worker)
    assert worker.end() == 0
    staged.emit(pairs("fraud", 40, first=40))
    truncate(staged, "predictions", "outcomes")
    staged.emit(pairs("fraud", 40, first=80), end=True)

    worker.start()
    staged.settle(worker)

    assert staged.quality()["fraud", ""] == (0.75, 80.0)
    assert staged.counts()["read"] == 160
    assert metric(worker, "streams_records_skipped_total") == 80
    assert says(worker, "are not there any more")


def test_summaries_that_are_gone(staged: Stage) -> None:
    """Sums that were deleted before they were merged are missed: the worker ends with 1, and says what helps."""
    worker = staged.start()
    for first in (0, 40):
        staged.emit(pairs("fraud", 40, first))
        shown = (0.75, first + 40.0)
        wait(lambda s=shown: staged.quality().get(("fraud", "")) == s, "they are shown", worker)  # type: ignore[misc]
    assert worker.end(signal.SIGKILL) == -signal.SIGKILL  # before the sums have a checkpoint
    truncate(staged, SUMMARIES)

    worker.start()
    assert code_of(worker) == 1
    assert "of the summaries, or was made under another configuration; " in worker.last_lines()
    staged.delete(SUMMARIES, CHECKPOINTS)
    staged.apply()
    staged.emit([], end=True)
    worker.start()
    staged.settle(worker)
    assert staged.quality()["fraud", ""] == (0.75, 80.0)


def truncate(staged: Stage, *topics: str) -> None:
    """Delete all records of topics, as retention does."""
    asyncio.run(_truncate(staged, topics))


async def _truncate(staged: Stage, topics: tuple[str, ...]) -> None:
    kafka = staged.config.kafka
    admin = AIOKafkaAdminClient(bootstrap_servers=list(kafka.brokers))
    await admin.start()
    parts = [TopicPartition(f"{kafka.prefix}.{topic}", number) for topic in topics for number in range(PARTITIONS)]
    try:
        await admin.delete_records({part: RecordsToDelete(before_offset=-1) for part in parts})
    finally:
        await admin.close()
