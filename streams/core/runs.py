"""
Waiting rows, found by key at any size: the store under the join.

Rows stay where they came, in chunks, so that what came first, which is what is let go of first, lies together. Where
each key is says a `KeyIndex`. Columns may be changed in place.

Each row remembers in one byte whether it is new or changed since `changed` was last asked, so that a checkpoint
writes what is new, and `between` gives the rows of a range of keys, so that it writes the old ones again bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from streams.core.columns import Array, Columns, Hashes, Ints, Mask, concat, empty, is_sorted, length, take
from streams.core.index import KeyIndex

KEY = "key"
_CHANGED = " changed"  # beside the columns that were asked for, so no name of theirs
_CHUNK, _FIRST_CHUNK = 1 << 18, 1 << 10  # rows

Part = tuple[Columns, Ints | slice, Ints]


class Runs:
    """
    Rows with a `key` column (uint64) and any others, as given by `dtypes`.

    >>> runs = Runs({"key": np.uint64, "time": np.int64})
    >>> runs.insert({"key": np.array([7, 3], np.uint64), "time": np.array([70, 30])})
    >>> query, at = runs.find(np.array([3, 5, 7], np.uint64))
    >>> query.tolist(), runs.gather("time", at).tolist()
    ([0, 2], [30, 70])
    """

    def __init__(self, dtypes: Mapping[str, npt.DTypeLike | tuple[npt.DTypeLike, int]]) -> None:
        self._empty = empty(dtypes)
        self._chunks: list[Columns] = []
        self._filled: list[int] = []
        self._index = KeyIndex()

    def __len__(self) -> int:
        return sum(self._filled)

    def insert(self, rows: Columns) -> None:
        """Add a copy of rows, in any order (sorted by key is quickest); keys may repeat. Earlier places stay."""
        count, held = length(rows), len(self)
        done = 0
        while done < count:
            room = self._room()
            some = min(room, count - done)
            filled, chunk = self._filled[-1], self._chunks[-1]
            for name in self._empty:
                chunk[name][filled : filled + some] = rows[name][done : done + some]
            chunk[_CHANGED][filled : filled + some] = True
            self._filled[-1] += some
            done += some
        if count:
            self._index.insert(rows[KEY], held)

    def find(self, keys: Hashes) -> tuple[Ints, Ints]:
        """
        Return all pairs (query, at): row `at` of the store has the key `keys[query]`.

        Pairs come in no particular order; `at` is valid until rows are removed. Sorted keys are found quicker.
        """
        if is_sorted(keys):
            return self._index.find(keys)
        order = np.argsort(keys)
        query, at = self._index.find(keys[order])
        return order[query], at

    def gather(self, name: str, at: Ints) -> Array:
        """Return one column's values at the given places."""
        return self.take(at, (name,))[name]

    def take(self, at: Ints, names: Iterable[str] | None = None) -> Columns:
        """Return rows at the given places, whole or these columns of them."""
        parts, names = self._split(at), self._empty if names is None else names
        if len(parts) == 1:
            chunk, _, rows = parts[0]
            return {name: chunk[name][rows] for name in names}
        out = {name: np.empty((len(at), *self._empty[name].shape[1:]), self._empty[name].dtype) for name in names}
        for chunk, here, rows in parts:
            for name, column in out.items():
                column[here] = chunk[name][rows]
        return out

    def put(self, at: Ints, columns: Columns) -> None:
        """Overwrite some columns at the given places, in place."""
        for chunk, here, rows in self._split(at):
            for name, values in columns.items():
                chunk[name][rows] = values[here]
            chunk[_CHANGED][rows] = True

    def column(self, name: str) -> Array:
        """Return one column of all rows, in the order of places."""
        return np.concatenate([self._empty[name], *(chunk[name] for chunk in self._views())])

    def remove(self, gone: Mask) -> Columns:
        """Take out the rows where the mask (over all places) is true, and return them. Ends the validity of places."""
        if not gone.any():
            return self._empty
        self._index.move(np.where(gone, np.int32(-1), np.cumsum(~gone, dtype=np.int32) - np.int32(1)))
        removed, kept, base = [self._empty], [], 0
        for view in self._views():
            here = gone[base : base + length(view)]
            base += length(view)
            if here.any():
                removed.append(self._plain(take(view, here)))
                view = take(view, ~here)  # noqa: PLW2901 - what is left of it
            kept.append(view)
        self._chunks = list(_joined(filter(length, kept)))
        self._filled = [length(chunk) for chunk in self._chunks]
        return concat(removed)

    def changed(self) -> Columns:
        """Return the rows that are new or changed since this was last called, in no particular order."""
        parts = [self._empty]
        for view in self._views():
            parts.append(self._plain(take(view, np.flatnonzero(view[_CHANGED]))))
            view[_CHANGED][:] = False
        return concat(parts)

    def between(self, first: int, last: int) -> Columns:
        """Return the rows with first <= key <= last, sorted by key."""
        return self.take(self._index.between(first, last))

    def snapshot(self) -> Columns:
        """Return all rows, sorted by key."""
        return self.between(0, int(np.iinfo(np.uint64).max))

    def restore(self, rows: Columns) -> None:
        """Replace everything by rows, none of them changed; a copy of them is kept."""
        held = {name: rows[name].astype(column.dtype) for name, column in self._empty.items()}
        held[_CHANGED] = np.zeros(length(rows), np.bool_)
        self._chunks, self._filled, self._index = [held], [length(held)], KeyIndex()
        if length(held):
            self._index.insert(held[KEY], 0)

    def _room(self) -> int:
        """Rows for which the last chunk has room; a new chunk is begun if it has none."""
        room = length(self._chunks[-1]) - self._filled[-1] if self._chunks else 0
        if room:
            return room
        capacity = max(_FIRST_CHUNK, min(_CHUNK, len(self)))
        chunk = {name: np.empty((capacity, *kind.shape[1:]), kind.dtype) for name, kind in self._empty.items()}
        self._chunks.append(chunk | {_CHANGED: np.empty(capacity, np.bool_)})
        self._filled.append(0)
        return capacity

    def _views(self) -> Iterator[Columns]:
        """Chunks without the room that they have left."""
        for chunk, filled in zip(self._chunks, self._filled, strict=True):
            yield {name: column[:filled] for name, column in chunk.items()}

    def _plain(self, rows: Columns) -> Columns:
        return {name: rows[name] for name in self._empty}

    def _split(self, at: Ints) -> list[Part]:
        """Cut places by chunk: (chunk, which of the places lie in it, their rows there)."""
        if len(self._chunks) == 1:
            return [(self._chunks[0], slice(None), at)]
        bases = np.cumsum([0, *self._filled])
        chunk_of = (np.searchsorted(bases, at, side="right") - 1).astype(np.uint16)
        order = np.argsort(chunk_of, kind="stable")  # of small numbers, which is quick
        ends = np.searchsorted(chunk_of[order], np.arange(len(self._chunks) + 1))
        pieces = [(number, order[ends[number] : ends[number + 1]]) for number in range(len(self._chunks))]
        return [(self._chunks[number], here, at[here] - bases[number]) for number, here in pieces if len(here)]


def _joined(chunks: Iterable[Columns]) -> Iterator[Columns]:
    """Join neighbours while they are small together, so that there are never many chunks for few rows."""
    last: Columns | None = None
    for chunk in chunks:
        if last is not None and length(last) + length(chunk) <= _CHUNK:
            last = concat([last, chunk])
            continue
        if last is not None:
            yield last
        last = chunk
    if last is not None:
        yield last
