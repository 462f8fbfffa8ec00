"""Notices in a store, as the pipeline puts them there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from streams.core.alert.notice import Notice, to_json
from streams.sinks.clickhouse.rows import SCHEMAS
from streams.sinks.clickhouse.store import Store, open_store


def make_store(path: Path, notices: Iterable[Notice]) -> str:
    """Make a store in which notices are; return its DSN."""
    dsn = f"chdb:{path}"
    with open_store(dsn) as store:
        store.migrate()
        put(store, notices)
    return dsn


def put(store: Store, notices: Iterable[Notice]) -> None:
    """Insert notices."""
    store.insert("alerts", pa.Table.from_pylist([_row(one) for one in notices], SCHEMAS["alerts"]))


def _row(notice: Notice) -> dict[str, object]:
    maps = {"slice": list(notice.slice), "worst_slices": [list(one) for one in notice.worst_slices]}
    return {**to_json(notice), **maps, "sequence": notice.revision, "revision": notice.revision}
