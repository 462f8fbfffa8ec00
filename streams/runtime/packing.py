"""
Packing: nested plain data, arrays and tables as bytes, as checkpoints, summaries and snapshots hold them.

MessagePack holds the nesting, with arrays as NumPy's .npy and tables as Arrow IPC: no pickle, so that reading runs no
code. Before all stands a digest: one wrong bit in a sum would restore to numbers that are wrong and look right.
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
_DIGEST_BYTES = 16


def encode(value: Any) -> bytes:
    """Return nested dictionaries and lists of plain data, arrays and Arrow tables as bytes."""
    content = msgspec.msgpack.Encoder(enc_hook=_encode).encode(value)
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
        return msgspec.msgpack.Decoder(ext_hook=_decode).decode(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise StateCorrupt(f"{what} of {len(data)} bytes is damaged: {error}") from error


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
