"""Parts of expressions that come to a number. What comes to no number, such as log(-1), is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from streams.core.assertion.events import Events
from streams.core.assertion.node import PRODUCT, SIGN, SUM, Node, Numeric
from streams.core.columns import Floats

_OPERATORS: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
)
_OF_ONE: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType({"abs": np.abs, "log": np.log, "exp": np.exp})
_OF_SEVERAL: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {"min": np.minimum, "max": np.maximum}  # both are NaN where one of the two is
)


@dataclass(frozen=True)
class Number(Numeric):
    """A number that stands in the expression."""

    value: float

    def __str__(self) -> str:
        return repr(self.value).removesuffix(".0")

    def numbers(self, events: Events) -> Floats:  # noqa: ARG002 - it is the same for all events
        """Its value, for all events."""
        return np.array(self.value, np.float64)


@dataclass(frozen=True)
class Negative(Numeric):
    """The number with the other sign."""

    level: ClassVar[int] = SIGN
    of: Numeric

    def __str__(self) -> str:
        return f"-{self.of.within(SIGN)}"

    def numbers(self, events: Events) -> Floats:
        """Each number with the other sign."""
        return -self.of.numbers(events)

    def parts(self) -> tuple[Node, ...]:
        """What is negated."""
        return (self.of,)


@dataclass(frozen=True)
class Arithmetic(Numeric):
    """A sum, difference, product or quotient, as IEEE 754 has them: 1 / 0 is infinite, 0 / 0 is missing."""

    operator: str
    left: Numeric
    right: Numeric

    @property
    def level(self) -> int:  # type: ignore[override]
        """That of its operator."""
        return SUM if self.operator in ("+", "-") else PRODUCT

    def __str__(self) -> str:
        return f"{self.left.within(self.level)} {self.operator} {self.right.within(self.level + 1)}"

    def numbers(self, events: Events) -> Floats:
        """Apply the operator to each pair."""
        return _OPERATORS[self.operator](self.left.numbers(events), self.right.numbers(events))

    def parts(self) -> tuple[Node, ...]:
        """Both sides."""
        return (self.left, self.right)


@dataclass(frozen=True)
class Applied(Numeric):
    """A function of numbers: abs, log (natural) and exp of one, min and max of several."""

    name: str
    arguments: tuple[Numeric, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"

    def numbers(self, events: Events) -> Floats:
        """Apply the function to the arguments of each event; missing where one of them is."""
        values = [argument.numbers(events) for argument in self.arguments]
        if self.name in _OF_ONE:
            return _OF_ONE[self.name](values[0])
        return reduce(_OF_SEVERAL[self.name], values)

    def parts(self) -> tuple[Node, ...]:
        """Its arguments."""
        return self.arguments
