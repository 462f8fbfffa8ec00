"""What is wrong with an expression, and where; and what was likely meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ExpressionError(ValueError):
    """
    An expression cannot be understood.

    Attributes
    ----------
    position
        Where in the text, in characters from 0; the message counts from 1, as people do.
    reason
        The message without the position.
    """

    def __init__(self, reason: str, position: int) -> None:
        self.reason, self.position = reason, position
        super().__init__(f"{reason} (at character {position + 1})")


def likely(name: str, known: Iterable[str]) -> str:
    """
    End a sentence about an unknown name with the known one that was likely meant.

    A column of a map is found by its own name as well.

    >>> likely("scoer", ["score", "label"]), likely("amount", ["features.amount"])
    ('; did you mean `score`?', '; did you mean `features.amount`?')
    >>> likely("quite_different", ["score"])
    ''
    """
    spelled = {one.partition(".")[2] or one: one for one in known} | {one: one for one in known}
    close = get_close_matches(name.lower(), spelled, n=1)
    return f"; did you mean `{spelled[close[0]]}`?" if close else ""


def shortened(text: str, most: int = 60) -> str:
    """Return a text, cut off where it is too long to be shown."""
    return text if len(text) <= most else text[:most] + "..."
