"""What an analyst can ask the store about one busy unit: nothing is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.sinks.clickhouse.store import read_store
from tests.conftest import Run

NOON = 20_000 * 86_400_000_000 + 12 * 3_600_000_000
CONFIG = """
samples: 0
models:
  m: {task: binary, positive: "1", label_horizon: 1d, windows: [1d], slices: [[country]]}
experimentation:
  experiments: {e: {model: m, arms: {old: 1, new: 1, more: 1}, planned: 500, metrics: {primary: [accuracy]}}}
privacy: {smallest_cell: 20}
"""
TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase() AND name != 'schema_versions' ORDER BY name"


def events(country: str, arm: str, units: int, each: int) -> list[str]:
    """Tell of units that each make so many requests, all of them with a label."""
    told = []
    for number in range(units * each):
        ids = {"request_id": f"{country}-{number}", "event_time": NOON + number}
        place = {"attributes": {"country": country}, "assignments": {"e": arm}, "unit_id": f"{country}{number % units}"}
        made = {"type": "prediction", "prediction_id": "p", "model": "m", "version": "1", "score": 0.9, "latency_ms": 7}
        told += [ids | place | made, ids | {"type": "outcome", "label": "1"}]
    return [json.dumps(event) for event in told]


@pytest.mark.parametrize("smallest", [20, 1])
def test_an_analyst_sees_nothing_of_one_busy_unit(tmp_path: Path, cli: Run, smallest: int) -> None:
    """A thousand requests of one unit are in no row of any table or view; where nothing is declared, they are."""
    (tmp_path / "config.yaml").write_text(CONFIG.replace("20", str(smallest)))
    told = [*events("de", "old", 60, 2), *events("fr", "more", 60, 2), *events("is", "new", 1, 1_000)]
    (tmp_path / "events.jsonl").write_text("\n".join(told))
    dsn = f"chdb://{tmp_path}/store"
    assert cli("replay", "--config", tmp_path / "config.yaml", "--store", dsn, tmp_path / "events.jsonl").code == 0

    with read_store(dsn) as store:
        tables = store.query(TABLES)["name"].to_pylist()
        rows = {table: store.query(f"SELECT * FROM {table}").to_pylist() for table in tables}  # noqa: S608
    seen = {table for table, some in rows.items() if any("'is'" in str(row) for row in some)}
    arms = [(row["control"], row["arm"]) for row in rows["verdicts"] if row["kind"] == "primary"]

    assert seen == (set() if smallest > 1 else {"quality", "windows", "slices"})
    assert set(arms) == {("old", "more")} | (set() if smallest > 1 else {("old", "new")})
    assert {tuple(row["slice"]) for row in rows["quality"]} >= {(), (("country", "de"),)}
    assert {row["units"] is None for row in rows["quality"]} == {smallest == 1}
