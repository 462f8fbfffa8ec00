"""The texts of events that may become orphans, kept until they are known not to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from streams.core.columns import Ints

_ROW_BITS = 32


class Archive:
    """
    Tables of records, addressed by 64-bit references that fit in a column of state.

    >>> archive = Archive()
    >>> refs = archive.keep(pa.table({"id": ["a", "b"]}), last_time=9)
    >>> archive.fetch(refs[1:]).to_pylist()
    [{'id': 'b'}]
    """

    def __init__(self) -> None:
        self._tables: dict[int, tuple[pa.Table, int]] = {}
        self._next = 0

    def keep(self, table: pa.Table, last_time: int) -> Ints:
        """Keep the records until `drop` passes `last_time`, and return a reference for each."""
        number = self._next
        self._next += 1
        self._tables[number] = (table, last_time)
        return (number << _ROW_BITS) + np.arange(len(table), dtype=np.int64)

    def fetch(self, refs: Ints) -> pa.Table:
        """Return the records behind the references, in their order; a table without columns for none."""
        numbers = refs >> _ROW_BITS
        rows = refs & ((1 << _ROW_BITS) - 1)
        if not len(refs):
            return pa.table({})
        by_table = np.argsort(numbers, kind="stable")
        parts = [self._tables[n][0].take(pa.array(rows[numbers == n])) for n in np.unique(numbers).tolist()]
        # Tables from a checkpoint of an earlier version may lack columns, which are null then.
        together = pa.concat_tables(parts, promote_options="default")
        return together.take(pa.array(np.argsort(by_table)))

    def erase(self, refs: Ints) -> None:
        """Take out the texts of these records; what their references lead to is null from then on."""
        numbers = refs >> _ROW_BITS
        for number in np.unique(numbers).tolist():
            table, last_time = self._tables[number]
            gone = np.zeros(len(table), np.bool_)
            gone[refs[numbers == number] & ((1 << _ROW_BITS) - 1)] = True
            self._tables[number] = (table.take(pa.array(np.arange(len(table)), mask=gone)), last_time)

    def drop(self, before: int) -> None:
        """Forget the tables whose records are all older than `before`."""
        self._tables = {n: kept for n, kept in self._tables.items() if kept[1] >= before}

    def snapshot(self) -> dict[str, tuple[pa.Table, int]]:
        """All tables by number, for a snapshot."""
        return {str(number): kept for number, kept in self._tables.items()}

    def restore(self, saved: Mapping[str, tuple[pa.Table, int]]) -> None:
        """Replace everything by a snapshot."""
        self._tables = {int(number): kept for number, kept in saved.items()}
        self._next = max(self._tables, default=-1) + 1
