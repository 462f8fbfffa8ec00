"""The table of raw rows: of one event the row with the larger chance counts, in whatever order they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from streams.sinks.clickhouse.rows import SCHEMAS
from streams.sinks.clickhouse.store import open_store


def row(chance: float) -> pa.Table:
    """One event's row, that is there with some chance."""
    texts = {"type": "prediction", "request_id": "r", "model": "m", "version": "1", "payload": "{}", "source": "a-0"}
    time = datetime(2024, 2, 29, tzinfo=UTC)
    numbers = {"event_time": time, "inclusion_probability": chance, "position": 7}
    return pa.Table.from_pylist([texts | numbers], schema=SCHEMAS["samples"])


@pytest.mark.parametrize("written", [(0.1, 1.0), (1.0, 0.1), (0.1, 0.05, 0.1 + 1e-12)])
def test_the_larger_chance_counts(written: tuple[float, ...], tmp_path: Path) -> None:
    """A worker that wakes up may write the row as it was before its prediction turned out to be wrong."""
    with open_store(f"chdb://{tmp_path}/store") as store:
        store.migrate()
        for chance in written:
            store.insert("samples", row(chance))
        found = store.query("SELECT inclusion_probability AS chance FROM samples FINAL").to_pylist()
        every = store.query("SELECT * FROM samples FINAL").column_names

    assert found == [{"chance": max(written)}]
    assert every == SCHEMAS["samples"].names
