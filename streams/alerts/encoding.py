"""Notices as bytes: the records of the topic `alerts`, and the bodies of webhooks. `schemas/alert.schema.json`."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec

from streams.core.alert.notice import Notice, from_json, to_json

_AS_MAPS: dict[str, Any] = {"slice": dict[str, str], "worst_slices": list[dict[str, str]]}
_Record = msgspec.defstruct(
    "Record", [(name, _AS_MAPS.get(name, kind)) for name, kind in get_type_hints(Notice).items()]
)


def encoded(notice: Notice) -> bytes:
    """Return a notice as JSON, the same bytes for equal notices."""
    return msgspec.json.encode(to_json(notice))


def decoded(record: bytes) -> Notice:
    """
    Read a notice from JSON; fields that a later version may have added are left out.

    Raises
    ------
    ValueError
        It is no JSON, a field is missing, or one is not of its kind. Says which, and not what the record holds.
    """
    try:
        found = msgspec.json.decode(record, type=_Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        raise ValueError(f"this is no notice of an alert: {error}") from error
    return from_json(msgspec.structs.asdict(found))
