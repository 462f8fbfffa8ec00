"""
The values of expressions, and what operators make of them: null, true and false, numbers, texts, lists and mappings.

Null stands for what is not known. An operator that is given what it cannot work on gives null instead of failing: a
service must not fall over a declaration. Numbers are doubles; whole ones up to 2**53 are shown as such. What is added,
compared or chosen here must come out alike in every language, so that there is nothing whose last bit may differ.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TypeGuard

from streams.experiments.reading import LARGEST_WHOLE

Value = object
Number = int | float

_DECIMAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_MOST_DIGITS = 400  # of a text that is read as a number


def number(value: float) -> Number | None:
    """Write a double as a whole number where it is one; null where it is infinite or not a number."""
    if not isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= LARGEST_WHOLE else value


def plain(value: object) -> Value:
    """Take over a value from outside, such as an attribute; null where it is of no kind that there is here."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_WHOLE else None
    if isinstance(value, float):
        return number(value)
    return [plain(item) for item in value] if isinstance(value, list | tuple) else None


def as_number(value: object) -> Number | None:
    """Read a number, or a text that is a plain decimal one; null for anything else."""
    if type(value) is int and -LARGEST_WHOLE <= value <= LARGEST_WHOLE:
        return value
    if isinstance(value, str):
        is_decimal = len(value) <= _MOST_DIGITS and _DECIMAL.fullmatch(value)
        return number(float(value)) if is_decimal else None
    found = plain(value)
    return found if is_number(found) else None


def as_text(value: object) -> str | None:
    """
    Write a text, a whole number, true or false as text; null for anything else, which languages write differently.

    >>> as_text("DE"), as_text(7), as_text(7.0), as_text(True), as_text(0.5)
    ('DE', '7', '7', 'true', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    found = plain(value)
    return str(found) if isinstance(found, int) else None


def is_number(value: Value) -> TypeGuard[Number]:
    """Whether a value is a number: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
