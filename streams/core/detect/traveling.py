"""
Sums of what is watched, parted for their way: by model, and into halves.

What is parted is what `Watched.collect` returns, but for its panes: histograms of columns, and pieces, each of one
model and tick: samples of single errors, and texts of categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from streams.core.columns import Mask
from streams.core.detect.column_sums import cell_of, with_cell

Sums = Mapping[str, Any]

_PIECES = ("errors", "texts")
_TEXT = 16  # bytes that are added to the letters of a text


def of_models(watched: Sums, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Return the histograms and pieces of some models."""
    cells = watched["columns"]["cells"]
    columns = _kept(watched["columns"], np.array([wanted(slice_[0]) for _, slice_ in cells], np.bool_))
    return {**watched, "columns": columns} | {
        name: [piece for piece in watched[name] if wanted(piece["model"])] for name in _PIECES
    }


def bare(watched: Sums) -> dict[str, Any]:
    """Return the same without histograms and pieces."""
    columns = watched["columns"]
    nothing = {"cells": [], "key": columns["key"][:0], "weight": columns["weight"][:0]}
    return {**watched, "columns": nothing, **{name: [] for name in _PIECES}}


def is_bare(watched: Sums) -> bool:
    """Whether there are neither histograms nor pieces."""
    return not (len(watched["columns"]["key"]) or _pieces(watched))


def halves(watched: Sums) -> list[dict[str, Any]]:
    """
    Cut histograms and pieces in two; nothing if that cannot be.

    Histograms are cut off pieces, then by their cells and, where there is one only, by its entries; pieces likewise.
    """
    nothing, pieces = bare(watched), _pieces(watched)
    if len(watched["columns"]["key"]):
        if pieces:
            return [nothing | {"columns": watched["columns"]}, {**watched, "columns": nothing["columns"]}]
        return [nothing | {"columns": part} for part in _column_halves(watched["columns"])]
    if len(pieces) == 1:
        pieces = [(name, part) for name, piece in pieces for part in _row_halves(piece)]
    middle = len(pieces) // 2
    sides = (pieces[:middle], pieces[middle:]) if middle else ()
    return [nothing | {name: [piece for of, piece in side if of == name] for name in _PIECES} for side in sides]


def size_of(watched: Sums) -> int:
    """Bytes of the arrays and texts in histograms and pieces."""
    columns = watched["columns"]
    pieces = sum(_bytes(values) for _, piece in _pieces(watched) for values in piece["rows"].values())
    return int(columns["key"].nbytes + columns["weight"].nbytes) + pieces


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
    return [{**piece, "rows": {name: values[side] for name, values in rows.items()}} for side in sides]


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
