"""Gather rows until there are enough of them for an insert: ClickHouse wants few inserts of many rows."""

from __future__ import annotations

from typing import Protocol

import polars as pl
import pyarrow as pa

from streams.sinks.clickhouse.rows import KEYS, TableName, checked


class Inserts(Protocol):
    """What the buffer needs of a store."""

    def insert(self, table: TableName, batch: pa.Table) -> None:
        """Store the rows, or raise StoreUnavailable."""


class RowBuffer:
    """
    Rows on their way to a store, a table at a time.

    A window that changes is written again; of the rows of one key that gather here, only the newest is sent. When
    an insert fails the rows stay, so that the same call, or `flush`, can be made again.

    Parameters
    ----------
    store
        Where they go.
    max_rows
        A table's rows are inserted when there are this many of them.
    """

    def __init__(self, store: Inserts, max_rows: int = 100_000) -> None:
        self._store = store
        self._max_rows = max_rows
        self._gathered: dict[TableName, list[pa.Table]] = {}

    def __len__(self) -> int:
        """Rows that are not inserted yet."""
        return sum(batch.num_rows for batches in self._gathered.values() for batch in batches)

    def add(self, table: TableName, batch: pa.Table) -> None:
        """
        Take rows of a table (see `rows.SCHEMAS`); insert the table's rows when there are enough.

        Raises
        ------
        ValueError
            The rows do not have the table's schema; none are taken.
        StoreError, StoreUnavailable
            From the store; the rows are kept.
        """
        rows = checked(table, batch)
        if not rows.num_rows:
            return
        gathered = self._gathered.setdefault(table, [])
        gathered.append(rows)
        if sum(each.num_rows for each in gathered) >= self._max_rows:
            self._insert(table)

    def flush(self) -> None:
        """
        Insert everything.

        Raises
        ------
        StoreError, StoreUnavailable
            From the store; the rows of tables not inserted yet are kept.
        """
        for table in tuple(self._gathered):
            self._insert(table)

    def _insert(self, table: TableName) -> None:
        rows = pa.concat_tables(self._gathered[table])
        if table == "windows":
            rows = newest(rows, KEYS[table])
        self._gathered[table] = [rows]
        self._store.insert(table, rows.combine_chunks())
        del self._gathered[table]


def newest(rows: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """
    Return the row of the highest `revision` of each key, in the order of the rows; of equal ones, the last.

    >>> rows = pa.table({"k": ["a", "b", "a"], "revision": [2, 1, 1]})
    >>> newest(rows, ("k",)).to_pylist()
    [{'k': 'a', 'revision': 2}, {'k': 'b', 'revision': 1}]
    """
    frame = pl.DataFrame(rows.select([*key, "revision"])).with_row_index("row")
    kept = frame.sort("revision", maintain_order=True).unique(subset=key, keep="last", maintain_order=True)["row"]
    if len(kept) == len(frame):
        return rows
    return rows.take(kept.sort().to_arrow())
