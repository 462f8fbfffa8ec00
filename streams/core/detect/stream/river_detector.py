"""A detector of the package river, made to keep the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.columns import Floats
from streams.core.detect.stream.parameters import Value
from streams.core.detect.stream.state import Field, load, save

_LAYOUT = 1


@dataclass(frozen=True)
class Kind:
    """
    One of river's detectors: its name here, its class there, and the fields that it knows by.

    `binary` ones take errors and are in another place of river; those that see decreases only are given 1 - error.
    """

    name: str
    class_name: str
    fields: tuple[Field, ...]
    binary: bool = False
    sees_decreases: bool = False


class RiverDetector:
    """
    Gives the values of a block to river's detector one by one, and reads after each what it says.

    river's `update` returns nothing, and ADWIN's own count of changes begins anew at each: both are kept here.
    """

    def __init__(self, kind: Kind, parameters: Mapping[str, Value]) -> None:
        self.name = kind.name
        self.binary = kind.binary
        self.seen = 0
        self.changes = 0
        self._kind = kind
        self._parameters = dict(parameters)
        self._detector = self._new()
        self._warnings: list[int] = []

    @property
    def warnings(self) -> list[int]:
        """Places in the last block at which a warning began that was not yet a change."""
        return list(self._warnings)

    def update(self, values: Floats) -> list[int]:
        """See the next block of values; return the places in it at which a change was flagged."""
        given = self._checked(values)
        changes: list[int] = []
        warnings: list[int] = []
        detector = self._detector
        warned = self._warned()
        for place, value in enumerate(given):
            detector.update(value)
            if detector.drift_detected:
                changes.append(place)
            before, warned = warned, self._warned()
            if warned and not before:
                warnings.append(place)
        self.seen += len(given)
        self.changes += len(changes)
        self._warnings = warnings
        return changes

    def snapshot(self) -> dict[str, Any]:
        """Everything it knows as plain data."""
        return {
            "layout": _LAYOUT,
            "detector": self.name,
            "parameters": dict(self._parameters),
            "seen": self.seen,
            "changes": self.changes,
            "state": save(self._detector, self._kind.fields),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace what it knows by a snapshot of a detector of this name with these parameters."""
        mine = {"layout": _LAYOUT, "detector": self.name, "parameters": self._parameters}
        for what, expected in mine.items():
            if saved.get(what) != expected:
                raise ValueError(
                    f"{self.name}: the snapshot's {what} is {saved.get(what)}, not {expected}: start the detector anew"
                )
        detector = self._new()
        load(detector, self._kind.fields, saved["state"])
        self._detector = detector
        self.seen, self.changes = saved["seen"], saved["changes"]
        self._warnings = []

    def _new(self) -> Any:
        from river import drift  # noqa: PLC0415 - it takes a second: only where a detector is declared

        place = drift.binary if self.binary else drift
        return getattr(place, self._kind.class_name)(**self._parameters)

    def _warned(self) -> bool:
        """Whether river warns; half of its detectors never do."""
        return getattr(self._detector, "warning_detected", False)

    def _checked(self, values: Floats) -> list[Any]:
        """
        Values as numbers of Python, which river's detectors take several times faster than those of numpy.

        Raises
        ------
        ValueError
            One of them is not what the detector takes.

        """
        block = np.asarray(values, np.float64)
        if block.ndim != 1:
            raise ValueError(f"{self.name} sees one-dimensional blocks, and was given one of shape {block.shape}")
        good = (block == 0) | (block == 1) if self.binary else np.isfinite(block)
        if not good.all():
            place = int(np.argmin(good))
            takes = "0 or 1, where 1 is an error" if self.binary else "finite numbers"
            raise ValueError(f"{self.name}: value {self.seen + place} is {block[place]}; it takes {takes}")
        if self.binary:
            block = ((block == 0) if self._kind.sees_decreases else block).astype(np.int64)
        return list(block.tolist())
