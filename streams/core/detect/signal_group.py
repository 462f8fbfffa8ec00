"""Signals of one kind that share detectors."""

from __future__ import annotations

import json
import math
from collections.abc import KeysView, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.detect.column_sums import slice_of
from streams.core.detect.detectors import Detectors, Looks, Sides
from streams.core.detect.finding import Kind
from streams.core.detect.measuring import Signal
from streams.core.detect.sensitivity import Sensitivity
from streams.core.groups import Slice

Name = tuple[Slice, str]


@dataclass(frozen=True)
class Looked:
    """What detectors said of all signals that they know; a signal without data is None."""

    number: int
    kind: Kind
    signals: Sequence[tuple[Name, Signal | None]]
    looks: Looks


class SignalGroup:
    """Signals that share detectors."""

    def __init__(self, sensitivity: Sensitivity, sides: Sides, kind: Kind) -> None:
        self._detectors, self._sides, self._kind = Detectors(sensitivity), sides, kind
        self._places: dict[Name, int] = {}

    def look(self, number: int, signals: Mapping[Name, Signal]) -> Looked | None:
        """Look at a tick: at every signal that was ever there."""
        for name in sorted(signals.keys() - self._places.keys()):
            self._add(name)
        if not self._places:
            return None
        held = [signals.get(name) for name in self._places]
        values = np.array([math.nan if one is None else one.value for one in held])
        errors = np.array([math.nan if one is None else one.error for one in held])
        looks = self._detectors.look(number, np.arange(len(held)), values, errors)
        return Looked(number, self._kind, list(zip(self._places, held, strict=True)), looks)

    def settle(self, least: int) -> None:
        """End learning for the signals of which so many ticks had data."""
        self._detectors.settle(least)

    def adopt(self, other: SignalGroup, since: int) -> set[Name]:
        """Take over what the other has learned `since` a tick, but of what changed; return of which (`Detectors`)."""
        learning = other.ticks_learned()
        theirs = {name: row for name, row in other._places.items() if name not in learning}
        for name in sorted(theirs.keys() - self._places.keys()):
            self._add(name)
        mine = np.array([self._places[name] for name in theirs], np.int64)
        rows = np.array(list(theirs.values()), np.int64)
        taken = self._detectors.adopt(mine, other._detectors, rows, since)
        return {name for name, is_taken in zip(theirs, taken.tolist(), strict=True) if is_taken}

    @property
    def names(self) -> KeysView[Name]:
        """All signals that there were."""
        return self._places.keys()

    def ticks_learned(self) -> dict[Name, int]:
        """How many ticks had data so far, by signal that is still learned from."""
        held = self._detectors.ticks_learned()
        return {name: held[_text(name)] for name in self._places if _text(name) in held}

    def _add(self, name: Name) -> None:
        self._places[name] = self._detectors.row(_text(name), sides=self._sides)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {"detectors": self._detectors.snapshot(), "names": [[list(of), watch] for of, watch in self._places]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self._detectors.restore(saved["detectors"])
        self._places = {(slice_of(of), watch): row for row, (of, watch) in enumerate(saved["names"])}


def _text(name: Name) -> str:
    slice_, watch = name
    return json.dumps([*slice_, watch])
