"""How the blocks of Avro container files are compressed: null, deflate and snappy, each unpacked to a bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import cramjam

MAX_BLOCK_BYTES = 1 << 26
"""No writer makes blocks as large; a larger one is damage, or meant to exhaust memory."""

_CHECKSUM_BYTES = 4


def decompress(codec: str, block: bytes) -> bytes:
    """
    Return what was compressed.

    Raises
    ------
    ValueError
        The block is damaged, or would unpack to more than `MAX_BLOCK_BYTES`.
    """
    return _CODECS[codec](block)


def _inflate(block: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        payload = inflater.decompress(block, MAX_BLOCK_BYTES)
    except zlib.error as problem:
        raise ValueError(str(problem)) from problem
    if not inflater.eof:
        raise ValueError(f"does not inflate to at most {MAX_BLOCK_BYTES} bytes")
    return payload


def _unsnap(block: bytes) -> bytes:
    """Snappy as Avro has it: the raw format, then the CRC-32 of what was compressed, big-endian."""
    packed, checksum = block[:-_CHECKSUM_BYTES], block[-_CHECKSUM_BYTES:]
    try:
        if cramjam.snappy.decompress_raw_len(packed) > MAX_BLOCK_BYTES:
            raise ValueError(f"does not unpack to at most {MAX_BLOCK_BYTES} bytes")
        payload = bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError as problem:
        raise ValueError(str(problem)) from problem
    if zlib.crc32(payload).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise ValueError("the checksum is not that of the block")
    return payload


_CODECS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {"null": lambda block: block, "deflate": _inflate, "snappy": _unsnap}
)
CODECS = tuple(_CODECS)
