"""What the drill compares: every column of every table, but for revisions and places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from streams.sinks.clickhouse.rows import SCHEMAS, empty
from tests.faults.compare import TABLES, Query, differences
from tests.sinks.filled import alert_row, alerts, records, verdict_row, verdicts

NOT_OF_A_REPLAY = {"forgotten", "intake", "deliveries", "silences", "acknowledgements"}


def holding(**tables: pa.Table) -> Query:
    """Return the query of a store that holds some tables, of which nothing is asked but columns."""

    def query(sql: str) -> pa.Table:
        asked = re.fullmatch(r"SELECT (.+) FROM (\w+) FINAL", sql)
        assert asked
        return tables.get(asked[2], empty(asked[2])).select(asked[1].split(", "))  # type: ignore[arg-type]

    return query


def test_all_columns_are_compared() -> None:
    """Of each table that a replay writes, every column is compared but the revision and where an event was read."""
    left = {
        table: set(schema.names) - set(TABLES[table].split(", "))
        for table, schema in SCHEMAS.items()
        if table not in NOT_OF_A_REPLAY
    }

    assert left == {
        "windows": {"revision"},
        "slices": {"revision"},
        "samples": {"source", "position"},
        "rejected": {"source", "position"},
        "orphans": {"source", "position"},
        "verdicts": {"revision"},
        "signals": {"revision"},
        "alerts": {"revision"},
    }


def test_the_same_rows_are_the_same() -> None:
    """In another order, and with other revisions, rows are the same."""
    rows = records()["verdicts"].to_pylist()
    again = [row | {"revision": 7} for row in reversed(rows)]

    assert differences(holding(**records()), holding(**records() | {"verdicts": verdicts(*again)})) == []


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"effect": 0.02 * (1 + 1e-10)}, True),
        ({"effect": 0.02 * (1 + 1e-8)}, False),
        ({"low": None}, False),
        ({"n_arm": 201.0}, False),
        ({"verdict": "better"}, False),
        ({"arm": "another"}, False),
    ],
    ids=str,
)
def test_verdicts_are_the_same_to_a_billionth(change: Mapping[str, Any], same: bool) -> None:
    """Numbers of verdicts may differ by 1e-9 of their size; which verdict it is, of what, and counts may not differ."""
    ours, theirs = verdicts(verdict_row()), verdicts(verdict_row(**change))

    assert bool(differences(holding(verdicts=ours), holding(verdicts=theirs))) != same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"worst_effects": [-0.4 * (1 + 1e-14), -0.1]}, True),
        ({"worst_effects": [-0.4, -0.11]}, False),
        ({"worst_slices": [{"carrier": "UA"}]}, False),
        ({"dedup_key": "another"}, False),
        ({"title": "delay: accuracy fell"}, False),
    ],
    ids=str,
)
def test_alerts_are_the_same_alerts(change: Mapping[str, Any], same: bool) -> None:
    """Of an alert its name, its words and where it is worst are compared, not only its numbers."""
    ours, theirs = alerts(alert_row()), alerts(alert_row(**change))

    assert bool(differences(holding(alerts=ours), holding(alerts=theirs))) != same


def test_a_missing_row_is_told() -> None:
    """The line of a table says how many rows there are, and how many there should be."""
    assert differences(holding(), holding(verdicts=verdicts(verdict_row()))) == ["verdicts: 0 rows, expected 1"]
