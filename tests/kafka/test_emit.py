"""`streams emit`: every event of the files is in its topic once, with its key, time and schema, whatever happens."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from aiokafka import ConsumerRecord
from aiokafka.partitioner import murmur2

from deploy.kafka.kafka import Broker, free_port
from streams.codecs.files import EventFile
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums
from streams.codecs.write import to_batch, to_events
from streams.config import KafkaConfig
from streams.core.block import Block, EventType
from streams.errors import UsageError
from streams.runtime.emit import emit
from streams.runtime.kafka import KafkaUnavailable, partitions_of
from streams.runtime.replay import open_files
from streams.runtime.topics import EVENT_TOPICS, INPUTS, apply_topics
from tests.conftest import Run
from tests.kafka.consume import read
from tests.runtime.story import Event, story, write_files

REGISTRY = SchemaRegistry.load(default_schema_dir())
PARTITIONS = 3


@pytest.fixture
def kafka(broker: Broker) -> KafkaConfig:
    """Create topics of this test's own on the broker of the tests."""
    config = KafkaConfig(brokers=(broker.bootstrap,), partitions=PARTITIONS, prefix=f"e-{uuid.uuid4().hex}")
    apply_topics(config, {}, 30.0)
    return config


def decoded(records: Sequence[ConsumerRecord], kind: EventType) -> list[Event]:
    """Decode records as the pipeline does; all are of one type, and none is rejected."""
    block = decode_datums([record.value for record in records], "topic", np.arange(len(records)), REGISTRY)
    (batch,) = block.batches

    assert (batch.kind, block.rejects) == (kind, ())
    return list(to_events(kind, batch.table))


def conformed(kind: EventType, events: Sequence[Event]) -> list[Event]:
    """Those of one type, with what they leave out."""
    return list(to_events(kind, to_batch(kind, [event for event in events if event["type"] == kind])))


def counted(events: Sequence[Any]) -> Counter[str]:
    return Counter(json.dumps(event, sort_keys=True) for event in events)


@pytest.mark.parametrize("extension", ["jsonl", "avro"])
def test_what_is_emitted_is_what_the_files_hold(kafka: KafkaConfig, tmp_path: Path, extension: str) -> None:
    """Every event is in its type's topic once, decodes to itself, and has its request as key."""
    events = story(requests=150, days=3)
    report = emit(open_files(write_files(tmp_path, events, extension)), kafka, {})
    placed: dict[bytes, set[int]] = {}
    for kind in sorted({event["type"] for event in events}):
        records = read(kafka, kind)
        wanted = conformed(kind, events)

        assert counted(decoded(records, kind)) == counted(wanted)
        assert report.counts[f"{kafka.prefix}.{EVENT_TOPICS[kind]}"] == len(wanted) > 0
        assert [record.key.decode() for record in records] == [
            event.get("request_id") or event["prediction_id"] for event in decoded(records, kind)
        ]
        for record in records:
            placed.setdefault(record.key, set()).add(record.partition)

    assert {len(partitions) for partitions in placed.values()} == {1}
    assert set.union(*placed.values()) == set(range(PARTITIONS))


def test_an_event_without_a_request_has_its_prediction_as_key(kafka: KafkaConfig, tmp_path: Path) -> None:
    """An absent or empty `request_id` is that of the prediction, and meets it in one partition number."""
    base = {"event_time": "2026-11-21T10:00:00Z", "prediction_id": "p-1"}
    prediction = {"type": "prediction", **base, "model": "m", "version": "1"}
    outcome = {"type": "outcome", **base, "request_id": "", "label": "1"}
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(prediction)}\n{json.dumps(outcome)}\n")
    emit(open_files([file]), kafka, {})
    (first,), (second,) = read(kafka, "prediction"), read(kafka, "outcome")

    assert first.key == second.key == b"p-1"
    assert first.partition == second.partition == (murmur2(b"p-1") & 0x7FFFFFFF) % PARTITIONS


def test_the_command(kafka: KafkaConfig, tmp_path: Path, cli: Run) -> None:
    """--json is one object of counts on standard output; what was not sent, and the rate, are on standard error."""
    good = {"type": "outcome", "request_id": "r", "event_time": "2999-01-01T00:00:00Z", "label": "1"}
    bad = [{**good, "request_id": None}, {**good, "event_time": None}, {**good, "label": 1}]
    (tmp_path / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in [good, *bad]) + "{\n" * 4)
    config = tmp_path / "config.yaml"
    config.write_text(f"kafka: {{prefix: {kafka.prefix}}}\nmodels: {{m: {{task: none}}}}\n")
    arguments = ["emit", "--config", config, "--brokers", kafka.brokers[0], tmp_path / "events.jsonl"]
    as_json, plain = cli(*arguments, "--json"), cli(*arguments)
    names = [f"{kafka.prefix}.{topic}" for topic in INPUTS]

    assert (as_json.code, plain.code) == (0, 0)
    assert json.loads(as_json.out) == {names[0]: 0, names[1]: 1, names[2]: 0, "rejected": 7}
    *reasons, more, last = as_json.err.splitlines()
    assert len(reasons) == 5
    assert all(": undecodable: " in reason for reason in reasons)
    assert more == "not sent: 2 more"
    assert last.startswith("1 events in ")
    assert plain.out == ""
    assert plain.err.startswith(names[0])


def test_what_no_message_can_hold_is_not_sent(kafka: KafkaConfig, tmp_path: Path) -> None:
    """An event without an id to be its key, or a field that its schema requires, is counted with its place and why."""
    good = {"type": "outcome", "request_id": "r", "event_time": "2999-01-01T00:00:00Z", "label": "1"}
    events = [{**good, "request_id": None}, good, {**good, "event_time": None}]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    report = emit(open_files([file]), kafka, {})
    without_id, without_time = report.reasons

    assert (report.confirmed, report.rejected) == (1, 2)
    assert without_id == f"{file}, record 0: missing_id: the outcome has neither request_id nor prediction_id"
    assert without_time.startswith(f"{file}, record 2: the outcome needs event_time")
    assert len(read(kafka, "outcome")) == 1


def test_topics_that_are_missing_are_named(broker: Broker, tmp_path: Path) -> None:
    """Nothing is sent, and the error says how to create them."""
    file = tmp_path / "events.jsonl"
    file.write_text("")
    with pytest.raises(UsageError, match=r"no topic absent\.predictions, .*streams topics apply"):
        emit(open_files([file]), KafkaConfig(brokers=(broker.bootstrap,), prefix="absent"), {})


def test_a_broker_that_is_away_is_a_clear_line(tmp_path: Path, cli: Run) -> None:
    """After the patience that was asked for, one line names the address, exit code 1."""
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "config.yaml").write_text("models: {m: {task: none}}\n")
    (tmp_path / "events.jsonl").write_text("")
    arguments = ["--config", tmp_path / "config.yaml", "--brokers", address, "--timeout", "0.3"]
    ran = cli("emit", *arguments, tmp_path / "events.jsonl")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: no broker answered at {address} within 0.3 s")
    assert len(ran.err.splitlines()) == 1


class Interrupted:
    """A file whose reading does something to the broker before its given block."""

    def __init__(self, file: EventFile, before: int, act: Any) -> None:
        self.name = file.name
        self._file, self._before, self._act = file, before, act

    def __iter__(self) -> Iterator[Block]:
        for number, block in enumerate(self._file):
            if number == self._before:
                self._act()
            yield block


def many(directory: Path) -> tuple[list[Event], EventFile]:
    """Write so many events that batches are on their way in the midst of the file; blocks of 1,000."""
    padding = {"padding": "x" * 400}
    base = {"type": "prediction", "model": "m", "version": "1", "attributes": padding}
    long_ago = 1_357_000_000_000_000  # events of 2013: the broker must know their producer after a crash none the less
    times = range(long_ago, long_ago + 20_000)
    events: list[Event] = [{**base, "prediction_id": f"p{each}", "event_time": each} for each in times]
    file = directory / "events.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    (source,) = open_files([file], block_rows=1_000)
    return events, source


def test_a_broker_killed_in_the_midst_costs_and_repeats_nothing(
    broker: Broker, kafka: KafkaConfig, tmp_path: Path
) -> None:
    """SIGKILL while batches are on their way, and a start some blocks later: each event is there once, in order."""
    events, source = many(tmp_path)
    dying = Interrupted(source, 12, broker.kill)

    async def emit_meanwhile() -> dict[str, int]:
        emitting = asyncio.create_task(asyncio.to_thread(emit, [dying], kafka, {}, 60.0))
        while broker.running:
            await asyncio.to_thread(lambda: None)
        await asyncio.to_thread(broker.start)
        return (await emitting).counts

    counts = asyncio.run(emit_meanwhile())
    records = read(kafka, "prediction")

    assert counts[f"{kafka.prefix}.predictions"] == len(events)
    assert Counter(record.key.decode() for record in records) == Counter(event["prediction_id"] for event in events)
    for partition in range(PARTITIONS):
        keys = [record.key for record in records if record.partition == partition]
        assert keys == sorted(keys)


def test_a_broker_that_stays_away_says_what_was_confirmed(broker: Broker, kafka: KafkaConfig, tmp_path: Path) -> None:
    """The error has the number of confirmed events, and no more events than all are confirmed or on their way."""
    events, source = many(tmp_path)
    try:
        with pytest.raises(
            KafkaUnavailable, match=r"answered for 1 s; [\d,]+ events were confirmed, [\d,]+ were"
        ) as said:
            emit([Interrupted(source, 12, broker.kill)], kafka, {}, timeout=1.0)
    finally:
        broker.restart()
    confirmed = int(str(said.value).split("; ")[1].split(" ")[0].replace(",", ""))

    assert confirmed <= len(read(kafka, "prediction")) < len(events)


@pytest.mark.parametrize("count", [1, 4, 12])
def test_partitions_are_those_of_the_default_partitioner(count: int) -> None:
    """Keys of any length and any bytes, also of a slice of a column, fall where aiokafka's murmur2 puts them."""
    rng = np.random.default_rng(7)
    keys = [rng.bytes(length) for length in [*range(20), 5, 5, 37, 1_000]]
    column = pa.array([b"before", *keys], pa.binary()).slice(1)

    assert partitions_of(column, count).tolist() == [(murmur2(key) & 0x7FFFFFFF) % count for key in keys]
    assert partitions_of(column.slice(0, 0), count).tolist() == []
