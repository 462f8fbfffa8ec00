from __future__ import annotations

import pytest

from streams.errors import StoreError
from streams.sinks.clickhouse.statement import reading_statement


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ;  ", "select 1"),
        ("SELECT 1; -- that is all;", "SELECT 1"),
        ("-- first\nSELECT 1 /* ; */ + 1", "-- first\nSELECT 1 /* ; */ + 1"),
        ("(SELECT 1) UNION ALL (SELECT 2)", "(SELECT 1) UNION ALL (SELECT 2)"),
        ("WITH 1 AS x SELECT x", "WITH 1 AS x SELECT x"),
        ("SELECT 'a;b', 'it''s; \\'', \"c;d\", `e;f`", "SELECT 'a;b', 'it''s; \\'', \"c;d\", `e;f`"),
        ("SELECT $x$ ; INTO OUTFILE $x$", "SELECT $x$ ; INTO OUTFILE $x$"),
        ("SELECT 'INSERT INTO t', 'FORMAT JSON'", "SELECT 'INSERT INTO t', 'FORMAT JSON'"),
        ("SELECT format FROM t", "SELECT format FROM t"),
        ("DESCRIBE quality", "DESCRIBE quality"),
        ("SHOW TABLES;;", "SHOW TABLES"),
    ],
)
def test_one_reading_statement_passes(sql: str, statement: str) -> None:
    """It comes back without the semicolon; what quotes and comments hold does not count."""
    assert reading_statement(sql) == statement


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "empty"),
        (" ; ", "empty"),
        ("-- SELECT 1", "empty"),
        ("SELECT 1; SELECT 2", "more than one"),
        ("SELECT 1;\n-- then\nDROP TABLE windows", "more than one"),
        ("DROP TABLE windows", "begins with DROP"),
        ("/* SELECT */ delete from windows", "begins with delete"),
        ("SET readonly = 0", "begins with SET"),
        ("KILL QUERY WHERE 1", "begins with KILL"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO OUTFILE"),
        ("SELECT 1 into /* quietly */\n outfile '/tmp/x'", "INTO OUTFILE"),
        ("WITH 1 AS x INSERT INTO FUNCTION file('/tmp/x') SELECT x", "INSERT INTO"),
        ("SELECT 1 PARALLEL WITH DROP TABLE windows", "PARALLEL WITH"),
        ("SELECT 1 FORMAT JSON", "FORMAT"),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "FORMAT"),
    ],
)
def test_anything_else_is_refused(sql: str, message: str) -> None:
    """No statement, several, and whatever writes to tables, files or settings are errors that say what was found."""
    with pytest.raises(StoreError, match=message):
        reading_statement(sql)
