"""
Owners: whose a waiting event is, as eight bytes.

A unit's texts are hashed with a key, so that who reads a checkpoint cannot try out names. In contrast to a pseudonym
the hash is the same in every period: it is never stored in a table, and is let go of with the event that has waited.

The hash is BLAKE3 of the key and the text (O'Connor et al. 2020, "BLAKE3"), of which 64 bits are kept.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
import polars_hash
import pyarrow as pa

from streams.core.columns import Hashes

NOBODY = np.uint64(0)
"""The owner of an event that names no unit."""

_HEX_DIGITS = 16
_KEY_BYTES = 16


class Owners:
    """
    Owners under one secret.

    >>> owners = Owners(b"a secret of the service")
    >>> ada, bob, again, nobody, empty = owners.of(pa.array(["ada", "bob", "ada", None, ""])).tolist()
    >>> ada == again, ada == bob, nobody, empty
    (True, False, 0, 0)
    """

    def __init__(self, secret: bytes) -> None:
        self._key = blake2b(secret, person=b"streams-owner", digest_size=_KEY_BYTES).hexdigest()

    def of(self, units: pa.Array | pa.ChunkedArray) -> Hashes:
        """Return the owner of each unit, which is a text as an event has it; `NOBODY` for null and the empty text."""
        frame = pl.DataFrame({"unit": pl.Series(pl.from_arrow(units), dtype=pl.String)})
        named = (pl.col("unit").str.len_bytes() > 0).fill_null(value=False)
        texts = frame.select(named.alias("named"), (pl.lit(self._key) + pl.col("unit").fill_null("")).alias("text"))
        hashes = texts.select(polars_hash.col("text").chash.blake3().str.head(_HEX_DIGITS))["text"]
        digits = "".join(hashes.to_list())
        owners = np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
        # A hash of zero would be nobody's; one in 2**64 units shares that of another.
        return np.where(texts["named"].to_numpy(), np.maximum(owners, np.uint64(1)), NOBODY)
