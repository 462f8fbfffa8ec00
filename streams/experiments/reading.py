"""
Reads plain data (mappings, lists, texts, numbers) of a declaration, and collects every problem with its place.

A reading method that finds something wrong notes it and returns a harmless stand-in, so that reading goes on and all
problems are found at once; whoever reads looks at the problems at the end and uses nothing if there are any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite

Where = tuple[int | str, ...]
Problem = tuple[Where, str]

MAX_DEPTH = 40
MAX_VALUES = 200_000
LARGEST_WHOLE = 2**53  # up to here every whole number is a double of its own

_SHOWN = 80  # characters of a value that a message repeats
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PLAIN_KEY = re.compile(r"[\w-]+")
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, skipkeys=True, default=str)


class ExperimentsError(ValueError):
    """A declaration of experiments has problems; `problems` holds every one of them with its place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [f"{path(where)}: {text}" if where else text for where, text in self.problems]
        super().__init__(lines[0] if len(lines) == 1 else f"{len(lines)} problems:\n  " + "\n  ".join(lines))


def path(where: Where) -> str:
    """
    Write a place.

    >>> path(("experiments", "new_ranker", "rules", 0, "when"))
    'experiments.new_ranker.rules[0].when'
    """
    parts = [f"[{p}]" if isinstance(p, int) else "." + (p if _PLAIN_KEY.fullmatch(p) else shown(p)) for p in where]
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """Write a value on one line, shortened when it is long; no more of it is looked at than is shown."""
    pieces: list[str] = []
    for piece in _ENCODER.iterencode(value):
        pieces.append(piece)
        if len(pieces) > _SHOWN:
            break
    text = "".join(pieces)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """
    End a sentence about an unknown name.

    >>> suggestion("controll", ["treatment", "control"])
    '; did you mean `control`? Allowed: control, treatment'
    """
    names = sorted(allowed)
    close = get_close_matches(name.lower(), names, n=1)
    return (f"; did you mean `{close[0]}`? " if close else ". ") + f"Allowed: {', '.join(names) or 'none'}"


@dataclass
class Reading:
    """What one reading has found, and how much it may still look at: aliases can make a small file endless."""

    problems: list[Problem] = field(default_factory=list)
    values: int = 0


@dataclass(frozen=True)
class Node:
    """A value in a declaration, and its place."""

    value: object
    where: Where
    reading: Reading

    def refuse(self, text: str) -> None:
        """Note a problem of this value."""
        self.reading.problems.append((self.where, text))

    def child(self, key: int | str, value: object) -> Node:
        """Return a value inside of this one; nothing where that is too deep, or there are too many."""
        self.reading.values += 1
        inner = Node(value, (*self.where, key), self.reading)
        if len(self.where) < MAX_DEPTH and self.reading.values <= MAX_VALUES:
            return inner
        if len(self.where) == MAX_DEPTH:
            inner.refuse(f"is nested too deeply: at most {MAX_DEPTH} levels are allowed")
        elif self.reading.values == MAX_VALUES + 1:
            inner.refuse(f"is too much: at most {MAX_VALUES:,} values are read")
        return Node(None, inner.where, Reading(values=MAX_VALUES))

    def mapping(self, what: str) -> dict[str, Node]:
        """Keys, which must be text, and values; `what` says in a problem what was expected."""
        if not isinstance(self.value, Mapping):
            self.refuse(f"{shown(self.value)} must be {what}")
            return {}
        for key in self.value:
            if not isinstance(key, str):
                self.refuse(f"the key {shown(key)} must be text: write it in quotes")
        return {key: self.child(key, value) for key, value in self.value.items() if isinstance(key, str)}

    def fields(self, allowed: Collection[str], required: Collection[str] = ()) -> dict[str, Node]:
        """Values of a mapping whose keys are known."""
        return self.known(self.mapping("a mapping of keys to values"), allowed, required)

    def known(
        self, found: Mapping[str, Node], allowed: Collection[str], required: Collection[str] = ()
    ) -> dict[str, Node]:
        """Those of the values that were found whose keys are known; others, and missing ones, are problems."""
        for key, node in found.items():
            if key not in allowed:
                node.refuse(f"unknown key `{key}`{suggestion(key, allowed)}")
        for key in required:
            if key not in found and isinstance(self.value, Mapping):
                self.child(key, None).refuse("is required")
        return {key: node for key, node in found.items() if key in allowed}

    def named(self, what: str) -> dict[str, Node]:
        """Values of a mapping whose keys are names: letters, digits, - and _."""
        found = self.mapping(f"a mapping of names to {what}")
        for name, node in found.items():
            if not _NAME.fullmatch(name):
                node.refuse(f"{shown(name)} is no name: up to 100 of A-Z, a-z, 0-9, _ and - are allowed")
        return found

    def items(self, least: int = 0) -> list[Node]:
        """Elements of a list."""
        if not isinstance(self.value, list | tuple):
            self.refuse(f"{shown(self.value)} must be a list, such as [a, b]")
            return []
        if len(self.value) < least:
            self.refuse(f"{shown(self.value)} is too short: at least {least} needed")
        return [self.child(index, value) for index, value in enumerate(self.value)]

    def text(self) -> str:
        """Text that is not empty. Whatever YAML may have made of an unquoted word is refused, not guessed at."""
        if isinstance(self.value, str) and self.value and _is_whole_text(self.value):
            return self.value
        self.refuse(f"{shown(self.value)} must be text that is not empty: write it in quotes")
        return ""

    def one_of(self, allowed: Collection[str], what: str) -> str:
        """One of several texts."""
        if isinstance(self.value, str) and self.value in allowed:
            return self.value
        self.refuse(f"{shown(self.value)} is no {what}{suggestion(str(self.value), allowed)}")
        return next(iter(allowed), "")

    def flag(self) -> bool:
        """Read true or false."""
        if not isinstance(self.value, bool):
            self.refuse(f"{shown(self.value)} must be true or false")
        return self.value is True

    def number(self, low: float, high: float, *, ends: bool = True) -> float:
        """Read a number from low to high; without `ends`, these two are excluded."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not _fits(value):
            self.refuse(f"{shown(value)} must be a number, without quotes")
            return low
        if not low <= value <= high or (not ends and value in {low, high}):
            self.refuse(f"{shown(value)} is not between {low:g} and {high:g}" + ", both excluded" * (not ends))
            return low
        return float(value)

    def whole(self, low: int, high: int) -> int:
        """Read a whole number from low to high."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.refuse(f"{shown(self.value)} must be a whole number, without quotes")
            return low
        return int(self.number(low, high))


def _fits(value: float) -> bool:
    """Whether a number can be computed with as a double; whole ones must be exact."""
    return abs(value) <= LARGEST_WHOLE if isinstance(value, int) else isfinite(value)


def _is_whole_text(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which could not be hashed."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
