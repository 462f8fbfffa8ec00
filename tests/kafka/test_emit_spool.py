"""The spool on a real broker: what was flushed arrives, in order, as it was emitted, whatever happened in between."""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import signal
import subprocess
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.kafka.kafka import Broker
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums
from streams.codecs.write import to_events
from streams.config import parse_config
from streams.emit import Emitter, KafkaConfig, Prediction, Spool
from streams.pipeline import Pipeline
from streams.runtime.topics import apply_topics
from tests.driving import FAR_FUTURE
from tests.emit.accidents import HurriedLoop, full_disk
from tests.kafka.consume import read

REGISTRY = SchemaRegistry.load(default_schema_dir())
ROOT = Path(__file__).parents[2]
WAITS = 60.0


@pytest.fixture
def kafka(broker: Broker) -> KafkaConfig:
    """Return a configuration whose topics, of one partition each, are this test's own."""
    config = KafkaConfig(brokers=(broker.bootstrap,), partitions=1, prefix=f"s-{uuid.uuid4().hex}")
    apply_topics(config, {}, 30.0)
    return config


def arrived(kafka: KafkaConfig) -> list[dict[str, Any]]:
    """Return the predictions in the topic, in their order."""
    records = read(kafka, "prediction")
    block = decode_datums([record.value for record in records], "topic", np.arange(len(records)), REGISTRY)
    (batch,) = block.batches

    assert block.rejects == ()
    return list(to_events(batch.kind, batch.table))


def prediction(number: int) -> Prediction:
    """Return a prediction of long ago."""
    return Prediction(prediction_id=f"p{number}", event_time=1_600_000_000_000_000 + number, model="m", version="1")


def wanted(count: int) -> list[tuple[str, int]]:
    return [(f"p{number}", 1_600_000_000_000_000 + number) for number in range(count)]


def seen(kafka: KafkaConfig) -> list[tuple[str, int]]:
    return [(event["prediction_id"], in_us(event["event_time"])) for event in arrived(kafka) if event["model"] == "m"]


def in_us(written: str) -> int:
    return (dt.datetime.fromisoformat(written) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def drained(emitter: Emitter) -> None:
    """Wait until nothing is queued."""
    while emitter.stats().queued:
        emitter.flush(0.01)


def test_what_a_process_left_is_sent_by_the_next_with_its_times(
    broker: Broker, kafka: KafkaConfig, tmp_path: Path
) -> None:
    """Emitted without a broker and closed; a later emitter delivers all of it, in order, before its own."""
    broker.kill()
    try:
        first = Emitter(kafka, spool=Spool(tmp_path))
        for number in range(10_000):
            first.emit(prediction(number))
        closed = first.close(0)
    finally:
        broker.restart()
    with Emitter(kafka, spool=Spool(tmp_path)) as second:
        second.emit(prediction(10_000))
        drained(second)
    stats = second.stats()

    assert closed
    assert (stats.emitted, stats.inherited, stats.confirmed, stats.queued) == (1, 10_000, 10_001, 0)
    assert seen(kafka) == wanted(10_001)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


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


@pytest.mark.parametrize("has_spool", [False, True])
def test_after_ten_minutes_without_a_broker_everything_arrives(
    broker: Broker, kafka: KafkaConfig, tmp_path: Path, hurried: list[HurriedLoop], has_spool: bool
) -> None:
    """Events of ten minutes (of a clock that jumps) wait, and arrive once and in order when the broker is back."""
    broker.kill()
    try:
        emitter, given = Emitter(kafka, spool=Spool(tmp_path) if has_spool else None), 1
        emitter.emit(prediction(0))
        while hurried[0].ahead < 600:
            hurried[0].jumped.wait(WAITS)
            hurried[0].jumped.clear()
            emitter.emit(prediction(given))
            given += 1
        waited = emitter.stats()
        hurried[0].hurries = False
    finally:
        broker.restart()
    drained(emitter)
    emitter.close(WAITS)

    assert given > 100
    assert (waited.queued, waited.confirmed) == (given, 0)
    assert sum(emitter.stats().dropped.values()) == 0
    assert seen(kafka) == wanted(given)


def test_with_a_full_disk_events_are_delivered_all_the_same(kafka: KafkaConfig, tmp_path: Path) -> None:
    """A broker that is there gets what the disk does not take, in order, and what it takes again later."""
    emitter = Emitter(kafka, spool=Spool(tmp_path))
    numbers = iter(range(3_000))
    for _ in range(1_000):
        emitter.emit(prediction(next(numbers)))
    drained(emitter)
    with full_disk():
        for _ in range(1_000):
            emitter.emit(prediction(next(numbers)))
        flushed, problem = emitter.flush(WAITS), emitter.stats().problem
        drained(emitter)
    for number in numbers:
        emitter.emit(prediction(number))
    closed = emitter.close(WAITS)

    assert (flushed, closed) == (True, True)
    assert "the spool cannot be written: File too large" in str(problem)
    assert (emitter.stats().confirmed, emitter.stats().problem) == (3_000, None)
    assert seen(kafka) == wanted(3_000)


KILLED = """
import itertools, logging, sys
from streams.emit import Emitter, KafkaConfig, Spool

logging.disable()
emitter = Emitter(KafkaConfig(brokers=(sys.argv[1],), prefix=sys.argv[2]), spool=Spool(sys.argv[3]))
for number in itertools.count(int(sys.argv[4])):
    with emitter.measure("m", "1", request_id=f"{number:09}") as call:
        call.label = call.prediction_id
    if number % 50 == 0 and emitter.flush(60):
        print(number, flush=True)
"""


def kill_after(kafka: KafkaConfig, spool: Path, first: int, lines: int) -> int:
    """Run a service, kill it when it has said so many lines; returns the number that it said last."""
    command = [sys.executable, "-c", KILLED, kafka.brokers[0], kafka.prefix, str(spool), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as service:  # noqa: S603
        assert service.stdout is not None
        said = [int(service.stdout.readline()) for _ in range(lines)]
        service.send_signal(signal.SIGKILL)
        said += [int(line) for line in service.stdout if line.endswith("\n")]
    return max(said)


def test_killed_at_random_instants_all_that_was_flushed_arrives_under_one_id(
    kafka: KafkaConfig, tmp_path: Path
) -> None:
    """SIGKILL in the midst of deliveries: nothing flushed is missing, and what comes twice is the same event."""
    rng, flushed = random.Random(5), []
    for life in range(5):
        first = 1_000_000 * life
        last = kill_after(kafka, tmp_path, first, rng.randint(1, 120))
        flushed += [f"{number:09}" for number in range(first, last + 1)]
    with Emitter(kafka, spool=Spool(tmp_path)) as emitter:
        emitter.flush(WAITS)
        drained(emitter)
    versions: defaultdict[str, set[str]] = defaultdict(set)
    events = arrived(kafka)
    for event in events:
        versions[event["request_id"]].add(json.dumps(event, sort_keys=True))
    order = list(dict.fromkeys(event["request_id"] for event in events))

    assert set(flushed) <= set(versions)
    assert {len(same) for same in versions.values()} == {1}
    assert all(event["label"] == event["prediction_id"] for event in events)
    assert order == sorted(order)
    assert len(events) > len(flushed)


CONFIG = """
models:
  streams.emit: {task: none}
  m: {task: none}
"""


def test_what_was_dropped_is_counted_by_the_pipeline(broker: Broker, kafka: KafkaConfig) -> None:
    """A report for each reason arrives once the broker is back, and weighs as many events as were dropped."""
    emitter = Emitter(kafka, max_events=100)
    broker.kill()
    try:
        for number in range(1_000):
            emitter.emit(prediction(number))
        for _ in range(3):
            emitter.emit(Prediction(prediction_id="", model="m", version="1"))
    finally:
        broker.restart()
    emitter.close(WAITS)
    reports = [event for event in arrived(kafka) if event["model"] == "streams.emit"]
    pipeline = Pipeline(parse_config(CONFIG, "config.yaml"))
    records = read(kafka, "prediction")
    pipeline.open("topic")
    block = decode_datums([record.value for record in records], "topic", np.arange(len(records)), REGISTRY)
    list(pipeline.process(block, FAR_FUTURE))

    assert Counter(event["attributes"]["reason"] for event in reports) == {"full": 1, "invalid": 1}
    assert sum(1 / event["inclusion_probability"] for event in reports) == pytest.approx(903)
    assert sum(event["features"]["dropped"] for event in reports) == 903
    assert pipeline.counts()["rejected"] == 0
    assert (emitter.stats().emitted, emitter.stats().confirmed) == (100, 100)
