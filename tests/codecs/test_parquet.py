from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.files import open_source
from streams.codecs.write import to_batch
from streams.core.block import MAX_MAP_KEYS, Block, EventType
from streams.errors import UsageError
from tests.codecs.making import KINDS, OUTCOMES, by_position, registry, rows_of, texts


def read(table: pa.Table, batch_rows: int = 1 << 16, **options: Any) -> list[Block]:
    """Read blocks from a Parquet file of the given table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        pq.write_table(table, path, **options)
        return list(open_source(path, registry(), batch_rows))


@given(data=st.data(), kind=KINDS, cut=st.integers(1, 9))
def test_a_file_gives_back_the_events(data: st.DataObject, kind: EventType, cut: int) -> None:
    """In row groups and batches of any size, events are what they were."""
    rows = data.draw(rows_of(kind))
    table = pa.Table.from_batches([to_batch(kind, rows)])
    blocks = read(table, cut, row_group_size=data.draw(st.integers(1, 9)))

    assert by_position(blocks, kind) == texts(rows)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_of_any_unit_and_zone_become_microseconds(unit: str, zone: str | None) -> None:
    """Timestamps become microseconds of UTC; what microseconds cannot hold becomes null."""
    ticks = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    times = pa.array([7 * ticks, None, -ticks], pa.timestamp(unit, zone))
    (block,) = read(pa.table({"event_time": times}))

    assert block.batches[0].table["event_time"].to_pylist() == [7_000_000, None, -1_000_000]


def test_a_time_that_microseconds_cannot_hold_is_null() -> None:
    """A time in milliseconds too large for 64-bit microseconds does not wrap around."""
    times = pa.array([1 << 62, 5], pa.timestamp("ms"))
    (block,) = read(pa.table({"event_time": times}), store_schema=False)

    assert block.batches[0].table["event_time"].to_pylist() == [None, 5_000]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"type": ["outcome"], "model": ["m"], "feedback_id": ["f"]}, "outcome"),
        ({"feedback_id": ["f"], "model": ["m"]}, "feedback"),
        ({"model": ["m"]}, "prediction"),
        ({"label": ["1"]}, "outcome"),
    ],
)
def test_the_type_of_event_is_told_by_the_columns(columns: dict[str, Any], kind: EventType) -> None:
    """A column `type` decides, else the columns that only one type has; what else is there is dropped."""
    (block,) = read(pa.table(columns))

    assert [batch.kind for batch in block.batches] == [kind]


def test_columns_widen_and_absent_ones_have_defaults() -> None:
    """Dictionaries are read as text, integers as floats (the largest rounded); the absent and null have defaults."""
    columns = {"label": pa.array(["a", "b"]).dictionary_encode(), "value": [1, (1 << 60) + 1]}
    (block,) = read(pa.table({**columns, "revision": pa.array([None, 3], pa.int16())}))
    rows = block.batches[0].table.select(["label", "value", "source", "revision", "request_id"]).to_pylist()

    assert [list(row.values()) for row in rows] == [["a", 1, "observed", 0, None], ["b", 1 << 60, "observed", 3, None]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [1]}, "column label is int64, and string is needed"),
        ({"value": ["x"]}, "column value is string, and double is needed"),
        ({"revision": pa.array([1], pa.uint64())}, "column revision is uint64, and int64 is needed"),
        ({"event_time": ["2026-01-01"]}, "column event_time is string, and int64 is needed"),
        ({"type": ["click"]}, "column type is 'click', which is none of prediction, outcome, feedback"),
        ({"type": ["outcome", "feedback"]}, "column type is 'outcome' and 'feedback'"),
    ],
)
def test_columns_of_the_wrong_type_are_usage_errors(columns: dict[str, Any], message: str) -> None:
    """A file whose columns cannot be read is refused by column, type and what is needed."""
    with pytest.raises(UsageError, match=message):
        read(pa.table(columns))


def test_rows_that_no_format_may_hold_are_rejects() -> None:
    """Too many keys, a null in a map and text that is not UTF-8 cost their rows, which are kept as JSON."""
    maps = [{"a": "b"}, {str(key): "v" for key in range(MAX_MAP_KEYS + 1)}, {"a": None}, {}]
    text = pa.array([b"m", b"m", b"m", b"\xff"]).view(pa.string())
    table = pa.table({"model": text, "attributes": pa.array(maps, pa.map_(pa.string(), pa.string()))})
    (block,) = read(table)
    originals = [json.loads(reject.original) for reject in block.rejects]

    assert [(r.position, r.reason) for r in block.rejects] == [(1, "too_large"), (2, "undecodable"), (3, "undecodable")]
    assert block.batches[0].positions.tolist() == [0]
    assert originals[0]["attributes"] == maps[1]
    assert originals[1] | {"attributes": maps[2], "type": "prediction"} == originals[1]
    assert originals[2]["model"] == "\\xff"


def test_a_damaged_row_group_costs_only_itself(tmp_path: Path) -> None:
    """Where a row group cannot be read, one reject stands for its rows and the other row groups are read."""
    path = tmp_path / "events.parquet"
    table = pa.Table.from_batches([to_batch("outcome", OUTCOMES)])
    pq.write_table(table, path, row_group_size=5, compression="gzip", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset : column.data_page_offset + column.total_compressed_size] = bytes(
        column.total_compressed_size
    )
    path.write_bytes(content)
    blocks = list(open_source(path, registry()))
    (reject,) = (reject for block in blocks for reject in block.rejects)

    assert sorted(by_position(blocks, "outcome")) == [*range(5), *range(10, 20)]
    assert (reject.position, reject.reason) == (5, "undecodable")
    assert "row group 1 cannot be read" in reject.detail


def test_what_is_not_parquet_is_a_usage_error(tmp_path: Path) -> None:
    """A file that only has the extension is refused by name."""
    path = tmp_path / "events.parquet"
    path.write_bytes(b"nonsense")

    with pytest.raises(UsageError, match=r"events\.parquet: not a Parquet file"):
        open_source(path, registry())
