"""
The demo's events: what the two versions said about each flight, and what happened, as tables and as Avro files.

A flight is a request, its id the flight's. `static` answers it live and `refreshed` in its shadow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.write import write_container
from streams.core.block import SCHEMAS, EventType
from streams.demo.flights import PACKAGE, load_flights
from streams.demo.models import DEFAULTS, VERSIONS, Floats, Progress, Settings, predict

MODEL = "flight_delay"
ROLES = {"static": "live", "refreshed": "shadow"}
LATE, ON_TIME = "late", "on_time"
EVENTS = 1_000_898
"""As many as `write_events` writes: two predictions of each flight, and an outcome of each that arrived."""

_FILES: dict[str, EventType] = {"predictions.avro": "prediction", "outcomes.avro": "outcome"}
_LAYOUT = 2  # of the files; count up when other columns or values are written for the same settings


def write_events(directory: Path, progress: Progress | None = None, settings: Settings = DEFAULTS) -> list[Path]:
    """
    Write `predictions.avro` (673,552 events) and `outcomes.avro` (327,346), each sorted by time.

    Files that an earlier call with the same settings and libraries finished are kept as they are.

    Parameters
    ----------
    directory
        Where to; made if it does not exist.
    progress
        Called with the flights predicted so far and the flights in all, unless there is nothing to do.
    settings
        What decides the predictions.

    Returns
    -------
    list[Path]
        The two files.

    Raises
    ------
    UsageError
        The package that holds the flights is not installed.
    SchemaError
        The project's own schemas are missing.

    """
    registry = SchemaRegistry.load(default_schema_dir())
    content = content_version(settings, registry)
    paths = [directory / name for name in _FILES]
    manifest = directory / "manifest.json"
    if _is_complete(manifest, content, paths):
        return paths
    directory.mkdir(parents=True, exist_ok=True)
    manifest.unlink(missing_ok=True)
    flights = load_flights()
    tables = lay_out(flights, predict(flights, settings, progress), settings.threshold)
    kinds = zip(paths, _FILES.values(), strict=True)
    rows = {path.name: write_container(path, kind, tables[kind], registry) for path, kind in kinds}
    # Written last, and at once: with it the files are complete, without it they are written again.
    unfinished = manifest.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"version": content, "rows": rows, "bytes": _sizes(paths)}, indent=2))
    unfinished.replace(manifest)
    return paths


def content_version(settings: Settings, registry: SchemaRegistry) -> str:
    """Name the files' content: it changes with the settings, the libraries that train, the data and the schemas."""
    libraries = [version("river"), version(PACKAGE)]
    schemas = [registry.current[kind] for kind in _FILES.values()]
    decides = json.dumps([_LAYOUT, asdict(settings), libraries, schemas], sort_keys=True)
    return hashlib.sha256(decides.encode()).hexdigest()[:16]


def _is_complete(manifest: Path, content: str, paths: list[Path]) -> bool:
    if not manifest.exists():
        return False
    written = json.loads(manifest.read_text())
    return bool(written["version"] == content and written["bytes"] == _sizes(paths))


def _sizes(paths: list[Path]) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in paths if path.exists()}


def lay_out(flights: pl.DataFrame, scores: dict[str, Floats], threshold: float) -> dict[EventType, pa.Table]:
    """
    Lay out predictions and outcomes in `SCHEMAS`, sorted by time.

    Parameters
    ----------
    flights
        As `load_flights` gives them.
    scores
        What each version says about each flight, as `predict` gives it.
    threshold
        The score from which on a flight is called late.

    Returns
    -------
    dict[EventType, pa.Table]
        "prediction": two rows a flight, at its scheduled departure; "outcome": a row a flight that has one, when
        it landed.

    """
    return {"prediction": _predictions(flights, scores, threshold), "outcome": _outcomes(flights)}


def _predictions(flights: pl.DataFrame, scores: dict[str, Floats], threshold: float) -> pa.Table:
    versions = pl.Series("version", list(VERSIONS) * len(flights))
    # Row by row the versions alternate, so that the sort by departure stays.
    answers = flights[np.repeat(np.arange(len(flights)), len(VERSIONS))].select(
        pl.col("flight_id").alias("request_id"),
        pl.format("{}/{}", "flight_id", versions).alias("prediction_id"),
        pl.col("departure_time").alias("event_time"),
        pl.lit(MODEL).alias("model"),
        versions,
        versions.replace_strict(ROLES).alias("role"),
        pl.Series("score", np.stack([scores[name] for name in VERSIONS], axis=1).ravel()),
        pl.lit(1.0).alias("inclusion_probability"),
        "carrier",
        "origin",
        "dest",
        pl.col("hour").cast(pl.Float64),
        "distance",
    )
    answers = answers.with_columns(label=_label(pl.col("score") >= threshold))
    return _to_schema(
        answers,
        "prediction",
        {"attributes": ["carrier", "origin", "dest"], "features": ["hour", "distance"], "assignments": []},
    )


def _outcomes(flights: pl.DataFrame) -> pa.Table:
    landed = flights.drop_nulls("outcome_time").sort("outcome_time", maintain_order=True)
    outcomes = landed.select(
        pl.col("flight_id").alias("request_id"),
        pl.col("outcome_time").alias("event_time"),
        _label(pl.col("late")).alias("label"),
        pl.lit("observed").alias("source"),
        pl.lit(0, pl.Int64).alias("revision"),
        pl.lit(1.0).alias("inclusion_probability"),
    )
    return _to_schema(outcomes, "outcome", {})


def _label(late: pl.Expr) -> pl.Expr:
    return pl.when(late).then(pl.lit(LATE)).otherwise(pl.lit(ON_TIME))


def _to_schema(frame: pl.DataFrame, kind: EventType, maps: dict[str, list[str]]) -> pa.Table:
    """Lay out a frame in a schema: fields it does not have are null, each of `maps` is made of some columns."""

    def column(field: pa.Field) -> pa.Array:
        if field.name in maps:
            return _map_array(frame, maps[field.name], field.type)
        if field.name in frame.columns:
            return frame[field.name].to_arrow().cast(field.type)
        return pa.nulls(len(frame), field.type)

    schema = SCHEMAS[kind]
    return pa.Table.from_arrays([column(field) for field in schema], schema=schema)


def _map_array(frame: pl.DataFrame, keys: list[str], of: pa.MapType) -> pa.MapArray:
    """Each row's map: from every key to that column's value."""
    n, k = len(frame), len(keys)
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    values = [frame[key].to_arrow().cast(of.item_type) for key in keys] or [pa.nulls(0, of.item_type)]
    row_by_row = np.arange(n * k).reshape(k, n).T.ravel()
    names = pa.array(keys, of.key_type).take(pa.array(np.tile(np.arange(k), n)))
    return pa.MapArray.from_arrays(offsets, names, pa.concat_arrays(values).take(row_by_row))
