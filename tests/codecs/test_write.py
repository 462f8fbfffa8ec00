from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from streams.codecs.files import open_source
from streams.codecs.write import encode_datums, to_batch, to_events, write_container, write_jsonl
from streams.errors import UsageError
from tests.codecs.making import OUTCOMES, registry

TIME = dt.datetime(2026, 11, 21, 11, tzinfo=dt.timezone(dt.timedelta(hours=1)))
MICROS = 1795255200000000


@pytest.mark.parametrize("time", [TIME, "2026-11-21T10:00:00Z", MICROS])
def test_records_may_give_times_in_any_form(time: Any) -> None:
    """A datetime, ISO text and microseconds are the same time."""
    assert to_batch("outcome", [{"event_time": time}])["event_time"].to_pylist() == [MICROS]


def test_tables_are_taken_whole_or_in_pieces() -> None:
    """A table of several chunks, of fewer or more columns and of timestamps is the same batch as its records."""
    batch = to_batch("outcome", OUTCOMES)
    table = pa.Table.from_batches([batch.slice(0, 7), batch.slice(7)]).append_column("more", pa.nulls(20))
    place = table.schema.get_field_index("event_time")
    table = table.set_column(place, "event_time", table["event_time"].cast(pa.timestamp("us", "UTC")))

    assert to_batch("outcome", table).equals(batch)
    assert to_batch("outcome", table.drop_columns(["source", "inclusion_probability"])).equals(batch)


def test_the_same_events_give_the_same_file(tmp_path: Path) -> None:
    """Files are reproducible; other events have another sync marker."""
    paths = [tmp_path / name for name in ("a.avro", "b.avro", "c.avro")]
    for path, rows in zip(paths, (OUTCOMES, OUTCOMES, OUTCOMES[1:]), strict=True):
        write_container(path, "outcome", rows, registry())
    first, second, other = (path.read_bytes() for path in paths)

    assert first == second
    assert first[-16:] != other[-16:]


@pytest.mark.parametrize("count", [0, 1, 70_000])
def test_as_many_events_are_written_as_there_are(count: int, tmp_path: Path) -> None:
    """Nothing is lost where the writer cuts: no events, one, and more than one slice of them."""
    path = tmp_path / "a.avro"
    table = pa.table({"event_time": pa.array(range(count), pa.int64())})
    written = write_container(path, "outcome", table, registry(), block_rows=999)
    found = [t for block in open_source(path, registry()) for t in block.batches[0].table["event_time"].to_pylist()]

    assert written == count
    assert found == list(range(count))


def test_a_null_where_the_schema_has_none_is_refused() -> None:
    """A required field without a value is an error, not an empty value."""
    with pytest.raises(UsageError, match="prediction: model is null in some event; every prediction needs one"):
        encode_datums("prediction", [{"prediction_id": "p", "event_time": 1}], registry().current["prediction"])


def test_events_have_their_type_and_no_nulls() -> None:
    """Rows become the events of JSON lines: tagged, with times as text where there is such text."""
    far = {"request_id": "r", "event_time": 1 << 60}
    first, last = to_events("outcome", to_batch("outcome", [OUTCOMES[0], far]))
    expected = {name: value for name, value in OUTCOMES[0].items() if value is not None}

    assert first == expected | {"type": "outcome", "event_time": "2023-11-14T22:13:20Z"}
    assert last["event_time"] == 1 << 60


def test_lines_are_json(tmp_path: Path) -> None:
    """Each event is one line of JSON, in UTF-8; a NaN, which JSON cannot say, is an error."""
    path = tmp_path / "a.jsonl"

    assert write_jsonl(path, [{"type": "outcome", "label": "ä\n"}, {}]) == 2
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == [{"type": "outcome", "label": "ä\n"}, {}]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_jsonl(path, [{"value": float("nan")}])
