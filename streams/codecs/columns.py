"""
Columns in the shape of a `Block`, whatever shape they came in.

The rules are Avro's schema resolution, applied to whole columns: a column the reader does not know is dropped,
one that is absent gets its default, integers widen to floating point, and nothing else is converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.block import SCHEMAS, EventType

DEFAULTS: Mapping[str, str | int | float] = MappingProxyType(
    {"role": "live", "source": "observed", "revision": 0, "inclusion_probability": 1.0, "seconds": 60}
)
"""What an absent or null field means. Absent maps are empty; every other absent field is null."""

_MICROS_A_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
_INT64_MAX = (1 << 63) - 1


def fits(have: pa.DataType, want: pa.DataType) -> bool:
    """
    Whether a column of type `have` can be read as `want` without guessing.

    >>> fits(pa.float32(), pa.float64()), fits(pa.string(), pa.float64())
    (True, False)
    """
    if pa.types.is_map(want):
        return _is_any(have, "map") and fits(have.key_type, want.key_type) and fits(have.item_type, want.item_type)
    if pa.types.is_list(want):
        return _is_any(have, "list", "large_list") and fits(have.value_type, want.value_type)
    if pa.types.is_dictionary(have):
        return fits(have.value_type, want)
    if pa.types.is_string(want):
        return _is_any(have, "string", "large_string", "string_view", "null")
    if pa.types.is_float64(want):
        return _is_any(have, "floating", "integer", "null")
    return _is_any(have, "integer", "null") and not pa.types.is_uint64(have)


def misfits(kind: EventType, schema: pa.Schema) -> list[str]:
    """Columns of `schema` that cannot be read as those of `SCHEMAS[kind]`: one sentence for each."""
    return [
        f"column {field.name} is {schema.field(field.name).type}, and {field.type} is needed"
        for field in SCHEMAS[kind]
        if field.name in schema.names and not _column_fits(schema.field(field.name).type, field)
    ]


def conform(kind: EventType, columns: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    """
    Return the columns of `SCHEMAS[kind]` from columns by name, of types without `misfits` and `rows` long.

    `event_time` may be integers (microseconds) or timestamps of any unit; a zone is disregarded, because
    Arrow keeps UTC. A time that 64-bit microseconds cannot hold becomes null.
    """
    schema = SCHEMAS[kind]
    return pa.RecordBatch.from_arrays([_column(columns.get(f.name), f, rows) for f in schema], schema=schema)


def micros(times: pa.Array) -> pa.Array:
    """Integer microseconds since 1970 of a column of integers (microseconds) or timestamps (any unit)."""
    if not pa.types.is_timestamp(times.type):
        return times.cast(pa.int64())
    unit, ticks = times.type.unit, times.view(pa.int64())
    if unit == "us":
        return ticks
    known = np.asarray(ticks.is_valid())
    values: npt.NDArray[np.int64] = np.asarray(ticks.fill_null(0))
    if unit == "ns":
        return pa.array(values // 1_000, mask=~known)
    factor = _MICROS_A_UNIT[unit]
    held = np.abs(values) <= _INT64_MAX // factor
    return pa.array(np.where(held, values, 0) * factor, mask=~(known & held))


def _is_any(have: pa.DataType, *names: str) -> bool:
    return any(getattr(pa.types, f"is_{name}")(have) for name in names)


def _column_fits(have: pa.DataType, field: pa.Field) -> bool:
    if field.name == "event_time" and pa.types.is_timestamp(have):
        return True
    return pa.types.is_null(have) or fits(have, field.type)


def _column(array: pa.Array | None, field: pa.Field, rows: int) -> pa.Array:
    if array is None:
        array = pa.nulls(rows, field.type)
    if field.name == "event_time":
        return micros(array)
    if array.type != field.type:
        array = array.cast(field.type, safe=False)  # `fits` has seen to it that only 64-bit integers can be rounded
    if not array.null_count:
        return array
    if pa.types.is_map(field.type):
        return _empty_where_null(array)
    return pc.fill_null(array, DEFAULTS[field.name]) if field.name in DEFAULTS else array


def _empty_where_null(maps: pa.MapArray) -> pa.MapArray:
    with_empty = pa.concat_arrays([maps, pa.array([{}], maps.type)])
    rows = np.arange(len(maps))
    return with_empty.take(pa.array(np.where(np.asarray(maps.is_valid()), rows, len(maps))))
