"""
Waiting rows, found by key at any size: the store under the join.

Rows stay where they came, in chunks, so that what came first, which is what is let go of first, lies together. Where
each key is says a `KeyIndex`. Columns may be changed in place.

Each row remembers in one byte whether it is new or changed since `changed` was last asked, so that a checkpoint
writes what is new, and `between` gives the rows of a range of keys, so that it writes the old ones again bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from streams.core.chunk import Chunk
from streams.core.columns import Array, Columns, Hashes, Ints, Mask, concat, empty, is_sorted, length, take
from streams.core.index import KeyIndex

KEY = "key"
_CHUNK, _FIRST_CHUNK = 1 << 18, 1 << 10  # rows

Part = tuple[Chunk, Ints | slice, Ints]


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
        self._chunks: list[Chunk] = []
        self._index = KeyIndex()

    def __len__(self) -> int:
        return sum(chunk.filled for chunk in self._chunks)

    def insert(self, rows: Columns) -> None:
        """Add a copy of rows, in any order (sorted by key is quickest); keys may repeat. Earlier places stay."""
        count, held = length(rows), len(self)
        done = 0
        while done < count:
            chunk = self._last()
            some = min(chunk.room, count - done)
            chunk.add({name: rows[name][done : done + some] for name in self._empty})
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
            return {name: chunk.columns[name][rows] for name in names}
        out = self._room_for(len(at), names)
        for chunk, here, rows in parts:
            for name, column in out.items():
                column[here] = chunk.columns[name][rows]
        return out

    def put(self, at: Ints, columns: Columns) -> None:
        """Overwrite some columns at the given places, in place."""
        for chunk, here, rows in self._split(at):
            chunk.put(rows, {name: values[here] for name, values in columns.items()})

    def where(self, test: Callable[[Columns], Mask]) -> Mask:
        """Mask over all places of the rows that pass a test of rows, which is given some at a time."""
        return np.concatenate([np.empty(0, np.bool_), *(test(chunk.rows()) for chunk in self._chunks)])

    def remove(self, gone: Mask) -> Columns:
        """Take out the rows where the mask (over all places) is true, and return them. Ends the validity of places."""
        if not gone.any():
            return self._empty
        self._index.move(np.where(gone, np.int32(-1), np.cumsum(~gone, dtype=np.int32) - np.int32(1)))
        removed, kept, base = [self._empty], [], 0
        for chunk in self._chunks:
            here = gone[base : base + chunk.filled]
            base += chunk.filled
            if here.any():
                removed.append(take(chunk.rows(), np.flatnonzero(here)))
            kept.append(chunk.kept(np.flatnonzero(~here)) if here.any() else chunk)
        self._chunks = list(_joined(chunk for chunk in kept if chunk.filled))
        return concat(removed)

    def changed(self) -> Columns:
        """Return the rows that are new or changed since this was last called, in no particular order."""
        places = [np.flatnonzero(chunk.changed[: chunk.filled]) for chunk in self._chunks]
        out, end = self._room_for(sum(map(len, places))), 0
        for chunk, some in zip(self._chunks, places, strict=True):
            start, end = end, end + len(some)
            chunk.copy(some, {name: column[start:end] for name, column in out.items()})
            chunk.changed[:] = False
        return out

    def between(self, first: int, last: int) -> Columns:
        """Return the rows with first <= key <= last, sorted by key."""
        return self.take(self._index.between(first, last))

    def snapshot(self) -> Columns:
        """Return all rows, sorted by key."""
        return self.between(0, int(np.iinfo(np.uint64).max))

    def restore(self, rows: Columns) -> None:
        """Replace everything by rows, none of them changed; a copy of them is kept."""
        held = {name: rows[name].astype(column.dtype) for name, column in self._empty.items()}
        self._chunks, self._index = [Chunk.of(held, np.zeros(length(rows), np.bool_))], KeyIndex()
        if length(held):
            self._index.insert(held[KEY], 0)

    def _last(self) -> Chunk:
        """Return the last chunk that has room; a new one is begun if it has none."""
        if not self._chunks or not self._chunks[-1].room:
            self._chunks.append(Chunk(self._empty, max(_FIRST_CHUNK, min(_CHUNK, len(self)))))
        return self._chunks[-1]

    def _room_for(self, rows: int, names: Iterable[str] | None = None) -> Columns:
        """Columns (all, or these) of so many rows, with nothing in them yet."""
        kinds = {name: self._empty[name] for name in (self._empty if names is None else names)}
        return {name: np.empty((rows, *kind.shape[1:]), kind.dtype) for name, kind in kinds.items()}

    def _split(self, at: Ints) -> list[Part]:
        """Cut places by chunk: (chunk, which of the places lie in it, their rows there)."""
        if len(self._chunks) == 1:
            return [(self._chunks[0], slice(None), at)]
        bases = np.cumsum([0, *(chunk.filled for chunk in self._chunks)])
        chunk_of = (np.searchsorted(bases, at, side="right") - 1).astype(np.uint16)
        order = np.argsort(chunk_of, kind="stable")  # of small numbers, which is quick
        ends = np.searchsorted(chunk_of[order], np.arange(len(self._chunks) + 1))
        pieces = [(number, order[ends[number] : ends[number + 1]]) for number in range(len(self._chunks))]
        return [(self._chunks[number], here, at[here] - bases[number]) for number, here in pieces if len(here)]


def _joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Join neighbours while they are small together, so that there are never many chunks for few rows."""
    last: Chunk | None = None
    for chunk in chunks:
        if last is not None and last.filled + chunk.filled <= _CHUNK:
            last = last.joined(chunk)
            continue
        if last is not None:
            yield last
        last = chunk
    if last is not None:
        yield last
