"""A text that was put into every field is in no topic, table, log or page of a running worker where it must not be."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.cluster import WorkerProcess
from streams.errors import StateCorrupt
from streams.privacy import client_treatment
from streams.runtime.packing import decode
from streams.runtime.topics import ALERTS, CHECKPOINTS, INPUTS, REJECTED, SUMMARIES, TOPICS
from streams.sinks.clickhouse.store import read_store
from tests.operations.stage import PARTITIONS, Stage, says
from tests.test_privacy_canary import CANARY, CONFIG, DECLARED, events, written

AMOUNT = 73_310.8125
"""A number that may be nowhere; as a text and as the eight bytes of a double, it is nothing else."""

SECRET = "the secret of the test"  # noqa: S105 - of nothing
FIELDS = """
  fields:
    unit_id: hash
    label: {truncate: 5}
    ranking: hash
    source: drop
    attributes.email: drop
    attributes.nick: hash
    attributes.postcode: {truncate: 2}
    attributes.country: keep
    attributes.*: drop
    features.amount: {bucket: 1000}
    features.*: drop
    assignments.e: keep
    assignments.*: drop
"""
NEEDLES = (CANARY.encode(), repr(AMOUNT).encode(), struct.pack("<d", AMOUNT), struct.pack(">d", AMOUNT))
Found = dict[str, set[bytes]]


def told() -> Iterator[dict[str, Any]]:
    """Tell of what the test of files does, in the fields that have a treatment; others are kept always."""
    for one in events():
        if CANARY in (one.get("role"), one.get("kind")):
            continue
        if one["type"] == "prediction":
            one["attributes"] |= {"nick": CANARY, "postcode": f"7{CANARY}"}
            one["features"] |= {"amount": AMOUNT}
        yield {name: value for name, value in one.items() if name != "text"}


def spoiled() -> list[bytes]:
    """Records that are no events, with the canary in them."""
    return [CANARY.encode(), b"\x00\x00\x00\x00\x01" + CANARY.encode() * 3, b"\xc3\x01" + CANARY.encode() * 2]


def searched(found: Found, where: str, data: bytes) -> None:
    """Note what of the needles is in some bytes."""
    found.setdefault(where, set()).update(needle for needle in (*NEEDLES, DECLARED.encode()) if needle in data)


async def topics(staged: Stage, found: Found) -> None:
    """Search all that the brokers have: keys, values and headers, and what is packed in values."""
    kafka = staged.config.kafka
    consumer = AIOKafkaConsumer(bootstrap_servers=list(kafka.brokers))
    await consumer.start()
    try:
        for topic in TOPICS:
            many = PARTITIONS if topic.partitions == "shared" else topic.partitions
            parts = [TopicPartition(f"{kafka.prefix}.{topic.name}", number) for number in range(many)]
            ends = await consumer.end_offsets(parts)
            for part in parts:
                await read(consumer, part, ends[part], topic.name, found)
    finally:
        await consumer.stop()


async def read(consumer: AIOKafkaConsumer, part: TopicPartition, end: int, topic: str, found: Found) -> None:
    """Search the records of a partition."""
    consumer.assign([part])
    await consumer.seek_to_beginning(part)
    found.setdefault(topic, set())
    while await consumer.position(part) < end:
        for records in (await consumer.getmany(part, timeout_ms=1_000)).values():
            for record in records:
                value = record.value or b""
                searched(found, topic, b"\n".join([record.key or b"", value, repr(record.headers).encode()]))
                if value:
                    searched(found, topic, unpacked(topic, value))


def unpacked(topic: str, value: bytes) -> bytes:
    """Return what is packed in a value: sums and state, and the bytes of a rejected record, which stand as Base64."""
    if topic in {SUMMARIES, CHECKPOINTS}:
        return written(decode(value, "a record")).encode()
    return base64.b64decode(json.loads(value)["original"]) if topic == REJECTED else b""


def tables(staged: Stage, found: Found) -> None:
    """Search all tables and views of the store."""
    with read_store(staged.store.dsn) as store:
        for name in store.query("SHOW TABLES")["name"].to_pylist():
            searched(found, f"table {name}", repr(store.query(f"SELECT * FROM {name}").to_pylist()).encode())  # noqa: S608


def pages(worker: WorkerProcess, found: Found) -> None:
    """Search what a worker says of itself, and what it has written."""
    searched(found, "log", worker.log.read_bytes())
    for page in ("metrics", "health", "ready"):
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/{page}", timeout=10) as answer:
            searched(found, page, answer.read())


def live(staged: Stage, *, treated: bool) -> Found:
    """Have a worker work on what is told, and a unit be forgotten; return what was found where."""
    brokers, prefix = list(staged.config.kafka.brokers), staged.config.kafka.prefix
    kafka = f"kafka: {{brokers: {brokers}, prefix: {prefix}, partitions: {PARTITIONS}}}"
    staged.path.write_text(CONFIG.rstrip() + FIELDS + kafka + "\n", encoding="utf-8")
    staged.environ["SECRET"] = SECRET
    treat = client_treatment(staged.config.privacy, staged.environ)
    worker = staged.start()
    if not treated:
        staged.send([(topic, 0, value, []) for topic in INPUTS for value in spoiled()])
    staged.emit([treat(one) if treated else one for one in told()], end=True)
    staged.settle(worker)
    places = ["--config", str(staged.path), "--store", staged.store.dsn, "--brokers", staged.config.kafka.brokers[0]]
    code, said = staged.streams("forget", "--unit", f"{CANARY}-7", *places)
    assert code == 0, said
    found: Found = {}
    searched(found, "forget", said.encode())
    asyncio.run(topics(staged, found))
    tables(staged, found)
    pages(worker, found)
    assert says(worker, "recovered")
    return found


def holding(found: Mapping[str, set[bytes]]) -> set[str]:
    """Where something is that may be nowhere."""
    return {where for where, needles in found.items() if needles & {*NEEDLES}}


def declared(found: Mapping[str, set[bytes]]) -> set[str]:
    """Where something is that may be there: an empty place would prove nothing."""
    return {where for where, needles in found.items() if DECLARED.encode() in needles}


HOLDING = {*INPUTS, SUMMARIES, CHECKPOINTS, ALERTS, *(f"table {name}" for name in ("samples", "orphans", "alerts"))}
EVERYWHERE = {topic.name for topic in TOPICS} | {"forget", "log", "metrics", "health", "ready"}


def test_what_was_sent_as_it_was_is_in_the_inputs_only(staged: Stage) -> None:
    """The topics of events have what services sent; no other topic, no table, no log and no page has it."""
    found = live(staged, treated=False)

    assert found.keys() >= EVERYWHERE | {"table forgotten"}
    assert declared(found) >= {*HOLDING, REJECTED, "table rejected"}
    assert holding(found) == set(INPUTS)
    assert found["predictions"] >= {NEEDLES[0], struct.pack("<d", AMOUNT)}


def test_what_the_service_has_treated_is_nowhere(staged: Stage) -> None:
    """Where services treat events by the same section, not even the topics of events have it."""
    found = live(staged, treated=True)

    assert found.keys() >= EVERYWHERE
    assert declared(found) >= HOLDING
    assert holding(found) == set()


def test_the_search_finds_what_is_declared() -> None:
    """Ids are kept: they are found in a packed value as in a plain one, so that an empty search would be noticed."""
    found: Found = {}
    searched(found, "a place", json.dumps({"unit_id": CANARY}).encode())
    searched(found, "another", DECLARED.encode())

    assert holding(found) == {"a place"}
    with pytest.raises(StateCorrupt):
        decode(CANARY.encode(), "what is not packed")
