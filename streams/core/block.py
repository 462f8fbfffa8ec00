"""
Blocks: the unit of work. All records of one source from one fetch, decoded at once into columns.

A codec turns bytes into a `Block`: for each type of event an Arrow record batch in the schema below,
the records' positions in their source, and the records that could not be decoded.
Times are integer microseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

EventType = Literal["prediction", "outcome", "feedback", "summary"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

ROLES = ("live", "shadow", "canary")
FEEDBACK_KINDS = (
    "rating",
    "complaint",
    "edit",
    "click",
    "conversion",
    "accept",
    "override",
    "crash",
    "latency",
)

_STRINGS = pa.map_(pa.string(), pa.string())
_NUMBERS = pa.map_(pa.string(), pa.float64())

SCHEMAS: dict[EventType, pa.Schema] = {
    "prediction": pa.schema(
        [
            ("request_id", pa.string()),
            ("prediction_id", pa.string()),
            ("event_time", pa.int64()),
            ("model", pa.string()),
            ("version", pa.string()),
            ("role", pa.string()),
            ("unit_id", pa.string()),
            ("score", pa.float64()),
            ("label", pa.string()),
            ("ranking", pa.list_(pa.string())),
            ("attributes", _STRINGS),
            ("features", _NUMBERS),
            ("latency_ms", pa.float64()),
            ("assignments", _STRINGS),
            ("inclusion_probability", pa.float64()),
        ]
    ),
    "outcome": pa.schema(
        [
            ("request_id", pa.string()),
            ("prediction_id", pa.string()),
            ("event_time", pa.int64()),
            ("label", pa.string()),
            ("value", pa.float64()),
            ("source", pa.string()),
            ("revision", pa.int64()),
            ("inclusion_probability", pa.float64()),
        ]
    ),
    "feedback": pa.schema(
        [
            ("feedback_id", pa.string()),
            ("request_id", pa.string()),
            ("prediction_id", pa.string()),
            ("unit_id", pa.string()),
            ("event_time", pa.int64()),
            ("kind", pa.string()),
            ("value", pa.float64()),
        ]
    ),
    "summary": pa.schema(
        [
            ("summary_id", pa.string()),
            ("event_time", pa.int64()),
            ("seconds", pa.int64()),
            ("model", pa.string()),
            ("version", pa.string()),
            ("role", pa.string()),
            ("attributes", _STRINGS),
            ("n", pa.int64()),
            ("weight", pa.float64()),
            ("square", pa.float64()),
            ("latency_bin", pa.list_(pa.int64())),
            ("latency_n", pa.list_(pa.int64())),
            ("latency_weight", pa.list_(pa.float64())),
            ("latency_square", pa.list_(pa.float64())),
            ("score_n", pa.int64()),
            ("score_weight", pa.float64()),
            ("score_square", pa.float64()),
            ("score_weight_sum", pa.float64()),
            ("score_square_sum", pa.float64()),
            ("score_square_squares", pa.float64()),
        ]
    ),
}

RejectReason = Literal[
    "undecodable",  # bytes that no schema reads: garbage, truncated, not JSON, invalid UTF-8, wrong field type
    "unknown_schema",  # a schema id or fingerprint that the registry does not have
    "too_large",  # a record over 1 MiB, or an attribute map over 1,000 keys
    "missing_id",  # an id that the event needs is absent or empty; a prediction's version counts as one
    "bad_time",  # event_time before 1970, after 9000, or absent
    "future_time",  # event_time further ahead of now than the configuration's max_future
    "unknown_model",  # a model that the configuration does not declare
    "bad_score",  # NaN, infinite, or outside 0..1 for a binary model
    "bad_label",  # a label that is no class of the model
    "bad_value",  # NaN or infinite where a number is due, or a feedback kind without the value it needs
    "bad_kind",  # a role or a kind of feedback that is not in the list
    "bad_weight",  # an inclusion probability outside (0, 1]
    "too_late",  # a prediction or summary older than the watermark by more than its label horizon
]

MAX_RECORD_BYTES = 1 << 20
MAX_MAP_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class Reject:
    """
    One record that takes no part: why, from where, and its bytes as they came.

    Of a record that was decoded, `fields` are its fields; `column` names the one that is at fault, whose value `detail`
    quotes, and `says` is the same without the value.
    """

    reason: RejectReason
    detail: str
    source: str
    position: int
    original: bytes
    kind: EventType | None = None
    fields: Mapping[str, Any] | None = None
    column: str = ""
    says: str = ""


@dataclass(frozen=True)
class Batch:
    """
    Decoded events of one type from one source.

    `table` has the columns of `SCHEMAS[kind]` (nulls where a field was absent), `positions` the place of each
    row in its source (the record's ordinal in a file, from 0; the offset in a topic), and `original` gives
    back the bytes of a row, for the dead letters.
    """

    kind: EventType
    table: pa.RecordBatch
    source: str
    positions: npt.NDArray[np.int64]
    original: Callable[[int], bytes]

    def __len__(self) -> int:
        return int(self.table.num_rows)


def fields_of(batch: Batch, rows: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the fields of some events, maps as dictionaries."""
    maps = {field.name for field in batch.table.schema if pa.types.is_map(field.type)}
    events = batch.table.take(pa.array(rows)).to_pylist()
    return [{k: dict(v) if k in maps and v is not None else v for k, v in event.items()} for event in events]


def latest(batch: Batch) -> int:
    """Largest event time of a batch that has events, in us."""
    time: int = pc.max(batch.table["event_time"]).as_py()
    return time


@dataclass(frozen=True)
class Block:
    """What one fetch of one source became: batches by type of event, and what could not be decoded."""

    source: str
    batches: tuple[Batch, ...] = ()
    rejects: tuple[Reject, ...] = field(default=())

    def __len__(self) -> int:
        return sum(map(len, self.batches)) + len(self.rejects)
