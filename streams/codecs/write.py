"""
Events to files and messages: Avro, encoded as columns, and JSON lines.

The same events give the same bytes: a container's sync marker is made from what it begins with.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyruhvro

from streams.codecs.avro import written_out
from streams.codecs.binary import encode_long
from streams.codecs.columns import conform
from streams.codecs.container import MAGIC, SYNC_BYTES
from streams.codecs.registry import SchemaRegistry
from streams.codecs.shape import shape_of
from streams.core.block import SCHEMAS, EventType
from streams.errors import UsageError

Events: TypeAlias = pa.Table | pa.RecordBatch | Iterable[Mapping[str, Any]]
"""Columns as in `SCHEMAS`, or records by field name whose `event_time` is a datetime, ISO text or microseconds."""

_SLICE_ROWS = 1 << 16
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def to_batch(kind: EventType, events: Events) -> pa.RecordBatch:
    """Return events as a record batch of `SCHEMAS[kind]`; what is absent gets its default."""
    if isinstance(events, pa.RecordBatch):
        return conform(kind, dict(zip(events.schema.names, events.columns, strict=True)), events.num_rows)
    if isinstance(events, pa.Table):
        columns = {name: _one_chunk(events.column(name)) for name in events.schema.names}
        return conform(kind, columns, events.num_rows)
    records = [{**record, "event_time": _micros(record.get("event_time"))} for record in events]
    arrays = {f.name: pa.array([record.get(f.name) for record in records], f.type) for f in SCHEMAS[kind]}
    return conform(kind, arrays, len(records))


def encode_datums(kind: EventType, events: Events, schema: Any) -> pa.BinaryArray:
    """
    Encode events as Avro datums, one value a row, by the event's `schema` (parsed JSON).

    Raises `UsageError` for a null in a field that the schema does not let be null.
    """
    batch = to_batch(kind, events)
    shape = shape_of(written_out(schema))
    for field in shape["fields"]:
        if (
            field["name"] in batch.schema.names
            and "null" not in field["type"]
            and batch.column(field["name"]).null_count
        ):
            raise UsageError(f"{kind}: {field['name']} is null in some event; every {kind} needs one")
    return pyruhvro.serialize_record_batch(batch, json.dumps(shape), 1)[0]


def encode_messages(kind: EventType, events: Events, registry: SchemaRegistry) -> list[bytes]:
    """Encode events as messages in Confluent framing, under the id of the newest landed schema."""
    number = registry.ids[kind]
    framing = b"\0" + number.to_bytes(4, "big")
    return [framing + datum for datum in encode_datums(kind, events, registry.current[kind]).to_pylist()]


def write_container(
    path: Path,
    kind: EventType,
    events: Events,
    registry: SchemaRegistry,
    codec: Literal["null", "deflate"] = "null",
    block_rows: int = 4_000,
) -> int:
    """Write events to an Avro container file, `block_rows` records a block; return how many there were."""
    batch = to_batch(kind, events)
    schema = registry.current[kind]
    meta = {"avro.schema": json.dumps(schema), "avro.codec": codec}
    first = b"".join(encode_datums(kind, batch.slice(0, block_rows), schema).to_pylist())
    sync = hashlib.blake2b(repr(meta).encode() + first, digest_size=SYNC_BYTES).digest()
    with path.open("wb") as file:
        file.write(_header(meta, sync))
        for start in range(0, len(batch), _SLICE_ROWS):
            datums = encode_datums(kind, batch.slice(start, _SLICE_ROWS), schema)
            _write_blocks(file, datums, codec, sync, block_rows)
    return len(batch)


def to_events(kind: EventType, table: pa.Table | pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Yield rows as the events of JSON lines: with their `type`, times as text, without what is null."""
    batch = to_batch(kind, table)
    names = batch.schema.names
    for row in zip(*map(_python_values, batch.columns), strict=True):
        fields = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield {"type": kind, **fields, "event_time": _iso(fields["event_time"])}


def write_jsonl(path: Path, events: Iterable[Mapping[str, Any]]) -> int:
    """Write events, each with its `type`, one a line; return how many. Raises ValueError for NaN and infinities."""
    lines = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for event in events:
            file.write(json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n")
            lines += 1
    return lines


def _write_blocks(file: BinaryIO, datums: pa.BinaryArray, codec: str, sync: bytes, block_rows: int) -> None:
    _, offsets_buffer, data = datums.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[datums.offset :][: len(datums) + 1]
    for first in range(0, len(datums), block_rows):
        end = min(first + block_rows, len(datums))
        payload = data[int(offsets[first]) : int(offsets[end])].to_pybytes()
        if codec == "deflate":
            deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            payload = deflater.compress(payload) + deflater.flush()
        file.write(encode_long(end - first) + encode_long(len(payload)) + payload + sync)


def _header(meta: Mapping[str, str], sync: bytes) -> bytes:
    entries = b"".join(_text(key) + _text(value) for key, value in meta.items())
    return MAGIC + encode_long(len(meta)) + entries + b"\0" + sync


def _text(value: str) -> bytes:
    data = value.encode()
    return encode_long(len(data)) + data


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    chunk = column.combine_chunks()
    return chunk.combine_chunks() if isinstance(chunk, pa.ChunkedArray) else chunk


def _python_values(column: pa.Array) -> list[Any]:
    """Convert a column to Python objects, maps to dictionaries (and all at once, which is a lot faster)."""
    if not pa.types.is_map(column.type):
        return list(column.to_pylist())
    keys, items, offsets = column.keys.to_pylist(), column.items.to_pylist(), column.offsets.to_pylist()
    return [dict(zip(keys[a:b], items[a:b], strict=True)) for a, b in pairwise(offsets)]


def _micros(time: Any) -> int | None:
    if isinstance(time, str):
        time = dt.datetime.fromisoformat(time)
    if isinstance(time, dt.datetime):
        return (time - _EPOCH) // _MICROSECOND
    return None if time is None else int(time)


def _iso(micros: int) -> str | int:
    """Write a time as ISO 8601 text, or as it is where `datetime` does not reach."""
    try:
        return (_EPOCH + micros * _MICROSECOND).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return micros
