"""
Alerts, deliveries, silences and acknowledgements in the store.

Reads the table `alerts`, in which each notice is a row, and reads and writes the tables `deliveries`, `silences` and
`acknowledgements`. Every row has a key, and the newest of a key counts, so writing a row again is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import pyarrow as pa

from streams.alerts.delivery import Delivery, History
from streams.alerts.muting import Acknowledgement, Muting, Silence
from streams.alerts.words import EPOCH, rfc3339
from streams.core.alert.notice import Notice, from_json
from streams.core.alert.wording import quoted
from streams.core.window_spec import DAY
from streams.sinks.clickhouse.rows import SCHEMAS, TableName

_REMEMBERED = 45 * DAY  # longer than the topic is kept
_MOST_REMEMBERED = 100_000
_MICROSECOND = timedelta(microseconds=1)
_NOTICE = ", ".join(f"sequence AS {field.name}" if field.name == "revision" else field.name for field in fields(Notice))

_ALERTS = "SELECT {columns} FROM alerts FINAL WHERE startsWith(dedup_key, {key}) ORDER BY dedup_key, sequence"
_NEWEST = """\
SELECT {columns} FROM alerts FINAL
WHERE (dedup_key, sequence) IN (SELECT dedup_key, max(sequence) FROM alerts GROUP BY dedup_key){only}
ORDER BY opened DESC, dedup_key"""
_DELIVERIES = "SELECT * FROM deliveries FINAL WHERE dedup_key = {key} ORDER BY sequence, at, route"
_SETTLED = """\
SELECT dedup_key, sequence, route FROM deliveries FINAL
WHERE at >= {since} AND route != ''
ORDER BY at DESC LIMIT {most}"""
_TOLD = """\
SELECT dedup_key, route FROM deliveries FINAL
WHERE outcome = 'sent'
GROUP BY dedup_key, route
HAVING argMax(status, sequence) != 'resolved'"""
_SILENCES = "SELECT * FROM silences FINAL WHERE ends > {now} ORDER BY starts, silence_id"
_ACKNOWLEDGEMENTS = "SELECT * FROM acknowledgements FINAL ORDER BY at DESC LIMIT {most}"


class Tables(Protocol):
    """An open store, `streams.sinks.clickhouse.store.Store`."""

    def insert(self, table: TableName, batch: pa.Table) -> None:
        """Write rows."""

    def query(self, sql: str) -> pa.Table:
        """Answer one reading statement."""


class AlertStore:
    """
    What is known of alerts. Each call may raise `StoreError` and `StoreUnavailable`.

    Parameters
    ----------
    tables
        An open store.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def alerts(self, *, resolved: bool = False) -> list[Notice]:
        """Return the newest notice of each open alert, and of each that is over as well; the newest alert first."""
        only = "" if resolved else " AND status != 'resolved'"
        return list(map(_notice, self._rows(_NEWEST.format(columns=_NOTICE, only=only))))

    def notices(self, key: str) -> list[Notice]:
        """Return all notices of the alerts whose key begins so, alert by alert, in their order."""
        return list(map(_notice, self._rows(_ALERTS.format(columns=_NOTICE, key=quoted(key)))))

    def deliveries(self, dedup_key: str) -> list[Delivery]:
        """Return what came of the notices of an alert, in their order."""
        rows = self._rows(_DELIVERIES.format(key=quoted(dedup_key)))
        return [Delivery(**row) for row in rows]

    def muting(self, now: int) -> Muting:
        """Return the silences that are not over, and the acknowledgements."""
        silences = self._rows(_SILENCES.format(now=_time(now)))
        acknowledged = self._rows(_ACKNOWLEDGEMENTS.format(most=_MOST_REMEMBERED))
        return Muting(
            tuple(Silence(**_without(row, "at")) for row in silences),
            tuple(Acknowledgement(**row) for row in acknowledged),
        )

    def history(self, now: int) -> History:
        """Return what is on record of the time for which the topic is kept."""
        settled = self._rows(_SETTLED.format(since=_time(now - _REMEMBERED), most=_MOST_REMEMBERED))
        told = self._rows(_TOLD)
        return History(
            frozenset((row["dedup_key"], row["sequence"], row["route"]) for row in settled),
            frozenset((row["dedup_key"], row["route"]) for row in told),
        )

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries on record."""
        self._insert("deliveries", map(asdict, deliveries))

    def silence(self, silence: Silence, at: int) -> None:
        """Add a silence, or change that with its id, at a time, us."""
        self._insert("silences", [{**asdict(silence), "at": at}])

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Add an acknowledgement."""
        self._insert("acknowledgements", [asdict(acknowledgement)])

    def _rows(self, sql: str) -> Iterable[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._tables.query(sql).to_pylist()
        return ({name: _plain(value) for name, value in row.items()} for row in rows)

    def _insert(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        name = cast("TableName", table)
        self._tables.insert(name, pa.Table.from_pylist(list(rows), SCHEMAS[name]))


class StoreBook:
    """The store as the deliverer has it: in a thread, one call at a time, so that no route waits for it."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._lock = asyncio.Lock()

    async def history(self, now: int) -> History:
        """Return what is on record."""
        async with self._lock:
            return await asyncio.to_thread(self._store.history, now)

    async def muting(self, now: int) -> Muting:
        """Return what people have said and is not over."""
        async with self._lock:
            return await asyncio.to_thread(self._store.muting, now)

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries on record."""
        async with self._lock:
            await asyncio.to_thread(self._store.record, deliveries)


def _notice(row: Mapping[str, Any]) -> Notice:
    maps = {"slice": dict(row["slice"]), "worst_slices": [dict(one) for one in row["worst_slices"]]}
    return from_json({**row, **maps})


def _plain(value: object) -> object:
    """Return times as microseconds."""
    return (value - EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _time(us: int) -> str:
    return f"parseDateTime64BestEffort({quoted(rfc3339(us))}, 6, 'UTC')"
