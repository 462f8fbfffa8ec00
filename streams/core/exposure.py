"""
Exposures: which arm of which experiment each prediction was in, as one number a prediction.

A number has a few bits for each declared experiment: 0 for a prediction that was not in it, then its arms in order, and
one more for an arm that nobody declared. So the number needs no registry, and a waiting prediction holds eight bytes
however many experiments it is in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.core.columns import Array, Hashes, Ints

UNKNOWN = "__unknown__"
"""Stands for an arm that nobody declared."""

BUCKETS = 64
"""Units are hashed into so many buckets; between them varies what a randomised unit does (Deng et al. 2018)."""

_BITS = 64
_FEW = 4_096  # combinations of arms
_BUCKET_BITS = 6


@dataclass(frozen=True)
class Exposures:
    """
    The declared experiments with their arms, in order.

    >>> exposures = Exposures({"price": ("old", "new"), "rank": ("a", "b")})
    >>> numbers = exposures.number([{"rank": "b"}, {}, {"price": "new", "rank": "z", "other": "x"}])
    >>> exposures.arm("rank", numbers).tolist(), exposures.arm("price", numbers).tolist()
    ([1, -1, 2], [-1, -1, 1])
    """

    arms: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        bits = sum(self._bits(name) for name in self.arms)
        if bits > _BITS:
            raise ValueError(
                f"{len(self.arms)} experiments with all their arms take {bits} bits, and there are {_BITS}: end some "
                "experiments, and take them out of the configuration"
            )

    def read(self, assignments: pa.MapArray) -> Hashes:
        """Return the number of each row of a column of assignments, experiment to arm; of several arms the last."""
        offsets = assignments.offsets.to_numpy()
        starts = (offsets - offsets[0]).astype(np.int64)
        entries = (assignments.keys, assignments.items)
        keys, items = (part.slice(offsets[0], starts[-1]) for part in entries)
        names = _every_row(keys, starts)
        if names and len(set(names)) == len(names):  # as a service writes that has all its units in all its experiments
            return self._alike(names, items)
        keys, items = keys.dictionary_encode(), items.dictionary_encode()
        worth = np.stack(
            [self._worth(name, items.dictionary.to_pylist()) for name in [*keys.dictionary.to_pylist(), ""]]
        )
        return self._mixed(_indices(keys), _indices(items), worth, starts)

    def number(self, assignments: Sequence[Mapping[str, str]]) -> Hashes:
        """Return the number of each of these assignments."""
        kind = pa.map_(pa.string(), pa.string())
        return self.read(pa.array([list(one.items()) for one in assignments], kind))

    def arm(self, experiment: str, numbers: Hashes) -> npt.NDArray[np.int16]:
        """Return the place of each one's arm; -1: not in the experiment; one more than there are: not declared."""
        digit = (numbers >> np.uint64(self._shifts[experiment])) & np.uint64((1 << self._bits(experiment)) - 1)
        return digit.astype(np.int16) - np.int16(1)

    def span(self, experiments: Sequence[str]) -> tuple[int, int]:
        """Return the lowest bit that says anything of experiments, and how many bits from there on do."""
        ends = [(self._shifts[name], self._shifts[name] + self._bits(name)) for name in experiments]
        low = min(first for first, _ in ends)
        return low, max(end for _, end in ends) - low

    def adopt(self, numbers: Hashes, there: Mapping[str, Sequence[str]]) -> Hashes:
        """Return numbers under other declarations as numbers here; what is not declared here is forgotten."""
        if list(there.items()) == list(self.layout().items()):
            return numbers
        distinct, inverse = np.unique(numbers, return_inverse=True)
        here = np.zeros(len(distinct), np.uint64)
        other = Exposures(there)
        for name in self.arms.keys() & there.keys():
            digit = [0, *(self._digit(name, arm) for arm in there[name]), self._digit(name, UNKNOWN)]
            here |= (np.array(digit, np.uint64) << np.uint64(self._shifts[name]))[other.arm(name, distinct) + 1]
        adopted: Hashes = here[inverse]
        return adopted

    def layout(self) -> dict[str, list[str]]:
        """Return what numbers mean, as plain data."""
        return {name: list(arms) for name, arms in self.arms.items()}

    def _alike(self, names: list[str], items: pa.StringArray) -> Hashes:
        """Numbers of rows that all name these experiments, in this order; `items` are their arms, row by row."""
        width = len(names)
        first, inverse = _distinct_rows(items, width) if self._are_few(names) else (None, None)
        if first is not None:
            rows = np.arange(width) + first[:, None] * width
            items = items.take(pa.array(rows.reshape(-1)))
        encoded = items.dictionary_encode()
        codes, values = _indices(encoded).reshape(-1, width), encoded.dictionary.to_pylist()
        numbers = np.zeros(len(codes), np.uint64)
        for place, name in enumerate(names):
            if name in self.arms:
                numbers |= self._worth(name, values)[codes[:, place]]
        return numbers if inverse is None else numbers[inverse]

    def _are_few(self, names: list[str]) -> bool:
        """Whether there are so few combinations of arms that rows are best told apart as a whole."""
        return math.prod(len(self.arms.get(name, "x" * _FEW)) for name in names) <= _FEW

    def _mixed(self, key: Array, item: Array, worth: Hashes, starts: Ints) -> Hashes:
        """Numbers of rows that name any experiments, some perhaps more than once: a map that does is not refused."""
        declared = np.flatnonzero(np.any(worth, axis=1).reshape(-1)[key])
        row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[declared]
        order = np.lexsort((declared, key[declared], row))
        last = np.append((np.diff(row[order]) != 0) | (np.diff(key[declared][order]) != 0), True)[: len(order)]
        kept = order[last]
        numbers = np.zeros(len(starts) - 1, np.uint64)
        np.bitwise_or.at(numbers, row[kept], worth[key[declared[kept]], item[declared[kept]]])
        return numbers

    def _worth(self, name: str, values: list[str]) -> Hashes:
        """What each of these arms of an experiment adds, 0 where it is not declared."""
        if name not in self.arms:
            return np.zeros(len(values), np.uint64)
        return np.array([self._digit(name, value) << self._shifts[name] for value in values], np.uint64)

    def _digit(self, experiment: str, arm: str) -> int:
        arms = list(self.arms[experiment])
        return 1 + (arms.index(arm) if arm in arms else len(arms))

    def _bits(self, experiment: str) -> int:
        return (len(self.arms[experiment]) + 1).bit_length()

    @cached_property
    def _shifts(self) -> dict[str, int]:
        found, shift = {}, 0
        for name in self.arms:
            found[name] = shift
            shift += self._bits(name)
        return found


def bucket_of(units: Hashes) -> Array:
    """Bucket of each unit, by the topmost bits of its hash."""
    return (units >> np.uint64(64 - _BUCKET_BITS)).astype(np.uint8)


def _distinct_rows(items: pa.StringArray, width: int) -> tuple[Ints, Ints] | tuple[None, None]:
    """
    Rows whose items differ from those of all rows before, and for each row which of these it is.

    The texts of a row stand one behind the other, so a row is read as one text; the lengths tell "ab", "c" and "a",
    "bc" apart. None where the lengths do not tell it in one number.
    """
    _, ends, text = items.buffers()
    ends = np.frombuffer(ends, np.int32)[items.offset : items.offset + len(items) + 1]
    lengths = np.diff(ends).reshape(-1, width)
    longest = int(lengths.max(initial=0)) + 1
    if width * math.log2(longest + 1) >= _BITS:
        return None, None
    shapes = _numbered(pa.array(lengths @ (longest ** np.arange(width, dtype=np.int64))))
    whole = pa.StringArray.from_buffers(len(lengths), pa.py_buffer(ends[::width].tobytes()), text)
    inverse = _numbered(pa.array(_numbered(whole) * len(lengths) + shapes))
    first = np.empty(int(inverse.max(initial=-1)) + 1, np.int64)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]
    return first, inverse


def _numbered(values: pa.Array) -> Ints:
    """Number distinct values as they are first seen."""
    numbers: Ints = _indices(values.dictionary_encode()).astype(np.int64)
    return numbers


def _indices(column: pa.DictionaryArray) -> Any:
    return np.asarray(column.indices)


def _every_row(keys: pa.Array, starts: Ints) -> list[str]:
    """Keys of the maps if all rows have the same in the same order, else nothing: compared without looking them up."""
    rows, width = len(starts) - 1, int(starts[1]) if len(starts) > 1 else 0
    if not width or not np.array_equal(starts, np.arange(rows + 1) * width):
        return []
    _, ends, text = keys.buffers()
    ends = np.frombuffer(ends, np.int32)[keys.offset : keys.offset + len(keys) + 1]
    first, last, row = int(ends[0]), int(ends[-1]), int(ends[width] - ends[0])
    if not (ends[width:] - ends[:-width] == row).all():
        return []
    all_but_one = last - first - row  # each row is the one before it: what begins a row later is the same
    same = text.slice(first + row, all_but_one).equals(text.slice(first, all_but_one))
    return [str(name) for name in keys[:width].to_pylist()] if same else []
