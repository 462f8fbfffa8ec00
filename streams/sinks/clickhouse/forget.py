"""
Forget a unit: its rows in the tables of single events are deleted, and counted before and after.

A unit's events are found by its pseudonyms, of every period that the store has rows of, and by its own name in case
that was kept; other events of a request, such as its outcome, by the requests whose prediction was for the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from clickhouse_connect.driver.binding import format_str

from streams.core.privacy.pseudonym import Pseudonyms, period_of
from streams.sinks.clickhouse.store import Store

# ruff's S608 is about texts from outside: here they are quoted by `_in`, and everything else is a constant.

Table = Literal["samples", "rejected", "orphans"]

_MOST_NAMES = 500  # in one statement: the store takes statements of 256 kB
_UNIT = "unit_id"


@dataclass(frozen=True)
class _Row:
    """SQL for the unit and the request of a row; an empty text where it has none."""

    unit: str
    request: str


_TABLES: Mapping[Table, _Row] = MappingProxyType(
    {
        "samples": _Row("JSONExtractString(payload, 'unit_id')", "request_id"),
        "rejected": _Row(
            "JSONExtractString(original, 'unit_id')",
            "coalesce(nullIf(JSONExtractString(original, 'request_id'), ''), "
            "JSONExtractString(original, 'prediction_id'))",
        ),
        "orphans": _Row("ifNull(unit_id, '')", "request_id"),
    }
)


@dataclass(frozen=True)
class Forgotten:
    """Rows of a table that were the unit's: before, and after they were deleted."""

    table: Table
    before: int
    after: int


def forget(store: Store, unit: str, pseudonyms: Pseudonyms | None, requests: Iterable[str] = ()) -> list[Forgotten]:
    """
    Delete a unit's rows, and those of its requests.

    Parameters
    ----------
    unit
        The unit as services name it.
    pseudonyms
        Under the secret that the rows were hashed with; None if there is no secret.
    requests
        Further requests of the unit, which the store need not know as such.

    Raises
    ------
    StoreError, StoreUnavailable
        Some rows may be deleted; forget the unit again.
    """
    names = _names(store, unit, pseudonyms)
    asked = sorted({*requests, *_requests(store, names)})
    before = {table: _count(store, table, names, asked) for table in _TABLES}
    # The samples last: by them the requests are found again, should this be interrupted.
    for table in tuple(_TABLES)[::-1]:
        for condition in _conditions(_TABLES[table], names, asked) if before[table] else ():
            store.delete(table, condition)
    return [Forgotten(table, count, _count(store, table, names, asked)) for table, count in before.items()]


def requests_of(store: Store, unit: str, pseudonyms: Pseudonyms | None) -> set[str]:
    """Return the requests that the store knows as a unit's. Raises as `forget` does."""
    return _requests(store, _names(store, unit, pseudonyms))


def _names(store: Store, unit: str, pseudonyms: Pseudonyms | None) -> list[str]:
    """Return all names of the unit: its own, and its pseudonym in each period that the store has rows of."""
    if pseudonyms is None:
        return [unit]
    starts = {
        start
        for table, of in _TABLES.items()
        for start in _column(store, f"SELECT DISTINCT extract({of.unit}, '^~-?[0-9]+-') FROM {table}")  # noqa: S608
    }
    periods = {period for start in starts if (period := period_of(f"{start}{40 * '0'}")) is not None}
    return [unit, *(pseudonyms.in_period(_UNIT, unit, period) for period in sorted(periods))]


def _requests(store: Store, names: Sequence[str]) -> set[str]:
    """Requests whose prediction was for the unit; one that it only gave feedback about is not its own."""
    found: set[str] = set()
    for table, of in _TABLES.items():
        for condition in _in(of.unit, names):
            where = f"type = 'prediction' AND {condition}"
            found |= _column(store, f"SELECT DISTINCT {of.request} FROM {table} WHERE {where}")  # noqa: S608
    return found - {""}


def _count(store: Store, table: Table, names: Sequence[str], requests: Sequence[str]) -> int:
    """Count the places of a table's rows that are the unit's: a row that was written twice counts once."""
    places: set[tuple[str, int]] = set()
    for condition in _conditions(_TABLES[table], names, requests):
        found = store.query(f"SELECT source, position FROM {table} WHERE {condition}")  # noqa: S608
        places |= set(zip(found["source"].to_pylist(), found["position"].to_pylist(), strict=True))
    return len(places)


def _conditions(of: _Row, names: Sequence[str], requests: Sequence[str]) -> list[str]:
    """Conditions that together hold for the unit's rows."""
    return [*_in(of.unit, names), *_in(of.request, requests)]


def _in(expression: str, texts: Sequence[str]) -> list[str]:
    parts = [texts[first : first + _MOST_NAMES] for first in range(0, len(texts), _MOST_NAMES)]
    return [f"{expression} IN ({', '.join(map(format_str, part))})" for part in parts]


def _column(store: Store, sql: str) -> set[str]:
    (column,) = store.query(sql).columns
    return set(column.to_pylist())
