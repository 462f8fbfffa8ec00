"""
Snapshots as bytes: a pipeline's state, to go on from exactly there.

MessagePack holds the nesting, with arrays as NumPy's .npy and tables as Arrow IPC: no pickle, so that reading a
snapshot runs no code. The configuration's fingerprint stands in front, since state means nothing without it, and
before all a digest: one wrong bit in a sum would restore to numbers that are wrong and look right.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from streams.config.models import Config
from streams.core.ids import hash_text
from streams.errors import StateCorrupt
from streams.pipeline import Pipeline

_VERSION = 1
_ARRAY, _TABLE = 1, 2
_DIGEST_BYTES = 16


def save(pipeline: Pipeline, config: Config) -> bytes:
    """Return everything that the pipeline needs to go on."""
    whole = {"version": _VERSION, "config": fingerprint(config), "state": pipeline.snapshot()}
    content = msgspec.msgpack.Encoder(enc_hook=_encode).encode(whole)
    return _digest(content) + content


def load(data: bytes, config: Config) -> Pipeline:
    """
    Return a pipeline that goes on from a snapshot.

    Raises
    ------
    StateCorrupt
        The bytes are no snapshot, of another version, or of another configuration.
    """
    content = data[_DIGEST_BYTES:]
    if data[:_DIGEST_BYTES] != _digest(content):
        raise StateCorrupt(f"snapshot of {len(data)} bytes is damaged: its digest is another; replay from the start")
    try:
        whole = msgspec.msgpack.Decoder(ext_hook=_decode).decode(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise StateCorrupt(f"snapshot of {len(data)} bytes is damaged: {error}") from error
    if not isinstance(whole, dict) or whole.get("version") != _VERSION:
        raise StateCorrupt(f"snapshot of {len(data)} bytes is not of version {_VERSION}: replay from the start")
    if whole["config"] != fingerprint(config):
        raise StateCorrupt("the snapshot was taken under another configuration: replay from the start")
    pipeline = Pipeline(config)
    pipeline.restore(whole["state"])
    return pipeline


def fingerprint(config: Config) -> int:
    """Return a number that changes when the configuration does."""
    return hash_text(config.model_dump_json())


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
