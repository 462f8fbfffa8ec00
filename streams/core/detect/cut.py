"""Cuts: which slices of a model something is about, and how findings write a slice."""

from __future__ import annotations

from typing import NamedTuple

from streams.core.detect.finding import Slice as Where
from streams.core.groups import OTHER, Slice


class Cut(NamedTuple):
    """Slices by some attributes: the one with these values or, without any, each of them; the whole has neither."""

    attributes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def only(self) -> Where | None:
        """The one slice that it is about; None where it is about each."""
        if len(self.values) < len(self.attributes):
            return None
        return tuple(sorted(zip(self.attributes, self.values, strict=True)))

    def holds(self, one: Where) -> bool:
        """Whether it is about a slice."""
        if self.only is not None:
            return one == self.only
        return tuple(sorted(self.attributes)) == tuple(attribute for attribute, _ in one)

    def may_hold(self, one: Slice) -> bool:
        """Whether it may turn out to be about a slice: those that are refused count in `__other__`."""
        rest = Slice(one.model, one.attributes, (OTHER,) * len(one.attributes))
        return self.holds(where(one)) or self.holds(where(rest))

    def __str__(self) -> str:
        """
        Say what it is about, as it stands behind a name; nothing for the whole.

        >>> str(Cut(("country",), ("DE",))), str(Cut(("country",))), str(Cut())
        (' where country=DE', ' by country', '')
        """
        if self.values:
            return f" where {', '.join(f'{name}={value}' for name, value in self.only or ())}"
        return f" by {', '.join(sorted(self.attributes))}" if self.attributes else ""


WHOLE = Cut()


def where(slice_: Slice) -> Where:
    """Return a slice's attributes with their values, sorted."""
    return tuple(sorted(zip(slice_.attributes, slice_.values, strict=True)))
