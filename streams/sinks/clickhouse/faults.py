"""What the ClickHouse client raises, said as what the caller should do: mend the call, or try again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

from streams.errors import StoreError, StoreUnavailable

# Codes of errors that pass: a busy, full, starting or reorganising server. Anything else is the caller's to mend.
_PASSING = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        198,  # DNS_ERROR
        201,  # QUOTA_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        745,  # SERVER_OVERLOADED
        999,  # KEEPER_EXCEPTION
    }
)
_ADVICE = {
    50: "give the column a type, such as CAST(... AS Nullable(String))",  # UNKNOWN_TYPE
    60: "if the store is new, `streams replay` into it first: that makes its tables",  # UNKNOWN_TABLE
    81: "create the database first, or name another in the DSN",  # UNKNOWN_DATABASE
    164: "this connection or its user may only read",  # READONLY
    497: "grant the user SELECT, INSERT and, for `streams migrate`, CREATE TABLE and CREATE VIEW",  # ACCESS_DENIED
    516: "check user and password in the DSN",  # AUTHENTICATION_FAILED
}
# What surrounds the message proper: codes before it, the server's version and address behind it.
_NOISE = re.compile(
    r"Received ClickHouse exception, code: \d+, server response: |Code: \d+\. DB::Exception: "
    r"|\s*\(version [^()]*(\([^()]*\))?\)\.?|\s*\(for url [^()]*\)|, Stack trace.*|\n.*",
    re.DOTALL,
)
# From a proxy or a gateway: it waited too long, too many ask, or what is behind it does not answer.
_HTTP_PASSING = re.compile(r"HTTP status (408|429|5\d\d)")
_DISK_FULL = "No space left on device"  # said under several codes, by whichever part of ClickHouse wrote


@contextmanager
def translated(action: str, advice: Mapping[int, str] = {}) -> Iterator[None]:
    """
    Raise what the ClickHouse client raises inside as errors of this project.

    Parameters
    ----------
    action
        What was being done and to which store, such as "insert into windows of clickhouse://host:8123/db".
    advice
        By ClickHouse's error code, what the caller should do; these errors count as the caller's to mend.

    Raises
    ------
    StoreUnavailable
        The server could not be reached, or it or the disk is in a state that passes.
    StoreError
        Anything else.
    """
    try:
        yield
    except Error as error:
        if error.code not in advice and _passes(error):
            raise StoreUnavailable(f"cannot {action} now: {explain(error)}") from error
        hint = {**_ADVICE, **advice}.get(error.code or 0)
        raise StoreError(f"cannot {action}: {explain(error)}" + (f" - {hint}" if hint else "")) from error
    except ClickHouseError as error:
        raise StoreError(f"cannot {action}: {explain(error)}") from error
    except OSError as error:  # the embedded engine's inserts go through a temporary file
        raise StoreUnavailable(f"cannot {action} now: {error}") from error


def explain(error: Exception) -> str:
    """Return what happened, without what only the engine's developers need."""
    if isinstance(error, OperationalError) and error.code is None:
        # The transport's wrappers repeat the address; the innermost error says what happened.
        return str(_innermost(error))
    return _NOISE.sub("", str(error).strip()) or type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return _innermost(inner) if inner else error


def _passes(error: Error) -> bool:
    if error.code is not None:
        return error.code in _PASSING or _DISK_FULL in str(error)
    # No code: the message is not ClickHouse's own. Either the transport failed, or something in between answered.
    return isinstance(error, OperationalError) or _HTTP_PASSING.search(str(error)) is not None
