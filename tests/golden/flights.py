"""One run over all flights of 2013, and what the golden file keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams.core.block import EventType
from streams.demo.config import demo_config
from streams.demo.events import write_events
from streams.runtime.replay import open_files, replay
from streams.sinks.clickhouse.store import open_store

GOLDEN = Path(__file__).with_name("flights.json")
EVENTS: dict[EventType, str] = {"prediction": "predictions.avro", "outcome": "outcomes.avro"}
SQL = """
SELECT formatDateTime(window_start, '%Y-%m') AS month, version, metric, value, n, label_coverage
FROM quality
WHERE model = 'flight_delay' AND window = '1mo' AND slice = map()
ORDER BY month, version, metric
"""

Measured = dict[str, Any]


def measure(directory: Path) -> Measured:
    """
    Make the demo's events in a directory, unless they are there, and replay them into a chDB store beside them.

    Returns
    -------
    dict
        `counts`: what became of the events. `months`: by month, version and metric the `value`, the `n` that it
        rests on and the `label_coverage`.
    """
    paths = write_events(directory / "events")
    with open_store(f"chdb:{directory / 'store'}") as store:
        store.migrate()
        report = replay(demo_config(), open_files(paths), store)
        rows = store.query(SQL).to_pylist()
    months: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for row in rows:
        metrics = months.setdefault(row["month"], {}).setdefault(row["version"], {})
        metrics[row["metric"]] = {name: row[name] for name in ("value", "n", "label_coverage")}
    return {"counts": report.counts, "months": months}
