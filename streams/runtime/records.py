"""Records as columns: all of one topic-partition from one fetch, without an object for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.core.columns import Ints

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Records:
    """
    Records of one topic-partition in the order of their offsets.

    Attributes
    ----------
    values : Sequence[bytes | None]
        The n values.
    offsets : Ints
        Shape (n,).
    timestamp : int
        The latest of the last batch, in milliseconds since 1970.
    headers : Mapping[int, Headers]
        By offset, those of the records without a value.
    """

    values: Sequence[bytes | None]
    offsets: Ints
    timestamp: int
    headers: Mapping[int, Headers] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def next(self) -> int:
        """The offset behind the last."""
        return int(self.offsets[-1]) + 1

    def since(self, offset: int) -> Records:
        """Those from an offset on."""
        first = int(np.searchsorted(self.offsets, offset))
        return self._part(first, len(self)) if first else self

    def parts(self) -> Iterator[Records]:
        """
        Part them so that each one without a value stands alone.

        >>> records = Records([b"a", None, b"b", b"c"], np.arange(4), 0, {1: []})
        >>> [part.values for part in records.parts()]
        [[b'a'], [None], [b'b', b'c']]
        """
        start = 0
        for place in np.flatnonzero(np.isin(self.offsets, list(self.headers))).tolist():
            yield from (self._part(*ends) for ends in ((start, place), (place, place + 1)) if ends[0] < ends[1])
            start = place + 1
        if start < len(self):
            yield self._part(start, len(self)) if start else self

    def _part(self, first: int, end: int) -> Records:
        return Records(self.values[first:end], self.offsets[first:end], self.timestamp, self.headers)
