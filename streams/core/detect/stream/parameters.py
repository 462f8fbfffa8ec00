"""Parameters of a detector on a stream: which there are, what each may be, and which must be ordered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from streams.config.problems import shown, unknown

Value = float | int | str | bool | None

MOST = 1_000_000
"""The largest whole number that a parameter can be: windows stay in memory."""


class Parameter(Protocol):
    """What a parameter may be, and what it is when nothing is said."""

    @property
    def default(self) -> Value:
        """What it is when nothing is said."""
        ...

    def problem(self, value: object) -> str | None:
        """Say what it must be, if the value is not that."""
        ...


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; `without` says which of these two it may not be."""

    default: float
    low: float = 0.0
    high: float = math.inf
    without: tuple[float, ...] = (0.0,)

    def problem(self, value: object) -> str | None:
        """Say what it must be, if the value is not that."""
        if _finite(value) and self.low <= value <= self.high and value not in self.without:
            return None
        below = "" if math.isinf(self.high) else f" and {self._end(self.high, 'at most', 'below')}"
        return f"a number {self._end(self.low, 'of at least', 'above')}{below}"

    def _end(self, end: float, closed: str, open_: str) -> str:
        return f"{open_ if end in self.without else closed} {end:g}"


def probability(default: float) -> Number:
    """A probability strictly between 0 and 1."""
    return Number(default, high=1.0, without=(0.0, 1.0))


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `MOST`; or nothing, where that is the default."""

    default: int | None
    least: int = 1

    def problem(self, value: object) -> str | None:
        """Say what it must be, if the value is not that."""
        if isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= MOST:
            return None
        if value is None and self.default is None:
            return None
        return f"a whole number from {self.least} to {MOST:,}"


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    default: str
    among: tuple[str, ...]

    def problem(self, value: object) -> str | None:
        """Say what it must be, if the value is not that."""
        return None if value in self.among else f"one of {', '.join(self.among)}"


@dataclass(frozen=True)
class Switch:
    """On or off."""

    default: bool

    def problem(self, value: object) -> str | None:
        """Say what it must be, if the value is not that."""
        return None if isinstance(value, bool) else "true or false"


@dataclass(frozen=True)
class Order:
    """The parameter `small`, `times` over, is at most the parameter `large`."""

    small: str
    large: str
    times: int = 1

    def problem(self, values: Mapping[str, Value]) -> str | None:
        """Say what is not in order, if anything; a parameter that is nothing is in order."""
        small, large = values[self.small], values[self.large]
        if not isinstance(small, int | float) or not isinstance(large, int | float) or self.times * small <= large:
            return None
        often = "" if self.times == 1 else f"{self.times} times "
        return f"{often}`{self.small}` ({small}) must be at most `{self.large}` ({large})"


def complete(
    detector: str, declared: Mapping[str, Parameter], orders: tuple[Order, ...], given: Mapping[str, Value]
) -> dict[str, Value]:
    """
    Every parameter of a detector, those that are not given by their defaults.

    Raises
    ------
    ValueError
        One is unknown, has a value that it may not have, or two are out of order.

    """
    for name, value in given.items():
        if name not in declared:
            raise ValueError(f"{detector} has no parameter `{name}`{unknown(name, declared)}")
        problem = declared[name].problem(value)
        if problem is not None:
            raise ValueError(f"{detector}: `{name}` is {shown(value)}, and must be {problem}")
    values = {name: given.get(name, parameter.default) for name, parameter in declared.items()}
    for order in orders:
        problem = order.problem(values)
        if problem is not None:
            raise ValueError(f"{detector}: {problem}")
    return values
