"""
How everything that is wrong with a configuration is collected at once and said in words.

A problem is a place in the file and a message: the value, what is allowed, and what was likely meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

T = TypeVar("T")
Where = tuple[int | str, ...]
Problem = tuple[Where, str]

_SHOWN = 80  # characters of a value that a message repeats
_ECHO = "default_factory_not_called"  # only ever follows from another problem, which is listed itself
_EXPECTED = {
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of names to models",
    "too_short": "is empty: at least one is needed",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number, without quotes",
    "greater_than_equal": "is too small: at least {ge:g} is allowed",
    "less_than_equal": "is too large: at most {le:g} is allowed",
}


@dataclass(frozen=True)
class Section:
    """A mapping of the file: its path, with None for any name, which keys it may have, and where that is in words."""

    path: tuple[str | None, ...]
    keys: frozenset[str]
    place: str

    def holds(self, where: Where) -> bool:
        """Whether the key at a path is one of this mapping's."""
        return len(where) == len(self.path) + 1 and all(
            name is None or name == key for name, key in zip(self.path, where, strict=False)
        )


class Problems(ValueError):
    """What is wrong inside one value: each problem with its place, seen from that value."""

    def __init__(self, items: Iterable[Problem]) -> None:
        self.items = tuple(items)
        super().__init__("; ".join(text for _, text in self.items))


def parse_list(value: object, parse: Callable[[Any], T], identity: Callable[[T], Hashable]) -> tuple[T, ...]:
    """
    Parse every item of a list; no two may have the same identity.

    Raises
    ------
    ValueError
        If the value is no list.
    Problems
        If `parse` raised ValueError for some items, or items came twice: all of them.
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"{shown(value)} must be a list, such as [a, b]")  # noqa: TRY004 - pydantic collects ValueErrors
    parsed: list[T] = []
    problems: list[Problem] = []
    first: dict[Hashable, int] = {}
    for index, item in enumerate(value):
        try:
            parsed.append(parse(item))
        except Problems as inner:
            problems += [((index, *where), text) for where, text in inner.items]
        except ValueError as error:
            problems.append(((index,), str(error)))
        else:
            earlier = first.setdefault(identity(parsed[-1]), index)
            if earlier != index:
                problems.append(((index,), f"{shown(item)} says the same as item [{earlier}]: remove one of them"))
    if problems:
        raise Problems(problems)
    return tuple(parsed)


def shown(value: object) -> str:
    """
    Write a value as it could stand in the file, on one line, shortened when it is long.

    >>> shown(["a", None, True])
    '["a", null, true]'
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def unknown(name: str, allowed: Iterable[str]) -> str:
    """
    End a sentence about an unknown name: the likeliest that was meant, and all that are allowed.

    >>> unknown("acuracy", ["recall", "accuracy"])
    '; did you mean `accuracy`? Allowed: accuracy, recall'
    """
    names = sorted(allowed)
    close = get_close_matches(name.lower(), names, n=1)
    return (f"; did you mean `{close[0]}`? " if close else ". ") + f"Allowed: {', '.join(names)}"


def describe(error: ValidationError, sections: Sequence[Section], hints: Mapping[str, str]) -> Iterator[Problem]:
    """
    Say in words what pydantic found.

    `sections` are the mappings of the file; `hints` say what a required key is, and, by its path, what to do instead
    of writing a key.
    """
    for details in error.errors(include_url=False):
        where = details["loc"]
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, Problems):
            yield from ((where + inner, text) for inner, text in cause.items)
        elif details["type"] == "extra_forbidden":
            yield where, hints.get(".".join(map(str, where))) or _unknown_key(where, sections)
        elif details["type"] == "missing":
            yield where, f"is required: {hints.get(str(where[-1]), 'add it')}"
        elif details["type"] != _ECHO:
            yield where, str(cause) if cause else _unexpected(details)


def _unexpected(details: ErrorDetails) -> str:
    """Say what a value must be; pydantic's own words where we have none."""
    expected = _EXPECTED.get(details["type"], details["msg"])
    return f"{shown(details['input'])} {expected.format(**details.get('ctx', {}))}"


def _unknown_key(where: Where, sections: Sequence[Section]) -> str:
    """Say that a key is unknown, and where it belongs if it is known elsewhere."""
    key = str(where[-1])
    here = next((section for section in sections if section.holds(where)), None)
    plural = here is not None and f"{key}s" in here.keys  # more likely meant than the same key elsewhere
    for section in sections:
        if key in section.keys and section is not here and not plural:
            return f"the key `{key}` does not belong here, but {section.place}"
    return f"unknown key `{key}`{unknown(key, here.keys) if here else ''}"
