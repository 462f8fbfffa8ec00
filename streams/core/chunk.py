"""
Chunks: rows in columns with a fixed capacity, filled from the front.

A column whose rows are all alike is one value, seen as many, until a row comes that differs: predictions without a
label have none of what a label brings, and most events have the weight 1. It costs no memory, and next to no time.
"""

from __future__ import annotations

import numpy as np

from streams.core.columns import Array, Columns, Ints, Mask, length


class Chunk:
    """
    Some rows; `columns` are as long as there is room, `filled` is how many rows there are.

    `changed` says of each row whether it is new or was overwritten since that was last forgotten.

    >>> chunk = Chunk({"weight": np.empty(0), "time": np.empty(0, np.int64)}, 3)
    >>> chunk.add({"weight": np.ones(2), "time": np.array([5, 6])})
    >>> chunk.rows()["weight"].tolist(), chunk.columns["weight"].strides
    ([1.0, 1.0], (0,))
    """

    def __init__(self, kinds: Columns, capacity: int) -> None:
        self.columns: Columns = {
            name: _alike(np.zeros((1, *kind.shape[1:]), kind.dtype), capacity) for name, kind in kinds.items()
        }
        self.changed = np.zeros(capacity, np.bool_)
        self.filled = 0

    @classmethod
    def of(cls, rows: Columns, changed: Mask) -> Chunk:
        """Hold these rows, which are not copied, with no room for more."""
        chunk = cls({}, 0)
        chunk.columns = {name: _compact(column) for name, column in rows.items()}
        chunk.changed, chunk.filled = changed, len(changed)
        return chunk

    @property
    def room(self) -> int:
        """How many more rows fit in."""
        return len(self.changed) - self.filled

    def rows(self) -> Columns:
        """Views of the rows that there are."""
        return {name: column[: self.filled] for name, column in self.columns.items()}

    def add(self, rows: Columns) -> None:
        """Add a copy of rows, no more than there is room for."""
        start, stop = self.filled, self.filled + length(rows)
        for name, column in self.columns.items():
            if not start:
                self.columns[name] = _alike(rows[name][:1].copy(), len(column))
            if not self._has(name, rows[name]):
                self._own(name)[start:stop] = rows[name]
        self.changed[start:stop] = True
        self.filled = stop

    def copy(self, at: Ints, out: Columns) -> None:
        """Write the rows at the given places into columns that are as long."""
        for name, column in out.items():
            held = self.columns[name]
            if _is_alike(held):
                column[:] = held[:1]
            else:
                np.take(held, at, axis=0, out=column, mode="clip")

    def put(self, at: Ints, columns: Columns) -> None:
        """Overwrite some columns of the rows at the given places."""
        for name, values in columns.items():
            if not self._has(name, values):
                self._own(name)[at] = values
        self.changed[at] = True

    def kept(self, at: Ints) -> Chunk:
        """Return a chunk of the rows at the given places."""
        columns = self.columns.items()
        rows = {name: _alike(c[:1], len(at)) if _is_alike(c) else c[at] for name, c in columns}
        return Chunk.of(rows, self.changed[at])

    def joined(self, other: Chunk) -> Chunk:
        """Return a chunk of the rows of both."""
        behind = other.rows()
        rows = {name: np.concatenate([column, behind[name]]) for name, column in self.rows().items()}
        return Chunk.of(rows, np.concatenate([self.changed[: self.filled], other.changed[: other.filled]]))

    def _has(self, name: str, values: Array) -> bool:
        """Whether a column is one value, and all of these are that one."""
        column = self.columns[name]
        return _is_alike(column) and _same(values, column[:1])

    def _own(self, name: str) -> Array:
        """Return a column that can be written to."""
        if _is_alike(self.columns[name]):
            self.columns[name] = self.columns[name].copy()
        return self.columns[name]


def _alike(value: Array, rows: int) -> Array:
    """See one row as many; they cannot be written to."""
    return np.broadcast_to(value, (rows, *value.shape[1:]))


def _is_alike(column: Array) -> bool:
    return not column.flags.writeable


def _same(values: Array, row: Array) -> bool:
    """Whether all values are one, bit by bit: NaN is NaN, and -0.0 is not 0.0."""
    bits = f"u{values.itemsize}"
    return bool((values.view(bits) == row.view(bits)).all())


def _compact(column: Array) -> Array:
    """Hold one value instead of many that are alike."""
    if not len(column) or _is_alike(column) or not _same(column, column[:1]):
        return column
    return _alike(column[:1].copy(), len(column))
