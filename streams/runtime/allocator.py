"""What the C library's allocator keeps of memory that is free again."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

_EVERYTHING = 0  # bytes that a trim leaves


class _Mallinfo2(ctypes.Structure):
    """What `mallinfo2(3)` returns; `fordblks` is the bytes that are free and have not been given back."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


@dataclass(frozen=True)
class _Allocator:
    """The two functions of GNU's C library, 2.33 or newer."""

    mallinfo2: Any
    malloc_trim: Any


def give_back(most: int) -> None:
    """
    Return free memory to the system if it is more than `most` bytes; do nothing where the C library is not GNU's.

    It keeps what lies below anything that is in use. After large arrays have been merged and let go of, that can be
    more than what they were merged into.
    """
    allocator = _allocator()
    if allocator is not None and allocator.mallinfo2().fordblks > most:
        allocator.malloc_trim(_EVERYTHING)


@cache
def _allocator() -> _Allocator | None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Mallinfo2
    return _Allocator(library.mallinfo2, library.malloc_trim)
