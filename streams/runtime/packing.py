"""
Packing: nested plain data, arrays and tables as bytes, as checkpoints, summaries and snapshots hold them.

MessagePack holds the nesting, with arrays as NumPy's .npy and tables as Arrow IPC: no pickle, so that reading runs no
code. All of it is compressed with Zstandard at its quickest; Kafka's clients have nothing left to compress. Before it
stand its length and a digest: one wrong bit in a sum would restore to numbers that are wrong and look right.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from streams.errors import StateCorrupt

_ARRAY, _TABLE = 1, 2
_DIGEST_BYTES, _LENGTH_BYTES = 16, 8
_COMPRESSION, _LEVEL = "zstd", 1


def encode(value: Any) -> bytes:
    """Return nested dictionaries and lists of plain data, arrays and Arrow tables as bytes."""
    plain = msgspec.msgpack.Encoder(enc_hook=_encode).encode(value)
    compressed: bytes = _codec().compress(plain, asbytes=True)
    content = len(plain).to_bytes(_LENGTH_BYTES, "big") + compressed
    return _digest(content) + content


def decode(data: bytes, what: str) -> Any:
    """
    Return what was encoded; `what` names it in errors.

    Raises
    ------
    StateCorrupt
        The bytes are not what `encode` gave.
    """
    content = data[_DIGEST_BYTES:]
    if data[:_DIGEST_BYTES] != _digest(content):
        raise StateCorrupt(f"{what} of {len(data)} bytes is damaged: its digest is another; replay from the start")
    try:
        length = int.from_bytes(content[:_LENGTH_BYTES], "big")
        plain = _codec().decompress(memoryview(content)[_LENGTH_BYTES:], length)
        return msgspec.msgpack.Decoder(ext_hook=_decode).decode(plain)
    except (msgspec.DecodeError, ValueError, OSError) as error:
        raise StateCorrupt(f"{what} of {len(data)} bytes is damaged: {error}") from error


def _codec() -> pa.Codec:
    return pa.Codec(_COMPRESSION, compression_level=_LEVEL)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


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
