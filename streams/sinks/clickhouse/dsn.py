"""Which store is meant: one line of text, parsed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from streams.errors import StoreError

FORMS = (
    "chdb:///absolute/path, chdb:relative/path, "
    "clickhouse://user:password@host:8123/database or clickhouses://... (the same over TLS)"
)
_PORTS = {"clickhouse": 8123, "clickhouses": 8443}


@dataclass(frozen=True)
class EmbeddedDsn:
    """A directory that chDB, the engine inside this process, keeps the store in; the path is absolute."""

    path: Path

    def __str__(self) -> str:
        return f"chdb://{str(self.path).replace('%', '%25')}"


@dataclass(frozen=True)
class ServerDsn:
    """A ClickHouse server, spoken to over HTTP; neither its text nor its repr shows the password."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    secure: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'clickhouses' if self.secure else 'clickhouse'}://{host}:{self.port}/{self.database}"


Dsn = EmbeddedDsn | ServerDsn


def parse_dsn(text: str) -> Dsn:
    """
    Parse a DSN.

    `chdb:///path` is an absolute path and `chdb:path` one relative to the working directory.
    `clickhouse://[user[:password]@]host[:port][/database]` is a server's HTTP interface, `clickhouses://` the same
    over TLS; user, password and database default to `default`, nothing and `default`, the port to 8123 or 8443.
    Paths, user, password and database are percent-decoded.

    Raises
    ------
    StoreError
        It is none of these. The message never repeats a password.

    >>> str(parse_dsn("clickhouse://analyst:secret@warehouse"))
    'clickhouse://warehouse:8123/default'
    """
    if not text.isprintable():
        raise StoreError(f"{text!a} is no store: give a DSN of printable characters")
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "chdb":
        return EmbeddedDsn(_path(rest))
    if colon and scheme in _PORTS:
        return _server(text)
    named = f"{scheme}:..." if colon else "a text without a scheme"
    raise StoreError(f"cannot tell which store is meant by {named}: write {FORMS}")


def _path(rest: str) -> Path:
    if rest.startswith("//"):
        rest = rest[2:]
        if not rest.startswith("/"):
            hint = f"write chdb:{rest} for a path relative to here, chdb:///{rest} for an absolute one"
            raise StoreError(f"chdb://{rest} is ambiguous: {hint}")
    if not rest.strip():
        raise StoreError("chdb: names no directory: write chdb:///absolute/path or chdb:relative/path")
    path = unquote(rest)
    if "?" in path:
        # chDB would take what follows for options, and open the directory before it.
        raise StoreError(f"chdb:{path}: the path of an embedded store may not contain '?'")
    return Path(path).resolve()


def _server(text: str) -> ServerDsn:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # urllib quotes what it could not read, which may be a part of the password: not repeated, not chained.
        raise _unreadable(text, "host and port cannot be told apart") from None
    if not parts.hostname:
        raise _unreadable(text, "it names no host")
    if parts.query or parts.fragment:
        raise _unreadable(text, "it has options after '?' or '#', and none are known")
    return ServerDsn(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        database=_database(text, parts),
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        secure=parts.scheme == "clickhouses",
    )


def _database(text: str, parts: SplitResult) -> str:
    database = unquote(parts.path.strip("/"))
    if "/" in database:
        raise _unreadable(text, "its path is more than the name of one database")
    return database or "default"


def _unreadable(text: str, why: str) -> StoreError:
    scheme = text.partition(":")[0]
    return StoreError(
        f"cannot read the DSN {scheme}://...: {why}. Write {scheme}://user:password@host:port/database, "
        "with special characters in user or password percent-encoded (a slash is %2F, a # is %23)"
    )
