"""
Avro's binary encoding, as far as it is needed beside the columnar decoder: where one datum ends.

A *shape* is a schema stripped to what decides the bytes. The columnar decoder never says where in its input a
record lies; the skipper made from a shape does, for dead letters and for what is left of a damaged block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Shape = Any  # parsed JSON: a type's name, a union's list, or an object
Skip = Callable[[bytes, int], int]

_LONGEST_VARINT = 10


def encode_long(value: int) -> bytes:
    """
    Encode a long: zigzag, then seven bits a byte, lowest first.

    >>> encode_long(-3).hex(), encode_long(64).hex()
    ('05', '8001')
    """
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Return the long at `at` and where it ends. Raises IndexError past the end, ValueError over ten bytes."""
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            value &= (1 << 64) - 1
            return (value >> 1) ^ -(value & 1), at + place + 1
    raise ValueError(f"integer of more than {_LONGEST_VARINT} bytes at byte {at}")


def skipper(shape: Shape) -> Skip:
    """
    Return a function from (data, where a datum begins) to where it ends.

    It reads everything that the columnar decoder reads and a little more (a boolean may be any byte), and raises
    IndexError or ValueError for what cannot be a datum of this shape.
    """
    if isinstance(shape, list):
        return _skip_union([skipper(branch) for branch in shape])
    if isinstance(shape, str):
        return _PRIMITIVES[shape]
    if shape["type"] == "record":
        return _skip_record([skipper(field["type"]) for field in shape["fields"]])
    if shape["type"] == "array":
        return _skip_items(skipper(shape["items"]))
    if shape["type"] == "map":
        return _skip_items(_skip_record([_skip_string, skipper(shape["values"])]))
    return _skip_long  # an enum


def boundaries(skip: Skip, data: bytes, count: int) -> tuple[list[int], str | None]:
    """
    Walk over `count` datums: where each begins and the last ends, and what stopped the walk early, if anything did.

    >>> boundaries(skipper("string"), bytes.fromhex("02610662"), 2)
    ([0, 2], 'the data ends within a record')
    """
    ends = [0]
    for _ in range(count):
        try:
            ends.append(_within(data, skip(data, ends[-1])))
        except IndexError:
            return ends, "the data ends within a record"
        except ValueError as problem:
            return ends, str(problem)
    return ends, None


def _within(data: bytes, at: int) -> int:
    if at > len(data):
        raise IndexError(at)
    return at


def _skip_width(width: int) -> Skip:
    return lambda _data, at: at + width


def _skip_long(data: bytes, at: int) -> int:
    return read_long(data, at)[1]


def _skip_string(data: bytes, at: int) -> int:
    length, at = read_long(data, at)
    if length < 0:
        raise ValueError(f"text of length {length}")
    return at + length


def _skip_union(branches: list[Skip]) -> Skip:
    def skip(data: bytes, at: int) -> int:
        branch, at = read_long(data, at)
        if not 0 <= branch < len(branches):
            raise ValueError(f"branch {branch} of a union of {len(branches)}")
        return branches[branch](data, at)

    return skip


def _skip_record(fields: list[Skip]) -> Skip:
    def skip(data: bytes, at: int) -> int:
        for field in fields:
            at = field(data, at)
        return at

    return skip


def _skip_items(item: Skip) -> Skip:
    def skip(data: bytes, at: int) -> int:
        while True:
            count, at = read_long(data, at)
            if count == 0:
                return at
            if count < 0:  # a block that also tells its size in bytes, for those who want to skip it whole
                count, at = -count, _skip_long(data, at)
            for _ in range(count):
                at = _within(data, item(data, at))  # at once: the count may be garbage, and huge

    return skip


_PRIMITIVES: dict[str, Skip] = {
    "null": _skip_width(0),
    "boolean": _skip_width(1),
    "float": _skip_width(4),
    "double": _skip_width(8),
    "long": _skip_long,
    "string": _skip_string,
}
