"""
The predictions of a block as columns that rules read: each column is found once, whatever many rules ask for it.

Finding a feature is the dear part, since every event carries the names of all of its features. Where all events of a
block carry the same names in the same order, as those of one writer do, the names are compared as bytes and a feature
is every n-th number; otherwise the names are numbered once, and each feature is looked for among the numbers.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.columns import Floats, Ints, from_arrow


class MapColumn:
    """
    A column of maps, looked into by key; the last of several equal keys of one event counts.

    >>> maps = pa.array([[("a", 1.0)], [("b", 2.0), ("a", 3.0)], []], pa.map_(pa.string(), pa.float64()))
    >>> MapColumn(maps).numbers("a").tolist()
    [1.0, 3.0, nan]
    """

    def __init__(self, maps: pa.MapArray) -> None:
        self._maps = maps
        self._columns: dict[str, Floats] = {}

    def numbers(self, key: str) -> Floats:
        """The number of each event under this key; NaN where there is none."""
        if key not in self._columns:
            self._columns[key] = self._every_nth(key) if self._layout else self._picked(key)
        return self._columns[key]

    def texts(self, key: str) -> pa.Array:
        """The text of each event under this key; null where there is none."""
        places = self._places(key)
        return self._maps.items.take(pa.array(places, mask=places < 0))

    @cached_property
    def _items(self) -> Floats:
        items: Floats = from_arrow(self._maps.items.fill_null(np.nan))
        return items

    @cached_property
    def _offsets(self) -> Ints:
        """Where each event's keys begin, and the last one's end, among all keys, those that a slice cut away too."""
        offsets: Ints = self._maps.offsets.to_numpy().astype(np.int64)
        return offsets

    @cached_property
    def _keys(self) -> pa.Array:
        return self._maps.keys.slice(self._offsets[0], self._offsets[-1] - self._offsets[0])

    @cached_property
    def _layout(self) -> list[str]:
        """Keys of every event, if all have the same in the same order; else none."""
        width = np.diff(self._offsets)
        if not len(width) or self._maps.null_count or (width != width[0]).any():
            return []
        keys: list[str] = self._keys.slice(0, int(width[0])).to_pylist()
        return keys if keys and _repeats(self._keys, len(keys)) else []

    @cached_property
    def _grouped(self) -> dict[str, Ints]:
        """Where each key stands among the keys, in the order in which they stand there."""
        encoded = self._keys.dictionary_encode()
        codes = from_arrow(encoded.indices)
        names = encoded.dictionary.to_pylist()
        kind = np.min_scalar_type(len(names))  # small numbers are sorted quickest
        order = np.argsort(codes.astype(kind), kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))
        return dict(zip(names, np.split(order, ends[:-1]), strict=True)) if names else {}

    @cached_property
    def _events(self) -> Ints:
        """Which event each of the keys is of."""
        return np.repeat(np.arange(len(self._maps)), np.diff(self._offsets))

    def _every_nth(self, key: str) -> Floats:
        if key not in self._layout:
            return np.full(len(self._maps), np.nan)
        items = self._items[self._offsets[0] : self._offsets[-1]].reshape(-1, len(self._layout))
        return items[:, _last_place(self._layout, key)].copy()

    def _picked(self, key: str) -> Floats:
        numbers = np.full(len(self._maps), np.nan)
        events, places = self._found(key)
        numbers[events] = self._items[places]
        return numbers

    def _found(self, key: str) -> tuple[Ints, Ints]:
        """Which events have this key, and where it stands among all keys; twice in one event, the last stands last."""
        places = self._grouped.get(key, np.empty(0, np.int64))
        events = self._events[places]
        if self._maps.null_count:
            known = from_arrow(self._maps.is_valid())[events]
            events, places = events[known], places[known]
        return events, places + self._offsets[0]

    def _places(self, key: str) -> Ints:
        """Where each event has this key's value, -1 where it has none."""
        if key in self._layout:
            return self._offsets[:-1] + _last_place(self._layout, key)
        places = np.full(len(self._maps), -1, np.int64)
        if not self._layout:
            events, found = self._found(key)
            places[events] = found
        return places


class Events:
    """Some events of a block: `rows` are their places in it, None means all of them."""

    def __init__(self, table: pa.RecordBatch, rows: Ints | None = None) -> None:
        self._table = table
        self._rows = rows
        self._maps: dict[str, MapColumn] = {}
        self._numbers: dict[str, Floats] = {}
        self._arrays: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        return self._table.num_rows if self._rows is None else len(self._rows)

    def at(self, rows: Ints) -> Events:
        """Return the events at these places of the block; what has been found in maps stays found."""
        some = Events(self._table, rows)
        some._maps = self._maps
        return some

    def numbers(self, name: str) -> Floats:
        """Values of a column of numbers, NaN where there is none."""
        if name not in self._numbers:
            whole, dot, key = name.partition(".")
            numbers = self._in_map(whole).numbers(key) if dot else from_arrow(pc.fill_null(self._table[name], np.nan))
            self._numbers[name] = numbers if self._rows is None else numbers[self._rows]
        return self._numbers[name]

    def texts(self, name: str) -> pa.Array:
        """Values of a column of texts, null where there is none; an empty unit id names nobody."""
        if name not in self._arrays:
            whole, dot, key = name.partition(".")
            texts = self._in_map(whole).texts(key) if dot else self._table[name]
            if name == "unit_id":
                texts = pc.if_else(pc.equal(pc.binary_length(texts), 0), None, texts)
            self._arrays[name] = self._taken(texts)
        return self._arrays[name]

    def column(self, name: str) -> pa.Array:
        """Values of a column as they are."""
        return self._taken(self._table[name])

    @cached_property
    def times(self) -> Ints:
        """Event times, us."""
        times: Ints = from_arrow(self._table["event_time"])
        return times if self._rows is None else times[self._rows]

    def _taken(self, column: pa.Array) -> pa.Array:
        return column if self._rows is None else column.take(pa.array(self._rows))

    def _in_map(self, whole: str) -> MapColumn:
        if whole not in self._maps:
            self._maps[whole] = MapColumn(self._table[whole])
        return self._maps[whole]


def _last_place(layout: list[str], key: str) -> int:
    return len(layout) - 1 - layout[::-1].index(key)


def _repeats(texts: pa.Array, period: int) -> bool:
    """Whether the texts are the first `period` ones again and again; their number is a multiple of it."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(offsets).reshape(-1, period)
    if (lengths != lengths[0]).any():
        return False
    text = np.frombuffer(texts.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(len(lengths), -1)
    return bool((text == text[0]).all())
