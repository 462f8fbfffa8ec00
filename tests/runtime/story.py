"""Some weeks of events for whole runs: how they are made, written to files, replayed into chDB and read back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import to_batch, write_container, write_jsonl
from streams.config import Config, parse_config
from streams.core.block import EVENT_TYPES, EventType
from streams.runtime.replay import BLOCK_ROWS, open_files, replay
from streams.sinks.clickhouse.store import Store, open_store

Event = dict[str, Any]
Tables = dict[str, pa.Table]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_709_164_800_000_000  # 2024-02-29

CONFIG = """
disorder: 1h
samples: 1
models:
  fraud:
    task: binary
    positive: "1"
    negative: "0"
    label_horizon: 1d
    windows: [1d, 6h/3h, 1mo]
    slices: [[], [country], [country, role]]
    metrics: [count, accuracy, brier, roc_auc, latency_p95, mean_rating]
    max_groups: 4
  topic:
    task: multiclass
    classes: [a, b]
    metrics: [accuracy, f1]
    label_horizon: 2d
experimentation:
  experiments:
    stricter:
      model: fraud
      arms: {old: 1, new: 1}
      planned: 200
      metrics:
        primary: [accuracy]
        guardrail: [{metric: mean_score, direction: higher, margin: 0.9}]
        exploratory: [mean_rating]
    wider:
      models: [fraud, topic]
      arms: {none: 1, some: 1, all: 1}
      metrics: {primary: [accuracy], exploratory: [latency_p50]}
"""

# What of a store's content does not tell in which files, and in how many runs, the events came.
_QUERIES = {
    "quality": "SELECT * FROM quality ORDER BY ALL",
    "slices": "SELECT * EXCEPT revision FROM slices FINAL ORDER BY ALL",
    "samples": "SELECT * EXCEPT (source, position) FROM samples FINAL ORDER BY ALL",
    "orphans": "SELECT * EXCEPT (source, position) FROM orphans FINAL ORDER BY ALL",
    "verdicts": "SELECT * EXCEPT revision FROM verdicts FINAL ORDER BY model, experiment, metric, tick, arm",
}


@dataclass(frozen=True)
class Stored:
    """The counts of a replay, and what the store shows after it."""

    counts: dict[str, int]
    shown: Tables


def config() -> Config:
    """Parse the configuration that the story's models have."""
    return parse_config(CONFIG, "story.yaml")


def story(requests: int, days: int, seed: int = 1) -> list[Event]:
    """
    Tell of so many requests over so many days, in an order of arrival that keeps to the disorder of an hour.

    There are corrections, copies, labels that come too late or never, feedback, more groups than are kept, and units
    in experiments.
    """
    rng = Random(seed)
    events = [event for number in range(requests) for event in _request(rng, number, rng.randrange(days * DAY))]
    copies = [dict(event) for event in events if rng.random() < 0.05]
    return sorted(events + copies, key=lambda event: event["event_time"] + rng.randrange(HOUR))


def _request(rng: Random, number: int, after: int) -> list[Event]:
    request, time = {"request_id": f"r{number}"}, START + after
    binary = rng.random() < 0.7
    country = rng.choice(("de", "fr", "it", "nl", "pl", "ø"))
    prediction = {"type": "prediction", **request, "prediction_id": f"p{number}", "event_time": time}
    prediction |= {"version": rng.choice("12"), "role": rng.choice(("live", "live", "live", "shadow"))}
    prediction |= {"latency_ms": rng.random() * 50, "attributes": {"country": country}}
    probability = rng.choice((1.0, 1.0, 0.3))
    prediction |= {"inclusion_probability": probability, **_exposed(number, sampled=probability < 1)}
    answer = {"score": rng.random()} if binary else {"label": rng.choice("ab")}
    events: list[Event] = [prediction | answer | {"model": "fraud" if binary else "topic"}]
    for revision in rng.choice(((), (0,), (0,), (0, 1), (1, 0))):
        delay = rng.choice((5 * MINUTE, 3 * HOUR, 23 * HOUR, 24 * HOUR + 30 * MINUTE, 50 * HOUR))
        label = rng.choice("01" if binary else "ab")
        outcome = {"type": "outcome", **request, "event_time": time + delay, "label": label, "revision": revision}
        events.append(outcome)
    if rng.random() < 0.3:
        feedback = {"type": "feedback", "feedback_id": f"f{number}", **request, "event_time": time + HOUR}
        events.append(feedback | {"kind": "rating", "value": float(rng.randint(1, 5))})
    return events


def _exposed(number: int, *, sampled: bool) -> Event:
    """
    Return who asked, and in which arms: units come again, some in no experiment, a few in another arm than before.

    One of the experiments has few units, and none of the sampled events, so that it can be judged by exact counts.
    """
    unit = number % 601
    drawn = unit + (number % 41 == 0)
    arms = {"stricter": ("old", "new")[drawn % 2]} if unit % 11 else {}
    if not sampled and number < 100:
        arms["wider"] = ("none", "some", "all", "what")[drawn % 7 % 4]
    return {"unit_id": f"u{unit}", "assignments": arms}


def write_files(directory: Path, events: Sequence[Event], extension: str) -> list[Path]:
    """Write events to one file of JSON lines, or to an Avro or Parquet file for each type of event."""
    directory.mkdir(parents=True, exist_ok=True)
    if extension == "jsonl":
        write_jsonl(directory / "events.jsonl", events)
        return [directory / "events.jsonl"]
    return [write_kind(directory / f"{kind}.{extension}", kind, events) for kind in EVENT_TYPES]


def write_kind(path: Path, kind: EventType, events: Sequence[Event]) -> Path:
    """Write the events of one type to an Avro or Parquet file."""
    mine = [event for event in events if event["type"] == kind]
    if path.suffix == ".avro":
        write_container(path, kind, mine, SchemaRegistry.load(default_schema_dir()), block_rows=50)
    else:
        pq.write_table(pa.Table.from_batches([to_batch(kind, mine)]), path)
    return path


def tables(store: Store) -> Tables:
    """Return what a store shows of the events, in an order of its own."""
    return {name: store.query(sql) for name, sql in _QUERIES.items()}


def assert_same(ours: Stored, theirs: Stored) -> None:
    """
    Same rows and counts; sums of weights that are no binary fractions may differ in their last bit (1e-12).

    What verdicts say follows from such sums, added up in any order: it is the same to 1e-9, and which verdict it is,
    and of what, is the same.
    """
    assert ours.counts == theirs.counts
    for name, table in theirs.shown.items():
        if ours.shown[name].equals(table):  # usually; looking at each row takes a second
            continue
        rows = table.to_pylist()
        assert ours.shown[name].num_rows == len(rows), name
        for mine, other in zip(ours.shown[name].to_pylist(), rows, strict=True):
            tolerance = 1e-9 if name == "verdicts" else 1e-12
            assert all(_same(mine[column], other[column], tolerance) for column in other), (name, mine, other)


def _same(one: object, other: object, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-12)
    return one == other


def replayed(directory: Path, paths: Sequence[Path], block_rows: int = BLOCK_ROWS) -> Stored:
    """Replay files into a new chDB store in a directory; return what it says then."""
    with open_store(f"chdb:{directory}") as store:
        store.migrate()
        report = replay(config(), open_files(paths, block_rows), store)
        return Stored(report.counts, tables(store))
