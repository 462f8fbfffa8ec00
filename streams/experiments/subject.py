"""Whom a decision is about: the ids of its units, and its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from streams.experiments.hashing import part

Unit = Literal["unit_id", "request_id"]
UNITS: tuple[Unit, Unit] = ("unit_id", "request_id")
"""Kinds of unit, in the order of a subject's ids: who the answer is for, or the single request."""

NO_ATTRIBUTES: Mapping[str, object] = MappingProxyType({})


class Subject:
    """
    Ids in the order of `UNITS`, the same encoded as parts of messages, and attributes.

    An id that is absent, empty or no legal text has no encoding: nothing is decided for such a unit.

    Raises
    ------
    TypeError
        If an id is neither text nor None: 7 and "7" would be two units to other services.
    """

    __slots__ = ("attributes", "ids", "keys")

    def __init__(self, unit_id: str | None, request_id: str | None, attributes: Mapping[str, object]) -> None:
        self.ids = (unit_id, request_id)
        self.keys = (encoded(unit_id), encoded(request_id))
        self.attributes = attributes


def encoded(unit: str | None) -> bytes | None:
    """Encode an id, or what stands for one, as a part of messages; None if there is none."""
    if not unit:
        return None
    if not isinstance(unit, str):
        raise TypeError(f"a unit's id must be text, not {unit!r}: write it as events have it")
    try:
        return part(unit)
    except UnicodeEncodeError:
        return None
