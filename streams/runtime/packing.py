"""
Packing: nested plain data, arrays and tables as bytes, as checkpoints, summaries and snapshots hold them.

MessagePack holds the nesting, with small arrays as NumPy's .npy and tables as Arrow IPC: no pickle, so that reading
runs no code. All of it is compressed with Zstandard at its quickest; Kafka's clients have nothing left to compress.
Large arrays stand behind it, made narrow where that is possible at the speed of memory, and not compressed. Before
everything stands a digest: one wrong bit in a sum would restore to numbers that are wrong and look right.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from streams.errors import StateCorrupt
from streams.runtime.narrow import Form, narrow, widen

_ARRAY, _TABLE, _LARGE = 1, 2, 3
_DIGEST_BYTES = 16
_COMPRESSION, _LEVEL = "zstd", 1
_LARGE_BYTES = 1 << 16


class _Large(msgspec.Struct, array_like=True):
    """What stands for a large array: its shape, the form in which it is held, and of what types and in which parts."""

    shape: tuple[int, ...]
    form: Form
    dtypes: list[str]
    first: int


def encode(value: Any) -> bytes:
    """Return nested dictionaries and lists of plain data, arrays and Arrow tables as bytes."""
    large: list[memoryview] = []

    def hook(found: Any) -> msgspec.msgpack.Ext:
        if not isinstance(found, np.ndarray) or found.nbytes < _LARGE_BYTES:
            return _encode(found)
        form, arrays = narrow(np.ascontiguousarray(found).reshape(-1))
        described = _Large(found.shape, form, [array.dtype.str for array in arrays], len(large))
        large.extend(array.view(np.uint8).data for array in arrays)
        return msgspec.msgpack.Ext(_LARGE, msgspec.msgpack.encode(described))

    plain = msgspec.msgpack.Encoder(enc_hook=hook).encode(value)
    compressed = _codec().compress(plain, asbytes=True)
    sizes = [len(plain), len(compressed), *(len(part) for part in large)]
    content = [struct.pack(f">I{len(sizes)}Q", len(large), *sizes), compressed, *large]
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

        return msgspec.msgpack.Decoder(ext_hook=hook).decode(plain)
    except (msgspec.DecodeError, struct.error, ValueError, OSError) as error:
        raise StateCorrupt(f"{what} of {len(data)} bytes is damaged: {error}") from error


def _parts(content: memoryview) -> Iterator[memoryview]:
    (many,) = struct.unpack_from(">I", content)
    length, *sizes = struct.unpack_from(f">{many + 2}Q", content, 4)
    at = 4 + 8 * (many + 2)
    yield memoryview(_codec().decompress(content[at : at + sizes[0]], length))
    for before, size in zip(accumulate(sizes), sizes[1:], strict=False):
        yield content[at + before : at + before + size]


def _unpacked(large: Sequence[memoryview], held: memoryview) -> Any:
    described = msgspec.msgpack.decode(held, type=_Large)
    parts = large[described.first : described.first + len(described.dtypes)]
    arrays = [np.frombuffer(part, np.dtype(dtype)) for part, dtype in zip(parts, described.dtypes, strict=True)]
    return widen(described.form, arrays, math.prod(described.shape)).reshape(described.shape)


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
