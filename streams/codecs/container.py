"""
The framing of Avro container files: a header, then blocks, each followed by the file's sync marker.

A damaged block costs itself and nothing else: reading goes on behind the next sync marker.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

from streams.codecs.binary import read_long
from streams.codecs.compression import MAX_BLOCK_BYTES, decompress
from streams.core.block import MAX_RECORD_BYTES, EventType, Reject

MAGIC = b"Obj\x01"
SYNC_BYTES = 16

Data = bytes | mmap.mmap


@dataclass(frozen=True)
class Header:
    """What stands before a container file's blocks: the writer's schema, how blocks are compressed, what ends them."""

    schema: str
    codec: str
    sync: bytes
    end: int


@dataclass(frozen=True)
class Run:
    """The records of one block: the ordinal of the first, how many, and their bytes."""

    first: int
    count: int
    payload: bytes


@dataclass(frozen=True)
class Origin:
    """Whose records these are, as rejects tell it: the file's name and the type of event, if that is known."""

    source: str
    kind: EventType | None

    def reject(self, position: int, detail: str, original: bytes) -> Reject:
        """Return a reject for bytes that no schema reads."""
        return Reject("undecodable", detail, self.source, position, original[:MAX_RECORD_BYTES], self.kind)


def read_header(data: Data) -> Header | None:
    """Return the header of a container file, None if the data does not begin with one."""
    if data[: len(MAGIC)] != MAGIC:
        return None
    try:
        meta, at = _read_meta(data, len(MAGIC))
        schema, codec = meta[b"avro.schema"].decode(), meta.get(b"avro.codec", b"null").decode()
    except (IndexError, KeyError, ValueError):
        return None
    sync = data[at : at + SYNC_BYTES]
    return Header(schema, codec, sync, at + SYNC_BYTES) if len(sync) == SYNC_BYTES else None


def read_runs(data: Data, header: Header, origin: Origin) -> Iterator[Run | Reject]:
    """
    Yield the records of each block that can be read, and a reject for each stretch of the file that cannot.

    Records are counted as their blocks declare; a stretch that cannot be read counts as one.
    """
    at, ordinal = header.end, 0
    while at < len(data):
        try:
            count, payload, end = _read_block(data, at, header.sync)
        except ValueError as problem:
            found = data.find(header.sync, at)
            end = len(data) if found < 0 else found + SYNC_BYTES
            yield origin.reject(ordinal, str(problem), data[at : min(end, at + MAX_RECORD_BYTES)])
            at, ordinal = end, ordinal + 1
            continue
        if count or payload:
            yield _decompressed(Run(ordinal, count, payload), header.codec, origin)
        at, ordinal = end, ordinal + max(count, 1 if payload else 0)


def _read_meta(data: Data, at: int) -> tuple[dict[bytes, bytes], int]:
    meta: dict[bytes, bytes] = {}
    while True:
        count, at = _read_long(data, at)
        if count == 0:
            return meta, at
        if count < 0:
            count, (_, at) = -count, _read_long(data, at)
        for _ in range(count):
            key, at = _read_bytes(data, at)
            meta[key], at = _read_bytes(data, at)


def _read_bytes(data: Data, at: int) -> tuple[bytes, int]:
    length, at = _read_long(data, at)
    if not 0 <= length <= len(data) - at:
        raise IndexError(at)
    return data[at : at + length], at + length


def _read_long(data: Data, at: int) -> tuple[int, int]:
    value, length = read_long(data[at : at + 10], 0)
    return value, at + length


def _read_block(data: Data, at: int, sync: bytes) -> tuple[int, bytes, int]:
    """Return a block's record count, its bytes and where it ends. Raises ValueError if it is damaged."""
    count, at, end = _block_head(data, at)
    behind = end + len(sync)
    if behind > len(data):
        raise ValueError(f"the file ends within a block of {count} records")
    if data[end:behind] != sync and not _is_block_boundary(data, behind, sync):
        raise ValueError(f"a block of {count} records is not followed by the file's sync marker")
    return count, data[at:end], behind


def _block_head(data: Data, at: int) -> tuple[int, int, int]:
    """Return how many records the block at `at` declares, and where its bytes begin and end."""
    try:
        count, at = _read_long(data, at)
        size, at = _read_long(data, at)
    except IndexError as problem:
        raise ValueError("the file ends within a block") from problem
    if not (0 <= count <= MAX_BLOCK_BYTES and 0 <= size <= MAX_BLOCK_BYTES):
        raise ValueError(f"a block of {count} records and {size} bytes; at most {MAX_BLOCK_BYTES} are taken")
    return count, at, at + size


def _is_block_boundary(data: Data, at: int, sync: bytes) -> bool:
    """Whether a whole block or the end of the file is at `at`: then only the marker before it is damaged."""
    if at == len(data):
        return True
    try:
        _, _, end = _block_head(data, at)
    except ValueError:
        return False
    return data[end : end + len(sync)] == sync


def _decompressed(run: Run, codec: str, origin: Origin) -> Run | Reject:
    try:
        return Run(run.first, run.count, decompress(codec, run.payload))
    except ValueError as problem:
        return origin.reject(run.first, f"a block of {run.count} records: {problem}", run.payload)
