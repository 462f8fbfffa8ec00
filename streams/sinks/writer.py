"""
The writer: rows to the store from a loop that must not wait for it.

Rows gather while an insert runs in a thread. When the store is away the insert is repeated until it comes back, and
once `max_bytes` have gathered `room` waits: whoever fills the writer stops reading then. So an outage costs freshness
and a bounded amount of memory, and no row.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pyarrow as pa

from streams.errors import StoreError, StoreUnavailable
from streams.sinks.buffer import Inserts, RowBuffer
from streams.sinks.clickhouse.rows import TableName

log = logging.getLogger(__name__)

Run = Callable[[Callable[[], None]], Awaitable[None]]

_FIRST_PAUSE, _LAST_PAUSE = 0.2, 5.0


@dataclass
class WriterState:
    """How it goes: rows stored, seconds that the last insert took, and since when (monotonic) the store is away."""

    stored: int = 0
    seconds: float = 0.0
    away_since: float | None = None


class Writer:
    """
    Rows on their way to a store.

    Parameters
    ----------
    store
        Where they go. It is used by one thread at a time.
    max_bytes
        What may gather before `room` waits; as much again may be on its way.
    run
        How a call that blocks is made without blocking the loop.
    """

    def __init__(self, store: Inserts, max_bytes: int = 64 << 20, run: Run = asyncio.to_thread) -> None:
        self.state = WriterState()
        self.gathered = 0
        self._store = store
        self._max_bytes = max_bytes
        self._run = run
        self._gathering = self._new_buffer()
        self._inserting = asyncio.Lock()
        self._refusal: StoreError | None = None
        self._flushing: set[asyncio.Task[None]] = set()

    def add(self, table: TableName, rows: pa.Table) -> None:
        """Take rows, without waiting."""
        self._gathering.add(table, rows)
        self.gathered += rows.nbytes

    async def room(self) -> None:
        """Return at once while there is room; else when what has gathered is stored. Raises as `flush` does."""
        if self.gathered >= self._max_bytes:
            await self.flush()

    async def flush(self) -> None:
        """
        Return when everything that was added before is stored, however long the store is away.

        Who no longer waits for it may be cancelled: the rows go on.

        Raises
        ------
        StoreError
            The store refuses the rows for a reason that waiting does not mend.
        """
        flushing = asyncio.create_task(self._flush())
        self._flushing.add(flushing)
        flushing.add_done_callback(self._flushing.discard)
        await asyncio.shield(flushing)

    async def _flush(self) -> None:
        async with self._inserting:
            if self._refusal is not None:  # rows of before are not stored, so nobody may be told that theirs are
                raise self._refusal
            rows, self._gathering, self.gathered = self._gathering, self._new_buffer(), 0
            many = len(rows)
            if many:
                try:
                    await self._insert(rows)
                except StoreError as refusal:
                    self._refusal = refusal
                    raise
                self.state.stored += many

    async def _insert(self, rows: RowBuffer) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = time.monotonic()
            try:
                await self._run(rows.flush)
            except StoreUnavailable as error:
                if self.state.away_since is None:
                    log.warning("%s; rows are kept, and inserted when it is back", error)
                    self.state.away_since = started
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE)
            else:
                self.state.seconds = time.monotonic() - started
                if self.state.away_since is not None:
                    log.warning("the store is back after %.1f s", time.monotonic() - self.state.away_since)
                    self.state.away_since = None
                return

    def _new_buffer(self) -> RowBuffer:
        return RowBuffer(self._store, max_rows=1 << 62)  # inserts are made by `flush` alone
