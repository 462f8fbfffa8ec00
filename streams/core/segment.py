"""
Segments: the rows of the join as they are written, once, and put together again.

A *delta* has the rows that are new or changed since the segment before it; a *base* has all rows of some *buckets*,
which are the 256 equal ranges of keys. Numbers that mean something only here (of cohorts, of archived texts) leave with
their meaning, so that a segment needs nothing but itself. What the watermark has let go of is not written: which
rows were there is known from the cuts of the last sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.archive import Archive
from streams.core.cohorts import adopted, named
from streams.core.columns import Columns, Ints, Mask, concat, empty, length, take
from streams.core.exposure import Exposures
from streams.core.groups import Groups
from streams.core.join import MATCHED, SUMMARY
from streams.core.runs import KEY

BUCKETS = 256
EVERY_BUCKET = range(BUCKETS)
_BUCKET_SHIFT = np.uint64(56)
_EVENTS = ("outcomes", "feedback")

_OPTIONAL = ("share", "place", "owner")

Declared = Mapping[str, Mapping[str, np.generic]]
"""By store, the optional columns that its rows have now, and what these say of rows that were written without them."""

NOTHING_DECLARED: Declared = MappingProxyType({})

Rows = dict[str, Columns]
"""Rows of the join by the name of their store: predictions, outcomes, feedback, summaries."""


@dataclass(frozen=True)
class Segment:
    """What was written: its place in the order of writing, the buckets of which it is a base (none: a delta)."""

    sequence: int
    buckets: range
    content: Mapping[str, Any]


def key_range(buckets: range) -> tuple[int, int]:
    """First and last key of consecutive buckets."""
    width = 1 << int(_BUCKET_SHIFT)
    return buckets.start * width, buckets.stop * width - 1


def pack(rows: Rows, groups: Groups, archive: Archive, exposures: Exposures | None = None) -> dict[str, Any]:
    """Return rows as a segment's content; the texts of events that may become orphans go with them."""
    predictions = rows["predictions"]
    packed: dict[str, Any] = {"predictions": predictions, "cohorts": named(groups, predictions["cohort"])}
    packed["summaries"] = rows["summaries"]
    if exposures is not None:
        packed["arms"] = exposures.layout()
    for store in _EVENTS:
        packed[store] = {name: column for name, column in rows[store].items() if name != "ref"}
        packed[f"{store} texts"] = archive.fetch(rows[store]["ref"][_may_be_orphans(rows[store])])
    return packed


def assemble(
    segments: Sequence[Segment],
    groups: Groups,
    archive: Archive,
    exposures: Exposures | None = None,
    declared: Declared = NOTHING_DECLARED,
) -> tuple[Rows, dict[str, Ints]]:
    """
    Put segments together: of each row what was written last, without those that a later segment says are gone.

    Rows have the columns that are `declared`, and no other optional ones.

    Returns the rows of each store (those of the join), and the sequence that each comes from.
    Texts go into the archive, cohorts into the registry.
    """
    unpacked = [_unpack(segment.content, groups, archive, exposures, declared) for segment in segments]
    rows: Rows = {}
    sequences: dict[str, Ints] = {}
    for store in ("predictions", *_EVENTS, "summaries"):
        newest, of = together(segments, [content[store] for content in unpacked])
        held = ~_gone(store, newest, of, segments)
        rows[store], sequences[store] = take(newest, held), of[held]
        if store in _EVENTS:  # texts of rows that are not held: none may be kept of who was forgotten
            refs = np.concatenate([np.empty(0, np.int64), *(content[store]["ref"] for content in unpacked)])
            archive.erase(np.setdiff1d(refs[refs >= 0], rows[store]["ref"]))
    return rows, sequences


def together(segments: Sequence[Segment], rows: Sequence[Columns]) -> tuple[Columns, Ints]:
    """Put the rows together that segments have of one store; return those written last, and each one's sequence."""
    bases = np.full(BUCKETS, -1, np.int64)
    for segment in segments:
        here = slice(segment.buckets.start, segment.buckets.stop)
        bases[here] = np.maximum(bases[here], segment.sequence)
    return _newest(concat(_placed(segment, some, bases) for segment, some in zip(segments, rows, strict=True)))


def _unpack(
    content: Mapping[str, Any], groups: Groups, archive: Archive, exposures: Exposures | None, declared: Declared
) -> Rows:
    here = adopted(groups, content["cohorts"])
    predictions = _exposed(content["predictions"], content.get("arms"), exposures)
    predictions = _as_declared(predictions, declared.get("predictions", {}))
    rows: Rows = {"predictions": predictions | {"cohort": here[predictions["cohort"]].astype(np.int32)}}
    rows["summaries"] = content.get("summaries", empty(SUMMARY))  # a release without them wrote none
    for store in _EVENTS:
        events = _as_declared(content[store], declared.get(store, {}))
        events["ref"] = np.full(length(events), -1, np.int64)
        texts: pa.Table = content[f"{store} texts"]
        if len(texts):
            unmatched = _may_be_orphans(events)
            events["ref"][unmatched] = archive.keep(texts, int(events["time"][unmatched].max()))
        rows[store] = events
    return rows


def _exposed(predictions: Columns, layout: Mapping[str, Any] | None, exposures: Exposures | None) -> Columns:
    """Predictions with their exposures as declared now: none where they were written before there were experiments."""
    if exposures is None:
        return {name: column for name, column in predictions.items() if name not in ("arms", "bucket")}
    if layout is None:
        rows = length(predictions)
        return predictions | {"arms": np.zeros(rows, np.uint64), "bucket": np.zeros(rows, np.uint8)}
    return predictions | {"arms": exposures.adopt(predictions["arms"], layout)}


def _as_declared(rows: Columns, optional: Mapping[str, np.generic]) -> Columns:
    """Rows with the optional columns that are declared now, and without others."""
    known = {name: column for name, column in rows.items() if name in optional or name not in _OPTIONAL}
    return {name: np.full(length(rows), unknown) for name, unknown in optional.items()} | known


def _gone(store: str, rows: Columns, sequences: Ints, segments: Sequence[Segment]) -> Mask:
    """Mask of the rows that a segment after the one they come from says are gone; these are few."""
    gone: Mask = np.zeros(length(rows), np.bool_)
    for segment in segments:
        said = segment.content.get("gone", {}).get(store)
        if said is not None:
            older = np.flatnonzero((sequences < segment.sequence) & np.isin(rows[KEY], said[KEY]))
            pairs = set(zip(said[KEY].tolist(), said["id"].tolist(), strict=True))
            here = zip(rows[KEY][older].tolist(), rows["id"][older].tolist(), strict=True)
            gone[older] |= np.fromiter((pair in pairs for pair in here), np.bool_, len(older))
    return gone


def _may_be_orphans(events: Columns) -> Mask:
    unmatched: Mask = (events["flags"] & MATCHED) == 0
    return unmatched


def _placed(segment: Segment, rows: Columns, bases: Ints) -> Columns:
    """Rows with their sequence, without those that a later base of their bucket says anew."""
    newest = bases[(rows[KEY] >> _BUCKET_SHIFT).astype(np.int64)]
    rows = take(rows, newest <= segment.sequence if segment.buckets else newest < segment.sequence)
    return rows | {"sequence": np.full(length(rows), segment.sequence, np.int64)}


def _newest(rows: Columns) -> tuple[Columns, Ints]:
    """Of the rows with equal (key, id) the one of the highest sequence, sorted by key."""
    order = np.argsort(rows[KEY], kind="stable")
    key = rows[KEY][order]
    again = np.zeros(len(order), np.bool_)  # places whose key is that of a neighbour: only these need to be looked at
    again[1:] = key[1:] == key[:-1]
    again[:-1] |= again[1:]
    some = order[again]
    order[again] = some[np.lexsort((rows["sequence"][some], rows["id"][some], key[again]))]
    last, identity = np.ones(len(order), np.bool_), rows["id"][order]
    last[:-1] = (key[1:] != key[:-1]) | (identity[1:] != identity[:-1])
    kept = take(rows, order[last])
    return kept, kept.pop("sequence")
