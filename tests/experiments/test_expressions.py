"""Parameters mean what the specification says, whatever is written and whomever it is about."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.experiments import Experiments
from streams.experiments.parameters import LANGUAGE
from tests.experiments import making
from tests.experiments.interpreter import DRAWN, MANY, ONE, SPECIAL, World, holds, parameters

Plain = Any


def declare(expressions: dict[str, Plain], **more: Plain) -> Experiments:
    """One experiment with these parameters, in which everybody is."""
    experiment = {
        "arms": {"control": 1, "treatment": 1},
        "parameters": expressions,
        "defaults": dict.fromkeys(expressions, None),
        **more,
    }
    return Experiments.parse({"experiments": {"e": experiment}, "segments": making.SEGMENTS})


def value(expression: Plain, attributes: dict[str, Plain] | None = None, unit: str = "u7") -> Plain:
    """Value of one expression for a unit."""
    return declare({"x": expression}).assign(unit, attributes or {}).parameters("e")["x"]


def test_the_interpreter_knows_the_whole_language() -> None:
    """What is compared below has an operator for each of the package's."""
    assert {*ONE, *MANY, *SPECIAL, *DRAWN} == LANGUAGE.keys()


@settings(max_examples=600, deadline=None)
@given(
    first=making.EXPRESSIONS.filter(lambda expression: "parameter" not in repr(expression)),
    second=making.EXPRESSIONS,
    attributes=making.attributes(),
    unit=making.IDS,
    request=st.none() | making.IDS,
)
def test_every_expression_agrees_with_the_interpreter(
    first: Plain, second: Plain, attributes: dict[str, Plain], unit: str, request: str | None
) -> None:
    """Two parameters, the second seeing the first, have the values that a plain reading of the document gives."""
    expressions = {"first": first, "second": second}
    assigned = declare(expressions).assign(unit, attributes, request_id=request)
    ids = {"unit_id": unit} | ({} if request is None else {"request_id": request})
    world = World("e", "unit_id", ids, attributes, assigned.arms["e"], making.SEGMENTS)

    assert repr(assigned.parameters("e")) == repr(parameters(expressions, world))


@settings(max_examples=400, deadline=None)
@given(condition=making.CONDITIONS, attributes=making.attributes(), unit=making.IDS)
def test_every_condition_agrees_with_the_interpreter(condition: Plain, attributes: dict[str, Plain], unit: str) -> None:
    """Conditions are true, false or unknown as a plain reading of the document says."""
    world = World("e", "unit_id", {"unit_id": unit}, attributes, "control", making.SEGMENTS)

    assert value({"when": condition}, attributes, unit) is holds(condition, world)
