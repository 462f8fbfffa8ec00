"""
Bad records through the whole pipeline into a chDB store.

Each stands amid good neighbours, in every format that can say it. It becomes one row in `rejected`, with its reason,
its place and its bytes (at most `MAX_RECORD_BYTES` of them); the neighbours count as if it were not there.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.codecs.binary import encode_long
from streams.codecs.container import MAGIC, SYNC_BYTES
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import encode_datums, to_batch
from streams.config.privacy import PrivacyConfig
from streams.core.block import EVENT_TYPES, MAX_RECORD_BYTES, EventType
from streams.core.privacy.rule import KEEP
from streams.runtime.replay import open_files, replay
from streams.sinks.clickhouse.store import open_store
from tests.runtime.story import DAY, START, Event, Tables, config, replayed, story, tables, write_files

FORMATS = ("jsonl", "avro", "parquet")
KEPT = config().model_copy(update={"privacy": PrivacyConfig(fields={"payload": KEEP})})  # to see them
NOW = time.time_ns() // 1_000
NOON = START + DAY // 2
SYNC = b"s" * SYNC_BYTES

PREDICTION: Event = {
    "type": "prediction",
    "request_id": "bad",
    "prediction_id": "bad",
    "event_time": NOON,
    "model": "fraud",
    "version": "1",
    "score": 0.5,
    "attributes": {"country": "de"},
}
# It would label a prediction that is there, if it were good.
OUTCOME: Event = {"type": "outcome", "request_id": "r1", "event_time": NOON, "label": "1", "revision": 9}
FEEDBACK: Event = {"type": "feedback", "feedback_id": "bad", "request_id": "r1", "event_time": NOON, "kind": "click"}


@dataclass(frozen=True)
class Found:
    """What a run over files left: its counts, what the store shows, and the rejected rows."""

    counts: dict[str, int]
    shown: Tables
    rejected: list[dict[str, Any]]


@pytest.fixture(scope="module")
def neighbours() -> list[Event]:
    """Return some sixty good events of two days."""
    return story(requests=25, days=2, seed=3)


@pytest.fixture(scope="module")
def alone(neighbours: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Return what the store shows of the neighbours without any bad record."""
    directory = tmp_path_factory.mktemp("alone")
    return replayed(directory / "store", write_files(directory, neighbours, "jsonl")).shown


def run(directory: Path, paths: Sequence[Path]) -> Found:
    with open_store(f"chdb:{directory / 'store'}") as store:
        store.migrate()
        report = replay(KEPT, open_files(paths), store)
        sql = "SELECT source, position, type, reason, detail, hex(original) AS original FROM rejected"
        rejected = [{**row, "original": bytes.fromhex(row["original"])} for row in store.query(sql).to_pylist()]
        return Found(report.counts, tables(store), rejected)


def assert_rejected(found: Found, expected: dict[str, Any], alone: Tables) -> None:
    """One reject that is the expected row, explained, and neighbours that do not know of it."""
    [reject] = found.rejected
    assert {name: reject[name] for name in expected} == expected
    assert reject["detail"]
    assert found.counts["rejected"] == 1
    counts = found.counts
    assert counts["read"] == counts["predictions"] + counts["outcomes"] + counts["feedback"] + 1
    for name, rows in alone.items():
        assert found.shown[name].equals(rows), name


# ---- Events that can be said in every format (or all but JSON), and should not have been


def many(keys: int) -> dict[str, str]:
    return {f"key {number}": "v" for number in range(keys)}


BAD_EVENTS: dict[str, tuple[str, Event]] = {
    "prediction without an id": ("missing_id", PREDICTION | {"prediction_id": ""}),
    "prediction without a version": ("missing_id", PREDICTION | {"version": ""}),
    "outcome of an empty id": ("missing_id", OUTCOME | {"request_id": "", "prediction_id": ""}),
    "feedback without an id": ("missing_id", FEEDBACK | {"feedback_id": ""}),
    "unknown model": ("unknown_model", PREDICTION | {"model": "frau"}),
    "score below 0": ("bad_score", PREDICTION | {"score": -1e-9}),
    "score above 1": ("bad_score", PREDICTION | {"score": 1.000001}),
    "label that is no class, predicted": ("bad_label", PREDICTION | {"model": "topic", "label": "c"}),
    "label that is no class, binary": ("bad_label", PREDICTION | {"label": "2"}),
    "label that is no class, true": ("bad_label", OUTCOME | {"label": "maybe"}),
    "a microsecond before 1970": ("bad_time", PREDICTION | {"event_time": -1}),
    "smallest time": ("bad_time", OUTCOME | {"event_time": -(1 << 63)}),
    "year 9999": ("bad_time", OUTCOME | {"event_time": 253_402_300_799_999_999}),
    "largest time": ("bad_time", FEEDBACK | {"event_time": (1 << 63) - 1}),
    "prediction from two years ahead": ("future_time", PREDICTION | {"event_time": NOW + 731 * DAY}),
    "outcome from two years ahead": ("future_time", OUTCOME | {"event_time": NOW + 731 * DAY}),
    "feedback from two years ahead": ("future_time", FEEDBACK | {"event_time": NOW + 731 * DAY}),
    "map of 10,000 keys": ("too_large", PREDICTION | {"attributes": many(10_000)}),
    "event of 10 MB": ("too_large", PREDICTION | {"unit_id": "u" * 10_000_000}),
}
# What is wrong with these is found behind the codecs: one format is enough.
LESSER: dict[str, tuple[str, Event]] = {
    "unknown role": ("bad_kind", PREDICTION | {"role": "understudy"}),
    "unknown kind": ("bad_kind", FEEDBACK | {"kind": "poke"}),
    "rating without a value": ("bad_value", FEEDBACK | {"kind": "rating"}),
    "negative latency": ("bad_value", PREDICTION | {"latency_ms": -0.1}),
    "negative revision": ("bad_value", OUTCOME | {"revision": -1}),
    "weight of 0": ("bad_weight", PREDICTION | {"inclusion_probability": 0.0}),
    "weight above 1": ("bad_weight", OUTCOME | {"inclusion_probability": 1.5}),
    "outcome of nothing": ("missing_id", OUTCOME | {"request_id": None}),
    "feedback on nothing": ("missing_id", FEEDBACK | {"request_id": None}),
}
NO_JSON: dict[str, tuple[str, Event]] = {
    "score NaN": ("bad_score", PREDICTION | {"score": math.nan}),
    "score infinite": ("bad_score", PREDICTION | {"score": math.inf}),
    "score minus infinite": ("bad_score", PREDICTION | {"score": -math.inf}),
    "value NaN": ("bad_value", OUTCOME | {"value": math.nan}),
    "latency infinite": ("bad_value", PREDICTION | {"latency_ms": math.inf}),
    "weight NaN": ("bad_weight", PREDICTION | {"inclusion_probability": math.nan}),
}
CASES = [
    *((form, name) for name in BAD_EVENTS for form in FORMATS),
    *(("jsonl", name) for name in LESSER),
    *((form, name) for name in NO_JSON for form in FORMATS[1:]),
]


@pytest.mark.parametrize(("form", "name"), CASES)
def test_bad_event(tmp_path: Path, neighbours: list[Event], alone: Tables, form: str, name: str) -> None:
    """A bad event is one reject with its place and bytes in any format, and its neighbours do not notice."""
    reason, bad = (BAD_EVENTS | LESSER | NO_JSON)[name]
    kind: EventType = bad["type"]
    before, after = neighbours[:30], neighbours[30:]
    paths = write_files(tmp_path, [*before, bad, *after], form)
    before_it = before if form == "jsonl" else [event for event in before if event["type"] == kind]
    source = next(path for path in paths if form == "jsonl" or path.stem == kind)
    found = run(tmp_path, paths)

    expected: dict[str, Any] = {"source": str(source), "position": len(before_it), "reason": reason}
    # A line that is too long is not read, so nobody knows its type.
    expected["type"] = "" if form == "jsonl" and name == "event of 10 MB" else kind
    if form == "jsonl":
        expected["original"] = source.read_bytes().splitlines()[len(before_it)][:MAX_RECORD_BYTES]
    if form == "avro":
        schema = SchemaRegistry.load(default_schema_dir()).current[kind]
        expected["original"] = encode_datums(kind, [bad], schema)[0].as_py()[:MAX_RECORD_BYTES]
    assert_rejected(found, expected, alone)
    if form == "parquet" and name != "event of 10 MB":  # it has no bytes of its own: a row is kept as JSON
        fields = json.loads(found.rejected[0]["original"])
        assert fields["type"] == kind
        assert [fields[key] or None for key in bad if key.endswith("_id")] == [
            bad[key] or None for key in bad if key.endswith("_id")
        ]


# ---- Lines that are no events


LINES: dict[str, tuple[str, bytes]] = {
    "truncated": ("undecodable", b'{"type":"prediction","request_id":"bad","predic'),
    "garbage": ("undecodable", b"\x00\x01\xfe\xff garbage \x7f"),
    "text": ("undecodable", b"hello"),
    "array": ("undecodable", b"[1,2,3]"),
    "nested too deep": ("undecodable", b'{"type":' + b"[" * 100_000),
    "invalid UTF-8": (
        "undecodable",
        b'{"type":"outcome","request_id":"r\xff","event_time":1709208000000000,"label":"1"}',
    ),
    "lone surrogate": ("undecodable", rb'{"type":"outcome","request_id":"r\ud800","event_time":1709208000000000}'),
    "NaN": ("undecodable", json.dumps(PREDICTION | {"score": math.nan}).encode()),
    "infinite": ("undecodable", json.dumps(PREDICTION | {"score": math.inf}).encode()),
    "too large for a double": ("undecodable", json.dumps(PREDICTION).replace("0.5", "1e999").encode()),
    "number as text": ("undecodable", json.dumps(PREDICTION | {"score": "0.5"}).encode()),
    "number as id": ("undecodable", json.dumps(PREDICTION | {"request_id": 7}).encode()),
    "null in a map": ("undecodable", json.dumps(PREDICTION | {"attributes": {"country": None}}).encode()),
    "time without an offset": ("undecodable", json.dumps(OUTCOME | {"event_time": "2024-02-29T12:00:00"}).encode()),
    "time that is none": ("undecodable", json.dumps(OUTCOME | {"event_time": "yesterday"}).encode()),
    "unknown type": ("unknown_schema", json.dumps(OUTCOME | {"type": "outcom"}).encode()),
    "no type": ("undecodable", json.dumps({key: OUTCOME[key] for key in OUTCOME if key != "type"}).encode()),
    "no id": (
        "missing_id",
        json.dumps({key: PREDICTION[key] for key in PREDICTION if key != "prediction_id"}).encode(),
    ),
    "no time": ("bad_time", json.dumps({key: PREDICTION[key] for key in PREDICTION if key != "event_time"}).encode()),
    "year 9999 as text": ("bad_time", json.dumps(OUTCOME | {"event_time": "9999-12-31T23:59:59Z"}).encode()),
    "year 10000": ("bad_time", json.dumps(OUTCOME | {"event_time": "10000-01-01T00:00:00Z"}).encode()),
    "year 1969": ("bad_time", json.dumps(OUTCOME | {"event_time": "1969-12-31T23:59:59.999999Z"}).encode()),
    "more than 64 bits": ("bad_time", json.dumps(OUTCOME | {"event_time": 1 << 63}).encode()),
    "10 MB of garbage": ("too_large", b"g" * 10_000_000),
}


@pytest.mark.parametrize("name", LINES)
def test_bad_line(tmp_path: Path, neighbours: list[Event], alone: Tables, name: str) -> None:
    """A line that is no event is one reject with its number and bytes, and the lines around it do not notice."""
    reason, line = LINES[name]
    [path] = write_files(tmp_path, neighbours, "jsonl")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:30], line, *lines[30:], b""]))
    found = run(tmp_path, [path])

    expected = {"source": str(path), "position": 30, "reason": reason, "original": line[:MAX_RECORD_BYTES]}
    assert_rejected(found, expected, alone)


def test_truncated_file_of_lines(tmp_path: Path, neighbours: list[Event], alone: Tables) -> None:
    """A file that ends amid a line rejects that line and nothing else."""
    [path] = write_files(tmp_path, [*neighbours, OUTCOME], "jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    found = run(tmp_path, [path])

    rest = path.read_bytes().splitlines()[-1]
    expected = {"source": str(path), "position": len(neighbours), "reason": "undecodable", "original": rest}
    assert_rejected(found, expected, alone)


# ---- Avro files that are damaged, with a block for each record


def write_blocks(path: Path, schema: Any, datums: Sequence[bytes]) -> None:
    """Write an Avro container file by the specification, a record a block."""
    entries = [b"avro.schema", json.dumps(schema).encode(), b"avro.codec", b"null"]
    meta = encode_long(2) + b"".join(encode_long(len(entry)) + entry for entry in entries) + b"\0"
    blocks = b"".join(encode_long(1) + encode_long(len(datum)) + datum + SYNC for datum in datums)
    path.write_bytes(MAGIC + meta + SYNC + blocks)


def outcome_datums(events: Sequence[Event]) -> list[bytes]:
    schema = SchemaRegistry.load(default_schema_dir()).current["outcome"]
    mine = [event for event in events if event["type"] == "outcome"]
    datums: list[bytes] = encode_datums("outcome", mine, schema).to_pylist()
    return datums


GOOD = outcome_datums([OUTCOME])[0]
DATUMS: dict[str, bytes] = {
    "garbage": b"\xde\xad\xbe\xef" * 8,
    "truncated": GOOD[:-3],
    "bytes left over": GOOD + b"\x00",
    "unknown branch of a union": b"\x08" + GOOD[1:],
    "length beyond the end": b"\x02\xfe\xff\xff\xff\x0f" + GOOD[3:],
    "negative length": b"\x02\x03" + GOOD[2:],
    "invalid UTF-8": GOOD.replace(b"r1", b"r\xff"),
}


@pytest.mark.parametrize("name", DATUMS)
def test_bad_datum(tmp_path: Path, neighbours: list[Event], alone: Tables, name: str) -> None:
    """A datum that does not decode is one undecodable reject with its ordinal and bytes; other blocks do not notice."""
    paths = write_files(tmp_path, neighbours, "avro")
    datums = outcome_datums(neighbours)
    schema = SchemaRegistry.load(default_schema_dir()).current["outcome"]
    write_blocks(paths[1], schema, [*datums[:10], DATUMS[name], *datums[10:]])
    found = run(tmp_path, paths)

    expected = {"source": str(paths[1]), "position": 10, "type": "outcome", "reason": "undecodable"}
    assert_rejected(found, expected | {"original": DATUMS[name]}, alone)


def cut(whole: bytes) -> bytes:
    return whole[: -SYNC_BYTES - 3]


def without_sync(whole: bytes) -> bytes:
    return whole[:-SYNC_BYTES] + b"x" * 4


def overlong(whole: bytes) -> bytes:
    return whole[: -SYNC_BYTES - len(GOOD) - 1] + encode_long(1 << 40) + GOOD + SYNC


@pytest.mark.parametrize("damage", [cut, without_sync, overlong])
def test_damaged_block(
    tmp_path: Path, neighbours: list[Event], alone: Tables, damage: Callable[[bytes], bytes]
) -> None:
    """A file that is cut off within its last block, or whose framing is damaged there, rejects that block alone."""
    paths = write_files(tmp_path, neighbours, "avro")
    datums = outcome_datums(neighbours)
    write_blocks(paths[1], SchemaRegistry.load(default_schema_dir()).current["outcome"], [*datums, GOOD])
    paths[1].write_bytes(damage(paths[1].read_bytes()))
    found = run(tmp_path, paths)

    expected = {"source": str(paths[1]), "position": len(datums), "type": "outcome", "reason": "undecodable"}
    assert_rejected(found, expected, alone)
    assert GOOD[:-3] in found.rejected[0]["original"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "invoice", "fields": [{"name": "total", "type": "double"}]},
        {"type": "record", "name": "telemetry.outcomes", "fields": [{"name": "total", "type": "double"}]},
    ],
)
def test_unknown_record(tmp_path: Path, neighbours: list[Event], alone: Tables, schema: Any) -> None:
    """An Avro record of another name is a reject of unknown_schema that names the record, with its bytes."""
    paths = [*write_files(tmp_path, neighbours, "avro"), tmp_path / "other.avro"]
    write_blocks(paths[-1], schema, [b"\0" * 8])
    found = run(tmp_path, paths)

    expected = {"source": str(paths[-1]), "position": 0, "type": "", "reason": "unknown_schema"}
    assert_rejected(found, expected | {"original": b"\0" * 8}, alone)
    assert schema["name"].rpartition(".")[2] in found.rejected[0]["detail"]


@pytest.mark.parametrize("content", [b"PK\x03\x04 garbage", b"Obj\x01", b"x" * 10_000_000], ids=["zip", "cut", "10 MB"])
def test_file_that_is_no_container(tmp_path: Path, neighbours: list[Event], alone: Tables, content: bytes) -> None:
    """An .avro file that is none is one undecodable reject with its first bytes, and the other files do not notice."""
    paths = [*write_files(tmp_path, neighbours, "avro"), tmp_path / "other.avro"]
    paths[-1].write_bytes(content)
    found = run(tmp_path, paths)

    expected = {"source": str(paths[-1]), "position": 0, "type": "", "reason": "undecodable"}
    assert_rejected(found, expected | {"original": content[:MAX_RECORD_BYTES]}, alone)


# ---- Parquet columns with what its readers do not look at


def invalid_text(batch: pa.RecordBatch) -> pa.Array:
    texts = [b"r\xff" if value == "BAD" else value.encode() for value in batch["request_id"].to_pylist()]
    return pa.array(texts, pa.binary()).view(pa.string())


def test_invalid_text_in_parquet(tmp_path: Path, neighbours: list[Event], alone: Tables) -> None:
    """Text in a Parquet column that is not UTF-8 is one undecodable reject; other rows do not notice."""
    paths = write_files(tmp_path, neighbours, "parquet")
    mine = [event for event in neighbours if event["type"] == "outcome"]
    batch = to_batch("outcome", [*mine[:10], OUTCOME | {"request_id": "BAD"}, *mine[10:]])
    place = batch.schema.get_field_index("request_id")
    pq.write_table(pa.Table.from_batches([batch.set_column(place, "request_id", invalid_text(batch))]), paths[1])
    found = run(tmp_path, paths)

    expected = {"source": str(paths[1]), "position": 10, "type": "outcome", "reason": "undecodable"}
    assert_rejected(found, expected, alone)
    assert b"r\\\\xff" in found.rejected[0]["original"]


def test_missing_values_in_parquet(tmp_path: Path, neighbours: list[Event], alone: Tables) -> None:
    """A null where a Parquet row needs an id or a time is one reject with the reason of an absent field."""
    for name, reason in (("prediction_id", "missing_id"), ("version", "missing_id"), ("event_time", "bad_time")):
        directory = tmp_path / name
        bad = PREDICTION | {name: None}
        paths = write_files(directory, [*neighbours[:30], bad, *neighbours[30:]], "parquet")
        before = [event for event in neighbours[:30] if event["type"] == "prediction"]
        found = run(directory, paths)

        expected = {"source": str(paths[0]), "position": len(before), "type": "prediction", "reason": reason}
        assert_rejected(found, expected, alone)


def test_every_event_type_is_among_the_neighbours(neighbours: list[Event], alone: Tables) -> None:
    """The neighbours include every type that joins, and the label that bad outcomes would have given is not theirs."""
    assert {event["type"] for event in neighbours} == set(EVENT_TYPES) - {"summary"}
    assert any(event["type"] == "prediction" and event["request_id"] == "r1" for event in neighbours)
    assert len(alone["quality"]) > 100
    assert len(alone["orphans"]) > 3
