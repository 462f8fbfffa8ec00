"""
ADWIN's window as fields with names, for snapshots.

river keeps the window in compiled code, which gives and takes it as one string of bytes only: little-endian numbers
one after the other, every list behind its length. The window is rows of buckets: a bucket of row i stands for 2**i
values, by their sum and by their sum of squared deviations; a row has one place more than `max_buckets`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_PARAMETERS = struct.Struct("<diQdd")
_SUMS = struct.Struct("<4d4iQ")
_ROW = struct.Struct("<2Q")
_LENGTH = struct.Struct("<Q")
_AGAIN = struct.Struct("<diQii")  # the parameters once more, as they were given

FIELDS = ("total", "variance", "width", "total_width", "n_buckets", "max_n_buckets", "tick", "n_detections")


def save_window(window: Any) -> dict[str, Any]:
    """
    Read what a window knows.

    Returns
    -------
    dict[str, Any]
        The numbers of `FIELDS`, and `rows`: for each row the filled buckets as an array of shape (buckets, 2), sums
        before squared deviations.

    Raises
    ------
    ValueError
        This version of river keeps its window in another layout.

    """
    data = window.__getstate__()
    try:
        saved = _read(data)
        known = _written(window, saved) == data
    except (struct.error, ValueError):
        known = False
        saved = {}
    if not known:
        raise ValueError("adwin: this version of river keeps its window in an unknown layout: use river 0.26")
    return saved


def load_window(window: Any, saved: Mapping[str, Any]) -> Any:
    """
    Give a new window what another one knew; its parameters stay.

    Raises
    ------
    ValueError
        As `save_window` does.

    """
    save_window(window)  # a layout that is not known must not be written: compiled code would not survive it
    window.__setstate__(_written(window, saved))
    return window


def _read(data: bytes) -> dict[str, Any]:
    *numbers, rows = _SUMS.unpack_from(data, _PARAMETERS.size)
    at = _PARAMETERS.size + _SUMS.size
    buckets = []
    for _ in range(rows):
        _, filled = _ROW.unpack_from(data, at)
        sums, at = _numbers(data, at + _ROW.size)
        squares, at = _numbers(data, at)
        buckets.append(np.column_stack((sums, squares))[:filled])
    return dict(zip(FIELDS, numbers, strict=True)) | {"rows": buckets}


def _numbers(data: bytes, at: int) -> tuple[np.ndarray[Any, np.dtype[np.float64]], int]:
    """List of numbers that begins at a place, and the place behind it."""
    (length,) = _LENGTH.unpack_from(data, at)
    first = at + _LENGTH.size
    return np.frombuffer(data, "<f8", length, first), first + 8 * length


def _written(window: Any, saved: Mapping[str, Any]) -> bytes:
    """Bytes of a window with the parameters of one and the knowledge of another."""
    delta, clock, most, shortest, grace = window.__getnewargs__()
    parts = [_PARAMETERS.pack(delta, clock, most, shortest, grace)]
    parts.append(_SUMS.pack(*(saved[name] for name in FIELDS), len(saved["rows"])))
    for row in saved["rows"]:
        places = np.zeros((most + 1, 2), "<f8")
        places[: len(row)] = row
        parts.append(_ROW.pack(most, len(row)))
        parts += [_LENGTH.pack(most + 1) + places[:, column].tobytes() for column in (0, 1)]
    return b"".join([*parts, _AGAIN.pack(delta, clock, most, shortest, grace)])
