"""
Hashes of ids and labels: two independent 64-bit hashes stand for a string of any length.

XXH3 and XXH64 (https://github.com/Cyan4973/xxHash, seed 0) are specified functions of the UTF-8 bytes, so state
written today is read tomorrow. A false match needs both to collide: 2**-128 a pair.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import polars_hash
import pyarrow as pa

from streams.core.columns import Hashes, from_arrow

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, the odd constant of Fibonacci hashing


def hash_strings(strings: pa.Array | pa.ChunkedArray | pl.Series) -> Hashes:
    """Return XXH3-64 of each string; 0 stands for null."""
    frame = pl.DataFrame({"id": _series(strings)})
    hashed = frame.select(polars_hash.col("id").nchash.xxh3_64())["id"]
    return np.asarray(hashed.fill_null(0).to_numpy(), np.uint64)


def hash_twice(strings: pa.Array) -> tuple[Hashes, Hashes]:
    """Return XXH3-64 of each string, and XXH64, the second opinion that confirms a match; 0 stands for null."""
    frame = pl.DataFrame({"id": _series(strings)})
    one = polars_hash.col("id").nchash.xxh3_64().fill_null(0)
    other = polars_hash.col("id").nchash.xxhash64().fill_null(0)
    both = frame.select(one.alias("one"), other.alias("other"))
    return np.asarray(both["one"].to_numpy(), np.uint64), np.asarray(both["other"].to_numpy(), np.uint64)


def hash_repeated(strings: pa.Array) -> Hashes:
    """Return the same as `hash_strings`, faster where few distinct strings repeat: labels, not ids."""
    encoded = strings.dictionary_encode()
    hashes = np.append(hash_strings(encoded.dictionary), np.uint64(0))
    return np.asarray(hashes[from_arrow(encoded.indices.fill_null(len(hashes) - 1))])


def hash_text(text: str) -> int:
    """Return XXH3-64 of one string."""
    return int(hash_strings(pl.Series([text]))[0])


def mix(a: Hashes, b: Hashes) -> Hashes:
    """Return one hash of pairs of 64-bit words; order matters."""
    with np.errstate(over="ignore"):
        x = (a ^ (b * _MIX)) * _MIX
        return (x ^ (x >> np.uint64(32))) * _MIX


def _series(strings: pa.Array | pa.ChunkedArray | pl.Series) -> pl.Series:
    if isinstance(strings, pl.Series):
        return strings.cast(pl.String)
    series = pl.from_arrow(strings)
    if not isinstance(series, pl.Series):  # pragma: no cover - an array always becomes a series
        raise TypeError(f"expected an array of strings, got {type(strings).__name__}")
    return series.cast(pl.String)
