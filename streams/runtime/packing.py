"""
Packing: nested plain data, arrays and tables as bytes, as checkpoints, summaries and snapshots hold them.

MessagePack holds the nesting, with small arrays as NumPy's .npy and tables as Arrow IPC: no pickle, so that reading
runs no code. All of it is compressed with Zstandard at its quickest; Kafka's clients have nothing left to compress.
Large arrays stand behind it, each compressed by itself, or as it is where that would not make it smaller: the hashes
of ids, which are a third of a checkpoint, are noise. Before everything stands a digest: one wrong bit in a sum would
restore to numbers that are wrong and look right.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from streams.errors import StateCorrupt

_ARRAY, _TABLE, _LARGE = 1, 2, 3
_DIGEST_BYTES = 16
_COMPRESSION, _LEVEL = "zstd", 1
_LARGE_BYTES = 1 << 16
_TRIED_BYTES, _WORTH_IT = 1 << 13, 0.9  # a large array is compressed if so much of its middle shrinks to this share


class _Part(NamedTuple):
    """Bytes as they are stored, and their length once they are decompressed; 0: they are not compressed."""

    length: int
    data: bytes | memoryview


class _Large(msgspec.Struct, array_like=True):
    """What stands for a large array: its type and shape, and which part it is."""

    dtype: str
    shape: tuple[int, ...]
    part: int


def encode(value: Any) -> bytes:
    """Return nested dictionaries and lists of plain data, arrays and Arrow tables as bytes."""
    large: list[_Part] = []

    def hook(found: Any) -> msgspec.msgpack.Ext:
        if not isinstance(found, np.ndarray) or found.nbytes < _LARGE_BYTES:
            return _encode(found)
        large.append(_packed(np.ascontiguousarray(found).reshape(-1).view(np.uint8).data))
        return msgspec.msgpack.Ext(_LARGE, msgspec.msgpack.encode(_Large(found.dtype.str, found.shape, len(large))))

    plain = msgspec.msgpack.Encoder(enc_hook=hook).encode(value)
    parts = [_compressed(memoryview(plain)), *large]
    sizes = [number for part in parts for number in (part.length, len(part.data))]
    content = [struct.pack(f">I{len(sizes)}Q", len(parts), *sizes), *(part.data for part in parts)]
    return b"".join([_digest(content), *content])  # each byte is copied once: these are the largest things there are


def decode(data: bytes, what: str) -> Any:
    """
    Return what was encoded; `what` names it in errors.

    Raises
    ------
    StateCorrupt
        The bytes are not what `encode` gave.
    """
    content = memoryview(data)[_DIGEST_BYTES:]
    if data[:_DIGEST_BYTES] != _digest([content]):
        raise StateCorrupt(f"{what} of {len(data)} bytes is damaged: its digest is another; replay from the start")
    try:
        plain, *large = _parts(content)

        def hook(code: int, held: memoryview) -> Any:
            return _unpacked(large, held) if code == _LARGE else _decode(code, held)

        return msgspec.msgpack.Decoder(ext_hook=hook).decode(_plain(plain))
    except (msgspec.DecodeError, struct.error, ValueError, OSError) as error:
        raise StateCorrupt(f"{what} of {len(data)} bytes is damaged: {error}") from error


def _parts(content: memoryview) -> Iterator[_Part]:
    (many,) = struct.unpack_from(">I", content)
    sizes = struct.unpack_from(f">{2 * many}Q", content, 4)
    at = 4 + 16 * many
    for length, stored in zip(sizes[::2], sizes[1::2], strict=True):
        yield _Part(length, content[at : at + stored])
        at += stored


def _packed(data: memoryview) -> _Part:
    middle = len(data) // 2
    tried = data[middle : middle + _TRIED_BYTES]
    if len(_codec().compress(tried, asbytes=True)) > _WORTH_IT * len(tried):
        return _Part(0, data)
    return _compressed(data)


def _compressed(data: memoryview) -> _Part:
    return _Part(len(data), _codec().compress(data, asbytes=True))


def _plain(part: _Part) -> memoryview:
    data = memoryview(part.data)
    return memoryview(_codec().decompress(data, part.length)) if part.length else data


def _unpacked(large: list[_Part], held: memoryview) -> Any:
    described = msgspec.msgpack.decode(held, type=_Large)
    flat = np.frombuffer(_plain(large[described.part - 1]), np.dtype(described.dtype))
    return flat.reshape(described.shape).copy()  # what is restored is written to


def _codec() -> pa.Codec:
    return pa.Codec(_COMPRESSION, compression_level=_LEVEL)


def _digest(content: Iterable[bytes | memoryview]) -> bytes:
    digest = xxhash.xxh3_128()
    for part in content:
        digest.update(part)
    return digest.digest()


def _encode(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return msgspec.msgpack.Ext(_ARRAY, file.getvalue())
    if isinstance(value, pa.Table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_table(value)
        return msgspec.msgpack.Ext(_TABLE, sink.getvalue().to_pybytes())
    raise TypeError(f"a snapshot cannot hold a {type(value).__name__}")


def _decode(code: int, data: memoryview) -> Any:
    if code == _ARRAY:
        return np.load(io.BytesIO(data), allow_pickle=False)
    if code == _TABLE:
        return pa.ipc.open_stream(pa.py_buffer(bytes(data))).read_all()
    raise ValueError(f"unknown type {code}")
