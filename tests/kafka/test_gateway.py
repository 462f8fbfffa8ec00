"""`streams gateway` on a real broker: what is answered with 202 is in the topics, as `streams emit` puts it there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.kafka import Broker
from streams.codecs.write import to_batch, to_events, write_jsonl
from streams.config import KafkaConfig
from streams.core.block import EventType
from streams.runtime.emit import emit
from streams.runtime.replay import open_files
from streams.runtime.topics import apply_topics
from tests.conftest import STREAMS, Run
from tests.gateway.serving import SECRET
from tests.kafka.consume import read
from tests.kafka.test_emit_client import create
from tests.runtime.story import story

ROOT = Path(__file__).parents[2]
PARTITIONS = 3
SENT: tuple[EventType, ...] = ("prediction", "outcome", "feedback")


def new_topics(broker: Broker) -> KafkaConfig:
    """Create topics of their own on the broker of the tests."""
    config = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"g-{uuid.uuid4().hex}")
    apply_topics(config, {}, 30.0)
    return config


def written(directory: Path, kafka: KafkaConfig) -> list[str]:
    """Write what a gateway is started with, and return its command line."""
    models = sorted({event["model"] for event in story(requests=20, days=1) if event["type"] == "prediction"})
    config = {"models": {name: {"task": "none"} for name in models}, "kafka": {"prefix": kafka.prefix, "partitions": 3}}
    (directory / "config.yaml").write_text(json.dumps(config))
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    (directory / "tokens.yaml").write_text(json.dumps({"tokens": {"tests": {"sha256": digest}}}))
    files = ["--config", str(directory / "config.yaml"), "--token-file", str(directory / "tokens.yaml")]
    return ["gateway", *files, "--brokers", ",".join(kafka.brokers), "--listen", "127.0.0.1:0", "--timeout", "5"]


@contextmanager
def started(directory: Path, kafka: KafkaConfig) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command in a process of its own, as far as it answers; yields its address."""
    command = [str(STREAMS), *written(directory, kafka)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)  # noqa: S603
    assert process.stderr is not None
    try:
        said = iter(process.stderr.readline, "")
        yield next(found[0] for line in said if (found := re.search(r"http://127\.0\.0\.1:\d+", line))), process
    finally:
        process.kill()
        process.communicate()


def post(address: str, events: list[dict[str, Any]]) -> tuple[int, Any]:
    """Send events as a service in another language would, and return what was answered."""
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/events", json.dumps(events).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def rows(kafka: KafkaConfig, kind: EventType) -> list[tuple[int, bytes, bytes]]:
    return sorted((record.partition, record.key, record.value) for record in read(kafka, kind))


@pytest.fixture
def kafka(broker: Broker) -> KafkaConfig:
    """Return a configuration whose topics are this test's own."""
    return new_topics(broker)


def test_what_is_taken_is_what_the_command_publishes(broker: Broker, kafka: KafkaConfig, tmp_path: Path) -> None:
    """Each event's key, partition and value in the topic are those that `streams emit` writes for the same event."""
    events = story(requests=150, days=3)
    plain = [event for kind in SENT for event in as_written(kind, events)]
    by_command = new_topics(broker)
    write_jsonl(tmp_path / "events.jsonl", plain)
    emit(open_files([tmp_path / "events.jsonl"]), by_command, {})
    with started(tmp_path, kafka) as (address, process):
        answers = [post(address, plain[first : first + 100]) for first in range(0, len(plain), 100)]
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)

    assert {status for status, _ in answers} == {202}
    assert sum(answer["accepted"] for _, answer in answers) == len(plain)
    assert code == 0
    for kind in SENT:
        assert rows(kafka, kind) == rows(by_command, kind)
        assert len(rows(kafka, kind)) == sum(event["type"] == kind for event in plain) > 0


def as_written(kind: EventType, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of a type as JSON lines have them."""
    return list(to_events(kind, to_batch(kind, [event for event in events if event["type"] == kind])))


def test_a_broker_that_dies_is_503_and_the_same_again_is_202(
    broker: Broker, kafka: KafkaConfig, tmp_path: Path
) -> None:
    """While no broker answers nothing is said to be taken; once it is back the same request is, and all is there."""
    event = {"type": "outcome", "request_id": "r", "event_time": "2026-11-21T10:00:00Z", "label": "1"}
    with started(tmp_path, kafka) as (address, _):
        before = post(address, [event])
        broker.kill()
        try:
            away, problem = post(address, [{**event, "request_id": "while-away"}])
        finally:
            broker.restart()
        after = post(address, [{**event, "request_id": "while-away"}])
        while after[0] == 503:
            after = post(address, [{**event, "request_id": "while-away"}])
    keys = {record.key for record in read(kafka, "outcome")}

    assert before == (202, {"accepted": 1, "prediction": 0, "outcome": 1, "feedback": 0, "summary": 0})
    assert (away, problem["type"]) == (503, "urn:streams:gateway:unconfirmed")
    assert after[0] == 202
    assert keys == {b"r", b"while-away"}


def test_missing_topics_are_told_at_the_start(broker: Broker, cli: Run, tmp_path: Path) -> None:
    """Without its topics a gateway does not start, and says what to do; exit code 2."""
    kafka = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"g-{uuid.uuid4().hex}")
    ran = cli(*written(tmp_path, kafka))

    assert ran.code == 2
    assert f"there is no topic {kafka.prefix}.predictions" in ran.err
    assert "streams topics apply" in ran.err


def test_what_the_brokers_refuse_is_502_and_the_next_is_202(broker: Broker, tmp_path: Path) -> None:
    """An event over its topic's limit is told, alone of its request; a new producer takes what comes then."""
    kafka = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"g-{uuid.uuid4().hex}")
    create(broker, f"{kafka.prefix}.outcomes", {"max.message.bytes": "2000"})
    create(broker, f"{kafka.prefix}.predictions", {})
    create(broker, f"{kafka.prefix}.feedback", {})
    small = {"type": "outcome", "request_id": "r", "event_time": "2026-11-21T10:00:00Z", "label": "1"}
    feedback = {**small, "type": "feedback", "feedback_id": "f", "kind": "edit"}
    with started(tmp_path, kafka) as (address, _):
        refused, problem = post(address, [{**small, "label": os.urandom(4_000).hex()}, feedback])
        after = [post(address, [{**small, "request_id": f"r{number}"}])[0] for number in range(10)]

    assert (refused, problem["type"]) == (502, "urn:streams:gateway:refused")
    assert problem["detail"].startswith("1 of 2 events, the others arrived: ")
    assert after == [202] * 10
    assert {record.key for record in read(kafka, "outcome")} == {f"r{number}".encode() for number in range(10)}
    assert [record.key for record in read(kafka, "feedback")] == [b"r"]
