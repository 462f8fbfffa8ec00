"""
A ClickHouse server as far as its HTTP interface goes: requests are answered by the embedded engine.

For tests and demos, where several processes need one store. `python deploy/clickhouse/relay.py DIRECTORY --port 8123`
runs it in the foreground; `relay` runs it from Python. Each request has an engine connection of its own, as on a
server, where nothing is kept between requests. Faults can be put before the answers: an HTTP status without a word
from ClickHouse, a connection that breaks, or a refusal as ClickHouse words it. Not for production: one user, no
passwords, no encryption.
"""
# ruff: noqa: INP001, T201

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb
import pyarrow as pa

BREAK = 0  # instead of an HTTP status: close the connection without an answer
# Parameters that the HTTP interface takes for itself; all others are settings.
_OWN = ("query", "database", "query_id", "wait_end_of_query", "client_protocol_version")
_OWN_PREFIXES = ("send_progress", "http_headers_progress", "enable_http", "cancel_http")


@dataclass(frozen=True)
class Refusal:
    """An answer of ClickHouse's own: the code of an error, and what it says."""

    code: int
    text: str


Fault = int | Refusal
"""An HTTP status without a word from ClickHouse, `BREAK`, or a refusal."""


@dataclass
class Relay:
    """
    A running relay: where it listens, what to answer wrongly, and what it was asked to insert.

    `faults` are the next answers, each once; `outage` is the answer to every insert for as long as it is set.
    """

    port: int
    faults: deque[Fault] = field(default_factory=deque)
    outage: Fault | None = None
    inserts: list[dict[str, str]] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        """How clients name it."""
        return f"clickhouse://default:secret@127.0.0.1:{self.port}"


@contextlib.contextmanager
def relay(path: Path, port: int = 0) -> Iterator[Relay]:
    """Serve the engine at directory `path` until the block ends, at a free port where none is given."""
    # The engine lives as long as any connection does: this one holds it open between requests.
    engine = chdb.connect(str(path))  # type: ignore[no-untyped-call]
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    state = Relay(server.server_port)
    server.path, server.state = str(path), state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        engine.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # one request a connection: none is left open when the test ends

    def do_POST(self) -> None:
        state: Relay = self.server.state  # type: ignore[attr-defined]
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        inserts = b"INSERT INTO" in (parameters.get("query", "").encode() + body)[:20]
        if inserts:
            state.inserts.append(parameters)
        fault = state.faults.popleft() if state.faults else state.outage if inserts else None
        if fault is not None:
            self._fail(fault)
            return
        try:
            answer, shape = _execute(self.server.path, parameters, body)  # type: ignore[attr-defined]
        except RuntimeError as error:
            text = str(error)
            code = text.partition("Code: ")[2].partition(".")[0]
            self._answer(500, text.encode(), {"X-ClickHouse-Exception-Code": code})
        else:
            self._answer(200, answer, {"X-ClickHouse-Format": shape} if answer else {})

    def _body(self) -> bytes:
        body = b"".join(self._chunks())
        encoding = self.headers.get("Content-Encoding")
        return body if encoding is None else pa.CompressedInputStream(pa.BufferReader(body), encoding).read()

    def _chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _fail(self, fault: Fault) -> None:
        self.close_connection = True
        if isinstance(fault, Refusal):
            text = f"Code: {fault.code}. DB::Exception: {fault.text}"
            self._answer(500, text.encode(), {"X-ClickHouse-Exception-Code": str(fault.code)})
        elif fault != BREAK:
            self._answer(fault, b"upstream is not there", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _execute(path: str, parameters: dict[str, str], body: bytes) -> tuple[bytes, str]:
    connection = chdb.connect(path)  # type: ignore[no-untyped-call]
    try:
        for name, value in parameters.items():
            if name not in _OWN and not name.startswith(_OWN_PREFIXES):
                connection.query(f"SET {name} = '{value}'")
        sql = parameters.get("query", "")
        if sql:
            return _insert(connection, sql, body)
        statement, _, data = body.partition(b"\n")
        if statement.startswith(b"INSERT INTO") and b" FORMAT " in statement:  # without one it inserts what it selects
            return _insert(connection, statement.decode(), data)
        return connection.query(body.decode(), "TabSeparated").bytes(), "TabSeparated"
    finally:
        connection.close()


def _insert(connection: chdb.Connection, statement: str, data: bytes) -> tuple[bytes, str]:
    into, _, shape = statement.partition(" FORMAT ")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        connection.query(f"{into} FROM INFILE '{file.name}' FORMAT {shape}")
    return b"", shape


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="ClickHouse's HTTP interface before the embedded engine.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=8123)
    given = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with relay(given.directory, given.port) as running:
        print(running.dsn, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
