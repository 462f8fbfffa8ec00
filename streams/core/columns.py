"""Columns: equal-length numpy arrays by name, the plain form in which state and changes are held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]
Columns = dict[str, Array]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]


def length(columns: Columns) -> int:
    """Rows of the columns; 0 where there is no column."""
    return len(next(iter(columns.values()))) if columns else 0


def take(columns: Columns, rows: Array) -> Columns:
    """Return the rows at the given indices, or where the given mask is true; not a copy where that is all of them."""
    if rows.dtype == np.bool_:
        if rows.all():
            return columns
        rows = np.flatnonzero(rows)  # once, not again for every column
    return {name: column[rows] for name, column in columns.items()}


def ordered(keys: Array) -> Ints:
    """
    Return the order that sorts keys, equal ones as they come.

    Faster than a stable sort where few keys are equal.

    >>> ordered(np.array([7, 3, 7, 5])).tolist()
    [1, 3, 0, 2]
    """
    if is_sorted(keys):
        return np.arange(len(keys))
    order: Ints = np.argsort(keys)
    again = beside_equal(keys[order])
    if again.any():
        some = order[again]
        order[again] = some[np.lexsort((some, keys[some]))]
    return order


def beside_equal(sorted_keys: Array) -> Mask:
    """Mask of the values in a sorted array that stand beside an equal one."""
    again = np.zeros(len(sorted_keys), np.bool_)
    again[1:] = sorted_keys[1:] == sorted_keys[:-1]
    again[:-1] |= again[1:]
    return again


def is_sorted(keys: Array) -> bool:
    """Whether no value is below the one before it."""
    return bool((keys[1:] >= keys[:-1]).all())


def concat(parts: Iterable[Columns]) -> Columns:
    """Stack parts that have the same columns; at least one part. No copy where one part has all rows."""
    first, *rest = parts = list(parts)
    filled = [part for part in parts if length(part)]
    if len(filled) == 1:
        return dict(filled[0])
    return {name: np.concatenate([column, *(part[name] for part in rest)]) for name, column in first.items()}


def empty(dtypes: Mapping[str, npt.DTypeLike | tuple[npt.DTypeLike, int]]) -> Columns:
    """No rows of the given types; a pair (type, width) makes a matrix column."""
    return {name: _no_rows(dtype) for name, dtype in dtypes.items()}


def _no_rows(dtype: npt.DTypeLike | tuple[npt.DTypeLike, int]) -> Array:
    if isinstance(dtype, tuple):
        return np.empty((0, dtype[1]), dtype[0])
    return np.empty(0, dtype)


def from_arrow(column: pa.Array) -> Array:
    """Values of an Arrow array without nulls, as numpy has them."""
    values: Array = column.to_numpy(zero_copy_only=False)
    return values


def segments(sorted_keys: Array) -> tuple[Ints, Ints]:
    """
    Starts and lengths of the runs of equal values in a sorted array.

    >>> segments(np.array([3, 3, 7]))
    (array([0, 2]), array([2, 1]))
    """
    if not len(sorted_keys):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1])))
    return starts, np.diff(starts, append=len(sorted_keys))
