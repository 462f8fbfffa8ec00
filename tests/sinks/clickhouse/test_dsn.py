from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import StoreError
from streams.sinks.clickhouse.dsn import EmbeddedDsn, ServerDsn, parse_dsn


def test_an_absolute_path() -> None:
    """chdb:///path names that directory."""
    dsn = parse_dsn("chdb:///srv/store")

    assert dsn == EmbeddedDsn(Path("/srv/store"))


@pytest.mark.parametrize("text", ["chdb:.streams/store", "chdb:./.streams/store"])
def test_a_relative_path(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """chdb:path is relative to the working directory."""
    monkeypatch.chdir(tmp_path)

    assert parse_dsn(text) == EmbeddedDsn(tmp_path.resolve() / ".streams/store")


def test_a_path_round_trips() -> None:
    """A DSN's text names the same store again, even with a percent sign in the path."""
    dsn = parse_dsn("chdb:///a%20b/100%25")

    assert dsn == EmbeddedDsn(Path("/a b/100%"))
    assert parse_dsn(str(dsn)) == dsn


def test_a_server_in_full() -> None:
    """User, password and database are percent-decoded."""
    dsn = parse_dsn("clickhouse://an%40alyst:p%2Fw@warehouse:9000/quality")

    assert dsn == ServerDsn("warehouse", 9000, "quality", "an@alyst", "p/w", secure=False)


@pytest.mark.parametrize(("scheme", "port", "secure"), [("clickhouse", 8123, False), ("clickhouses", 8443, True)])
def test_a_server_by_default(scheme: str, port: int, secure: bool) -> None:
    """A bare host gets the port of its scheme, the default user and the default database."""
    assert parse_dsn(f"{scheme}://host") == ServerDsn("host", port, "default", "default", "", secure=secure)


def test_an_ipv6_host_round_trips() -> None:
    """The text of a DSN keeps the brackets that an IPv6 address needs."""
    assert str(parse_dsn("clickhouse://[::1]:8123/db")) == "clickhouse://[::1]:8123/db"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "store",
        "/srv/store",
        "chdb:",
        "chdb://",
        "chdb://relative/path",
        "chdb:///a?mode=ro",
        "chdb:///a%3Fb",
        "postgres://u:hunter2@host/db",
        "clickhouse://",
        "clickhouse://u:hunter2@",
        "clickhouse://u:hunter2/x@host/db",
        "clickhouse://u:hunter2@host:port/db",
        "clickhouse://u:hunter2@host/db/table",
        "clickhouse://u:hunter2@host/db?secure=1",
        "clickhouse://u:hunter2@host/db#x",
        "clickhouse://u:hunter2@[::1/db",
        "u:hunter2@host:8123",
    ],
)
def test_anything_else_is_refused_without_its_password(text: str) -> None:
    """What is no DSN is a StoreError that says what to write, and neither it nor its cause repeats a password."""
    with pytest.raises(StoreError, match=r"write|Write|may not contain") as caught:
        parse_dsn(text)

    chain = (caught.value, caught.value.__cause__)
    assert not any("hunter2" in str(error) for error in chain)


def test_a_server_never_shows_its_password() -> None:
    """Neither the text nor the repr of a server's DSN holds the password."""
    dsn = parse_dsn("clickhouse://u:hunter2@host/db")

    assert "hunter2" not in f"{dsn} {dsn!r}"
