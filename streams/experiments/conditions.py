"""
Conditions on attributes, which say whom a rule is for.

A condition is true, false or, where an attribute is missing or cannot be compared, unknown (null), and a rule
matches only where its condition is true: `not` of what is unknown is unknown as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.experiments.functions import every, negation, some
from streams.experiments.reading import Node, suggestion
from streams.experiments.subject import Subject
from streams.experiments.values import as_number, as_text

Condition = Callable[[Subject], bool | None]
Test = Callable[[object], bool | None]
"""What is asked of one attribute's value, which is there."""

LARGEST = 1e300  # of a number that an attribute is compared with

_VERSION = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})")


@dataclass(frozen=True)
class Segment:
    """A named list: of units where `attribute` is None, else of values of that attribute."""

    attribute: str | None
    values: frozenset[str]


def parse_segments(node: Node) -> dict[str, Segment]:
    """Read segments by name."""
    return {name: _segment(inner) for name, inner in node.named("segments").items()}


def parse_condition(node: Node, segments: Mapping[str, Segment], unit: int) -> Condition:
    """Read a condition; `unit` says which of a subject's ids segments of units are about."""
    found = node.mapping("a condition, such as {attribute: country, in: [DE, AT]}")
    kinds = [kind for kind in _KINDS if kind in found]
    if len(kinds) != 1:
        if isinstance(node.value, Mapping):
            node.refuse(f"a condition has exactly one of the keys {', '.join(_KINDS)}: this one has {len(kinds)}")
        return lambda _: None
    fields = node.known(found, (*kinds, *TESTS, _PRESENT) if kinds == ["attribute"] else kinds)
    inner = fields.pop(kinds[0])
    if kinds == ["attribute"]:
        if len(found) == 1:
            node.refuse(f"says nothing about the attribute: add one of {', '.join((*TESTS, _PRESENT))}")
        return _attribute(node, inner.text(), fields)
    if kinds == ["segment"]:
        return _in_segment(inner, segments, unit)
    if kinds == ["not"]:
        negated = parse_condition(inner, segments, unit)
        return lambda subject: negation(negated(subject))
    parts = [parse_condition(item, segments, unit) for item in inner.items(least=1)]
    join = every if kinds == ["all"] else some
    return lambda subject: join(*(holds(subject) for holds in parts))


def _segment(node: Node) -> Segment:
    fields = node.fields(("units", "attribute", "values"))
    if "units" in fields and len(fields) == 1:
        return Segment(None, frozenset(item.text() for item in fields["units"].items()))
    if fields.keys() == {"attribute", "values"}:
        return Segment(fields["attribute"].text(), frozenset(item.text() for item in fields["values"].items()))
    if isinstance(node.value, Mapping):
        node.refuse("a segment is a list of `units`, or an `attribute` and a list of its `values`")
    return Segment(None, frozenset())


def _in_segment(node: Node, segments: Mapping[str, Segment], unit: int) -> Condition:
    name = node.text()
    segment = segments.get(name)
    if segment is None:
        if name:
            node.refuse(f"the segment {name} is not declared{suggestion(name, segments)}")
        return lambda _: None
    values = segment.values
    if segment.attribute is None:
        return lambda subject: subject.ids[unit] in values
    return _tested(segment.attribute, [_among(values)])


def _attribute(node: Node, name: str, fields: Mapping[str, Node]) -> Condition:
    tests = [TESTS[key](value) for key, value in fields.items() if key != _PRESENT]
    if _PRESENT not in fields:
        return _tested(name, tests)
    if tests:
        node.refuse("`present` stands alone: the other tests only hold where the attribute is there")
    present = fields[_PRESENT].flag()
    return lambda subject: (subject.attributes.get(name) is not None) is present


def _tested(name: str, tests: list[Test]) -> Condition:
    if len(tests) == 1:
        (only,) = tests

        def one(subject: Subject) -> bool | None:
            value = subject.attributes.get(name)
            return None if value is None else only(value)

        return one

    def several(subject: Subject) -> bool | None:
        value = subject.attributes.get(name)
        return None if value is None else every(*(test(value) for test in tests))

    return several


def _among(values: frozenset[str]) -> Test:
    def test(value: object) -> bool | None:
        text = value if type(value) is str else as_text(value)  # what nearly all are, without a call
        return None if text is None else text in values

    return test


def _equals(node: Node) -> Test:
    return _among(frozenset({node.text()}))


def _in(node: Node) -> Test:
    return _among(frozenset(item.text() for item in node.items(least=1)))


def _starts_with(node: Node) -> Test:
    start = node.text()

    def test(value: object) -> bool | None:
        text = as_text(value)
        return None if text is None else text.startswith(start)

    return test


def _numeric(holds: Callable[[float, float], bool]) -> Callable[[Node], Test]:
    def parse(node: Node) -> Test:
        bound = node.number(-LARGEST, LARGEST)

        def test(value: object) -> bool | None:
            found = as_number(value)
            return None if found is None else holds(found, bound)

        return test

    return parse


def _versioned(holds: Callable[[tuple[int, ...], tuple[int, ...]], bool]) -> Callable[[Node], Test]:
    def parse(node: Node) -> Test:
        bound = _version(node.text())
        if bound is None:
            node.refuse(f'{node.value} is no version: write up to eight numbers with dots, such as "4.12"')

        def test(value: object) -> bool | None:
            found = _version(as_text(value))
            return None if found is None or bound is None else holds(found, bound)

        return test

    return parse


def _version(text: str | None) -> tuple[int, ...] | None:
    """Read a version as numbers without zeros at the end, so that 4.0 is 4; None if it is none."""
    match = _VERSION.fullmatch(text or "")
    if match is None:
        return None
    numbers = [int(piece) for piece in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


TESTS: Mapping[str, Callable[[Node], Test]] = {
    "equals": _equals,
    "in": _in,
    "less_than": _numeric(lambda a, b: a < b),
    "at_most": _numeric(lambda a, b: a <= b),
    "more_than": _numeric(lambda a, b: a > b),
    "at_least": _numeric(lambda a, b: a >= b),
    "starts_with": _starts_with,
    "version_below": _versioned(lambda a, b: a < b),
    "version_at_least": _versioned(lambda a, b: a >= b),
}
_PRESENT = "present"
_KINDS = ("attribute", "segment", "all", "any", "not")
