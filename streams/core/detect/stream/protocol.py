"""What every detector on a stream can do, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from streams.core.columns import Floats


class StreamDetector(Protocol):
    """
    Sees the values of one signal in the order in which they came, and says at which of them a change was flagged.

    After a change it forgets what it knew and learns anew. How the values are cut into blocks makes no difference.

    Attributes
    ----------
    name
        Which detector it is, as in the configuration.
    binary
        Whether it takes errors only: 1 for an error, 0 for none. The others take any finite number; means of blocks
        can be given to them, never to these.
    seen, changes
        How many values it has seen, and how many changes it has flagged, since it was made.
    """

    name: str
    binary: bool
    seen: int
    changes: int

    @property
    def warnings(self) -> list[int]:
        """Places in the last block at which a warning began that was not yet a change; empty if it never warns."""
        ...

    def update(self, values: Floats) -> list[int]:
        """
        See the next block of values.

        Parameters
        ----------
        values
            The block, one-dimensional, in the order of time.

        Returns
        -------
        list[int]
            Places in the block at which a change was flagged.

        Raises
        ------
        ValueError
            A value is not finite, or is neither 0 nor 1 where only these are taken. Nothing of the block has been seen.

        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """Everything it knows as plain data."""
        ...

    def restore(self, saved: Mapping[str, Any]) -> None:
        """
        Replace what it knows by a snapshot: it goes on as the detector would have from which that was taken.

        Raises
        ------
        ValueError
            The snapshot is of another detector, other parameters or another layout. Nothing has been replaced.

        """
        ...
