from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from streams.codecs.batches import block_of, content_bytes, cut, join, screen, select
from streams.codecs.write import to_batch
from streams.core.block import MAX_MAP_KEYS, MAX_RECORD_BYTES, Batch, Block, EventType, Reject
from tests.codecs.making import Row


def batch(records: Sequence[Row], first: int = 0, step: int = 1, kind: EventType = "prediction") -> Batch:
    positions = np.arange(first, first + step * len(records), step)
    return Batch(kind, to_batch(kind, records), "f", positions, lambda row: f"{first}+{row}".encode())


def labels(batch: Batch) -> list[str]:
    return list(batch.table["label"].to_pylist())


RECORDS = [{"label": label, "attributes": {"a": label}, "ranking": [label, "x"]} for label in "abcdef"]


def test_joined_batches_are_in_the_order_of_positions() -> None:
    """Rows of several batches are interleaved by position, and each finds its own bytes."""
    joined = join([batch(RECORDS[:3], 1, 2), batch(RECORDS[3:], 0, 2)])

    assert joined.positions.tolist() == list(range(6))
    assert labels(joined) == ["d", "a", "e", "b", "f", "c"]
    assert [joined.original(row) for row in range(3)] == [b"0+0", b"1+0", b"0+1"]


@pytest.mark.parametrize("rows", [1, 2, 4, 6, 7])
def test_a_cut_block_has_the_same_rows(rows: int) -> None:
    """Pieces have at most so many rows, together all of them in order, with their bytes; the first has the rejects."""
    reject = Reject("bad_time", "", "f", 9, b"")
    pieces = list(cut(Block("f", (batch(RECORDS),), (reject,)), rows))
    batches = [piece.batches[0] for piece in pieces]

    assert [label for piece in batches for label in labels(piece)] == list("abcdef")
    assert [piece.original(0) for piece in batches] == [f"0+{first}".encode() for first in range(0, 6, rows)]
    assert [piece.rejects for piece in pieces] == [(reject,)] + [()] * (len(pieces) - 1)
    assert all(len(piece) <= rows for piece in batches)


def test_a_block_of_nothing_has_no_pieces() -> None:
    """An empty block is not passed on; one with rejects alone is."""
    assert list(cut(Block("f"), 5)) == []
    assert len(list(cut(Block("f", (), (Reject("bad_time", "", "f", 9, b""),)), 5))) == 1


BAD: list[Row] = [
    {"attributes": {str(key): "v" for key in range(MAX_MAP_KEYS + 1)}},
    {"attributes": {"a": None}},
    {"ranking": ["a", None]},
    {"label": "x" * (MAX_RECORD_BYTES + 1)},
    {"features": {"x" * MAX_RECORD_BYTES: 1.0}},
]


@pytest.mark.parametrize("place", [0, 2, 5])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("before", [0, 1])
def test_screening_takes_out_the_bad_row_alone(place: int, bad: Row, before: int) -> None:
    """Wherever it stands, and in a batch that is a slice of a larger one as well, only the bad row is refused."""
    records = [*RECORDS[:place], bad, *RECORDS[place:]]
    whole = batch([{"attributes": {"a": None}}] * before + records, -before)
    sliced = replace(whole, table=whole.table.slice(before), positions=whole.positions[before:])
    kept, rejects = screen(sliced)

    assert [reject.position for reject in rejects] == [place]
    assert labels(kept) == list("abcdef")
    assert kept.positions.tolist() == [row for row in range(7) if row != place]


@pytest.mark.parametrize("bad", range(6))
@pytest.mark.parametrize("column", ["label", "attributes", "ranking"])
def test_text_that_is_not_utf8_costs_one_row(bad: int, column: str) -> None:
    """In plain text, in maps and in lists, bytes that are no UTF-8 cost the row that they are in and no other."""
    texts = pa.array([b"\xff" if row == bad else b"ok" for row in range(6)]).view(pa.string())
    offsets = pa.array(range(7), pa.int32())
    columns = {
        "label": texts,
        "attributes": pa.MapArray.from_arrays(offsets, texts, texts),
        "ranking": pa.ListArray.from_arrays(offsets, texts),
    }
    table = batch([{}] * 6).table
    table = table.set_column(table.schema.get_field_index(column), table.schema.field(column), columns[column])
    kept, rejects = screen(Batch("prediction", table, "f", np.arange(6), lambda row: b"%d" % row))

    assert [(reject.position, reject.original) for reject in rejects] == [(bad, b"%d" % bad)]
    assert len(kept) == 5


def test_content_is_counted_by_row() -> None:
    """Text counts as its bytes, other values as eight, in maps and lists and slices as well."""
    table = batch(
        [{"label": "before"}, {"label": "äb", "ranking": ["a", "bcd"], "features": {"k": 1.0, "ll": 2.0}}]
    ).table
    sizes = {name: content_bytes(table[name].slice(1)).tolist() for name in ("label", "ranking", "features", "score")}

    assert sizes == {"label": [3], "ranking": [4], "features": [19], "score": [8]}


def test_a_block_has_one_batch_a_type_and_rejects_in_order() -> None:
    """Batches of a type are joined, rejects of decoding and of screening are sorted by position."""
    early, late = (Reject("undecodable", "", "f", place, b"") for place in (1, 9))
    parts = [batch([RECORDS[0], BAD[0]], 4), batch([{"label": "o"}], 7, kind="outcome"), batch(RECORDS[1:2], 2)]
    block = block_of("f", parts, [late, early])

    assert [(part.kind, part.positions.tolist()) for part in block.batches] == [
        ("prediction", [2, 4]),
        ("outcome", [7]),
    ]
    assert [reject.position for reject in block.rejects] == [1, 5, 9]


def test_selected_rows_keep_their_bytes() -> None:
    """Rows taken in any order bring their positions and originals along."""
    taken = select(batch(RECORDS), np.array([4, 1]))

    assert (labels(taken), taken.positions.tolist(), taken.original(0)) == (["e", "b"], [4, 1], b"0+4")
