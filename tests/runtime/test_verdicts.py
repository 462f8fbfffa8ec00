"""Verdicts as messages: what the table says, in JSON as the schema has it, in the partition of the experiment."""

from __future__ import annotations

import json
import math
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streams.runtime.kafka import shard_of
from streams.runtime.verdicts import verdict_records
from streams.sinks.clickhouse.rows import SCHEMAS
from tests.sinks.filled import FIRST, records, verdict_row, verdicts

FILE = Path(__file__).parents[2] / "schemas" / "verdict.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def message(**changes: Any) -> dict[str, Any]:
    """Return the one message of a row."""
    ((_, value),) = verdict_records([verdicts(verdict_row(**changes))], 1)[0]
    decoded: dict[str, Any] = json.loads(value or b"", parse_constant=refuse)
    return decoded


def refuse(constant: str) -> None:
    """Refuse what JSON has no word for."""
    raise ValueError(f"{constant} is not JSON")


def complaints(content: dict[str, Any]) -> list[str]:
    """Say what the schema has against a message."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(content)]


def nulls(field: dict[str, Any]) -> bool:
    """Whether a field of the schema may be null."""
    return "null" in field["type"]


def test_the_schema_has_the_columns_of_the_table() -> None:
    """It is a schema; names, order and nullability of its fields are those of the table, and all are required."""
    Draft202012Validator.check_schema(SCHEMA)
    fields = [(name, nulls(field)) for name, field in SCHEMA["properties"].items()]

    assert fields == [(column.name, column.nullable) for column in SCHEMAS["verdicts"]]
    assert SCHEMA["required"] == SCHEMAS["verdicts"].names


def test_messages_are_as_the_schema_says() -> None:
    """Every row gives one message with the table's fields in its order, which the schema accepts."""
    rows = records()["verdicts"]
    said = [json.loads(value or b"") for _, value in verdict_records([rows], 1)[0]]

    assert len(said) == rows.num_rows == 3
    assert all(list(content) == rows.column_names for content in said)
    assert [complaint for content in said for complaint in complaints(content)] == []


def test_a_message_says_what_the_row_says() -> None:
    """Times are ISO 8601 in UTC with microseconds, nulls are null, everything else is as it was."""
    row = verdict_row(tick=FIRST + timedelta(microseconds=7), first_reached=FIRST, effect=None, revision=(1 << 63) + 1)
    times = {"tick": "2013-01-01T00:00:00.000007Z", "first_reached": "2013-01-01T00:00:00.000000Z"}

    assert message(**row) == row | times


@pytest.mark.parametrize("name", ["effect", "low", "high", "arm_value", "control_value", "needed"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_may_be_unknown_is_null_where_json_has_no_number(name: str, value: float) -> None:
    """The open end of an interval, and what is undefined, are null."""
    content = message(**{name: value})

    assert content[name] is None
    assert complaints(content) == []


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_evidence_without_bound_stays_evidence(sign: float) -> None:
    """An infinite e-value is the largest double, on its side of none."""
    content = message(log_e=sign * math.inf)

    assert content["log_e"] == sign * sys.float_info.max
    assert complaints(content) == []


@pytest.mark.parametrize(
    "change",
    [{"verdict": "fine"}, {"kind": "metric"}, {"tick": "2013-01-01T00:00:00Z"}, {"p": 2}, {"n_arm": None}, {"arm": 1}],
    ids=str,
)
def test_the_schema_refuses_what_is_none(change: dict[str, object]) -> None:
    """Unknown words, times of another form, numbers out of range and nulls that may not be are refused."""
    assert len(complaints(message() | change)) >= 1


def test_a_message_goes_where_its_experiment_is() -> None:
    """The key is the experiment's name, the partition that of the key; an experiment's messages keep their order."""
    names = [f"experiment {number}" for number in range(20)]
    tables = [
        verdicts(*(verdict_row(experiment=name, tick=FIRST + timedelta(days=day)) for name in names)) for day in (1, 2)
    ]
    sent = verdict_records(tables, 4)
    days: dict[str, list[str]] = {name: [] for name in names}
    for shard, of_shard in sent.items():
        for key, value in of_shard:
            content = json.loads(value or b"")
            days[content["experiment"]].append(content["tick"][:10])
            assert key == content["experiment"].encode()
            assert shard == shard_of(content["experiment"], 4)

    assert set(sent) == {0, 1, 2, 3}
    assert list(days.values()) == [["2013-01-02", "2013-01-03"]] * 20


def test_no_rows_are_no_messages() -> None:
    """Nothing is appended where nothing was found."""
    assert verdict_records([verdicts()], 3) == verdict_records([], 3) == {}
