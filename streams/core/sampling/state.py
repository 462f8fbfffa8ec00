"""What waits of raw rows in segments: a column table for each store, with the texts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from streams.core.columns import Columns, Ints, empty
from streams.core.sampling.raw import RawRows
from streams.core.segment import Segment, together


def pack(raw: Mapping[str, RawRows], rows: Mapping[str, Columns]) -> dict[str, Any]:
    """Return rows of stores, by name, as a segment's content."""
    packed: dict[str, Any] = {}
    for name, columns in rows.items():
        packed[name] = columns
        if name in raw:
            packed[name], packed[f"{name} texts"] = raw[name].pack(columns)
    return packed


def unpack(
    raw: Mapping[str, RawRows], claims: Mapping[str, Mapping[str, npt.DTypeLike]], segments: Sequence[Segment]
) -> tuple[dict[str, Columns], dict[str, Ints]]:
    """
    Return the rows of each store, of what was written last, and the sequence of each.

    Raw rows have numbers, by which their texts are found. `claims` are the types of the stores without texts. What a
    segment has of stores that are none any more is passed over.
    """
    rows: dict[str, Columns] = {}
    sequences: dict[str, Ints] = {}
    for name, one in raw.items():
        none = empty(one.dtypes)
        parts = [
            one.unpack(segment.content[name], segment.content[f"{name} texts"]) if name in segment.content else none
            for segment in segments
        ]
        rows[name], sequences[name] = together(segments, parts)
    for name, dtypes in claims.items():
        parts = [segment.content.get(name, empty(dtypes)) for segment in segments]
        rows[name], sequences[name] = together(segments, parts)
    return rows, sequences
