"""
The columns of the thirteen tables, as Arrow schemas: what the pipeline hands to the store.

The tables themselves are declared in `migrations/`; names and order agree. A column that may hold
nulls is one where "not known" is an answer: a metric that the events do not define, a field that an event lacked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Made = Literal["windows", "slices", "samples", "rejected", "orphans", "intake", "verdicts", "signals", "alerts"]
TableName = Made | Literal["forgotten", "deliveries", "silences", "acknowledgements"]
"""Tables that the pipeline writes, workers that forget a unit, and people: what of alerts was delivered, or said."""

_TIME = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()
_NUMBER = pa.float64()
_SLICE = pa.map_(pa.string(), pa.string())


def _schema(*nullable: str, **columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=name in nullable) for name, kind in columns.items()])


_WINDOWS = _schema(
    "value",
    "low",
    "high",
    "units",
    "maturity",
    "corrected",
    "corrected_low",
    "corrected_high",
    "corrected_n_effective",
    model=_TEXT,
    version=_TEXT,
    window=_TEXT,
    window_start=_TIME,
    window_end=_TIME,
    slice_id=pa.uint64(),
    slice=_SLICE,
    metric=_TEXT,
    value=_NUMBER,
    low=_NUMBER,
    high=_NUMBER,
    n=_NUMBER,
    n_effective=_NUMBER,
    units=pa.uint64(),
    label_coverage=_NUMBER,
    maturity=_NUMBER,
    corrected=_NUMBER,
    corrected_low=_NUMBER,
    corrected_high=_NUMBER,
    corrected_n_effective=_NUMBER,
    is_final=pa.bool_(),
    revision=pa.uint64(),
)
_SLICES = _schema(
    model=_TEXT,
    slice_id=pa.uint64(),
    slice=_SLICE,
    first_seen=_TIME,
    state=_TEXT,
    revision=pa.uint64(),
)
_SAMPLES = _schema(
    type=_TEXT,
    request_id=_TEXT,
    event_time=_TIME,
    model=_TEXT,
    version=_TEXT,
    payload=_TEXT,
    inclusion_probability=_NUMBER,
    source=_TEXT,
    position=pa.int64(),
)
_REJECTED = _schema(
    source=_TEXT,
    position=pa.int64(),
    type=_TEXT,
    reason=_TEXT,
    detail=_TEXT,
    original=pa.binary(),
)
_ORPHANS = _schema(
    "prediction_id",
    "label",
    "value",
    "kind",
    "revision",  # feedback has none
    "unit_id",  # outcomes have none
    source=_TEXT,
    position=pa.int64(),
    type=_TEXT,
    reason=_TEXT,
    request_id=_TEXT,
    prediction_id=_TEXT,
    event_time=_TIME,
    label=_TEXT,
    value=_NUMBER,
    kind=_TEXT,
    revision=pa.int64(),
    unit_id=_TEXT,
)
_INTAKE = _schema(
    "watermark",
    partition=pa.int64(),
    counts=pa.map_(pa.string(), pa.uint64()),
    watermark=_TIME,
    revision=pa.uint64(),
)
_FORGOTTEN = _schema(
    order_name=_TEXT,
    source=_TEXT,
    kind=_TEXT,
    asked=_TIME,
    removed=pa.uint64(),
    remaining=pa.uint64(),
    revision=pa.uint64(),
)
_VERDICTS = _schema(
    "effect",
    "low",
    "high",
    "error",
    "arm_value",
    "control_value",
    "label_coverage_arm",
    "label_coverage_control",
    "first_reached",
    "needed",
    model=_TEXT,
    experiment=_TEXT,
    metric=_TEXT,
    kind=_TEXT,
    arm=_TEXT,
    control=_TEXT,
    tick=_TIME,
    verdict=_TEXT,
    effect=_NUMBER,
    low=_NUMBER,
    high=_NUMBER,
    error=_NUMBER,
    arm_value=_NUMBER,
    control_value=_NUMBER,
    log_e=_NUMBER,
    p=_NUMBER,
    n_arm=_NUMBER,
    n_control=_NUMBER,
    n_effective_arm=_NUMBER,
    n_effective_control=_NUMBER,
    label_coverage_arm=_NUMBER,
    label_coverage_control=_NUMBER,
    alpha=_NUMBER,
    margin=_NUMBER,
    method=_TEXT,
    first_reached=_TIME,
    needed=_NUMBER,
    revision=pa.uint64(),
)

_SIGNALS = _schema(
    "value",
    "reference",
    "effect",
    "low",
    "high",
    "label_coverage",
    "onset",
    "onset_low",
    "onset_high",
    model=_TEXT,
    slice_id=pa.uint64(),
    slice=_SLICE,
    watch=_TEXT,
    kind=_TEXT,
    tick=_TIME,
    standing=_TEXT,
    value=_NUMBER,
    reference=_NUMBER,
    effect=_NUMBER,
    low=_NUMBER,
    high=_NUMBER,
    n=_NUMBER,
    n_effective=_NUMBER,
    label_coverage=_NUMBER,
    log_e=_NUMBER,
    threshold=_NUMBER,
    onset=_TIME,
    onset_low=_TIME,
    onset_high=_TIME,
    release=_TEXT,
    method=_TEXT,
    revision=pa.uint64(),
)
_ALERTS = _schema(
    "value",
    "reference",
    "effect",
    "low",
    "high",
    "label_coverage",
    dedup_key=_TEXT,
    sequence=pa.uint32(),
    status=_TEXT,
    reason=_TEXT,
    tick=_TIME,
    model=_TEXT,
    rule=_TEXT,
    kind=_TEXT,
    watch=_TEXT,
    slice=_SLICE,
    severity=_TEXT,
    team=_TEXT,
    state=_TEXT,
    cause=_TEXT,
    explanation=_TEXT,
    title=_TEXT,
    value=_NUMBER,
    reference=_NUMBER,
    effect=_NUMBER,
    low=_NUMBER,
    high=_NUMBER,
    n=_NUMBER,
    n_effective=_NUMBER,
    label_coverage=_NUMBER,
    since=_TIME,
    since_low=_TIME,
    since_high=_TIME,
    opened=_TIME,
    flapping=pa.bool_(),
    worst_slices=pa.list_(_SLICE),
    worst_effects=pa.list_(_NUMBER),
    release=_TEXT,
    members=pa.uint32(),
    worst_members=pa.list_(_TEXT),
    query=_TEXT,
    runbook=_TEXT,
    called=_TEXT,
    account=_TEXT,
    revision=pa.uint64(),
)

_DELIVERIES = _schema(
    dedup_key=_TEXT,
    sequence=pa.uint32(),
    status=_TEXT,
    model=_TEXT,
    rule=_TEXT,
    severity=_TEXT,
    tick=_TIME,
    route=_TEXT,
    position=pa.int64(),
    outcome=_TEXT,
    detail=_TEXT,
    attempts=pa.uint32(),
    at=_TIME,
)
_SILENCES = _schema(
    silence_id=_TEXT,
    model=_TEXT,
    rule=_TEXT,
    dedup_key=_TEXT,
    starts=_TIME,
    ends=_TIME,
    author=_TEXT,
    why=_TEXT,
    at=_TIME,
)
_ACKNOWLEDGEMENTS = _schema(dedup_key=_TEXT, author=_TEXT, why=_TEXT, at=_TIME)

SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        "windows": _WINDOWS,
        "slices": _SLICES,
        "samples": _SAMPLES,
        "rejected": _REJECTED,
        "orphans": _ORPHANS,
        "intake": _INTAKE,
        "forgotten": _FORGOTTEN,
        "verdicts": _VERDICTS,
        "signals": _SIGNALS,
        "alerts": _ALERTS,
        "deliveries": _DELIVERIES,
        "silences": _SILENCES,
        "acknowledgements": _ACKNOWLEDGEMENTS,
    }
)

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "windows": ("model", "metric", "window", "window_start", "version", "slice_id"),
        "slices": ("model", "slice_id"),
        "samples": ("source", "position"),
        "rejected": ("source", "position"),
        "orphans": ("source", "position"),
        "intake": ("partition",),
        "forgotten": ("order_name", "source", "kind"),
        "verdicts": ("model", "experiment", "metric", "arm", "tick"),
        "signals": ("model", "watch", "kind", "slice_id", "tick"),
        "alerts": ("dedup_key", "sequence"),
        "deliveries": ("dedup_key", "sequence", "route", "position"),
        "silences": ("silence_id",),
        "acknowledgements": ("dedup_key", "at"),
    }
)
"""The columns that identify a row of each table: of two rows with equal ones, the store keeps one."""


def empty(table: TableName) -> pa.Table:
    """No rows of a table, with its columns and their types."""
    return SCHEMAS[table].empty_table()


def checked(table: str, batch: pa.Table) -> pa.Table:
    """
    Return `batch` as the store takes it: NaN in a nullable number becomes null.

    Raises
    ------
    ValueError
        The table is unknown, the batch's columns are not the table's by name, order and type, or a column that
        must be known holds nulls. Each is a bug in whoever made the batch.
    """
    if table not in SCHEMAS:
        raise ValueError(f"the store has no table {table!r}; its tables are {', '.join(SCHEMAS)}")
    schema = SCHEMAS[table]
    problems = _problems(schema, batch.schema) or _null_problems(schema, batch)
    if problems:
        raise ValueError(f"rows for table {table!r} do not fit it: {'; '.join(problems)}")
    uncertain = {field.name for field in schema if field.nullable and field.type == _NUMBER}
    columns = [_without_nan(batch[name]) if name in uncertain else batch[name] for name in schema.names]
    return pa.Table.from_arrays(columns, schema=schema)


def _problems(expected: pa.Schema, given: pa.Schema) -> list[str]:
    problems = [f"column {name!r} is missing" for name in expected.names if name not in given.names]
    problems += [f"column {name!r} is unknown" for name in given.names if name not in expected.names]
    if not problems and given.names != expected.names:
        problems.append(f"columns are in the order {given.names}, expected {expected.names}")
    if not problems:
        problems += [
            f"column {want.name!r} is {have.type}, expected {want.type}"
            for want, have in zip(expected, given, strict=True)
            if want.type != have.type
        ]
    return problems


def _null_problems(schema: pa.Schema, batch: pa.Table) -> list[str]:
    # ClickHouse would put an empty string or a zero there, in silence.
    counts = {f.name: batch.column(f.name).null_count for f in schema if not f.nullable}
    return [f"column {name!r} has {count} null(s)" for name, count in counts.items() if count]


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_nan(column), pa.scalar(None, _NUMBER), column)
