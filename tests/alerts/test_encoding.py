"""Notices as bytes: the schema that is shipped, what is read back, and records that are none."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft202012Validator

from streams.alerts.encoding import decoded, encoded
from streams.alerts.trial import trial
from streams.core.alert.monitor import STATES
from streams.core.alert.notice import CAUSES, Notice, Status
from streams.core.alert.rule import SEVERITIES
from streams.core.detect.explain import Cause as Called
from streams.core.detect.finding import Kind
from tests.alerts.making import CANARY, NOON, NOTICE, notice

FILE = Path(__file__).parents[2] / "schemas" / "alert.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
BARE = notice(
    value=None, reference=None, effect=None, low=None, high=None, label_coverage=None,
    slice=(), worst_slices=(), worst_effects=(), worst_members=(), team="", runbook="", release="",
)  # fmt: skip


def complaints(content: object) -> list[str]:
    """Say what the schema has against a message."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(content)]


def test_the_schema_has_the_fields_of_a_notice() -> None:
    """It is a schema; names and order of its fields are those of a notice, and all are required."""
    Draft202012Validator.check_schema(SCHEMA)
    names = [field.name for field in fields(Notice)]

    assert list(SCHEMA["properties"]) == SCHEMA["required"] == names
    words = {name: tuple(field["enum"]) for name, field in SCHEMA["properties"].items() if "enum" in field}
    assert words == {
        "status": get_args(Status),
        "kind": get_args(Kind),
        "severity": SEVERITIES,
        "state": STATES,
        "cause": CAUSES,
        "called": ("", *get_args(Called)),
    }


@pytest.mark.parametrize("told", [NOTICE, BARE, trial("chat", "firing", NOON), trial("chat", "resolved", NOON)])
def test_a_notice_fits_the_schema_and_comes_back(told: Notice) -> None:
    """What is written is what the schema says, and what is read is what was written; bytes are the same each time."""
    record = encoded(told)

    assert complaints(json.loads(record)) == []
    assert decoded(record) == told
    assert encoded(decoded(record)) == record


def test_fields_that_are_new_are_left_out() -> None:
    """A later version may write more."""
    assert decoded(encoded(NOTICE)[:-1] + b',"mood":"bad"}') == NOTICE


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "exploded"}, "status"),
        ({"title": 5}, "title"),
        ({"slice": CANARY}, "slice"),
        ({"worst_slices": [CANARY]}, "worst_slices"),
        ({"since": "yesterday"}, "since"),
        ({"n": None}, "n"),
    ],
)
def test_a_field_of_another_kind_is_named(changes: dict[str, Any], problem: str) -> None:
    """The schema refuses it, and reading says which, not what it holds."""
    record = {**json.loads(encoded(NOTICE)), **changes}

    assert complaints(record) != []
    with pytest.raises(ValueError, match=rf"^this is no notice of an alert: .*{problem}") as caught:
        decoded(msgspec.json.encode(record))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'{"title":"\xff"}'])
def test_what_is_no_notice_is_refused(record: bytes) -> None:
    """Whatever bytes there are, the error is one."""
    with pytest.raises(ValueError, match="this is no notice of an alert"):
        decoded(record)
