"""
Large arrays in fewer bytes, at the speed of memory: what a checkpoint holds most of.

A column of state is nearly always one of four things, and each has a form that costs far less time than compressing
it: values that are all alike are one value; a few that repeat are codes into a list; numbers that lie close together
are their distances from the least of them; and hashes, which are noise, stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Form = Literal["alike", "coded", "near", "plain"]
Values = npt.NDArray[Any]

_LOOKED_AT = 1_024  # values from which it is seen whether few repeat
_FEW = 64  # distinct ones among them
_CODES = ((1 << 8, np.uint8), (1 << 16, np.uint16))
_UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}
_LOW_BITS, _HIGH = 32, {8: np.uint8, 16: np.uint16}


class Narrow(NamedTuple):
    """How an array is held, in which arrays; they are views of it where it stays as it is."""

    form: Form
    arrays: tuple[Values, ...]


def narrow(array: Values) -> Narrow:
    """
    Return a flat array in the form that fits it. Equal bits come back, those of NaN and -0.0 too.

    >>> narrow(np.full(3, 7)).form, narrow(np.arange(300) + 10**12).arrays[1].dtype
    ('alike', dtype('uint16'))
    """
    kind = _UNSIGNED.get(array.itemsize)
    if kind is None or not len(array):
        return Narrow("plain", (array,))
    bits = array.view(kind)
    if (bits == bits[0]).all():
        return Narrow("alike", (array[:1],))
    if len(np.unique(bits[:: max(1, len(bits) // _LOOKED_AT)])) <= _FEW:
        return _coded(array, bits)
    return _near(array) if array.dtype.kind in "iu" else Narrow("plain", (array,))


def widen(form: Form, arrays: Sequence[Values], length: int) -> Values:
    """
    Return what was made narrow, as an array of its own; `length` is how many values it had.

    Raises
    ------
    ValueError
        There is no such form.
    """
    if form == "alike":
        return np.repeat(arrays[0], length)
    if form == "coded":
        return arrays[0][arrays[1]]
    if form == "near":
        least, low, *high = arrays
        kind = _UNSIGNED[least.itemsize]
        distance = low.astype(kind)
        if high:
            distance |= high[0].astype(kind) << np.uint64(_LOW_BITS)
        wide: Values = (distance + least.view(kind)).view(least.dtype)
        return wide
    if form == "plain":
        return arrays[0].copy()
    raise ValueError(f"unknown form {form} of an array")


def _coded(array: Values, bits: Values) -> Narrow:
    encoded = pa.array(bits).dictionary_encode()
    distinct = np.asarray(encoded.dictionary).view(array.dtype)
    for most, kind in _CODES:
        if len(distinct) <= most and kind().itemsize < array.itemsize:
            return Narrow("coded", (distinct, np.asarray(encoded.indices).astype(kind)))
    return Narrow("plain", (array,))


def _near(array: Values) -> Narrow:
    kind = _UNSIGNED[array.itemsize]
    least = array.min(keepdims=True)
    span = int(array.max()) - int(least[0])
    for small in (np.uint8, np.uint16, np.uint32):
        if span <= np.iinfo(small).max and small().itemsize < array.itemsize:
            return Narrow("near", (least, (array.view(kind) - least.view(kind)).astype(small)))
    for bits, high in _HIGH.items():
        if array.itemsize > np.dtype(np.uint32).itemsize and span >> _LOW_BITS < 1 << bits:
            distance = array.view(kind) - least.view(kind)
            return Narrow("near", (least, distance.astype(np.uint32), (distance >> np.uint64(_LOW_BITS)).astype(high)))
    return Narrow("plain", (array,))
