"""Create and change the tables: the SQL files of `migrations/`, each applied once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files

from clickhouse_connect.driver.client import Client
from clickhouse_migrations.connection import ClickhouseConnectConnection
from clickhouse_migrations.exceptions import MigrationException
from clickhouse_migrations.migration import Migration, MigrationStorage
from clickhouse_migrations.migrator import STATUS_APPLIED, STATUS_PENDING, Migrator

from streams.errors import StoreError

LEDGER = "schema_versions"
"""The table in which the migrations that were applied are recorded."""


def migrate(client: Client, *, dry_run: bool, store: str) -> list[str]:
    """
    Apply the migrations that `client`'s database lacks; with `dry_run` change nothing.

    Returns
    -------
    list of str
        Their names in order, such as "001_tables".

    Raises
    ------
    StoreError
        What was applied is not what this version of the program knows: a file changed afterwards, or the store
        belongs to a newer version.
    """
    with as_file(files(__package__) / "migrations") as directory, _logging_untouched():
        storage = MigrationStorage(directory)
        names = {number: file.removesuffix(".sql") for number, file in storage.migration_filenames().items()}
        # Not used as a context manager: leaving that would close the client, which is not ours.
        migrator = Migrator(ClickhouseConnectConnection(client), migrations_table=LEDGER)
        pending = _pending(client, migrator, storage.migrations(), names, store)
        if pending and not dry_run:
            migrator.init_schema()
            try:
                migrator.apply_migration(storage.migrations(), multi_statement=True)
            except MigrationException as error:
                raise StoreError(f"cannot migrate {store}: {error}") from error
    return pending


def _pending(
    client: Client, migrator: Migrator, known: list[Migration], names: dict[int, str], store: str
) -> list[str]:
    if not client.command(f"EXISTS TABLE {LEDGER}"):
        return [names[migration.version] for migration in sorted(known)]
    status = migrator.migration_status(known)
    strange = [row for row in status if row.state not in (STATUS_APPLIED, STATUS_PENDING)]
    if strange:
        what = ", ".join(f"{names.get(row.version, row.version)} ({row.state})" for row in strange)
        raise StoreError(
            f"cannot migrate {store}: migrations applied to it are not those of this version of streams: {what}. "
            "Use the version that wrote the store, or a new store"
        )
    return [names[row.version] for row in status if row.state == STATUS_PENDING]


@contextmanager
def _logging_untouched() -> Iterator[None]:
    # The migrations package logs through `logging.info`, which gives the root logger a handler when it has none:
    # from then on every library's messages would be printed, and the program's own set-up ignored.
    root, placeholder = logging.getLogger(), logging.NullHandler()
    root.addHandler(placeholder)
    try:
        yield
    finally:
        root.removeHandler(placeholder)
