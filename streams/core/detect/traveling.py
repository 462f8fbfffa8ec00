"""
Sums of what is watched, parted for their way: by model, and into halves.

What is parted is what `Watched.collect` returns, but for its panes: histograms of columns, and pieces, each of one
model and tick: samples of single errors, and texts of categories. Histograms of delays travel with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from streams.core.columns import Mask
from streams.core.detect.column_sums import cell_of, with_cell

Sums = Mapping[str, Any]

_TABLES = ("columns", "delays")
_PIECES = ("errors", "texts")
_TEXT = 16  # bytes that are added to the letters of a text


def of_models(watched: Sums, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Return the histograms and pieces of some models."""
    tables = {
        name: _kept(watched[name], np.array([wanted(slice_[0]) for _, slice_ in watched[name]["cells"]], np.bool_))
        for name in _TABLES
    }
    pieces = {name: [piece for piece in watched[name] if wanted(piece["model"])] for name in _PIECES}
    return {**watched, **tables, **pieces}


def bare(watched: Sums) -> dict[str, Any]:
    """Return the same without histograms and pieces."""
    empty = {"cells": [], "key": np.empty(0, np.int64), "weight": np.empty(0, np.int64)}
    return {**watched, **dict.fromkeys(_TABLES, empty), **{name: [] for name in _PIECES}}


def is_bare(watched: Sums) -> bool:
    """Whether there are neither histograms nor pieces."""
    return not (_filled(watched) or _pieces(watched))


def halves(watched: Sums) -> list[dict[str, Any]]:
    """
    Cut histograms and pieces in two; nothing if that cannot be.

    Histograms are cut off pieces, then apart, then by their cells and, where there is one only, by its entries; pieces
    likewise.
    """
    nothing, pieces, tables = bare(watched), _pieces(watched), _filled(watched)
    if tables:
        first, others = tables[0], tables[1:]
        if pieces or others:
            return [nothing | {first: watched[first]}, {**watched, first: nothing[first]}]
        return [nothing | {first: part} for part in _column_halves(watched[first])]
    if len(pieces) == 1:
        pieces = [(name, part) for name, piece in pieces for part in _row_halves(piece)]
    middle = len(pieces) // 2
    sides = (pieces[:middle], pieces[middle:]) if middle else ()
    return [nothing | {name: [piece for of, piece in side if of == name] for name in _PIECES} for side in sides]


def size_of(watched: Sums) -> int:
    """Bytes of the arrays and texts in histograms and pieces."""
    tables = sum(int(watched[name]["key"].nbytes + watched[name]["weight"].nbytes) for name in _TABLES)
    pieces = [piece for _, piece in _pieces(watched)]
    named = sum(_bytes(texts) for piece in pieces for slice_ in piece.get("slices", ()) for texts in slice_)
    return tables + named + sum(_bytes(values) for piece in pieces for values in piece["rows"].values())


def _filled(watched: Sums) -> list[str]:
    return [name for name in _TABLES if len(watched[name]["key"])]


def _pieces(watched: Sums) -> list[tuple[str, Any]]:
    return [(name, piece) for name in _PIECES for piece in watched[name]]


def _bytes(values: Any) -> int:
    if isinstance(values, np.ndarray):
        return int(values.nbytes)
    return sum(len(text.encode()) + _TEXT for text in values)


def _row_halves(piece: Sums) -> list[dict[str, Any]]:
    rows = piece["rows"]
    middle = min(len(values) for values in rows.values()) // 2
    if not middle:
        return [dict(piece)]
    sides = slice(None, middle), slice(middle, None)
    halves = [{**piece, "rows": {name: values[side] for name, values in rows.items()}} for side in sides]
    return [_named(half) for half in halves] if "slices" in piece else halves


def _named(piece: Sums) -> dict[str, Any]:
    """Return the same rows with those slices only that they are in, by new numbers."""
    each, number = np.unique(piece["rows"]["slice"], return_inverse=True)
    slices = [piece["slices"][one] for one in each.tolist()]
    return {**piece, "slices": slices, "rows": {**piece["rows"], "slice": number}}


def _column_halves(columns: Sums) -> list[dict[str, Any]]:
    cells, entries = len(columns["cells"]), len(columns["key"])
    if cells > 1:
        first = np.arange(cells) < cells // 2
        return [_kept(columns, first), _kept(columns, ~first)]
    if entries < 2:
        return []
    sides = slice(None, entries // 2), slice(entries // 2, None)
    return [{**columns, "key": columns["key"][side], "weight": columns["weight"][side]} for side in sides]


def _kept(columns: Sums, kept: Mask) -> dict[str, Any]:
    """Histograms of some cells; cells keep their numbers' order."""
    number = np.cumsum(kept) - 1
    cell = cell_of(columns["key"])
    held = kept[cell] if len(kept) else np.zeros(0, np.bool_)
    moved = with_cell(columns["key"][held], number[cell[held]])
    cells = [cell for cell, keep in zip(columns["cells"], kept.tolist(), strict=True) if keep]
    return {"cells": cells, "key": moved, "weight": columns["weight"][held]}
