"""Driving the pipeline from events as dicts, and reading its tables as the oracle writes its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from streams.codecs.write import to_batch
from streams.config import Config
from streams.core.block import EVENT_TYPES, Batch, Block
from streams.pipeline import Pipeline
from tests.oracle import Key, Value
from tests.streams_strategy import Delivery, Event

FAR_FUTURE = 4_000_000_000_000_000  # 2096: no event of the generators is from the future

Tables = dict[str, list[dict[str, Any]]]
Numbers = dict[Key, dict[str, tuple[float | None, float, float, bool]]]


def block_of(source: str, events: Iterable[Event], first: int = 0) -> Block:
    """One block of events, their positions counted from `first`."""
    placed = list(enumerate(events, first))
    batches = []
    for kind in EVENT_TYPES:
        mine = [(i, e) for i, e in placed if e["type"] == kind]
        if mine:
            table = to_batch(kind, [e for _, e in mine])
            positions = np.array([i for i, _ in mine], np.int64)
            batches.append(Batch(kind, table, source, positions, lambda _: b""))
    return Block(source, tuple(batches))


def drive(
    config: Config, delivery: Delivery, stop: Callable[[Pipeline, int], Pipeline] = lambda pipeline, _: pipeline
) -> tuple[dict[str, int], Tables]:
    """Run a delivery to its end; `stop` may swap the pipeline for a restored one before any part."""
    pipeline = Pipeline(config)
    for source in delivery.sources:
        pipeline.open(source)
    tables: Tables = {}
    positions = dict.fromkeys(delivery.sources, 0)
    for number, part in enumerate(delivery.parts):
        pipeline = stop(pipeline, number)
        block = block_of(part.source, part.events, positions[part.source])
        positions[part.source] += len(part.events)
        gather(tables, pipeline.process(block, FAR_FUTURE))
    for source in delivery.sources:
        pipeline.close(source)
    gather(tables, pipeline.flush(ended=True))
    return pipeline.counts(), tables


def gather(tables: Tables, rows: Iterable[tuple[str, pa.Table]]) -> None:
    """Add rows to the tables that they are for."""
    for name, batch in rows:
        tables.setdefault(name, []).extend(batch.to_pylist())


def final_numbers(windows: list[dict[str, Any]]) -> Numbers:
    """Return what the store would show: of each key the row of the highest revision, the last where equal."""
    newest: dict[tuple[Key, str], dict[str, Any]] = {}
    for row in windows:
        start = int(row["window_start"].timestamp()) * 1_000_000
        key = Key(row["model"], row["version"], row["window"], start, tuple(sorted(row["slice"])))
        held = newest.get((key, row["metric"]))
        if held is None or row["revision"] >= held["revision"]:
            newest[key, row["metric"]] = row
    numbers: Numbers = {}
    for (key, metric), row in newest.items():
        value = None if row["value"] is None or math.isnan(row["value"]) else row["value"]
        numbers.setdefault(key, {})[metric] = (value, row["n"], row["label_coverage"], row["is_final"])
    return numbers


def assert_agree(ours: Numbers, theirs: dict[Key, dict[str, Value]], tolerance: float = 1e-9) -> None:
    """Same keys, metrics, counts and finality; values to the tolerance, relative or absolute."""
    assert ours.keys() == theirs.keys()
    for key, metrics in theirs.items():
        assert ours[key].keys() == metrics.keys(), key
        for metric, (value, n, coverage, is_final) in metrics.items():
            where = (key, metric, ours[key][metric], metrics[metric])
            our_value, our_n, our_coverage, our_final = ours[key][metric]
            assert (our_n, our_final) == (n, is_final), where
            assert math.isclose(our_coverage, coverage, rel_tol=tolerance, abs_tol=tolerance), where
            assert (our_value is None) == (value is None), where
            if value is not None and our_value is not None:
                assert math.isclose(our_value, value, rel_tol=tolerance, abs_tol=tolerance), where
