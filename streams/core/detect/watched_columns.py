"""
Watched columns of predictions, read from the events: for each value the column that it is in, and its bin.

Whatever a model was asked with is in two maps, of features and of attributes. All watched keys of a map are read
together, in one pass over its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from streams.core.columns import Array, Floats, Ints, concat, from_arrow
from streams.core.detect.grid import bins_of, category_bins
from streams.core.ids import hash_strings

NUMERIC = frozenset({"score", "latency_ms", "label_delay"})
"""Plain columns that hold numbers; the others hold texts."""

_BIN_BITS = 16  # enough for the bins of numbers and of categories
_SHORT = 1 << 8  # letters of a key
_SPARSE = 8  # places for each entry from which on only those are numbered that there are


def is_numeric(column: str) -> bool:
    """Whether a column holds numbers, by its name as it is declared."""
    return column in NUMERIC or column.startswith("features.")


@dataclass(frozen=True)
class Values:
    """
    Values of columns: the row that each is of, and its place, a number that stands for a column and a bin of it.

    `column` and `bin` say by place what it stands for; `names` has texts by column and bin.
    """

    row: Ints
    place: Ints
    column: Ints
    bin: Ints
    names: Mapping[tuple[int, int], str]


def read(table: pa.RecordBatch, rows: Ints, columns: Mapping[str, int]) -> Values:
    """
    Read the columns (by name, with the number of each) of some rows of predictions.

    A value that is not there has no entry. Rows are counted from 0, as they are given.
    """
    parts, names = [], dict[tuple[int, int], str]()
    first, last = int(rows.min(initial=len(table))), int(rows.max(initial=-1))
    near = table.slice(first, max(last + 1 - first, 0))
    for part, texts in _parts(near, rows - first, columns):
        parts.append(part)
        for (column, place), text in texts.items():
            names[column, place] = min(text, names.get((column, place), text))
    nothing = {"row": np.empty(0, np.int64), "column": np.empty(0, np.int64), "bin": np.empty(0, np.int64)}
    held = concat([nothing, *parts])
    return Values(held["row"], *_placed(held["column"], held["bin"]), names)


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


Part = tuple[dict[str, Array], Mapping[tuple[int, int], str]]


def _parts(table: pa.RecordBatch, rows: Ints, columns: Mapping[str, int]) -> Iterator[Part]:
    for name, number in columns.items():
        if name in ("score", "latency_ms"):
            yield _numbers(table[name].take(pa.array(rows)), number), {}
        elif name == "label":
            yield _texts(table[name].take(pa.array(rows)), np.full(len(rows), number))
    for kind, read_items in (("features", _of_numbers), ("attributes", _texts)):
        watched = {name.partition(".")[2]: number for name, number in columns.items() if name.startswith(f"{kind}.")}
        if watched:
            yield _mapped(table[kind], rows, watched, read_items)


def _numbers(column: pa.Array, number: int) -> dict[str, Array]:
    rows = np.flatnonzero(from_arrow(column.is_valid()))
    values = from_arrow(column.drop_null())
    return {"row": rows, "column": np.full(len(rows), number), "bin": bins_of(values)}


def _of_numbers(items: pa.Array, columns: Ints) -> Part:
    values: Floats = from_arrow(items.fill_null(np.nan))
    return {"row": np.arange(len(items)), "column": columns, "bin": bins_of(values)}, {}


def _texts(items: pa.Array, columns: Ints) -> Part:
    """Texts as categories: each distinct text is hashed once."""
    encoded = items.dictionary_encode()
    rows = np.flatnonzero(from_arrow(encoded.is_valid()))
    bins = category_bins(hash_strings(encoded.dictionary))
    codes = from_arrow(encoded.indices.drop_null())
    told = np.unique(columns[rows] * len(bins) + codes) if len(bins) else np.empty(0, np.int64)
    names: dict[tuple[int, int], str] = {}
    texts = encoded.dictionary.to_pylist()
    for column, code in zip((told // max(len(bins), 1)).tolist(), (told % max(len(bins), 1)).tolist(), strict=True):
        key = column, int(bins[code])
        names[key] = min(texts[code], names.get(key, texts[code]))
    return {"row": rows, "column": columns[rows], "bin": bins[codes]}, names


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
    part, names = read_items(maps.items.take(pa.array(entry)), number)
    return part | {"row": row[part["row"]]}, names


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
