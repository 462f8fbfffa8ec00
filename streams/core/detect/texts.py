"""
Texts of the categories of watched columns, by tick, so that what is told of a column names them.

Categories are counted by 16 bits of their hashes, which say nothing to a person. One text is kept for each of these
and tick: the first in the order of letters, wherever it was read. Only declared columns are read, and long texts cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Key = tuple[str, int]
"""A model, and the number of a tick."""

Names = Mapping[tuple[int, int], str]
"""Texts by the number of a column and a bin of it."""

LONGEST = 40
"""Characters of a text that are kept."""


class Texts:
    """The texts of all ticks that are still summed up."""

    def __init__(self) -> None:
        self._held: dict[Key, dict[tuple[int, int], str]] = {}

    def add(self, key: Key, columns: Iterable[int], bins: Iterable[int], texts: Iterable[str]) -> None:
        """Add texts of one model and tick, each with its column and bin."""
        held = self._held.setdefault(key, {})
        for column, bin_, text in zip(columns, bins, texts, strict=True):
            place = column, bin_
            held[place] = min(text, held.get(place, text))

    def collect(self) -> list[dict[str, Any]]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        collected, self._held = self.snapshot(), {}
        return collected

    def merge(self, collected: Sequence[Mapping[str, Any]]) -> None:
        """Add what was collected elsewhere."""
        for one in collected:
            rows = one["rows"]
            self.add((one["model"], one["tick"]), rows["column"].tolist(), rows["bin"].tolist(), rows["text"])

    def take(self, before: int) -> dict[Key, Names]:
        """Take out the ticks before this one."""
        return {key: self._held.pop(key) for key in sorted(key for key in self._held if key[1] < before)}

    def snapshot(self) -> list[dict[str, Any]]:
        """Everything as plain data and arrays."""
        return [{"model": model, "tick": tick, "rows": _rows(held)} for (model, tick), held in self._held.items()]

    def restore(self, saved: Sequence[Mapping[str, Any]]) -> None:
        """Replace everything by a snapshot."""
        self._held = {}
        self.merge(saved)


def readable(text: str) -> str:
    r"""
    Cut a long text, and put a space for what cannot be printed, such as the end of a line.

    >>> readable("a\nb" + 100 * "c")[:4], len(readable(100 * "c"))
    ('a bc', 40)
    """
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return "".join(letter if letter.isprintable() else " " for letter in cut)


def _rows(held: Names) -> dict[str, Any]:
    places = np.array(list(held), np.int64).reshape(-1, 2)
    return {"column": places[:, 0], "bin": places[:, 1], "text": list(held.values())}
