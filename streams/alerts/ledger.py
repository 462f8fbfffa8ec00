"""Which positions are done with, so that reading may start behind them."""

from __future__ import annotations

from collections import Counter


class Ledger:
    """
    Counts, for each position that was read, the outcomes that are not on record yet.

    Positions are opened in their order; each is done when all of its outcomes are, and all of those before it.
    """

    def __init__(self) -> None:
        self._open: Counter[int] = Counter()
        self._read: list[int] = []

    def open(self, position: int, outcomes: int) -> None:
        """Note that a position was read, and of how many outcomes it will be done."""
        self._open[position] = outcomes
        self._read.append(position)

    def settle(self, position: int) -> None:
        """Note that one outcome is on record."""
        self._open[position] -= 1

    @property
    def is_done(self) -> bool:
        """Whether everything that was read is on record."""
        return all(self._open[position] <= 0 for position in self._read)

    def take(self) -> int | None:
        """Return the last position up to which all is done, if there is a new one; None otherwise."""
        done = 0
        while done < len(self._read) and self._open[self._read[done]] <= 0:
            done += 1
        if not done:
            return None
        last = self._read[done - 1]
        for position in self._read[:done]:
            del self._open[position]
        del self._read[:done]
        return last
