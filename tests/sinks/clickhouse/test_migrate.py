from __future__ import annotations

import logging
from pathlib import Path

import pytest

from streams.errors import StoreError
from streams.sinks.clickhouse.store import Store, open_store

ALL = [
    *("001_tables", "002_quality", "003_intake", "004_verdicts", "005_alerts", "006_alert_calls"),
    *("007_corrections", "008_privacy", "009_units", "010_forgotten", "011_samples"),
]


def test_migrations_are_applied_once(directory: Path) -> None:
    """A new store gets all of them, in order; the next call finds nothing to do."""
    with open_store(f"chdb://{directory}") as store:
        assert store.migrate() == ALL
        assert store.migrate() == []
        assert store.migrate(dry_run=True) == []


def test_a_dry_run_changes_nothing(directory: Path) -> None:
    """It tells what is pending and creates no table, not even its own."""
    with open_store(f"chdb://{directory}") as store:
        pending = store.migrate(dry_run=True)
        tables = store.query("SHOW TABLES")

    assert pending == ALL
    assert tables.num_rows == 0


def test_what_is_missing_is_made_up(store: Store) -> None:
    """A store that has the first migration only gets the others."""
    store._writer.command("DROP VIEW quality")
    store._writer.command("DROP TABLE intake")
    for name in ("first_verdicts", "current_verdicts", "verdicts", "current_alerts", "signals", "alerts"):
        store._writer.command(f"DROP TABLE {name}")
    store._writer.command("DELETE FROM schema_versions WHERE version > 1")

    assert store.migrate(dry_run=True) == ALL[1:]
    assert store.migrate() == ALL[1:]
    assert store.query("SELECT count() AS n FROM quality").num_rows == 1
    assert store.query("SELECT count() AS n FROM intake").num_rows == 1
    for view in ("current_verdicts", "first_verdicts"):
        assert store.query(f"SELECT count() AS n FROM {view}").num_rows == 1  # noqa: S608 - our own names


def test_two_migrators_at_once_do_no_harm(store: Store) -> None:
    """Applied again over existing tables, as by a process that looked at the same moment, all statements pass."""
    store._writer.command("TRUNCATE TABLE schema_versions")

    assert store.migrate() == ALL


@pytest.mark.parametrize(
    ("version", "state"), [(1, r"001_tables \(md5-mismatch\)"), (99, r"99 \(unknown\)")], ids=["changed", "newer"]
)
def test_a_store_of_another_version_is_left_alone(store: Store, version: int, state: str) -> None:
    """A migration that was changed afterwards, or that this program does not know, is an error that names it."""
    store._writer.command("DELETE FROM schema_versions WHERE version = {v:UInt32}", {"v": version})
    store._writer.insert("schema_versions", [[version, "x", ""]], ["version", "md5", "script"])

    with pytest.raises(StoreError, match=f"not those of this version of streams: {state}"):
        store.migrate()


def test_logging_is_left_as_it_was(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrating gives the root logger no handler: the migrations package would."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with open_store(f"chdb://{directory}") as store:
        store.migrate()

    assert logging.getLogger().handlers == []
