"""The store on a server: clickhouse-connect's HTTP client, answered by the engine through a relay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.clickhouse.relay import BREAK, Relay, relay
from streams.errors import StoreError, StoreUnavailable
from streams.sinks.clickhouse.retry import Retry
from streams.sinks.clickhouse.store import Store, open_store, read_store
from tests.sinks.filled import months, records, window_row, windows

ALL = [
    *("001_tables", "002_quality", "003_intake", "004_verdicts", "005_alerts", "006_alert_calls"),
    *("007_corrections", "008_privacy", "009_units", "010_forgotten", "011_samples"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path / "server") as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def remote(server: Relay, pauses: list[float]) -> Iterator[Store]:
    with open_store(server.dsn, retry=Retry(sleep=pauses.append)) as store:
        store.migrate()
        yield store


def test_a_server_is_migrated_once(server: Relay) -> None:
    """The same migrations serve a server; a dry run and a second run change nothing."""
    with open_store(server.dsn) as store:
        pending = store.migrate(dry_run=True)

        assert pending == store.migrate() == ALL
        assert store.migrate() == []


def test_a_server_gives_back_what_it_was_given(remote: Store) -> None:
    """Rows of every table survive the way there and back."""
    rows = {"windows": months(), **records()}
    for name, batch in rows.items():
        remote.insert(name, batch)

    for name, batch in rows.items():
        stored = remote.query(f"SELECT * FROM {name} FINAL ORDER BY ALL")  # noqa: S608 - our own names
        assert sorted(map(str, stored.to_pylist())) == sorted(map(str, batch.to_pylist()))


def test_inserts_wait_until_the_rows_are_stored(remote: Store, server: Relay) -> None:
    """Each insert forbids the server to answer first and store later."""
    remote.insert("windows", windows(window_row()))

    assert server.inserts[-1]["async_insert"] == "0"


@pytest.mark.parametrize("fault", [500, 503, BREAK])
def test_a_fault_that_passes(remote: Store, server: Relay, pauses: list[float], fault: int) -> None:
    """After a fault of the server or the network the same insert is made again, and counts once."""
    server.faults.append(fault)
    remote.insert("windows", windows(window_row()))

    assert pauses == [0.5]
    assert remote.query("SELECT count() AS n FROM quality").to_pylist() == [{"n": 1}]


@pytest.mark.parametrize("fault", [500, BREAK])
def test_a_fault_that_stays(remote: Store, server: Relay, pauses: list[float], fault: int) -> None:
    """After the last attempt the caller learns that the store is away, and which."""
    server.faults.extend([fault] * 9)
    with pytest.raises(StoreUnavailable, match=f"insert into windows of clickhouse://127.0.0.1:{server.port}/default"):
        remote.insert("windows", windows(window_row()))

    assert pauses == [0.5, 1.0, 2.0]
    assert len(server.faults) == 5


def test_a_refusal_is_not_repeated(remote: Store, server: Relay, pauses: list[float]) -> None:
    """An answer that another attempt would only get again ends the attempts."""
    server.faults.append(404)
    with pytest.raises(StoreError, match="HTTP status 404"):
        remote.insert("windows", windows(window_row()))

    assert pauses == []


def test_nobody_listens(pauses: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A server that cannot be reached is retried, then named together with the reason, not the password."""
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(StoreUnavailable, match=r"cannot connect to clickhouse://127\.0\.0\.1:1/default now") as caught:
        open_store("clickhouse://u:hunter2@127.0.0.1:1", retry=Retry(sleep=pauses.append))

    assert pauses == [0.5, 1.0, 2.0]
    assert "Connection refused" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_server_is_read_without_writing(remote: Store, server: Relay) -> None:
    """A store opened for reading answers queries, on a connection on which the server refuses writes."""
    remote.insert("windows", windows(window_row()))
    with read_store(server.dsn) as store:
        assert store.query("SELECT value FROM quality").to_pylist() == [{"value": 0.9}]
        with pytest.raises(Exception, match="readonly"):
            store._reader.command("INSERT INTO slices (model) VALUES ('x')")


def test_a_servers_refusal_is_explained(remote: Store) -> None:
    """The message says what is wrong with the query, without codes and addresses."""
    with pytest.raises(StoreError, match="no_such_column") as caught:
        remote.query("SELECT no_such_column FROM quality")

    assert "DB::Exception" not in str(caught.value)
    assert "http://" not in str(caught.value)
