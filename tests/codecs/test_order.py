"""Orders to forget, as a header has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.order import read_order, write_order
from streams.core.forget import Order

word = st.integers(0, 2**64 - 1)
words = st.lists(word, max_size=5)


@given(name=st.text(min_size=1, max_size=64), owners=words, requests=st.lists(st.tuples(word, word)))
def test_an_order_is_read_as_it_was_written(name: str, owners: list[int], requests: list[tuple[int, int]]) -> None:
    """All of its hashes come back, as words of 64 bits."""
    key, check = (np.array([pair[place] for pair in requests], np.uint64) for place in (0, 1))
    written = write_order(Order(name, np.array(owners, np.uint64), {"key": key, "check": check}))
    read = read_order(written)

    assert read is not None
    assert (read.name, read.owners.tolist()) == (name, owners)
    assert list(zip(read.requests["key"].tolist(), read.requests["check"].tolist(), strict=True)) == requests
    assert {column.dtype for column in (read.owners, *read.requests.values())} == {np.dtype(np.uint64)}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"an order",
        b"\x93\xa0\xc4\x00\xc4\x00",  # without a name
        b"\x93\xa1a\xc4\x01a\xc4\x00",  # an eighth of a hash
        b"\x93\xa1a\xc4\x00\xc4\x08aaaaaaaa",  # one hash of a request
        b"\x92\xa1a\xc4\x00",  # nothing of requests
    ],
)
def test_what_is_no_order_is_none(value: bytes | None) -> None:
    """Bytes of anything else are no order, rather than an error: anybody can write headers."""
    assert read_order(value) is None


@given(value=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    """Whatever a header holds, reading it does not fail."""
    assert read_order(value) is None or isinstance(read_order(value), Order)
