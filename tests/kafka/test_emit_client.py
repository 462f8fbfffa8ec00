"""`streams.emit` on a real broker: every event that was taken arrives once, in order, or is counted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.kafka.kafka import Broker
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums
from streams.codecs.write import to_events
from streams.core.block import EVENT_TYPES
from streams.emit import AsyncEmitter, Emitter, Event, Feedback, KafkaConfig, Outcome, Prediction, Stats
from streams.runtime.emit import emit as emit_files
from streams.runtime.replay import open_files
from streams.runtime.topics import apply_topics
from tests.kafka.consume import read

REGISTRY = SchemaRegistry.load(default_schema_dir())
ROOT = Path(__file__).parents[2]
PARTITIONS = 3
WAITS = 60.0


def new_topics(broker: Broker) -> KafkaConfig:
    """Create topics of their own on the broker of the tests."""
    config = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"c-{uuid.uuid4().hex}")
    apply_topics(config, {}, 30.0)
    return config


@pytest.fixture
def kafka(broker: Broker) -> KafkaConfig:
    """Return a configuration whose topics are this test's own."""
    return new_topics(broker)


def events_in(records: Sequence[ConsumerRecord]) -> list[dict[str, Any]]:
    """Decode records as the pipeline does; none is rejected."""
    block = decode_datums([record.value for record in records], "topic", np.arange(len(records)), REGISTRY)
    (batch,) = block.batches

    assert block.rejects == ()
    return list(to_events(batch.kind, batch.table))


def drops(stats: Stats) -> dict[str, int]:
    return {reason: count for reason, count in stats.dropped.items() if count}


def prediction(name: str, **fields: Any) -> Prediction:
    return Prediction(prediction_id=name, model="m", version="1", **fields)


def ids(kafka: KafkaConfig) -> Counter[str]:
    """Return the predictions in the topic, but for reports of drops, by their ids."""
    return Counter(event["prediction_id"] for event in events_in(read(kafka, "prediction")) if event["model"] == "m")


def test_what_is_emitted_is_what_the_command_publishes(broker: Broker, kafka: KafkaConfig, tmp_path: Path) -> None:
    """Each event's key, partition and value in the topic are those that `streams emit` writes for the same event."""
    time = 1_800_000_000_000_000
    score = {"score": 0.5, "attributes": {"country": "DE"}, "features": {"age": 41.5}, "ranking": ["a", "b"]}
    events: list[Event] = [prediction(f"p{number}", event_time=time + number, **score) for number in range(20)]
    events += [Outcome(request_id=f"r{number}", event_time=time, label="1", revision=number) for number in range(20)]
    events += [Feedback(feedback_id="f", prediction_id=f"p{n}", event_time=time, kind="edit") for n in range(20)]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(as_line(event) + "\n" for event in events), encoding="utf-8")
    by_command = new_topics(broker)
    emit_files(open_files([file]), by_command, {})
    with Emitter(kafka) as emitter:
        assert [emitter.emit(event) for event in events] == [True] * 60
        assert emitter.flush(WAITS)
    for kind in EVENT_TYPES:
        ours, theirs = (
            sorted((record.partition, record.offset, record.key, record.value) for record in read(config, kind))
            for config in (kafka, by_command)
        )

        assert len(ours) == 20
        assert ours == theirs


def as_line(event: Event) -> str:
    """Write an event as a line of JSON."""
    kind = {Prediction: "prediction", Outcome: "outcome", Feedback: "feedback"}[type(event)]
    return json.dumps({"type": kind, **{name: getattr(event, name) for name in event.__struct_fields__}})


def test_four_threads_and_every_event_once_in_order(kafka: KafkaConfig) -> None:
    """20,000 events from each of four threads are there once, those of a thread and a key in their order."""
    emitter = Emitter(kafka)

    def serve(thread: int) -> None:
        for number in range(20_000):
            emitter.emit(prediction(f"{thread}", request_id=f"r{number % 50}", label=f"{number:05}"))

    threads = [threading.Thread(target=serve, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    closed, stats = emitter.close(WAITS), emitter.stats()
    rows = [(e["prediction_id"], e["request_id"], e["label"]) for e in events_in(read(kafka, "prediction"))]
    in_order: dict[tuple[str, str], list[str]] = {}
    for thread_id, request, label in rows:
        in_order.setdefault((thread_id, request), []).append(label)

    assert closed
    assert (stats.emitted, stats.confirmed, stats.queued, drops(stats)) == (80_000, 80_000, 0, {})
    assert len(rows) == len(set(rows)) == 80_000
    assert len(in_order) == 4 * 50
    assert all(labels == sorted(labels) for labels in in_order.values())


def test_a_broker_killed_in_the_midst_costs_and_repeats_nothing(broker: Broker, kafka: KafkaConfig) -> None:
    """SIGKILL between and during deliveries, and a start later: what was taken in all that time is there once."""
    emitter = Emitter(kafka)
    names = [f"p{number}" for number in range(30_000)]
    try:
        for name in names[:10_000]:
            emitter.emit(prediction(name))
        while emitter.stats().confirmed == 0:
            pass
        broker.kill()
        for name in names[10_000:20_000]:
            emitter.emit(prediction(name))
        away = emitter.stats()
    finally:
        broker.restart()
    for name in names[20_000:]:
        emitter.emit(prediction(name))
    flushed, stats = emitter.flush(WAITS), emitter.stats()
    emitter.close(WAITS)

    assert flushed
    assert away.emitted == 20_000 == away.confirmed + away.queued
    assert away.queued >= 10_000
    assert (stats.emitted, stats.confirmed, stats.queued, drops(stats)) == (30_000, 30_000, 0, {})
    assert ids(kafka) == Counter(names)


def test_what_no_longer_fits_while_a_broker_is_away_is_counted(broker: Broker, kafka: KafkaConfig) -> None:
    """With room for 100, the first 100 after the crash arrive once the broker is back; the others are counted."""
    emitter = Emitter(kafka, max_events=100)
    try:
        emitter.emit(prediction("before"))
        assert emitter.flush(WAITS)
        broker.kill()
        taken = [emitter.emit(prediction(f"p{number}")) for number in range(1_000)]
    finally:
        broker.restart()
    flushed = emitter.flush(WAITS)
    again = emitter.emit(prediction("after"))
    closed, stats = emitter.close(WAITS), emitter.stats()

    assert taken == [True] * 100 + [False] * 900
    assert flushed
    assert again
    assert closed
    assert (stats.emitted, stats.confirmed, stats.queued, drops(stats)) == (102, 102, 0, {"full": 900})
    assert ids(kafka) == Counter(["before", *(f"p{number}" for number in range(100)), "after"])


def test_a_broker_that_comes_late_gets_what_waited(broker: Broker, kafka: KafkaConfig) -> None:
    """Events of a service that started before its broker wait, and arrive without anybody's doing."""
    broker.kill()
    try:
        emitter = Emitter(kafka)
        emitter.emit(prediction("early"))
        flushed_without = emitter.flush(0.3)
    finally:
        broker.restart()
    flushed_with = emitter.flush(WAITS)
    emitter.close(WAITS)

    assert (flushed_without, flushed_with) == (False, True)
    assert ids(kafka) == Counter(["early"])


def test_a_missing_topic_is_told_and_waited_for(broker: Broker) -> None:
    """Events for topics that are not there wait; `problem` says what to do, and once done, they arrive."""
    kafka = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"c-{uuid.uuid4().hex}")
    emitter = Emitter(kafka)
    emitter.emit(prediction("p"))
    while (problem := emitter.stats().problem) is None:
        emitter.flush(0.1)
    apply_topics(kafka, {}, 30.0)
    flushed, healed = emitter.flush(WAITS), emitter.stats().problem
    emitter.close(WAITS)

    assert problem.endswith(f"knows topic {kafka.prefix}.predictions; do `streams topics apply`")
    assert flushed
    assert healed is None
    assert ids(kafka) == Counter(["p"])


def test_what_the_brokers_refuse_is_counted_and_the_next_events_arrive(broker: Broker) -> None:
    """A message over the topic's limit fails alone, is told, and a new producer goes on, in every partition."""
    kafka = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"c-{uuid.uuid4().hex}")
    create(broker, f"{kafka.prefix}.predictions", {"max.message.bytes": "2000"})
    emitter = Emitter(kafka)
    emitter.emit(prediction("large", label=os.urandom(4_000).hex()))
    refused = emitter.flush(WAITS), emitter.stats()
    for number in range(30):
        emitter.emit(prediction(f"p{number}"))
    closed, stats = emitter.close(WAITS), emitter.stats()

    assert refused[0]
    assert (refused[1].confirmed, drops(refused[1])) == (0, {"failed": 1})
    assert closed
    assert (stats.emitted, stats.confirmed, drops(stats)) == (31, 30, {"failed": 1})
    assert ids(kafka) == Counter(f"p{number}" for number in range(30))


def create(broker: Broker, topic: str, settings: dict[str, str]) -> None:
    """Make a topic with its settings: those of a topic that is there come into force some time after they are given."""

    async def ask() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=settings)])
        await admin.close()

    asyncio.run(ask())


def test_services_on_asyncio(kafka: KafkaConfig) -> None:
    """`AsyncEmitter` delivers what it took, and leaving it delivers the rest."""

    async def serve() -> tuple[bool, Stats, Stats]:
        async with AsyncEmitter(kafka) as emitter:
            for number in range(1_000):
                emitter.emit(prediction(f"p{number}"))
            flushed, at_flush = await emitter.flush(WAITS), emitter.stats()
            emitter.emit(prediction("last"))
        return flushed, at_flush, emitter.stats()

    flushed, at_flush, at_end = asyncio.run(serve())

    assert flushed
    assert (at_flush.confirmed, at_end.confirmed) == (1_000, 1_001)
    assert ids(kafka) == Counter([*(f"p{number}" for number in range(1_000)), "last"])


FORK = """
import os, sys
from streams.emit import Emitter, KafkaConfig, Prediction

def emit(names):
    for name in names:
        emitter.emit(Prediction(prediction_id=name, model="m", version="1"))

emitter = Emitter(KafkaConfig(brokers=(sys.argv[1],), prefix=sys.argv[2]))
emit(["first"])
emitter.flush(60)
emit([f"parent{n}" for n in range(5000)])
child = os.fork()
emit([f"{'parent' if child else 'child'}{n}" for n in range(5000, 10000)])
if child:
    os.waitpid(child, 0)
    emit(["last"])  # not closed: leaving Python does
else:
    assert emitter.close(60) and emitter.stats().confirmed == 5000
    os._exit(0)
"""


def test_a_forked_child_and_its_parent_deliver_their_own(kafka: KafkaConfig) -> None:
    """A fork in the midst of deliveries loses and repeats nothing, and Python's end delivers what waits."""
    command = [sys.executable, "-c", FORK, kafka.brokers[0], kafka.prefix]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=WAITS)  # noqa: S603
    parents, children = [f"parent{n}" for n in range(10_000)], [f"child{n}" for n in range(5_000, 10_000)]

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ids(kafka) == Counter(["first", *parents, *children, "last"])
