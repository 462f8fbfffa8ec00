"""Rules are compiled together: what is wrong with any of them is said at once."""

from __future__ import annotations

import pytest

from streams.core.assertion.rules import Expect, Flicker, Rule, RulesError, compile_rules
from tests.core.assertion.making import batch


def test_all_problems_are_said_at_once() -> None:
    """Expressions that cannot be read and names that come twice are listed, each with its rule and part."""
    rules = [
        Rule("twice", "m", Expect("scoer > 1"), when="score"),
        Rule("twice", "m", Flicker(1), when="features.q > 1"),
        Rule("other", "n", Expect("features.q > 1")),
    ]
    with pytest.raises(RulesError, match="assertion twice, expect: unknown column `scoer`; did you mean") as caught:
        compile_rules(rules, {"m": ["features.a"]})

    assert [problem[:2] for problem in caught.value.problems] == [
        ("twice", "when"),
        ("twice", "expect"),
        ("twice", "when"),
        ("twice", "name"),
    ]


def test_rules_about_sequences_say_nothing_of_single_events() -> None:
    """Only rules with an expectation are checked event by event."""
    assertions = compile_rules([Rule("f", "m", Flicker(1)), Rule("e", "m", Expect("score > 0"))])

    assert [one.rule.name for one in assertions.check(batch([{"score": 1.0}]))] == ["e"]


def test_an_unknown_condition_makes_a_failure_not_applicable() -> None:
    """An event that would fail is not counted as failed while it is unknown whether the rule is about it."""
    table = batch([{"score": 1.0, "features": {"a": a}} for a in (1.0, float("nan"), 0.0)])
    (checked,) = compile_rules([Rule("r", "m", Expect("score < 1"), when="features.a > 0")]).check(table)

    assert checked.rows.tolist() == [0, 1]
    assert checked.times.tolist() == [0, 1]
    assert checked.failed.tolist() == [True, False]
    assert checked.not_applicable.tolist() == [False, True]
