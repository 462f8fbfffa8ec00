"""Flight events for the drills, in files by stretch of event time, so that they can be emitted while things break."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import write_container
from streams.core.block import EventType
from streams.demo.events import write_events
from streams.runtime.replay import open_files

_FILES: tuple[tuple[EventType, str], ...] = (("prediction", "predictions.avro"), ("outcome", "outcomes.avro"))


def write_stretches(demo: Path, directory: Path, events: int, stretches: int) -> list[list[Path]]:
    """
    Write the first `events` events of the flights, cut into equal stretches of event time.

    Returns the files of each stretch. The demo's own events are made in `demo`, unless they are there.
    """
    write_events(demo)
    registry = SchemaRegistry.load(default_schema_dir())
    tables = {kind: _read(demo / name) for kind, name in _FILES}
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


def _read(path: Path) -> pa.Table:
    (source,) = open_files([path])
    return pa.Table.from_batches([batch.table for block in source for batch in block.batches])
