"""
Expressions decided a second time, one event at a time, to hold `streams.core.assertion` against.

An expression here is a tuple of an operator and its operands, an event a dict as in JSON. It shares no code with the
package: Python's numbers, texts and lists, None where something is missing, and True, False or None for truths.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Plain = Any
Event = Mapping[str, Any]

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def decide(part: Plain, event: Event) -> Plain:
    """Value of an expression for one event."""
    operator, *rest = part
    if operator in ("number", "text"):
        return rest[0]
    if operator == "column":
        return column(rest[0], event)
    if operator in ("in", "matches"):
        value = decide(rest[0], event)
        return None if value is None else among(value, rest[1])
    return combined(operator, rest, event)


def among(value: Plain, what: str | list[Plain]) -> bool:
    """Whether a value is one of a list, or has a pattern in it."""
    return re.search(what, value) is not None if isinstance(what, str) else value in what


def combined(operator: str, rest: list[Plain], event: Event) -> Plain:
    """Value of an operator whose operands are expressions."""
    if operator == "chain":
        return chain(rest, event)
    values = [decide(one, event) for one in rest]
    if operator == "between":
        return chain([rest[1], "<=", rest[0], "<=", rest[2]], event)
    if operator == "missing":
        return values[0] is None
    if operator in ("and", "or"):
        return junction(operator, values)
    return None if None in values else defined(apply(operator, values))


def column(name: str, event: Event) -> Plain:
    """Value of a column, or of a key of a map."""
    whole, _, key = name.partition(".")
    value = event.get(whole, {}).get(key) if key else event.get(name)
    return None if (name == "unit_id" and value == "") else defined(value)


def defined(value: Plain) -> Plain:
    """Take what is no number for nothing."""
    return None if isinstance(value, float) and math.isnan(value) else value


def junction(operator: str, values: list[bool | None]) -> bool | None:
    """Conjunction or disjunction: what decides it alone, else nothing if something is unknown, else the other."""
    decides = operator == "or"
    if decides in values:
        return decides
    return None if None in values else not decides


def chain(rest: list[Plain], event: Event) -> bool | None:
    """Comparisons side by side."""
    values = [decide(one, event) for one in rest[::2]]
    pairs = zip(values, rest[1::2], values[1:], strict=False)
    return junction("and", [None if a is None or b is None else COMPARE[sign](a, b) for a, sign, b in pairs])


def apply(operator: str, values: list[Plain]) -> Plain:
    """Apply an operator to values that are there."""
    if operator in COMPARE:
        return COMPARE[operator](*values)
    if operator == "not":
        return not values[0]
    if operator == "length":
        return float(len(values[0]))
    return arithmetic(operator, values)


def arithmetic(operator: str, values: list[float]) -> float:
    """Calculate as IEEE 754 does, where Python has errors."""
    a, *others = values
    if operator in ("min", "max"):
        return min(values) if operator == "min" else max(values)
    if operator in ("exp", "log"):
        with np.errstate(all="ignore"):
            return float(np.exp(a) if operator == "exp" else np.log(a))
    if operator == "abs":
        return abs(a)
    if operator == "/":
        return quotient(a, others[0])
    if not others:
        return -a
    results: dict[str, float] = {"+": a + others[0], "-": a - others[0], "*": a * others[0]}
    return results[operator]


def quotient(a: float, b: float) -> float:
    """Divide, also by 0."""
    if b:
        return a / b
    sign = math.copysign(1.0, a) * math.copysign(1.0, b)
    return math.nan if a == 0 or math.isnan(a) else sign * math.inf
