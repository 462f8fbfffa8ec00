"""The flights of which one in twenty is recorded: their table agrees with that of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from streams.config.detection import DetectionConfig
from streams.core.block import Block
from streams.core.sampling.thinning import thinned
from streams.demo.config import demo_config
from streams.demo.events import write_events
from streams.demo.run import Recorded
from streams.runtime.replay import open_files, replay
from streams.sinks.clickhouse.rows import TableName
from tests.core.making import make_batch, prediction

SHARE = 0.05
Table = dict[tuple[str, ...], dict[str, Any]]


class Windows:
    """A store that keeps the windows' rows of the highest revision."""

    def __init__(self) -> None:
        self.rows: Table = {}

    def insert(self, table: TableName, batch: pa.Table) -> None:
        for row in batch.to_pylist() if table == "windows" else ():
            key = tuple(str(row[name]) for name in ("version", "metric", "window", "window_start", "slice"))
            self.rows[key] = row


def _table(paths: list[Path], share: float) -> tuple[Table, dict[str, int]]:
    config = demo_config().model_copy(update={"detection": DetectionConfig()})
    store = Windows()
    counts = replay(config, [Recorded(source, share) for source in open_files(paths)], store).counts
    return store.rows, counts


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, Table]:
    """Return the rows of all flights and of those that were recorded."""
    paths = write_events(tmp_path_factory.mktemp("flights"))
    (full, _), (some, counts) = _table(paths, 1.0), _table(paths, SHARE)
    assert counts["orphan"] == 0
    assert abs(counts["predictions"] / 673_552 - SHARE) < 0.002
    return full, some


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "brier", "roc_auc"])
def test_a_twentieth_agrees_with_all(tables: tuple[Table, Table], metric: str) -> None:
    """
    The intervals of a twentieth of the flights hold what all flights say, at least as often as they promise.

    In all windows and slices with at least 30 recorded flights; they are 95 % intervals, less two for how few windows
    there are of some carriers.
    """
    full, some = tables
    pairs = [(full[key], row) for key, row in some.items() if key[1] == metric and row["n"] >= 30 and row["value"]]
    inside = [row["low"] <= whole["value"] <= row["high"] for whole, row in pairs]

    assert len(pairs) > 150
    assert sum(inside) / len(inside) >= 0.93


def test_what_is_recorded_says_so(tables: tuple[Table, Table]) -> None:
    """Every row of a sample has a smaller effective size, and its label coverage is that of all, but for chance."""
    full, some = tables
    whole = {key: row for key, row in some.items() if key[2] == "1mo" and key[4] == "[]" and key[1] == "accuracy"}

    assert len(whole) == 24 + 2
    for key, row in whole.items():
        if row["n"] >= 30:
            assert row["n_effective"] <= row["n"] < 0.1 * full[key]["n"]
            assert row["label_coverage"] == pytest.approx(full[key]["label_coverage"], abs=0.03)


def test_shares_are_nested() -> None:
    """Predictions say with which chance they were recorded, and a larger share contains a smaller one."""
    batch = make_batch("prediction", [prediction(f"p{i}", i) for i in range(1, 400)])
    half, less = (thinned(Block("a", (batch,)), share).batches[0].table for share in (0.5, 0.3))

    assert set(half["inclusion_probability"].to_pylist()) == {0.5}
    assert set(less["request_id"].to_pylist()) < set(half["request_id"].to_pylist())
