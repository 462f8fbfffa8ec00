"""Parts put together with their types checked; what does not fit is an error at its position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streams.core.assertion.arithmetic import Applied
from streams.core.assertion.errors import ExpressionError, likely, shortened
from streams.core.assertion.logic import Both, Equal, Matches, Order, Textual, Truthful
from streams.core.assertion.node import (
    COLUMNS,
    MAPS,
    Length,
    ListColumn,
    Node,
    NumberColumn,
    Numeric,
    TextColumn,
    TextLiteral,
    Type,
)
from streams.core.assertion.tokens import Token

KINDS: Mapping[Type, str] = MappingProxyType(
    {"number": "a number", "text": "a text", "list": "a list", "truth": "true or false"}
)
"""What a part of each type is called."""

_INSTEAD: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("null", "none", "nan"), "`is missing`")
    | {"true": "the condition itself", "false": "`not` and the condition", "inf": "a large number"}
)


def numeric(node: Node, token: Token) -> Numeric:
    """Return a part that must be a number for what is done with it by this word."""
    if not isinstance(node, Numeric):
        raise ExpressionError(f"{token} takes numbers, but {named(node)}", token.position)
    return node


def truthful(node: Node, token: Token) -> Truthful:
    """Return a part that must be true or false."""
    if not isinstance(node, Truthful):
        raise ExpressionError(f"{token} takes conditions, but {named(node)}", token.position)
    return node


def listed(node: Node, token: Token) -> Numeric | Textual:
    """Return a part that may be looked up in a list."""
    if not isinstance(node, Numeric | TextColumn | TextLiteral):
        raise ExpressionError(f"`in` takes a number or a text, but {named(node)}", token.position)
    return node


def equal(left: Node, right: Node, token: Token) -> Equal:
    """Compare two parts of one type."""
    if left.type != right.type:
        raise ExpressionError(f"{token} takes two of a kind, but {named(left)} and {named(right)}", token.position)
    if left.type == "list":
        raise ExpressionError(f"{token} takes no lists, and {named(left)}: compare length({left})", token.position)
    if isinstance(left, TextLiteral) and isinstance(right, TextLiteral):
        raise ExpressionError(f"{token} stands between two texts, neither of them a column", token.position)
    return Equal(str(token.value), left, right)


def column(name: str, known: Collection[str], position: int) -> Node:
    """Return a column that predictions have; `known` are the names that were declared, for what may be meant."""
    if name in COLUMNS:
        return _COLUMN_OF[COLUMNS[name]](name)
    meant = likely(name, [*COLUMNS, *known])
    if name.lower() in _INSTEAD:
        meant = f": write {_INSTEAD[name.lower()]}"
    every = ", ".join([*COLUMNS, *(f"{whole}.NAME" for whole in MAPS)])
    raise ExpressionError(f"unknown column `{shortened(name)}`{meant or f'. Columns are {every}'}", position)


def column_of_map(whole: str, key: str, known: Collection[str], position: int) -> Node:
    """Return a column of a map; where columns of that map were declared it must be one of them."""
    name = f"{whole}.{key}"
    declared = [one for one in known if one.startswith(f"{whole}.")]
    if declared and name not in declared:
        meant = likely(key, known) or f". Declared are {shortened(', '.join(sorted(declared)), 200)}"
        raise ExpressionError(f"unknown column `{shortened(name)}`{meant}", position)
    return _COLUMN_OF[MAPS[whole]](name)


def function(name: str, arguments: Sequence[tuple[Node, int]], position: int) -> Node:
    """Apply a function to arguments, each with its position."""
    if name not in FUNCTIONS:
        raise ExpressionError(
            f"unknown function `{shortened(name)}`{likely(name, FUNCTIONS)}. Functions are {', '.join(FUNCTIONS)}",
            position,
        )
    known = FUNCTIONS[name]
    if not known.least <= len(arguments) <= known.most:
        raise ExpressionError(f"{name} is written {known.usage}; it was given {len(arguments)} arguments", position)
    for node, where in arguments:
        if not isinstance(node, known.takes):
            raise ExpressionError(f"{name} is written {known.usage}, but {named(node)}", where)
    try:
        return known.build(name, *(node for node, _ in arguments))
    except ValueError as error:
        raise ExpressionError(f"{name} is written {known.usage}: {error}", arguments[-1][1]) from error


def named(node: Node) -> str:
    """Say what a part is, as in "`label` is a text"."""
    return f"`{shortened(str(node))}` is {KINDS[node.type]}"


@dataclass(frozen=True)
class Function:
    """How a function is written, how many arguments it takes and which, and what it makes of its name and them."""

    usage: str
    least: int
    most: int
    takes: type | tuple[type, ...]
    build: Callable[..., Node]


def _applied(name: str, *arguments: Numeric) -> Node:
    return Applied(name, arguments)


def _between(_: str, number: Numeric, low: Numeric, high: Numeric) -> Node:
    return Both((Order("<=", low, number), Order("<=", number, high)))


def _length(_: str, of: Any) -> Node:
    return Length(of)


def _matches(_: str, text: Node, pattern: Node) -> Node:
    if not isinstance(text, TextColumn) or not isinstance(pattern, TextLiteral):
        raise ValueError("a column comes first, then a pattern in quotes")  # noqa: TRY004 - what users write
    pc.match_substring_regex(pa.array([""]), pattern.value)
    return Matches(text, pattern.value)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": Function("abs(number)", 1, 1, Numeric, _applied),
        "between": Function("between(number, low, high)", 3, 3, Numeric, _between),
        "exp": Function("exp(number)", 1, 1, Numeric, _applied),
        "length": Function("length(text or list)", 1, 1, (TextColumn, ListColumn), _length),
        "log": Function("log(number)", 1, 1, Numeric, _applied),
        "matches": Function('matches(column, "pattern")', 2, 2, (TextColumn, TextLiteral), _matches),
        "max": Function("max(number, number, ...)", 2, 100, Numeric, _applied),
        "min": Function("min(number, number, ...)", 2, 100, Numeric, _applied),
    }
)
"""All functions by name."""

_COLUMN_OF: Mapping[Type, Callable[[str], Node]] = MappingProxyType(
    {"number": NumberColumn, "text": TextColumn, "list": ListColumn}
)
