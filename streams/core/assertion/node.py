"""The parts of an expression: what every part says of itself, and the columns that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.assertion.events import Events
from streams.core.assertion.tokens import quoted
from streams.core.columns import Floats, Mask, from_arrow

Type = Literal["number", "text", "list", "truth"]

EITHER, BOTH, NEGATION, COMPARISON, SUM, PRODUCT, SIGN, WHOLE = range(8)
"""How tightly a part holds together; a part within one that holds tighter is written in parentheses."""

COLUMNS: Mapping[str, Type] = MappingProxyType(
    {
        "score": "number",
        "label": "text",
        "latency_ms": "number",
        "model": "text",
        "version": "text",
        "role": "text",
        "unit_id": "text",
        "ranking": "list",
    }
)
"""Columns of a prediction that a rule may name, beside those of the maps."""

MAPS: Mapping[str, Type] = MappingProxyType({"features": "number", "attributes": "text"})
"""Maps of a prediction, and what their values are."""


class Node(ABC):
    """A part of an expression; its text is how it would be written, with no more parentheses than it needs."""

    type: ClassVar[Type]
    level: ClassVar[int] = WHOLE

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def missing(self, events: Events) -> Mask:
        """Mask of the events for which it has no value; one value where it reads no column."""

    def parts(self) -> tuple[Node, ...]:
        """Return the parts that it is made of."""
        return ()

    def columns(self) -> Iterator[str]:
        """Names of the columns that it reads, some perhaps more than once."""
        for part in self.parts():
            yield from part.columns()

    def within(self, level: int) -> str:
        """Return its text as it stands in a part of this level."""
        return str(self) if self.level >= level else f"({self})"


class Numeric(Node):
    """A part that comes to a number; NaN stands for a missing one."""

    type = "number"

    @abstractmethod
    def numbers(self, events: Events) -> Floats:
        """One number an event, or one for all where it reads no column."""

    def missing(self, events: Events) -> Mask:
        """Mask of the events for which it is NaN."""
        missing: Mask = np.isnan(self.numbers(events))
        return missing


@dataclass(frozen=True)
class NumberColumn(Numeric):
    """A column of numbers, such as `score` or `features.amount`."""

    name: str

    def __str__(self) -> str:
        return written(self.name)

    def numbers(self, events: Events) -> Floats:
        """Its values; NaN where there is none."""
        return events.numbers(self.name)

    def columns(self) -> Iterator[str]:
        """Its own name."""
        yield self.name


@dataclass(frozen=True)
class TextColumn(Node):
    """A column of texts, such as `label` or `attributes.country`."""

    type = "text"
    name: str

    def __str__(self) -> str:
        return written(self.name)

    def texts(self, events: Events) -> pa.Array:
        """Its values; null where there is none."""
        return events.texts(self.name)

    def missing(self, events: Events) -> Mask:
        """Mask of the events that have none."""
        return from_arrow(self.texts(events).is_null())

    def columns(self) -> Iterator[str]:
        """Its own name."""
        yield self.name


@dataclass(frozen=True)
class ListColumn(Node):
    """A column of lists, which is `ranking`."""

    type = "list"
    name: str

    def __str__(self) -> str:
        return written(self.name)

    def missing(self, events: Events) -> Mask:
        """Mask of the events that have none; an empty list is one."""
        return from_arrow(events.column(self.name).is_null())

    def columns(self) -> Iterator[str]:
        """Its own name."""
        yield self.name


@dataclass(frozen=True)
class TextLiteral(Node):
    """A text that stands in the expression."""

    type = "text"
    value: str

    def __str__(self) -> str:
        return quoted(self.value)

    def texts(self, events: Events) -> pa.Scalar:  # noqa: ARG002 - it is the same for all events
        """Its value, for all events."""
        return pa.scalar(self.value)

    def missing(self, events: Events) -> Mask:  # noqa: ARG002 - as above
        """It is never missing."""
        return np.zeros((), np.bool_)


@dataclass(frozen=True)
class Length(Numeric):
    """The characters of a text, or the items of a ranking."""

    of: TextColumn | ListColumn

    def __str__(self) -> str:
        return f"length({self.of})"

    def numbers(self, events: Events) -> Floats:
        """How long each is; NaN where there is none."""
        if isinstance(self.of, ListColumn):
            lengths = pc.list_value_length(events.column(self.of.name))
        else:
            lengths = pc.utf8_length(self.of.texts(events))
        return from_arrow(lengths.cast(pa.float64()).fill_null(np.nan))

    def parts(self) -> tuple[Node, ...]:
        """What is measured."""
        return (self.of,)


def written(name: str) -> str:
    """
    Write the name of a column as it stands in an expression.

    >>> written("features.amount"), written("features.amount in EUR")
    ('features.amount', 'features["amount in EUR"]')
    """
    whole, _, key = name.partition(".")
    plain = key.isascii() and key.isidentifier()
    return f"{whole}[{quoted(key)}]" if "." in name and not plain else name
