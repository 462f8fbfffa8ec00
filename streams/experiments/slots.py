"""
Slots: equal shares of a layer's units, numbered from 0, of which experiments own some.

A unit's slot never changes, so that what one experiment takes or gives back moves nobody in another. Ranges are
pairs (first, last), both included, sorted and apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streams.experiments.reading import Node, shown

Ranges = tuple[tuple[int, int], ...]

DEFAULT_SLOTS = 10_000
FEWEST_SLOTS, MOST_SLOTS = 1_000, 1_000_000

_WHOLE = "(0|[1-9][0-9]{0,6})"  # 010 would be eight to readers of YAML 1.1
RANGE_PATTERN = f"{_WHOLE}(?:-{_WHOLE})?"
_RANGE = re.compile(RANGE_PATTERN)


@dataclass(frozen=True)
class Layer:
    """Units divided into slots; experiments that share them exclude one another."""

    name: str
    salt: str
    slots: int


def parse_ranges(node: Node, slots: int, least: int = 0) -> Ranges:
    """Read a list of at least so many ranges, such as [0-99, 250], within a layer of so many slots."""
    found: set[int] = set()
    for item in node.items(least):
        text = str(item.value) if type(item.value) is int else item.value
        match = _RANGE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            item.refuse(f"{shown(item.value)} is no range of slots: write 0-99")
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < slots:
            item.refuse(f"{shown(item.value)} does not lie in order within the layer's slots 0-{slots - 1}")
            continue
        taken = range(first, last + 1)
        if not found.isdisjoint(taken):
            item.refuse(f"{shown(item.value)} has slots that are there already")
        found.update(taken)
    return ranges_of(found)


def ranges_of(slots: Iterable[int]) -> Ranges:
    """
    Write slots as ranges.

    >>> ranges_of([5, 0, 1, 2])
    ((0, 2), (5, 5))
    """
    ranges: list[tuple[int, int]] = []
    for slot in sorted(slots):
        if ranges and ranges[-1][1] == slot - 1:
            ranges[-1] = (ranges[-1][0], slot)
        else:
            ranges.append((slot, slot))
    return tuple(ranges)


def members(ranges: Ranges) -> Iterator[int]:
    """Every slot of some ranges, in order."""
    for first, last in ranges:
        yield from range(first, last + 1)


def count(ranges: Ranges) -> int:
    """How many slots there are in some ranges."""
    return sum(last - first + 1 for first, last in ranges)


def write_ranges(ranges: Ranges) -> list[str]:
    """
    Write ranges as they stand in a declaration.

    >>> write_ranges(((0, 99), (250, 250)))
    ['0-99', '250']
    """
    return [f"{first}-{last}" if last > first else str(first) for first, last in ranges]


def slots_of_share(share: float, slots: int) -> int | None:
    """How many slots a share of a layer is; None if it is no whole number of them."""
    exact = share * slots
    whole = round(exact)
    return whole if abs(exact - whole) < 1e-6 else None
