"""One reading statement: what `query` lets through."""

from __future__ import annotations

import re

from streams.errors import StoreError

_READING = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS")
_QUOTED_OR_COMMENT = re.compile(
    r"""
      --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/            # comments
    | '(?:\\.|''|[^'\\])*'                            # strings
    | "(?:\\.|""|[^"\\])*" | `(?:\\.|``|[^`\\])*`     # quoted names
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$                 # heredocs
    """,
    re.VERBOSE | re.DOTALL,
)
# These begin like reading and write nevertheless, even on a connection that is set to read only.
_WRITING = re.compile(r"\b(INTO\s+OUTFILE|INSERT\s+INTO|PARALLEL\s+WITH)\b", re.IGNORECASE)
_FORMAT = re.compile(r"\bFORMAT\s+\w+\s*(SETTINGS\b.*)?$", re.IGNORECASE | re.DOTALL)


def reading_statement(sql: str) -> str:
    """
    Return the one statement of `sql`, which must read, without the semicolon after it.

    Raises
    ------
    StoreError
        There is no statement or more than one, it does not read, it writes to a file, or it names an output
        format (the caller chooses how results are shown).
    """
    # Same length as the text, so that places found in it are places in the text.
    bare = _QUOTED_OR_COMMENT.sub(lambda match: " " * len(match.group()), sql)
    statement, _, after = bare.partition(";")
    words = statement.replace("(", " ").split()
    if not words:
        raise StoreError("the query is empty: write one SELECT")
    if after.strip(" \t\r\n;"):
        raise StoreError("the query holds more than one statement: run them one by one")
    if words[0].upper() not in _READING:
        raise StoreError(f"the query begins with {words[0]}: only reading is allowed ({', '.join(_READING)})")
    if writing := _WRITING.search(statement):
        raise StoreError(f"the query holds {' '.join(writing.group().upper().split())}: only reading is allowed")
    if _FORMAT.search(statement.rstrip()):
        raise StoreError("the query names an output FORMAT: leave it out")
    return sql[: len(statement)].strip()
