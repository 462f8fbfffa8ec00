"""Sums of what is watched, parted for their way: by model, and into halves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from streams.core.columns import Mask
from streams.core.detect.column_sums import cell_of, with_cell

Sums = Mapping[str, Any]
"""What `ColumnSums.collect` returns."""


def of_models(columns: Sums, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Return the histograms of some models."""
    return _kept(columns, np.array([wanted(slice_[0]) for _, slice_ in columns["cells"]], np.bool_))


def halves(columns: Sums) -> list[dict[str, Any]]:
    """Cut histograms in two, by their cells and, where there is one only, by its entries; nothing if that cannot be."""
    cells, entries = len(columns["cells"]), len(columns["key"])
    if cells > 1:
        first = np.arange(cells) < cells // 2
        return [_kept(columns, first), _kept(columns, ~first)]
    if entries < 2:
        return []
    sides = slice(None, entries // 2), slice(entries // 2, None)
    return [{**columns, "key": columns["key"][side], "weight": columns["weight"][side]} for side in sides]


def size_of(columns: Sums) -> int:
    """Bytes of the arrays in histograms."""
    return int(columns["key"].nbytes + columns["weight"].nbytes)


def _kept(columns: Sums, kept: Mask) -> dict[str, Any]:
    """Histograms of some cells; cells keep their numbers' order."""
    number = np.cumsum(kept) - 1
    cell = cell_of(columns["key"])
    held = kept[cell] if len(kept) else np.zeros(0, np.bool_)
    moved = with_cell(columns["key"][held], number[cell[held]])
    cells = [cell for cell, keep in zip(columns["cells"], kept.tolist(), strict=True) if keep]
    return {"cells": cells, "key": moved, "weight": columns["weight"][held]}
