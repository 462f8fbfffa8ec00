"""A world's events as Parquet files, one for each type of event, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.incidents.injectors import Columns
from benchmarks.incidents.plan import ATTRIBUTES, World
from benchmarks.incidents.traffic import FEATURES, MODELS, Model, simulate

VOLUME = 1_000
"""Requests of an average model on a working day."""


def write_world(world: World, directory: Path, volume: float = VOLUME) -> list[Path]:
    """
    Write all events of a world; the same world and volume give the same events.

    Returns
    -------
    list of Path
        The files of predictions, outcomes and feedback.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[pa.Table]] = {"predictions": [], "outcomes": [], "feedback": []}
    for model in MODELS:
        columns = simulate(world, model, volume)
        ids = pa.array([f"{model.name}-{number:06x}" for number in range(len(columns["time"]))])
        tables["predictions"].append(_predictions(model, columns, ids))
        tables["outcomes"].append(_outcomes(model, columns, ids))
        tables["feedback"].append(_feedback(columns, ids))
    return [_write(directory / f"{name}.parquet", parts) for name, parts in tables.items()]


def _write(path: Path, tables: Iterable[pa.Table]) -> Path:
    pq.write_table(pa.concat_tables(tables).sort_by("event_time"), path, compression="zstd")
    return path


def _predictions(model: Model, columns: Columns, ids: pa.Array) -> pa.Table:
    made = {
        "request_id": ids,
        "prediction_id": ids,
        "event_time": columns["time"],
        "model": pa.repeat(pa.scalar(model.name), len(ids)),
        "version": _chosen([str(number) for number in range(10)], columns["version"]),
        "score": columns["score"],
        "label": pa.nulls(len(ids), pa.string()) if model.numeric else _chosen(["0", "1"], columns["answer"]),
        "attributes": _maps({name: _chosen(list(ATTRIBUTES[name]), columns[name]) for name in ATTRIBUTES}),
        "features": _maps({name: pa.array(columns[name], from_pandas=True) for name in FEATURES}),
        "latency_ms": columns["latency"],
    }
    return pa.table(made)


def _outcomes(model: Model, columns: Columns, ids: pa.Array) -> pa.Table:
    rows = np.flatnonzero(columns["labelled"])
    label, numbers = columns["label"][rows], pa.nulls(len(rows), pa.float64())
    classes = pa.nulls(len(rows), pa.string()) if model.numeric else _chosen(["0", "1"], label)
    made = {
        "request_id": ids.take(pa.array(rows)),
        "event_time": columns["known"][rows],
        "label": classes,
        "value": label if model.numeric else numbers,
    }
    return pa.table(made)


def _feedback(columns: Columns, ids: pa.Array) -> pa.Table:
    rows = np.flatnonzero(columns["complains"])
    about = ids.take(pa.array(rows))
    made = {
        "feedback_id": about,
        "request_id": about,
        "event_time": columns["complained"][rows],
        "kind": pa.repeat(pa.scalar("complaint"), len(rows)),
    }
    return pa.table(made)


def _chosen(values: list[str], places: np.ndarray) -> pa.Array:
    return pa.array(values).take(pa.array(places.astype(np.int64)))


def _maps(columns: dict[str, pa.Array]) -> pa.MapArray:
    """Make a map of each row, without the keys whose values are null there."""
    rows, width = len(next(iter(columns.values()))), len(columns)
    order = np.arange(rows * width).reshape(width, rows).T.ravel()
    items = pa.concat_arrays(list(columns.values())).take(pa.array(order))
    keys = pa.array(list(columns)).take(pa.array(np.tile(np.arange(width), rows)))
    known = np.asarray(items.is_valid())
    offsets = np.concatenate([[0], np.cumsum(known.reshape(rows, width).sum(axis=1))])
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys.filter(pa.array(known)), items.drop_null())
