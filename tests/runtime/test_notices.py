"""Notices as messages: what the table `alerts` says, in JSON as the schema has it, and read back as they were."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streams.core.alert.notice import CAUSES, Notice, from_json
from streams.core.detect.rows import alert_rows
from streams.runtime.notices import notice_records, notices
from streams.sinks.clickhouse.rows import SCHEMAS, checked
from tests.alerts.making import NOTICE
from tests.sinks.filled import records

FILE = Path(__file__).parents[2] / "schemas" / "alert.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))

numbers = st.floats(-1e300, 1e300)
slices = st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3).map(lambda of: tuple(sorted(of.items())))
times = st.integers(0, 4_000_000_000_000_000)
worst = st.lists(st.tuples(slices, numbers), max_size=5)


@st.composite
def any_notices(draw: st.DrawFn) -> Notice:
    """Draw a notice with anything in it that differs between notices."""
    unknown = ("value", "reference", "effect", "low", "high", "label_coverage")
    named = draw(worst)
    changes: dict[str, Any] = {name: draw(st.none() | numbers) for name in unknown}
    changes |= {name: draw(times) for name in ("tick", "since", "since_low", "since_high", "opened")}
    changes |= {name: draw(st.text(max_size=20)) for name in ("title", "team", "watch", "release", "query")}
    changes |= {"revision": draw(st.integers(1, 2**32 - 1)), "flapping": draw(st.booleans()), "slice": draw(slices)}
    changes |= {"cause": draw(st.sampled_from(CAUSES)), "worst_slices": tuple(slice_ for slice_, _ in named)}
    changes |= {"worst_effects": tuple(effect for _, effect in named)}
    return replace(NOTICE, **changes, worst_members=tuple(draw(st.lists(st.text(max_size=9), max_size=3))))


def messages(*tables: pa.Table) -> list[dict[str, Any]]:
    """Return what the messages of rows say."""
    return [json.loads(value or b"") for _, value in notice_records(tables)]


def complaints(content: dict[str, Any]) -> list[str]:
    """Say what the schema has against a message."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(content)]


def test_the_schema_has_the_fields_of_a_notice() -> None:
    """It is a schema, and requires just what a notice has, which is what its row has, the number under its own name."""
    Draft202012Validator.check_schema(SCHEMA)
    named = {field.name for field in fields(Notice)}

    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == named
    assert set(SCHEMAS["alerts"].names) - {"sequence"} == named


def test_messages_are_as_the_schema_says() -> None:
    """Every row gives one message, in the order of the rows, which the schema accepts."""
    rows = records()["alerts"]
    said = messages(rows)

    assert [(one["dedup_key"], one["revision"]) for one in said] == [("5f0c1d", 1), ("5f0c1d", 2), ("77aa", 1)]
    assert [complaint for one in said for complaint in complaints(one)] == []


@given(st.lists(any_notices(), min_size=1, max_size=3), st.integers(0, 2**64 - 1))
def test_notices_are_read_back_as_they_were(told: list[Notice], revision: int) -> None:
    """Through the row of the store and the message of the topic a notice is the same, whatever the row's revision."""
    rows = checked("alerts", alert_rows(told, revision))

    assert rows.schema == SCHEMAS["alerts"]
    assert [from_json(one) for one in messages(rows)] == told
    assert [from_json(one) for one in notices([rows])] == told


def test_the_key_of_a_message_is_the_model() -> None:
    """Notices of one model keep their order; each table's rows come after those of the one before."""
    first, second = alert_rows([NOTICE], 1), alert_rows([replace(NOTICE, model="ranker", revision=2)], 1)

    assert [key for key, _ in notice_records([first, second])] == [b"flights", b"ranker"]
    assert [one["revision"] for one in messages(first, second)] == [1, 2]


@pytest.mark.parametrize("times_made", [1, 2])
def test_a_notice_that_is_made_again_is_the_same_message(times_made: int) -> None:
    """What another worker makes again differs in the row's revision only, which no message has."""
    assert notice_records([alert_rows([NOTICE], times_made)]) == notice_records([alert_rows([NOTICE], 7)])


def test_no_rows_are_no_messages() -> None:
    """Nothing is appended where nothing is told."""
    assert notice_records([]) == notice_records([alert_rows([], 1)]) == []
