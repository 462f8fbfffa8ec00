"""
How events lie in a file of a spool: a line that names their fields, then records that a checksum vouches for.

A later version of this client may know more fields, or fewer. It reads what an earlier one wrote by the names in the
first line: fields that it does not know are left out, and new ones get their defaults.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from streams.core.block import EVENT_TYPES
from streams.emit.events import Event
from streams.emit.packing import EVENT_CLASSES, MAX_PACKED_BYTES, Packed, pack

FORMAT = "streams spool 1"
_HEAD = struct.Struct("<IIB")  # bytes of the event, checksum of what follows, place of its kind in EVENT_TYPES
MAX_FRAMED_BYTES = MAX_PACKED_BYTES + _HEAD.size

FIELDS: Mapping[str, list[str]] = MappingProxyType(
    {kind: list(class_.__struct_fields__) for kind, class_ in EVENT_CLASSES.items()}
)


class _Line(msgspec.Struct):
    format: str
    fields: dict[str, list[str]]


@dataclass(frozen=True)
class Opening:
    """What the first line of a file says: which fields its events have, in order; and how many bytes the line takes."""

    fields: Mapping[str, list[str]]
    size: int


def first_line() -> bytes:
    """Return the line that a new file begins with."""
    return msgspec.json.encode(_Line(FORMAT, dict(FIELDS))) + b"\n"


def opening(data: bytes) -> Opening | None:
    """Read the first line; None where it is not all there, or is none of ours."""
    line, end, _ = data.partition(b"\n")
    try:
        said = msgspec.json.decode(line, type=_Line)
    except msgspec.MsgspecError:
        return None
    return Opening(said.fields, len(line) + 1) if end and said.format == FORMAT else None


def framed(packed: Packed) -> bytes:
    """Return an event as a record."""
    place = EVENT_TYPES.index(packed.kind)
    checksum = zlib.crc32(packed.data, place)
    return _HEAD.pack(len(packed.data), checksum, place) + packed.data


def records(data: bytes) -> Iterator[tuple[Packed, int]]:
    """Yield events, each with where its record ends, up to the first record that is not all there or is damaged."""
    start = 0
    while start + _HEAD.size <= len(data):
        length, checksum, place = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length
        packed = data[start + _HEAD.size : end]
        # Zeros, with which a file may end after a loss of power, have the right checksum; but no event is empty.
        if not length or end > len(data) or place >= len(EVENT_TYPES) or zlib.crc32(packed, place) != checksum:
            return
        yield Packed(EVENT_TYPES[place], packed), end
        start = end


def as_now(packed: Packed, fields: Mapping[str, list[str]]) -> Packed | None:
    """Return an event that was written with such fields as this version has it; None if it cannot."""
    names = fields.get(packed.kind, [])
    if names == FIELDS[packed.kind]:
        return packed
    known = dict(zip(names, msgspec.msgpack.decode(packed.data), strict=False))
    try:
        event: Event = EVENT_CLASSES[packed.kind](
            **{name: known[name] for name in FIELDS[packed.kind] if name in known}
        )
    except TypeError:  # a field that is required now was not there then
        return None
    again = pack(event)
    return again if isinstance(again, Packed) else None
