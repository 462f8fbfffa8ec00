"""From the text of an expression to its words: numbers, texts, names and signs, each with its position."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isinf
from types import MappingProxyType
from typing import Literal

from streams.core.assertion.errors import ExpressionError, shortened

MAX_LENGTH = 20_000
"""Characters of an expression; long lists of allowed values need most of them."""

KEYWORDS = frozenset({"and", "or", "not", "in", "is", "missing"})

Kind = Literal["number", "text", "name", "sign", "end"]

_WORD = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<text>"(?:[^"]|"")*"|'(?:[^']|'')*')
    |(?P<sign>==|!=|<=|>=|&&|\|\||<>|\*\*|[-+*/<>()\[\],.=&|!%])""",
    re.VERBOSE,
)
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {"=": "`==`", "&&": "`and`", "&": "`and`", "||": "`or`", "|": "`or`", "!": "`not`", "<>": "`!=`"}
    | {"**": "a product", "%": "another condition"}
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word; `value` is the number, the text without its quotes, or the word itself."""

    kind: Kind
    value: str | float
    position: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these signs or keywords, not a text that looks like one."""
        return self.kind in ("sign", "name") and self.value in words

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end"
        return f"`{shortened(f'{self.value:g}' if isinstance(self.value, float) else self.value)}`"


def tokenize(text: str) -> list[Token]:
    """
    Cut an expression into words; the last one is its end.

    Raises
    ------
    ExpressionError
        If the text is too long, or something in it is no word.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"is too long: at most {MAX_LENGTH:,} characters are allowed", MAX_LENGTH)
    half = re.search("[\ud800-\udfff]", text)
    if half is not None:
        raise ExpressionError("half of a character stands here, which no text can have", half.start())
    return [*_words(text), Token("end", "", len(text))]


def quoted(text: str) -> str:
    """
    Write a text as it stands in an expression: a quote in it is doubled, and a backslash means nothing.

    >>> quoted('a "b"').count('"')
    6
    """
    return '"' + text.replace('"', '""') + '"'


def _words(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise ExpressionError(_no_word(text[at]), at)
        kind, word = found.lastgroup, found[0]
        if kind == "number":
            yield Token("number", _number(word, at), at)
        elif kind == "text":
            yield Token("text", word[1:-1].replace(word[0] * 2, word[0]), at)
        elif kind == "name":
            yield Token("name", word, at)
        elif kind == "sign":
            yield _sign(word, at)
        at = found.end()


def _number(word: str, at: int) -> float:
    value = float(word)
    if isinf(value):
        raise ExpressionError(f"{shortened(word)} is too large for a number", at)
    return value


def _sign(word: str, at: int) -> Token:
    if word in _INSTEAD:
        raise ExpressionError(f"`{word}` means nothing here: write {_INSTEAD[word]}", at)
    return Token("sign", word, at)


def _no_word(character: str) -> str:
    if character in "\"'":
        return "the text that begins here has no end: its closing quote is missing"
    return f'{character!r} means nothing here: texts stand in quotes, unusual names in features["..."]'
