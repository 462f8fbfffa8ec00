"""
Flight events for the drills, in files by stretch of event time, so that they can be emitted while things break.

The demo's flights are in no experiment; here they are in one that is declared beside the demo's models. A drill is of
a few months, so that what is usual is learned from less than the demo takes.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import write_container
from streams.core.block import EventType
from streams.demo.events import write_events
from streams.runtime.replay import open_files

EXPERIMENT = """
experimentation:
  experiments:
    boarding:
      model: flight_delay
      arms: {zones: 2, rows: 1}
      planned: 5000
      metrics:
        primary: [accuracy]
        guardrail: [{metric: brier, margin: 0.05}]
        exploratory: [precision]
"""
DETECTION = """
detection:
  tick: 1d
  learn: 28d
  season: 7d
  models:
    flight_delay:
      metrics: [accuracy, brier]
      columns: [score, outcome, attributes.carrier, features.distance]
      slices: [[], [carrier]]
"""
_FILES: tuple[tuple[EventType, str], ...] = (("prediction", "predictions.avro"), ("outcome", "outcomes.avro"))
_UNITS = 3_001
_ELSEWHERE = 101  # of so many flights one has a unit that was in the other arm before


def write_config(demo: Path, directory: Path) -> Path:
    """Write the demo's models with an experiment, and with what is watched of them, and return the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "config.yaml"
    models = demo.read_text("utf-8").partition("detection:")[0]
    path.write_text(models + DETECTION + EXPERIMENT, "utf-8")
    return path


def write_stretches(demo: Path, directory: Path, events: int, stretches: int) -> list[list[Path]]:
    """
    Write the first `events` events of the flights, cut into equal stretches of event time.

    Returns the files of each stretch. The demo's own events are made in `demo`, unless they are there.
    """
    write_events(demo)
    registry = SchemaRegistry.load(default_schema_dir())
    tables = {kind: _read(demo / name) for kind, name in _FILES}
    tables["prediction"] = _exposed(tables["prediction"])
    times = np.sort(np.concatenate([np.asarray(table["event_time"]) for table in tables.values()]))[:events]
    bounds = [*times[:: -(-events // stretches)].tolist(), int(times[-1]) + 1]
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for number, (first, last) in enumerate(pairwise(bounds)):
        written = []
        for kind, table in tables.items():
            at = np.asarray(table["event_time"])
            rows = table.filter(pa.array((at >= first) & (at < last)))
            if rows.num_rows:
                written.append(directory / f"{number:03}-{kind}.avro")
                write_container(written[-1], kind, rows, registry)
        files.append(written)
    return files


def _exposed(predictions: pa.Table) -> pa.Table:
    """Give each flight a unit and an arm; a tenth of the units is in no experiment."""
    drawn = [crc32(request.encode()) for request in predictions["request_id"].to_pylist()]
    arms = [("zones", "zones", "rows")[(number % _UNITS + (number % _ELSEWHERE == 0)) % 3] for number in drawn]
    columns = {
        "unit_id": [f"u{number % _UNITS}" for number in drawn],
        "assignments": [
            [("boarding", arm)] if number % _UNITS % 10 else [] for number, arm in zip(drawn, arms, strict=True)
        ],
    }
    for name, values in columns.items():
        place = predictions.schema.get_field_index(name)
        predictions = predictions.set_column(place, name, pa.array(values, predictions.schema.field(name).type))
    return predictions


def _read(path: Path) -> pa.Table:
    (source,) = open_files([path])
    return pa.Table.from_batches([batch.table for block in source for batch in block.batches])
