"""
The store as the rest of the program sees it: open, migrate, insert, query, close.

Writing the same rows again is harmless: each has a key, and the newest revision of a key counts. So a write whose
answer was lost is simply repeated. Reading goes through a connection of its own that cannot write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.config.privacy import Retained
from streams.errors import StoreError
from streams.sinks.clickhouse.dsn import EmbeddedDsn, ServerDsn, parse_dsn
from streams.sinks.clickhouse.embedded import open_embedded
from streams.sinks.clickhouse.faults import translated
from streams.sinks.clickhouse.guard import guard
from streams.sinks.clickhouse.migrate import migrate
from streams.sinks.clickhouse.results import FORMAT, to_table
from streams.sinks.clickhouse.retry import ONCE, Retry
from streams.sinks.clickhouse.rows import TableName, checked
from streams.sinks.clickhouse.statement import reading_statement

Settings = Mapping[str, object]
Connect = Callable[[Settings], Client]

_INSERTING: Settings = {
    "async_insert": 0,  # the answer means that the rows are stored; the server's default may be otherwise
    "max_partitions_per_insert_block": 0,  # no limit: one stray year must not cost its neighbours
}
_WAITING: Settings = {"mutations_sync": 2}  # the answer means that it is done, on every replica
# readonly=2 and not 1: with 1 the connection could not set the limits of a query. It is set once, for the whole
# connection: on chDB a connection that was set to read only for one call stays so.
_READING: Settings = {"readonly": 2}


class Store:
    """
    An open store, made by `open_store` or `read_store`; close it, best by using it as a context manager.

    Its calls may come from any thread, but one at a time.
    """

    def __init__(self, name: str, connect: Connect, retry: Retry, *, writes: bool) -> None:
        self.name = name
        self._connect = connect
        self._retry = retry
        self._writes = writes
        self._clients: dict[str, Client] = {}
        # Connect now, so that a store that cannot be used fails where it is named.
        _ = self._writer if writes else self._reader

    def migrate(self, *, dry_run: bool = False) -> list[str]:
        """
        Create or change the tables; with `dry_run` only tell what would be done.

        Returns
        -------
        list of str
            The migrations applied (or, with `dry_run`, pending), in order; empty when there was nothing to do.

        Raises
        ------
        StoreError, StoreUnavailable
        """
        with translated(f"migrate {self.name}"):
            return migrate(self._writer, dry_run=dry_run, store=self.name)

    def guard(self, retention: Mapping[Retained, int], smallest_cell: int, *, dry_run: bool = False) -> list[str]:
        """
        Let each table forget its rows after so long (us), and `quality` show no cell of fewer units.

        Returns what was done, or with `dry_run` would be; empty when there was nothing to do. It returns when what is
        too old is on its way out: the engine drops it when it merges.

        Raises
        ------
        StoreError, StoreUnavailable
        """
        with translated(f"set the retention of {self.name}"):
            return guard(self._writer, retention, smallest_cell, dry_run=dry_run)

    def delete(self, table: TableName, condition: str) -> None:
        """
        Delete the rows that meet a condition, written in SQL; when this returns no query sees them any more.

        Raises
        ------
        StoreError, StoreUnavailable
        """
        statement = f"ALTER TABLE {table} DELETE WHERE {condition}"
        with translated(f"forget rows of {table} in {self.name}"):
            self._writer.command(statement, settings=dict(_WAITING))

    def insert(self, table: TableName, batch: pa.Table) -> None:
        """
        Write rows; when this returns they are stored. Rows with a known key replace what was there.

        Parameters
        ----------
        table
            One of `rows.SCHEMAS`.
        batch
            Its rows, with exactly that schema. NaN in a nullable column is stored as NULL.

        Raises
        ------
        ValueError
            The rows do not have the table's schema.
        StoreUnavailable
            The store did not take them, after as many attempts as the store's `Retry` allows. Some or all may
            have been stored; insert the same rows again.
        StoreError
            The tables are missing, or the store was opened for reading.
        """
        rows = checked(table, batch)
        writer = self._writer
        if not rows.num_rows:
            return

        def write() -> None:
            with translated(f"insert into {table} of {self.name}"):
                writer.insert_arrow(table, rows, settings=dict(_INSERTING))

        self._retry.call(write)

    def query(self, sql: str, *, max_rows: int = 1_000_000, max_seconds: int = 60) -> pa.Table:
        """
        Answer one reading statement.

        Returns
        -------
        pyarrow.Table
            Times in UTC, with their zone; maps as maps; text that is not UTF-8 as binary.

        Raises
        ------
        StoreError
            The statement does not read, is wrong, gives more than `max_rows` rows or takes longer than
            `max_seconds`.
        StoreUnavailable
            The server does not answer.
        """
        statement = reading_statement(sql)
        advice = {
            159: f"it took longer than {max_seconds} s: narrow it down, or allow more",  # TIMEOUT_EXCEEDED
            241: "it needs more memory than the store allows: narrow it down",  # MEMORY_LIMIT_EXCEEDED
            396: f"it gives more than {max_rows:,} rows: aggregate, add a LIMIT, or allow more",  # TOO_MANY_ROWS
        }
        limits = {"max_result_rows": max_rows, "max_execution_time": max_seconds}
        reader = self._reader
        with translated(f"query {self.name}", advice):
            content = reader.raw_query(statement, settings=limits, fmt=FORMAT)
        return to_table(content)

    def close(self) -> None:
        """Close the connections; an embedded store's directory is free for other processes afterwards."""
        while self._clients:
            _, client = self._clients.popitem()
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _writer(self) -> Client:
        if not self._writes:
            raise StoreError(f"{self.name} was opened for reading only")
        return self._client("writer", {})

    @property
    def _reader(self) -> Client:
        return self._client("reader", _READING)

    def _client(self, role: str, settings: Settings) -> Client:
        if role not in self._clients:
            self._clients[role] = self._retry.call(lambda: self._connect(settings))
        return self._clients[role]


def open_store(dsn: str, *, retry: Retry | None = None) -> Store:
    """
    Open a store for writing and reading; an embedded one is created if it is missing.

    Parameters
    ----------
    dsn
        See `dsn.parse_dsn`.
    retry
        How a server that is away is waited for; an embedded store is tried once.

    Raises
    ------
    StoreError
        The DSN is not one, the directory cannot be used (see `embedded.open_embedded`), the server refuses.
    StoreUnavailable
        The server does not answer.
    """
    return _open(dsn, retry or Retry(), writes=True)


def read_store(dsn: str, *, retry: Retry | None = None) -> Store:
    """
    Open a store for reading: only `query` works, and an embedded store that is missing is not created.

    Raises
    ------
    StoreError
        As `open_store`, and there is no store at the path.
    StoreUnavailable
        The server does not answer.
    """
    return _open(dsn, retry or Retry(), writes=False)


def _open(text: str, retry: Retry, *, writes: bool) -> Store:
    dsn = parse_dsn(text)
    if isinstance(dsn, EmbeddedDsn):
        path = dsn.path
        return Store(str(dsn), lambda settings: open_embedded(path, settings, create=writes), ONCE, writes=writes)
    server = dsn
    return Store(str(dsn), lambda settings: _open_server(server, settings), retry, writes=writes)


def _open_server(dsn: ServerDsn, settings: Settings) -> Client:
    with translated(f"connect to {dsn}"):
        return clickhouse_connect.get_client(
            host=dsn.host,
            port=dsn.port,
            username=dsn.user,
            password=dsn.password,
            database=dsn.database,
            secure=dsn.secure,
            settings=dict(settings),
            autogenerate_session_id=False,  # nothing is kept between statements, and sessions forbid parallel ones
        )
