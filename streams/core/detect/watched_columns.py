"""
Watched columns of predictions, read from the events: for each value the column that it is in, and its bin.

Whatever a model was asked with is in two maps, of features and of attributes. All watched keys of a map are read
together, in one pass over its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from streams.core.columns import Array, Floats, Ints, concat, from_arrow
from streams.core.detect.grid import bins_of, category_bins
from streams.core.detect.texts import readable
from streams.core.ids import hash_strings

NUMERIC = frozenset({"score", "latency_ms", "label_delay"})
"""Plain columns that hold numbers; the others hold texts."""

_BIN_BITS = 16  # enough for the bins of numbers and of categories
_SHORT = 1 << 8  # letters of a key
_SPARSE = 8  # places for each entry from which on only those are numbered that there are


_NO_CENTERS: Mapping[str, float] = MappingProxyType({})


def is_numeric(column: str) -> bool:
    """Whether a column holds numbers, by its name as it is declared."""
    return column in NUMERIC or column.startswith("features.")


@dataclass(frozen=True)
class Told:
    """
    Texts of categories: the row that each was in, and its place in lists of the column, the bin and the text.

    A text of a row may be there for each of several columns.
    """

    row: Ints
    place: Ints
    column: Ints
    bin: Ints
    text: Sequence[str]

    def by(self, groups: Ints) -> Iterator[tuple[int, list[int], list[int], list[str]]]:
        """Yield the columns, bins and texts in each group of rows; `groups` says of every row which it is in."""
        each, group = np.unique(groups, return_inverse=True)
        kinds = max(len(self.text), 1)
        found, _ = _distinct(group[self.row] * kinds + self.place)
        for number, one in enumerate(each.tolist()):
            low, high = np.searchsorted(found, (number * kinds, (number + 1) * kinds))
            there = found[low:high] - number * kinds
            if len(there):
                texts = [self.text[place] for place in there.tolist()]
                yield one, self.column[there].tolist(), self.bin[there].tolist(), texts


_NONE: Ints = np.empty(0, np.int64)
_NOTHING_TOLD = Told(_NONE, _NONE, _NONE, _NONE, ())


@dataclass(frozen=True)
class Values:
    """
    Values of columns: the row that each is of, and its place, a number that stands for a column and a bin of it.

    `column` and `bin` say by place what it stands for; `told` has the texts of categories.
    """

    row: Ints
    place: Ints
    column: Ints
    bin: Ints
    told: Told


def read(
    table: pa.RecordBatch, rows: Ints, columns: Mapping[str, int], centers: Mapping[str, float] = _NO_CENTERS
) -> Values:
    """
    Read the columns (by name, with the number of each) of some rows of predictions.

    A value that is not there has no entry. Rows are counted from 0, as they are given. The bins of a column of numbers
    that has a center are those of how far its values are from it.
    """
    parts, texts = [], [_NOTHING_TOLD]
    first, last = int(rows.min(initial=len(table))), int(rows.max(initial=-1))
    near = table.slice(first, max(last + 1 - first, 0))
    for part, told in _parts(near, rows - first, columns, centers):
        parts.append(part)
        texts.append(told)
    held = concat([{"row": _NONE, "column": _NONE, "bin": _NONE}, *parts])
    return Values(held["row"], *_placed(held["column"], held["bin"]), _together(texts))


def _together(every: Sequence[Told]) -> Told:
    """Put texts side by side."""
    before = np.cumsum([0, *(len(told.text) for told in every)])[:-1].tolist()
    place = np.concatenate([told.place + first for told, first in zip(every, before, strict=True)])
    row, column, bin_ = (np.concatenate([getattr(told, name) for told in every]) for name in ("row", "column", "bin"))
    return Told(row, place, column, bin_, [text for told in every for text in told.text])


def _placed(columns: Ints, bins: Ints) -> tuple[Ints, Ints, Ints]:
    """
    Number pairs of column and bin; return the number of each entry, and by number the column and the bin.

    A column has a number for every bin from its first to its last one, if these are not too many.
    """
    size = int(columns.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(low, columns, bins)
    np.maximum.at(high, columns, bins)
    spans = np.maximum(high - low + 1, 0)  # none where there is no value
    low[spans == 0] = 0
    if spans.sum() > _SPARSE * len(columns):
        keys, place = np.unique(columns << _BIN_BITS | bins, return_inverse=True)
        return place, keys >> _BIN_BITS, keys & ((1 << _BIN_BITS) - 1)
    first = np.cumsum(spans) - spans
    column = np.repeat(np.arange(size), spans)
    return (first - low)[columns] + bins, column, np.arange(len(column)) - (first - low)[column]


Part = tuple[dict[str, Array], Told]


def _parts(
    table: pa.RecordBatch, rows: Ints, columns: Mapping[str, int], centers: Mapping[str, float]
) -> Iterator[Part]:
    for name, number in columns.items():
        if name in ("score", "latency_ms"):
            yield _numbers(table[name].take(pa.array(rows)), number, centers.get(name, 0.0)), _NOTHING_TOLD
        elif name == "label":
            yield _texts(table[name].take(pa.array(rows)), np.full(len(rows), number))
    from_center = np.zeros(max(columns.values(), default=0) + 1)
    from_center[[columns[name] for name in centers if name in columns]] = [centers[n] for n in centers if n in columns]

    def read_numbers(items: pa.Array, numbers: Ints) -> Part:
        return _of_numbers(items, numbers, from_center)

    for kind, read_items in (("features", read_numbers), ("attributes", _texts)):
        watched = {name.partition(".")[2]: number for name, number in columns.items() if name.startswith(f"{kind}.")}
        if watched:
            yield _mapped(table[kind], rows, watched, read_items)


def _numbers(column: pa.Array, number: int, center: float) -> dict[str, Array]:
    rows = np.flatnonzero(from_arrow(column.is_valid()))
    values = from_arrow(column.drop_null())
    return {"row": rows, "column": np.full(len(rows), number), "bin": bins_of(values - center)}


def _of_numbers(items: pa.Array, columns: Ints, from_center: Floats) -> Part:
    values: Floats = from_arrow(items.fill_null(np.nan))
    bins = bins_of(values - from_center[columns] if from_center.any() else values)
    return {"row": np.arange(len(items)), "column": columns, "bin": bins}, _NOTHING_TOLD


def _texts(items: pa.Array, columns: Ints) -> Part:
    """Texts as categories: each distinct text is hashed once."""
    encoded = items.dictionary_encode()
    rows = np.flatnonzero(from_arrow(encoded.is_valid()))
    bins = category_bins(hash_strings(encoded.dictionary))
    codes = from_arrow(encoded.indices.drop_null()).astype(np.int64)
    kinds = max(len(bins), 1)
    found, place = _distinct(columns[rows] * kinds + codes)
    texts = [readable(text) for text in encoded.dictionary.to_pylist()]
    told = Told(rows, place, found // kinds, bins[found % kinds], [texts[code] for code in (found % kinds).tolist()])
    return {"row": rows, "column": columns[rows], "bin": bins[codes]}, told


def _distinct(values: Ints) -> tuple[Ints, Ints]:
    """Distinct values, and for each value which of them it is; without sorting, if they are not far apart."""
    if not len(values) or int(values.max()) > _SPARSE * len(values):
        each, place = np.unique(values, return_inverse=True)
        return each, place
    there = np.bincount(values) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def _mapped(
    maps: pa.MapArray, rows: Ints, watched: Mapping[str, int], read_items: Callable[[pa.Array, Ints], Part]
) -> Part:
    """Entries of some rows of a map whose keys are watched."""
    offsets: Ints = maps.offsets.to_numpy().astype(np.int64)
    sizes = np.diff(offsets)[rows]
    entry = _runs(offsets[rows], sizes)
    number = _numbered(maps.keys, offsets, rows, entry, watched)
    row = np.repeat(np.arange(len(rows)), sizes)
    if (number < 0).any():
        found = np.flatnonzero(number >= 0)
        entry, row, number = entry[found], row[found], number[found]
    part, told = read_items(maps.items.take(pa.array(entry)), number)
    return part | {"row": row[part["row"]]}, replace(told, row=row[told.row])


def _runs(starts: Ints, sizes: Ints) -> Ints:
    """Numbers from each start on, as many as each size says, one run after the other."""
    before = np.cumsum(sizes) - sizes
    runs: Ints = np.repeat(starts - before, sizes)
    runs += np.arange(len(runs))
    return runs


def _numbered(keys: pa.Array, offsets: Ints, rows: Ints, entry: Ints, watched: Mapping[str, int]) -> Ints:
    """
    The number of each key of some rows, whose entries these are; -1 for those that nobody watches.

    Most rows of a model have the same keys in the same order: each such sequence of keys is looked up once.
    """
    if not len(entry):
        return np.empty(0, np.int64)
    sizes = np.diff(offsets)[rows]
    _, example, kind = np.unique(_kinds(keys, offsets, rows, entry), return_index=True, return_inverse=True)
    of_example = keys.take(pa.array(_runs(offsets[rows[example]], sizes[example]))).dictionary_encode()
    known: Sequence[str] = of_example.dictionary.to_pylist()
    numbers = np.array([watched.get(key, -1) for key in known], np.int64)[from_arrow(of_example.indices)]
    if len(example) == 1:
        return np.tile(numbers, len(rows))
    starts = np.cumsum(sizes[example]) - sizes[example]
    return np.asarray(numbers[_runs(starts[kind], sizes)])


def _kinds(keys: pa.Array, offsets: Ints, rows: Ints, entry: Ints) -> Ints:
    """Number the sequences of keys that rows have: two that differ do so in their letters or in the keys' lengths."""
    _, ends, letters = keys.buffers()
    bounds = np.frombuffer(ends, np.int32)[keys.offset :][: len(keys) + 1]
    lengths = bounds[1:][entry] - bounds[entry]
    if lengths.max() < _SHORT:
        lengths = lengths.astype(np.uint8)  # less to compare
    limits = np.append(0, np.cumsum(np.diff(offsets)[rows])) * lengths.itemsize
    by_letters = _codes(letters, bounds[offsets], rows)
    by_lengths = _codes(pa.py_buffer(lengths), limits, np.arange(len(rows)))
    return by_letters * (int(by_lengths.max(initial=0)) + 1) + by_lengths


def _codes(data: pa.Buffer, limits: Array, rows: Ints) -> Ints:
    """Number the pieces of a buffer, equal ones alike, and return the numbers of some."""
    ends = pa.py_buffer(np.ascontiguousarray(limits, np.int32))
    pieces = pa.Array.from_buffers(pa.binary(), len(limits) - 1, [None, ends, data])
    if len(rows) < len(pieces):
        pieces, rows = pieces.take(pa.array(rows)), np.arange(len(rows))
    codes: Ints = from_arrow(pieces.dictionary_encode().indices).astype(np.int64)
    return codes[rows]
