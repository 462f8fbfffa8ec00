"""Raw rows as they will land, found by number, in memory that follows how many are asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streams.core.columns import Ints

_SPARE = 1_000  # rows beyond twice those that are asked for that may be there
_MOST_BYTES = 1 << 28  # of tables that are put together: offsets within a column of texts have 31 bits


class _Part(NamedTuple):
    numbers: Ints  # ascending
    table: pa.Table


class Texts:
    """
    Tables of rows, of which each has a number.

    Tables of about one size are put together, so that there are few of them however many blocks rows came in.

    >>> texts = Texts()
    >>> texts.keep(texts.reserve(2), pa.table({"payload": ["a", "b"]}))
    >>> texts.fetch(np.array([1])).to_pylist()
    [{'payload': 'b'}]
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._next = 0

    def __len__(self) -> int:
        return sum(len(part.numbers) for part in self._parts)

    def reserve(self, many: int) -> Ints:
        """Return numbers that no row has had."""
        self._next += many
        return np.arange(self._next - many, self._next, dtype=np.int64)

    def keep(self, numbers: Ints, table: pa.Table) -> None:
        """Keep rows with these numbers, ascending and above those of all rows before."""
        if len(numbers):
            self._parts.append(_Part(numbers, table.combine_chunks()))
            self._put_together()

    def fetch(self, numbers: Ints) -> pa.Table:
        """Return rows in the order of their numbers given; a table without columns for none."""
        if not len(numbers):
            return pa.table({})
        firsts = np.array([part.numbers[0] for part in self._parts], np.int64)
        of = np.searchsorted(firsts, numbers, side="right") - 1
        found = []
        for place in np.unique(of).tolist():
            part = self._parts[place]
            found.append(part.table.take(pa.array(np.searchsorted(part.numbers, numbers[of == place]))))
        # Tables from a checkpoint of an earlier version may lack columns, which are null then.
        together = pa.concat_tables(found, promote_options="default")
        return together.take(pa.array(np.argsort(np.argsort(of, kind="stable"), kind="stable")))

    def has_much_that_is_old(self, asked: int) -> bool:
        """Whether there are so many more rows than so many that it is time to `retain`."""
        return len(self) > 2 * asked + _SPARE

    def retain(self, numbers: Ints) -> None:
        """Forget all rows but those with these numbers."""
        parts, self._parts = self._parts, []
        for part in parts:
            some = np.flatnonzero(np.isin(part.numbers, numbers))
            self.keep(part.numbers[some], part.table.take(pa.array(some)))

    def _put_together(self) -> None:
        """Join the last tables while the one before is hardly larger, so that each row is copied few times."""
        while len(self._parts) > 1:
            before, last = self._parts[-2:]
            large = before.table.nbytes + last.table.nbytes > _MOST_BYTES
            if large or len(before.numbers) > 2 * len(last.numbers):
                return
            table = pa.concat_tables([before.table, last.table], promote_options="default").combine_chunks()
            self._parts[-2:] = [_Part(np.concatenate([before.numbers, last.numbers]), table)]
