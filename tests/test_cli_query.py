"""`streams query`: what the store holds, for people and programs, and nothing but reading."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from streams.sinks.clickhouse.store import read_store
from tests.conftest import STREAMS, Run
from tests.runtime.story import replayed, story, write_files

SQL = """
SELECT slice, window_start, window_end, value, n, is_final FROM quality
WHERE model = 'fraud' AND version = '1' AND metric = 'accuracy' AND window = '1d' AND window_start = '2024-02-29'
ORDER BY slice
"""


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the DSN of a store that holds three days; nobody has it open."""
    directory = tmp_path_factory.mktemp("store")
    replayed(directory / "store", write_files(directory, story(requests=120, days=3), "jsonl"))
    return f"chdb:{directory}/store"


def test_json_is_one_object_a_line(cli: Run, dsn: str) -> None:
    """Each row is a JSON object on a line: slices are objects, the whole's is empty, times ISO 8601 with Z."""
    ran = cli("query", "--store", dsn, "--format", "json", SQL)
    rows = [json.loads(line) for line in ran.out.splitlines()]

    assert (ran.code, ran.err) == (0, "")
    assert len(rows) > 3
    assert rows[0]["slice"] == {}
    assert {tuple(row["slice"]) for row in rows} == {(), ("country",), ("country", "role")}
    for row in rows:
        assert (row["window_start"], row["window_end"]) == ("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z")
        assert row["is_final"] is True
        assert row["value"] is None if row["n"] == 0 else 0 <= row["value"] <= 1


def test_csv_says_the_same_as_json(cli: Run, dsn: str) -> None:
    """CSV has a header and the same rows: slices as JSON text, times as in JSON, NULL as nothing."""
    as_json = cli("query", "--store", dsn, "--format", "json", SQL).out
    rows = list(csv.DictReader(cli("query", "--store", dsn, "--format", "csv", SQL).out.splitlines()))

    assert list(rows[0]) == ["slice", "window_start", "window_end", "value", "n", "is_final"]
    for row, line in zip(rows, as_json.splitlines(), strict=True):
        expected = json.loads(line)
        value = None if row["value"] == "" else float(row["value"])
        assert {**row, "slice": json.loads(row["slice"]), "value": value, "n": float(row["n"])} == expected | {
            "is_final": "true"
        }


def test_table_is_for_people(cli: Run, dsn: str) -> None:
    """By default rows are a table: a header, the whole as (all), groups as attribute=value, how many there are."""
    few = SQL.replace("value, n, is_final", "n").replace("AND version", "AND length(slice) < 2 AND version")
    ran = cli("query", "--store", dsn, few.replace("window_end, ", ""))

    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"slice +start +n", ran.out)
    assert re.search(r"\(all\) +2024-02-29 +\d+", ran.out)
    assert re.search(r"country=\w+ +2024-02-29 +\d+", ran.out)
    assert re.search(r"\d rows", ran.out)


@pytest.mark.parametrize(("form", "out"), [("json", ""), ("csv", "model\n")])
def test_no_rows_are_an_answer(cli: Run, dsn: str, form: str, out: str) -> None:
    """A query without rows is no error: nothing in JSON, the header in CSV."""
    ran = cli("query", "--store", dsn, "--format", form, "SELECT model FROM quality WHERE model = 'nobody'")

    assert (ran.code, ran.out, ran.err) == (0, out, "")


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELEC 1", "the query begins with SELEC: only reading is allowed"),
        ("SELECT nothing FROM quality", "nothing"),
        ("SELECT * FROM nowhere", "Unknown table expression identifier 'nowhere'"),
        ("SELECT * FROM", "cannot query chdb://"),
        ("SELECT ':bomb:' + [red]", "cannot query chdb://"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("", "the query is empty"),
        ("SELECT 1 FORMAT CSV", "the query names an output FORMAT"),
        ("SELECT * FROM numbers(2000000)", "it gives more than 1,000,000 rows"),
    ],
)
def test_sql_that_is_wrong(cli: Run, dsn: str, sql: str, problem: str) -> None:
    """A query that cannot be answered ends in one line that says why; exit code 2, nothing on standard output."""
    ran = cli("query", "--store", dsn, sql)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert problem in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO slices SELECT * FROM slices",
        "DROP TABLE windows",
        "TRUNCATE TABLE windows",
        "ALTER TABLE windows DELETE WHERE true",
        "DELETE FROM windows WHERE true",
        "CREATE TABLE more (a Int8) ENGINE = Memory",
        "RENAME TABLE windows TO old",
        "OPTIMIZE TABLE windows FINAL",
        "SET readonly = 0",
        "/* SELECT */ DROP TABLE windows",
        "WITH 1 AS one INSERT INTO slices SELECT * FROM slices",
        "SELECT 1 INTO OUTFILE 'out.csv'",
        "EXPLAIN SELECT 1; DROP TABLE windows",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_query_cannot_write(cli: Run, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Statements that write are refused with exit code 2, and neither the store nor the directory has changed."""
    monkeypatch.chdir(tmp_path)
    before = fill_of(dsn)
    ran = cli("query", "--store", dsn, sql)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert fill_of(dsn) == before
    assert not list(tmp_path.iterdir())


def fill_of(dsn: str) -> list[dict[str, object]]:
    """Every table of a store and how many rows it has."""
    with read_store(dsn) as store:
        sql = "SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() ORDER BY name"
        rows: list[dict[str, object]] = store.query(sql).to_pylist()
        return rows


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_store_that_does_not_exist(cli: Run, tmp_path: Path, name: str) -> None:
    """A query on a path without a store says so, exit code 2, and makes none."""
    (tmp_path / "empty").mkdir()
    ran = cli("query", "--store", f"chdb:{tmp_path / name}", "SELECT 1")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: there is no store at {tmp_path / name}")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_reader_that_leaves_early(dsn: str) -> None:
    """When the reader of the output goes away, as `head` does, the query ends without a word on standard error."""
    reading, writing = os.pipe()
    command = [str(STREAMS), "query", "--store", dsn, "--format", "json", "SELECT * FROM numbers(100000)"]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        os.close(writing)
        begun = os.read(reading, 100)
        os.close(reading)
        _, err = process.communicate()

    assert begun.startswith(b'{"number":0}\n')
    assert err == ""
    assert process.returncode == 1
