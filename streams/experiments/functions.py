"""
The operators of expressions that are functions of values: comparing, logic, arithmetic and lists.

All are total: what they cannot work on gives null, and null gives null. Logic is that of Kleene (1938, "On notation
for ordinal numbers", section on three values), as SQL has it: what is not known is neither true nor false, unless the
rest decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor, fmod
from types import MappingProxyType

from streams.experiments.values import Number, Value, as_number, as_text, is_number, number


@dataclass(frozen=True)
class Function:
    """An operator and how many arguments it takes: `arity` of them, or one or more where that is 0."""

    arity: int
    apply: Callable[..., Value]


def every(*values: Value) -> bool | None:
    """False if any is false, else null if any is neither, else true."""
    if any(value is False for value in values):
        return False
    return True if all(value is True for value in values) else None


def some(*values: Value) -> bool | None:
    """True if any is true, else null if any is neither, else false."""
    if any(value is True for value in values):
        return True
    return False if all(value is False for value in values) else None


def negation(value: Value) -> bool | None:
    """Turn true into false and false into true."""
    return not value if isinstance(value, bool) else None


def same(a: Value, b: Value) -> bool:
    """Whether two values are equal: of one kind, and lists and mappings in every part."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def equals(a: Value, b: Value) -> bool | None:
    """Compare two values; null if one of them is null."""
    return None if a is None or b is None else same(a, b)


def contained(value: Value, among: Value) -> bool | None:
    """Whether a list has a value."""
    if value is None or not isinstance(among, list):
        return None
    return any(same(value, item) for item in among)


def _ordering(holds: Callable[[Number, Number], bool]) -> Function:
    """Compare two numbers; texts have no order that is the same everywhere."""
    return Function(2, lambda a, b: holds(a, b) if is_number(a) and is_number(b) else None)


def _fold(step: Callable[[float, float], float]) -> Function:
    """Work on all arguments from left to right, each step in doubles."""

    def apply(*values: Value) -> Number | None:
        if not all(map(is_number, values)):
            return None
        total, *rest = (float(value) for value in values if is_number(value))
        for value in rest:
            total = step(total, value)
        return number(total)

    return Function(0, apply)


def _pair(work: Callable[[float, float], float | None]) -> Function:
    def apply(a: Value, b: Value) -> Number | None:
        found = work(float(a), float(b)) if is_number(a) and is_number(b) else None
        return None if found is None else number(found)

    return Function(2, apply)


def _modulo(a: float, b: float) -> float | None:
    """Remainder with the sign of the divisor."""
    if b == 0:
        return None
    rest = fmod(a, b)
    return rest + b if rest and (rest < 0) != (b < 0) else rest


def _whole(work: Callable[[Number], float]) -> Function:
    return Function(1, lambda value: number(float(work(value))) if is_number(value) else None)


def _item(items: Value, index: Value) -> Value:
    """Element of a list, counted from 0; null past its end."""
    if isinstance(items, list) and is_number(index) and isinstance(index, int) and 0 <= index < len(items):
        return items[index]
    return None


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "all": Function(0, every),
        "any": Function(0, some),
        "not": Function(1, negation),
        "equals": Function(2, equals),
        "in": Function(2, contained),
        "less_than": _ordering(lambda a, b: a < b),
        "at_most": _ordering(lambda a, b: a <= b),
        "more_than": _ordering(lambda a, b: a > b),
        "at_least": _ordering(lambda a, b: a >= b),
        "add": _fold(lambda a, b: a + b),
        "multiply": _fold(lambda a, b: a * b),
        "minimum": _fold(min),
        "maximum": _fold(max),
        "subtract": _pair(lambda a, b: a - b),
        "divide": _pair(lambda a, b: a / b if b else None),
        "modulo": _pair(_modulo),
        "floor": _whole(floor),
        "round": _whole(lambda value: floor(value + 0.5)),
        "item": Function(2, _item),
        "length": Function(1, lambda items: len(items) if isinstance(items, list) else None),
        "number": Function(1, as_number),
        "text": Function(1, as_text),
        "coalesce": Function(0, lambda *values: next((value for value in values if value is not None), None)),
    }
)
