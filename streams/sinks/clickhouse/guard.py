"""What the section `privacy` says of the store: how long tables keep rows, and which cells views do not show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from clickhouse_connect.driver.client import Client

from streams.config.privacy import Retained
from streams.core.window_spec import format_duration

TIMES: Mapping[Retained, str] = MappingProxyType(
    {
        "windows": "window_end",
        "samples": "event_time",
        "rejected": "landed",
        "orphans": "event_time",
        "verdicts": "tick",
        "signals": "tick",
        "alerts": "tick",
        "deliveries": "at",
    }
)
"""The time by which each table's rows grow old."""

_SECOND = 1_000_000
_AS_ITS_MAKER = "DEFINER = CURRENT_USER SQL SECURITY DEFINER"  # who reads it needs no right to the table
_TTL = re.compile(r" TTL (.+?)(?: SETTINGS .*)?$")
_SMALLEST = re.compile(r" WHERE \(?units >= (\d+)\)?")


def guard(client: Client, retention: Mapping[Retained, int], smallest_cell: int, *, dry_run: bool) -> list[str]:
    """
    Make the tables and views as declared; `retention` is in us.

    Returns what had to be done, in words.
    """
    done = []
    for said, statement in (*_retentions(client, retention), *_suppression(client, smallest_cell)):
        done.append(said)
        if not dry_run:
            client.command(statement, settings={"mutations_sync": 2})
    return done


def _retentions(client: Client, retention: Mapping[Retained, int]) -> Iterator[tuple[str, str]]:
    sql = "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()"
    engines: dict[str, str] = {row[0]: row[1] for row in client.query(sql).result_rows}
    for table, column in TIMES.items():
        if table not in engines:  # a dry run comes before the tables
            continue
        found = _TTL.search(engines[table])
        now = found[1] if found else None
        wanted = (
            f"toDateTime({column}) + toIntervalSecond({retention[table] // _SECOND})" if table in retention else None
        )
        if wanted is not None and wanted != now:
            said = f"{table}: rows are kept for {format_duration(retention[table])}"
            yield said, f"ALTER TABLE {table} MODIFY TTL {wanted}"
        if wanted is None and now is not None:
            yield f"{table}: rows are kept for ever", f"ALTER TABLE {table} REMOVE TTL"


def _suppression(client: Client, smallest_cell: int) -> Iterator[tuple[str, str]]:
    sql = "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'quality'"
    rows = client.query(sql).result_rows
    if not rows:
        return
    found = _SMALLEST.search(rows[0][0])
    if (int(found[1]) if found else 1) == smallest_cell:
        return
    every = _SMALLEST.sub("", rows[0][0])  # what the view shows is said in one place, the migrations
    where = f" WHERE units >= {smallest_cell}" if smallest_cell > 1 else ""
    shown = f"cells of at least {smallest_cell} units are" if smallest_cell > 1 else "every cell is"
    yield f"quality: {shown} shown", f"CREATE OR REPLACE VIEW quality {_AS_ITS_MAKER} AS {every}{where}"
