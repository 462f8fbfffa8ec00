"""Announcing: rows to the writer and, once they are stored, verdicts and alerts to their topics."""

from __future__ import annotations

import asyncio

import pyarrow as pa

from streams.pipeline import Rows
from streams.runtime.log import Log
from streams.runtime.notices import notice_records
from streams.runtime.topics import ALERTS, VERDICTS
from streams.runtime.verdicts import verdict_records
from streams.sinks.clickhouse.rows import TableName
from streams.sinks.writer import Writer

Told = dict[TableName, list[pa.Table]]
"""Rows that are to be announced, by table."""

_ANNOUNCED: tuple[TableName, ...] = ("verdicts", "alerts")


def hand_over(rows: Rows, writer: Writer) -> Told:
    """Hand rows to the writer; return those that are to be announced once it has stored them."""
    told: Told = {}
    for table, some in rows:
        writer.add(table, some)
        if table in _ANNOUNCED:
            told.setdefault(table, []).append(some)
    return told


async def announce(told: Told, log: Log, partitions: int) -> None:
    """Append verdicts and alerts to their topics, for those who do not ask the store."""
    shards = verdict_records(told.get("verdicts", ()), partitions)
    await asyncio.gather(*(log.append(VERDICTS, shard, records) for shard, records in shards.items()))
    if "alerts" in told:
        await log.append(ALERTS, 0, notice_records(told["alerts"]))
