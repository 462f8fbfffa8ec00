"""
Parts of expressions that are true, false or, where something is missing, unknown.

Kleene's three values (1938, "On notation for ordinal numbers", section 4): unknown is what could be either, so `false
and unknown` is false, and `true and unknown` is unknown. The truth of many events is two masks, where true and where
false; where neither, it is unknown. A comparison of NaN is neither without being looked at.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.assertion.events import Events
from streams.core.assertion.node import BOTH, COMPARISON, EITHER, NEGATION, SUM, Node, Numeric, TextColumn, TextLiteral
from streams.core.assertion.tokens import quoted
from streams.core.columns import Mask

Textual = TextColumn | TextLiteral
_OPPOSITE: Mapping[str, str] = MappingProxyType({"<": ">=", "<=": ">", ">": "<=", ">=": "<"})
_COMPARE: Mapping[str, Callable[[Any, Any], Mask]] = MappingProxyType(
    {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
)


class Truth(NamedTuple):
    """Where something is true, and where it is false; never both."""

    true: Mask
    false: Mask

    def turned(self, *, over: bool = True) -> Truth:
        """Return its opposite, or itself."""
        return Truth(self.false, self.true) if over else self


class Truthful(Node):
    """A part that is true, false or unknown."""

    type = "truth"

    @abstractmethod
    def truth(self, events: Events) -> Truth:
        """Where it is true and where it is false."""

    def missing(self, events: Events) -> Mask:
        """Mask of the events for which it is unknown."""
        truth = self.truth(events)
        return ~(truth.true | truth.false)


@dataclass(frozen=True)
class Order(Truthful):
    """Two numbers compared by <, <=, > or >=; unknown where one is missing."""

    level: ClassVar[int] = COMPARISON
    operator: str
    left: Numeric
    right: Numeric

    def __str__(self) -> str:
        return f"{self.left.within(SUM)} {self.operator} {self.right.within(SUM)}"

    def truth(self, events: Events) -> Truth:
        """Compare each pair."""
        left, right = self.left.numbers(events), self.right.numbers(events)
        return Truth(_COMPARE[self.operator](left, right), _COMPARE[_OPPOSITE[self.operator]](left, right))

    def parts(self) -> tuple[Node, ...]:
        """Both sides."""
        return (self.left, self.right)


@dataclass(frozen=True)
class Equal(Truthful):
    """Two numbers, texts or truths that are the same (==), or are not (!=); unknown where one is."""

    level: ClassVar[int] = COMPARISON
    operator: str
    left: Node
    right: Node

    def __str__(self) -> str:
        return f"{self.left.within(SUM)} {self.operator} {self.right.within(SUM)}"

    def truth(self, events: Events) -> Truth:
        """Compare each pair."""
        return _same(self.left, self.right, events).turned(over=self.operator == "!=")

    def parts(self) -> tuple[Node, ...]:
        """Both sides."""
        return (self.left, self.right)


@dataclass(frozen=True)
class Member(Truthful):
    """Whether a number or a text is one of a list; unknown where it is missing."""

    level: ClassVar[int] = COMPARISON
    of: Numeric | Textual
    items: tuple[float, ...] | tuple[str, ...]

    def __str__(self) -> str:
        items = (quoted(item) if isinstance(item, str) else repr(item).removesuffix(".0") for item in self.items)
        return f"{self.of.within(SUM)} in ({', '.join(items)})"

    def truth(self, events: Events) -> Truth:
        """Look each up in the list."""
        if isinstance(self.of, Numeric):
            numbers = self.of.numbers(events)
            inside = np.isin(numbers, np.array(self.items, np.float64))
            return Truth(inside, ~inside & ~np.isnan(numbers))
        texts = self.of.texts(events)
        inside = _bits(pc.is_in(texts, pa.array(self.items, pa.string())))
        return Truth(inside, ~inside & ~self.of.missing(events))

    def parts(self) -> tuple[Node, ...]:
        """What is looked up."""
        return (self.of,)


@dataclass(frozen=True)
class Missing(Truthful):
    """Whether something has no value, or is unknown; never unknown itself."""

    level: ClassVar[int] = COMPARISON
    of: Node

    def __str__(self) -> str:
        return f"{self.of.within(SUM)} is missing"

    def truth(self, events: Events) -> Truth:
        """Where it has no value."""
        missing = self.of.missing(events)
        return Truth(missing, ~missing)

    def parts(self) -> tuple[Node, ...]:
        """What is looked for."""
        return (self.of,)


@dataclass(frozen=True)
class Matches(Truthful):
    """Whether a regular expression (RE2, whose time is linear) is found in a text; unknown where that is missing."""

    of: TextColumn
    pattern: str

    def __str__(self) -> str:
        return f"matches({self.of}, {quoted(self.pattern)})"

    def truth(self, events: Events) -> Truth:
        """Look for the pattern in each text."""
        return _known(pc.match_substring_regex(self.of.texts(events), self.pattern))

    def parts(self) -> tuple[Node, ...]:
        """Where it is looked for."""
        return (self.of,)


@dataclass(frozen=True)
class Not(Truthful):
    """The opposite; unknown stays unknown."""

    level: ClassVar[int] = NEGATION
    of: Truthful

    def __str__(self) -> str:
        return f"not {self.of.within(NEGATION)}"

    def truth(self, events: Events) -> Truth:
        """Turn each over."""
        return self.of.truth(events).turned()

    def parts(self) -> tuple[Node, ...]:
        """What is turned over."""
        return (self.of,)


@dataclass(frozen=True)
class Both(Truthful):
    """All of several: false where one is false, true where all are true."""

    level: ClassVar[int] = BOTH
    of: tuple[Truthful, ...]

    def __str__(self) -> str:
        return " and ".join(part.within(BOTH + 1) for part in self.of)

    def truth(self, events: Events) -> Truth:
        """Combine the parts."""
        true, false = self.of[0].truth(events)
        for part in self.of[1:]:
            other = part.truth(events)
            true, false = true & other.true, false | other.false
        return Truth(true, false)

    def parts(self) -> tuple[Node, ...]:
        """The several."""
        return self.of


@dataclass(frozen=True)
class Either(Truthful):
    """At least one of several: true where one is true, false where all are false."""

    level: ClassVar[int] = EITHER
    of: tuple[Truthful, ...]

    def __str__(self) -> str:
        return " or ".join(part.within(EITHER + 1) for part in self.of)

    def truth(self, events: Events) -> Truth:
        """Combine the parts."""
        true, false = self.of[0].truth(events)
        for part in self.of[1:]:
            other = part.truth(events)
            true, false = true | other.true, false & other.false
        return Truth(true, false)

    def parts(self) -> tuple[Node, ...]:
        """The several."""
        return self.of


def _same(left: Node, right: Node, events: Events) -> Truth:
    """Where two parts of one type are the same, and where they differ."""
    if isinstance(left, Numeric) and isinstance(right, Numeric):
        one, other = left.numbers(events), right.numbers(events)
        return Truth(one == other, (one < other) | (one > other))
    if isinstance(left, Truthful) and isinstance(right, Truthful):
        a, b = left.truth(events), right.truth(events)
        return Truth((a.true & b.true) | (a.false & b.false), (a.true & b.false) | (a.false & b.true))
    if isinstance(left, Textual) and isinstance(right, Textual):
        return _known(pc.equal(left.texts(events), right.texts(events)))
    raise TypeError(
        f"{left} is a {left.type} and {right} a {right.type}: there is no telling whether they are the same"
    )


def _known(found: pa.BooleanArray) -> Truth:
    """Take Arrow's truths for ours: null is unknown."""
    true, known = _bits(found), _bits(found.is_valid())
    return Truth(true & known, ~true & known)


def _bits(found: pa.BooleanArray) -> Mask:
    """Return the bits of an array; what they are where it is null means nothing."""
    packed = np.frombuffer(found.buffers()[1], np.uint8)
    bits: Mask = np.unpackbits(packed, bitorder="little")[found.offset : found.offset + len(found)].view(np.bool_)
    return bits
