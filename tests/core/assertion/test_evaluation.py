"""What expressions come to, against an interpreter that goes through events one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from streams.core.assertion.events import Events, MapColumn
from streams.core.assertion.parse import parse_expression
from streams.core.assertion.rules import Expect, Rule, compile_rules
from tests.core.assertion.interpreter import Plain, decide
from tests.core.assertion.making import batch, conditions, events, number_parts, write

EVENT = {
    "score": 0.25,
    "label": "yes",
    "unit_id": "",
    "ranking": ["a", "b"],
    "features": {"age": 41.0, "none": float("nan"), "far": float("inf")},
    "attributes": {"country": "DE"},
}


def verdicts(expression: str, table: pa.RecordBatch, when: str | None = None) -> list[bool | None]:
    """Whether a rule holds for each event that it is about; None where there is no telling."""
    found = compile_rules([Rule("r", "m", Expect(expression), when)]).check(table)
    pairs = [(f, n) for one in found for f, n in zip(one.failed.tolist(), one.not_applicable.tolist(), strict=True)]
    return [None if unknown else not failed for failed, unknown in pairs]


@given(conditions(), events())
@settings(max_examples=400)
def test_conditions_are_as_one_by_one(part: Plain, rows: list[dict[str, Any]]) -> None:
    """Any condition is true, false or unknown of any event as the interpreter finds it."""
    assert verdicts(f"({write(part)}) and (1 < 2 or score > 0)", batch(rows)) == [decide(part, row) for row in rows]


@given(number_parts(), events())
@settings(max_examples=200)
def test_numbers_are_as_one_by_one(part: Plain, rows: list[dict[str, Any]]) -> None:
    """Any arithmetic comes to the interpreter's very number, or is missing with it."""
    node: Any = parse_expression(write(part))
    with np.errstate(all="ignore"):
        found = np.broadcast_to(node.numbers(Events(batch(rows))), len(rows)).tolist()

    assert [None if np.isnan(value) else value for value in found] == [decide(part, row) for row in rows]


@given(conditions(), conditions(), events())
def test_rules_have_conditions(when: Plain, expect: Plain, rows: list[dict[str, Any]]) -> None:
    """Events for which `when` is false are left out; those for which it is unknown are not applicable."""
    about = [(decide(when, row), decide(expect, row)) for row in rows]
    expected = [holds if applies else None for applies, holds in about if applies is not False]
    always = "(1 < 2 or score > 0)"

    assert verdicts(f"({write(expect)}) and {always}", batch(rows), f"({write(when)}) and {always}") == expected


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("score == 0.25 and score != 0.3", True),
        ("0 <= score < 0.25", False),
        ("latency_ms < 500", None),
        ("latency_ms < 500 or score < 1", True),
        ("latency_ms < 500 and score > 1", False),
        ("not latency_ms < 500", None),
        ("latency_ms is missing and not label is missing", True),
        ("(latency_ms < 500) is missing", True),
        ("latency_ms is not missing", False),
        ("features.none < 1", None),
        ("features.absent < 1", None),
        ("features.none is missing and features.absent is missing and unit_id is missing", True),
        ("features.far > 1e308 and -features.far < -1e308", True),
        ("features.far - features.far == 0", None),
        ("1 / (score - score) > 1e308", True),
        ("log(score - 1) < 0", None),
        ("log(score - score) < -1e308", True),
        ("exp(features.far) - 1 > 1e308", True),
        ("min(score, features.none) < 1", None),
        (
            "2 + 3 * score - -1 == 3.75 and (2 + 3) * score == 1.25 and 8 / 4 / score == 8 and 3 - 2 - score == .75",
            True,
        ),
        ('label in ("yes", "no") and label not in ("maybe")', True),
        ('attributes.country == "AT"', False),
        ('attributes["plan"] == "free"', None),
        ("length(ranking) == 2 and length(label) == 3", True),
        ('(score > 0.5) == (label == "no")', True),
        ('matches(label, "^y.s$") and not matches(label, "es.")', True),
        ("between(score, 0.25, 0.25)", True),
        ("model == 'm' and version == '1' and role == 'live'", True),
    ],
)
def test_an_expression_means_what_it_says(expression: str, holds: bool | None) -> None:
    """Operators, functions and missing values, one example each."""
    assert verdicts(expression, batch([EVENT])) == [holds]


def test_each_model_has_its_rules() -> None:
    """Rows are those of the rule's model, among those that were asked for; a model without events says nothing."""
    rows = [{"model": model, "score": score, "event_time": 7} for model, score in [("a", 1.0), ("b", 2.0), ("a", 3.0)]]
    rules = [Rule(f"of {model}", model, Expect("score > 2.5")) for model in ("a", "b", "c")]
    of_a, of_b = compile_rules(rules).check(batch(rows))
    (last,) = compile_rules(rules).check(batch(rows), np.array([2]))

    assert (of_a.rule.name, of_a.rows.tolist(), of_a.failed.tolist()) == ("of a", [0, 2], [True, False])
    assert (of_b.rule.name, of_b.rows.tolist(), of_b.times.tolist()) == ("of b", [1], [7])
    assert (last.rule.name, last.rows.tolist(), last.failed.tolist()) == ("of a", [2], [False])


def test_no_events_are_no_verdicts() -> None:
    """An empty block is checked without a word."""
    assert compile_rules([Rule("r", "m", Expect("features.a < 1 and attributes.b == 'x'"))]).check(batch([])) == []


@pytest.mark.parametrize("same", [True, False])
def test_slices_of_blocks_are_looked_into(same: bool) -> None:
    """A slice of a batch reads its own features and attributes, whether all events carry the same or not."""
    rows = [
        {"features": {"a": float(n), "b": -1.0} if same or n % 2 else {"a": float(n)}, "attributes": {"k": str(n)}}
        | {"label": None if n == 3 else str(n)}
        for n in range(6)
    ]
    table = batch(rows).slice(2, 3)

    assert verdicts("features.a >= 3 and attributes.k != '4'", table) == [False, True, False]
    assert verdicts('label == "2"', table) == verdicts('matches(label, "2")', table) == [True, None, False]
    assert verdicts('label in ("2", "3")', table) == [True, None, False]
    assert verdicts("features.b < 0", table) == [True if same else None, True, True if same else None]


def test_odd_maps_are_looked_into() -> None:
    """The last of equal keys counts, null is no value, a null map has none, and a key may be the empty text."""
    kind = pa.map_(pa.string(), pa.float64())
    twice = MapColumn(pa.array([[("a", 1.0), ("a", 2.0)], [("a", 3.0), ("a", None)]], kind))
    mixed = MapColumn(pa.array([[("a", 1.0), ("b", 0.0), ("a", 2.0)], None, [], [("", 5.0)]], kind))
    empty = MapColumn(pa.array([[("", 1.0)], [("", 2.0)]], kind))
    offsets = pa.array([0, 1, 2], pa.int32())
    hidden = pa.MapArray.from_arrays(offsets, ["a", "b"], [1.0, 2.0], type=kind, mask=pa.array([True, False]))

    assert np.array_equal(twice.numbers("a"), [2.0, np.nan], equal_nan=True)
    assert np.array_equal(mixed.numbers("a"), [2.0, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(mixed.numbers(""), [np.nan, np.nan, np.nan, 5.0], equal_nan=True)
    assert empty.numbers("").tolist() == [1.0, 2.0]
    assert np.array_equal(MapColumn(hidden).numbers("a"), [np.nan, np.nan], equal_nan=True)


def test_keys_that_only_look_alike_are_told_apart() -> None:
    """Names of one total length that are cut differently, or differ in one byte of one event, are not the same."""
    cut = batch([{"features": {"ab": 1.0, "c": 2.0}}, {"features": {"a": 3.0, "bc": 4.0}}])
    other = batch([{"features": {"ab": 1.0, "cd": 2.0}}, {"features": {"ab": 3.0, "ce": 4.0}}])

    assert verdicts("features.ab == 1 and features.c == 2", cut) == [True, None]
    assert verdicts("features.cd == 2", other) == [True, None]
