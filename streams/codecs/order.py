"""
Orders to forget a unit, as a header: a record without a value in each input has one.

The header says nothing of the unit but keyed hashes of its names, and hashes of ids of requests. Hashes are 64-bit
words, the lowest byte first; of a request there are two, one behind the other.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from streams.core.columns import Hashes
from streams.core.forget import Order

FORGET_HEADER = "streams-forget"
"""Header of the record that asks to forget a unit; the record has no value."""

_WORD = np.dtype("<u8")


class _Written(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    owners: bytes
    requests: bytes


def write_order(order: Order) -> bytes:
    """Return an order as the value of its header."""
    requests = np.stack([order.requests["key"], order.requests["check"]], axis=1)
    written = _Written(order.name, order.owners.astype(_WORD).tobytes(), requests.astype(_WORD).tobytes())
    return msgspec.msgpack.encode(written)


def read_order(value: bytes | None) -> Order | None:
    """Return the order that a header's value is; None for what is none."""
    try:
        written = msgspec.msgpack.decode(value or b"", type=_Written)
        owners, words = _words(written.owners), _words(written.requests)
        requests = words.reshape(-1, 2)
    except ValueError:  # of msgspec as well
        return None
    return Order(written.name, owners, {"key": requests[:, 0].copy(), "check": requests[:, 1].copy()})


def _words(data: bytes) -> Hashes:
    return np.frombuffer(data, _WORD).astype(np.uint64)
