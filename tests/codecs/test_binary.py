from __future__ import annotations

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.binary import Shape, boundaries, encode_long, read_long, skipper


@given(value=st.integers(-(1 << 63), (1 << 63) - 1), before=st.binary(max_size=3), behind=st.binary(max_size=3))
def test_longs_are_those_of_the_reference_implementation(value: int, before: bytes, behind: bytes) -> None:
    """Any long has the reference implementation's bytes, and is read back from among others."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)

    assert encode_long(value) == out.getvalue()
    assert read_long(before + out.getvalue() + behind, len(before)) == (value, len(before) + len(out.getvalue()))


@pytest.mark.parametrize("data", [b"\x80" * 10 + b"\x01", b"\xff" * 11])
def test_a_long_of_more_than_ten_bytes_is_none(data: bytes) -> None:
    """No 64-bit integer takes more than ten bytes."""
    with pytest.raises(ValueError, match="integer of more than 10 bytes at byte 0"):
        read_long(data, 0)


@pytest.mark.parametrize(
    ("shape", "data", "ends", "problem"),
    [
        ("string", b"\x02a\x04bc", [0, 2, 5], None),
        ("string", b"\x02a\x04b", [0, 2], "the data ends within a record"),
        ("string", b"\x02a\x01", [0, 2], "text of length -1"),
        ("double", bytes(15), [0, 8], "the data ends within a record"),
        (["null", "long"], b"\0\2\2", [0, 1, 3], None),
        (["null", "long"], b"\0\4", [0, 1], "branch 2 of a union of 2"),
        ({"type": "array", "items": "boolean"}, b"\0\2\1\2\0\0", [0, 1, 6], None),
        ({"type": "array", "items": "boolean"}, b"\1\2\1\0\0", [0, 4, 5], None),
        (
            {"type": "array", "items": "double"},
            b"\0" + encode_long(1 << 60) + bytes(99),
            [0, 1],
            "the data ends within a record",
        ),
        ({"type": "map", "values": "float"}, b"\2\2k" + bytes(4) + b"\0\0", [0, 8, 9], None),
        ({"type": "enum", "symbols": ["a"]}, b"\0\0", [0, 1, 2], None),
    ],
)
def test_two_datums_end_where_they_end(shape: Shape, data: bytes, ends: list[int], problem: str | None) -> None:
    """Each kind of value is walked over, and what cannot be walked over is told; a count that lies costs nothing."""
    assert boundaries(skipper(shape), data, 2) == (ends, problem)
