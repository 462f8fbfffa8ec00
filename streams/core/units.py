"""
Units: who was seen in which arms, for the shares of the arms and for those who changed theirs.

A unit counts once, when it was first seen in an experiment, in the arm that it had then. Each partition tells of a
unit and its exposure once, or once more if it turns out to have been there earlier; where all of them meet, who has
been told of twice is counted once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.core.columns import Columns, Hashes, Ints, Mask, concat, empty, length, ordered, segments, take
from streams.core.exposure import Exposures
from streams.core.ids import mix
from streams.core.runs import Runs

SEEN = {"unit": np.uint64, "arms": np.uint64, "time": np.int64}
"""Columns of a sighting: the unit's hash, its exposure, and when it was first seen so."""

_TOLD = {"key": np.uint64, "time": np.int64}
_RECENT = 1 << 16  # units that are remembered without being looked up
_COUNTED = {"key": np.uint64, "arm": np.int64, "crossed": np.bool_}


class Sightings:
    """What one partition has told of the units of one model."""

    def __init__(self) -> None:
        self._told = Runs(_TOLD)
        self._recent = {"key": np.zeros(_RECENT, np.uint64), "time": np.zeros(_RECENT, np.int64)}
        self._new: list[Columns] = []

    def see(self, units: Hashes, arms: Hashes, times: Ints) -> None:
        """Note units with their exposures, in any order."""
        key = mix(units, arms)
        rows = np.flatnonzero((arms != 0) & ~self._told_recently(key, times))
        rows = rows[ordered(key[rows])]
        first, _ = segments(key[rows])
        time = np.minimum.reduceat(times[rows], first) if len(rows) else times[rows]
        rows = rows[first]
        query, at = self._told.find(key[rows])
        known = np.zeros(len(rows), np.bool_)
        known[query] = True
        before = self._told.gather("time", at)
        earlier = time[query] < before
        self._told.put(at[earlier], {"time": time[query[earlier]]})
        self._told.insert({"key": key[rows[~known]], "time": time[~known]})
        told = ~known
        told[query[earlier]] = True
        self._new.append({"unit": units[rows[told]], "arms": arms[rows[told]], "time": time[told]})
        time[query] = np.minimum(time[query], before)
        slot = _slot(key[rows])
        self._recent["key"][slot], self._recent["time"][slot] = key[rows], time

    def _told_recently(self, key: Hashes, times: Ints) -> Mask:
        """Which of them are sure to have been told of; most units come again soon, and then nothing is looked up."""
        slot = _slot(key)
        told: Mask = (self._recent["key"][slot] == key) & (self._recent["time"][slot] <= times)
        return told

    def collect(self) -> Columns:
        """Return what is to be told since this was last called."""
        told, self._new = concat([empty(SEEN), *self._new]), []
        return told


@dataclass
class Attendance:
    """
    Units of one experiment: those counted, how many by arm (the last entry: not a declared arm), and who crossed.

    >>> attendance = Attendance(2)
    >>> attendance.count(np.array([7, 7, 8], np.uint64), np.array([0, 1, 0]))
    >>> attendance.units.tolist(), attendance.crossed
    ([2, 0, 0], 1)
    """

    arms: int
    units: Ints = field(init=False)
    crossed: int = 0

    def __post_init__(self) -> None:
        self.units = np.zeros(self.arms + 1, np.int64)
        self._counted = Runs(_COUNTED)

    def count(self, units: Hashes, arm: Ints) -> None:
        """Count units in the order in which they were seen."""
        order = ordered(units)
        units, arm = units[order], arm[order]
        first, many = segments(units)
        query, at = self._counted.find(units[first])
        known = np.zeros(len(first), np.bool_)
        known[query] = True
        had, crossed = arm[first], np.zeros(len(first), np.bool_)
        had[query], crossed[query] = self._counted.gather("arm", at), self._counted.gather("crossed", at)
        group = np.repeat(np.arange(len(first)), many)
        crosses = np.bincount(group, arm != had[group], len(first)) > 0
        self.crossed += int((crosses & ~crossed).sum())
        self.units += np.bincount(had[~known], minlength=self.arms + 1)
        self._counted.put(at, {"crossed": (crosses | crossed)[query]})
        new = {"key": units[first], "arm": had, "crossed": crosses}
        self._counted.insert(take(new, ~known))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {"units": self.units.copy(), "crossed": self.crossed, "counted": self._counted.snapshot()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        self.units, self.crossed = np.array(saved["units"]), saved["crossed"]
        self._counted.restore(saved["counted"])


class Register:
    """Where the sightings of all partitions meet: the units of one model, by experiment."""

    def __init__(self, exposures: Exposures, arms: Mapping[str, int]) -> None:
        self._exposures = exposures
        self._waiting = empty(SEEN)
        self.attendance = {experiment: Attendance(many) for experiment, many in arms.items()}

    def merge(self, told: Columns) -> None:
        """Take in what a partition told."""
        self._waiting = concat([self._waiting, told])

    def advance(self, before: int) -> None:
        """Count who was first seen before this event time (us)."""
        due = self._waiting["time"] < before
        rows = take(self._waiting, due)
        self._waiting = take(self._waiting, ~due)
        if not length(rows):
            return
        rows = take(rows, np.lexsort((rows["arms"], rows["time"])))
        for experiment, attendance in self.attendance.items():
            arm = self._exposures.arm(experiment, rows["arms"])
            attendance.count(rows["unit"][arm >= 0], arm[arm >= 0].astype(np.int64))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        counted = {
            name: {"arms": self._exposures.layout()[name], **one.snapshot()} for name, one in self.attendance.items()
        }
        return {"layout": self._exposures.layout(), "waiting": self._waiting, "counted": counted}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; an experiment that was declared otherwise begins anew."""
        waiting = saved["waiting"]
        self._waiting = waiting | {"arms": self._exposures.adopt(waiting["arms"], saved["layout"])}
        for name, one in saved["counted"].items():
            if name in self.attendance and one["arms"] == self._exposures.layout()[name]:
                self.attendance[name].restore(one)


def _slot(keys: Hashes) -> Ints:
    return (keys & np.uint64(_RECENT - 1)).astype(np.int64)
