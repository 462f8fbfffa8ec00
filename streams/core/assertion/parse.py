"""
From the text of an expression to its typed parts; nothing that is written in one is ever run as a program.

    either     = both {"or" both}
    both       = negation {"and" negation}
    negation   = "not" negation | comparison
    comparison = sum [order sum {order sum} | equal sum | ["not"] "in" list | "is" ["not"] "missing"]
    sum        = product {("+" | "-") product}
    product    = sign {("*" | "/") sign}
    sign       = "-" sign | whole
    whole      = number | text | column | function "(" either {"," either} ")" | "(" either ")"
    column     = name | name "." name | name "[" text "]"

Types are checked as parts are put together, so that an error knows its place. How deep parts may stand in one another
and how many there may be is bounded, which bounds the stack and the time of whatever walks over them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NoReturn, TypeVar

from streams.core.assertion.arithmetic import Arithmetic, Negative, Number
from streams.core.assertion.building import column, column_of_map, equal, function, listed, named, numeric, truthful
from streams.core.assertion.errors import ExpressionError
from streams.core.assertion.logic import Both, Either, Member, Missing, Not, Order, Textual, Truthful
from streams.core.assertion.node import MAPS, Node, Numeric, TextLiteral
from streams.core.assertion.tokens import KEYWORDS, Token, tokenize

MAX_DEPTH = 32
"""Parentheses, functions and signs that may stand in one another."""

MAX_PARTS = 200
"""Operators, columns and literals of an expression; the items of its lists are not counted."""

T = TypeVar("T", bound=Node)

_ORDERS, _EQUALS = ("<", "<=", ">", ">="), ("==", "!=")


def parse_expression(text: str, columns: Collection[str] | None = None) -> Node:
    """
    Read an expression of any type.

    Parameters
    ----------
    text
        The expression.
    columns
        Names of the maps' columns that there are, such as "features.amount"; with None, or where none of a map is
        among them, all names in that map are allowed.

    Raises
    ------
    ExpressionError
        If it cannot be understood, with the position.

    >>> str(parse_expression("(0 <= score) and ((features.a + 1) * 2 < 3)"))
    '0 <= score and (features.a + 1) * 2 < 3'
    """
    return _Parser(text, columns).read()


def parse_condition(text: str, columns: Collection[str] | None = None) -> Truthful:
    """
    Read an expression that is true or false of an event, as `parse_expression` does.

    Raises
    ------
    ExpressionError
        If it cannot be understood, is neither true nor false, or is the same for all events.
    """
    node = parse_expression(text, columns)
    if not isinstance(node, Truthful):
        raise ExpressionError(f"{named(node)}: write a condition, such as one with < or ==", 0)
    if next(node.columns(), None) is None:
        raise ExpressionError("reads no column, so it says the same of all events", 0)
    return node


class _Parser:
    def __init__(self, text: str, columns: Collection[str] | None) -> None:
        self._tokens = tokenize(text)
        self._columns = columns or ()
        self._at = self._depth = self._parts = 0

    def read(self) -> Node:
        node = self._either()
        if self._token.kind != "end":
            self._unexpected()
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._token
        self._at += token.kind != "end"
        return token

    def _took(self, *words: str) -> Token | None:
        """Take the next word if it is one of these."""
        return self._take() if self._token.is_word(*words) else None

    def _need(self, word: str) -> Token:
        token = self._took(word)
        if token is None:
            raise ExpressionError(f"expected `{word}`, found {self._token}", self._token.position)
        return token

    def _unexpected(self) -> NoReturn:
        token = self._token
        if token.is_word(*_ORDERS, *_EQUALS):
            raise ExpressionError(f"{token} follows a comparison: put that into parentheses", token.position)
        raise ExpressionError(f"{token} was not expected here", token.position)

    def _made(self, node: T, token: Token) -> T:
        """Count a part."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ExpressionError(f"has too many parts: at most {MAX_PARTS} are allowed", token.position)
        return node

    def _inside(self, read: Callable[[], T], token: Token) -> T:
        """Read something that stands inside of something else."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"is nested too deep: at most {MAX_DEPTH} levels are allowed", token.position)
        node = read()
        self._depth -= 1
        return node

    def _either(self) -> Node:
        return self._joined("or", self._both, Either)

    def _both(self) -> Node:
        return self._joined("and", self._negation, Both)

    def _joined(self, word: str, read: Callable[[], Node], join: Callable[[tuple[Truthful, ...]], Truthful]) -> Node:
        nodes, token = [read()], self._token
        while self._took(word):
            nodes.append(read())
        if len(nodes) == 1:
            return nodes[0]
        return self._made(join(tuple(truthful(node, token) for node in nodes)), token)

    def _negation(self) -> Node:
        token = self._took("not")
        if token is None:
            return self._comparison()
        return self._made(Not(truthful(self._inside(self._negation, token), token)), token)

    def _comparison(self) -> Node:
        left, token = self._sum(), self._token
        if token.is_word(*_ORDERS):
            return self._order(left)
        if self._took(*_EQUALS):
            return self._made(equal(left, self._sum(), token), token)
        if self._took("is"):
            negated = self._took("not")
            self._need("missing")
            return self._perhaps_not(Missing(left), token, negated)
        if token.is_word("in", "not"):
            negated = self._took("not")
            self._need("in")
            of = listed(left, token)
            return self._perhaps_not(Member(of, self._items(of)), token, negated)
        return left

    def _perhaps_not(self, node: Truthful, token: Token, negated: Token | None) -> Truthful:
        made = self._made(node, token)
        return self._made(Not(made), token) if negated else made

    def _order(self, left: Node) -> Truthful:
        """Read `a < b`, or `a < b <= c`, which means `a < b and b <= c`."""
        first, orders = self._token, []
        while token := self._took(*_ORDERS):
            right = self._sum()
            orders.append(Order(str(token.value), numeric(left, token), numeric(right, token)))
            self._made(orders[-1], token)
            left = right
        return orders[0] if len(orders) == 1 else self._made(Both(tuple(orders)), first)

    def _items(self, left: Numeric | Textual) -> tuple[float, ...] | tuple[str, ...]:
        """Read the literals of a list, which are of the type of what is looked up."""
        self._need("(")
        items = [self._item(left)]
        while self._took(","):
            items.append(self._item(left))
        self._need(")")
        return tuple(items)  # type: ignore[return-value]  # all are of one type

    def _item(self, left: Numeric | Textual) -> float | str:
        sign = -1.0 if self._took("-") else 1.0
        token = self._take()
        kind = "number" if isinstance(left, Numeric) else "text"
        if token.kind != kind or (sign < 0 and kind == "text"):
            raise ExpressionError(f"{named(left)}, so its list holds {kind}s; found {token}", token.position)
        return sign * token.value if isinstance(token.value, float) else token.value

    def _sum(self) -> Node:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/"), self._sign)

    def _chain(self, operators: tuple[str, ...], read: Callable[[], Node]) -> Node:
        node = read()
        while token := self._took(*operators):
            right = read()
            node = self._made(Arithmetic(str(token.value), numeric(node, token), numeric(right, token)), token)
        return node

    def _sign(self) -> Node:
        token = self._took("-")
        if token is None:
            return self._whole()
        node = numeric(self._inside(self._sign, token), token)
        return Number(-node.value) if isinstance(node, Number) else self._made(Negative(node), token)

    def _whole(self) -> Node:
        token = self._token
        if self._took("("):
            node = self._inside(self._either, token)
            self._need(")")
            return node
        if token.kind in ("end", "sign") or token.is_word(*KEYWORDS):
            self._unexpected()
        self._take()
        if isinstance(token.value, float):
            return self._made(Number(token.value), token)
        if token.kind == "text":
            return self._made(TextLiteral(token.value), token)
        if self._took("("):
            return self._made(function(token.value, self._arguments(token), token.position), token)
        if token.value in MAPS:
            return self._made(self._of_map(token.value, token.position), token)
        return self._made(column(token.value, self._columns, token.position), token)

    def _arguments(self, token: Token) -> list[tuple[Node, int]]:
        """Read what stands in a function's parentheses, each with its position, and the closing one."""
        if self._took(")"):
            return []
        arguments = [self._argument(token)]
        while self._took(","):
            arguments.append(self._argument(token))
        self._need(")")
        return arguments

    def _argument(self, token: Token) -> tuple[Node, int]:
        position = self._token.position
        return self._inside(self._either, token), position

    def _of_map(self, whole: str, position: int) -> Node:
        kind, bracket = "name", self._took("[")
        if bracket:
            kind = "text"
        else:
            self._need(".")
        key = self._take()
        if key.kind != kind:
            raise ExpressionError(f'expected a name, as in {whole}.x or {whole}["x y"], found {key}', key.position)
        if bracket:
            self._need("]")
        return column_of_map(whole, str(key.value), self._columns, position)
