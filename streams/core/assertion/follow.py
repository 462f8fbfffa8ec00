"""
How the rules about sequences look at one event after the other: what each keeps of a unit or a request.

Events come in the order of their times. Of every unit or request seen less than `within` ago is kept:

- by `Stable`, the last prediction;
- by `Flicker`, the last prediction, and the last of each label;
- by `Rate`, a count and the times of the last `at_most` predictions;
- by `Agree`, the last prediction of each of the two models.

Units, requests and labels are 64-bit hashes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.core.assertion.latest import Latest
from streams.core.assertion.rules import Agree, Flicker, OverTime, Rate, Stable
from streams.core.columns import Columns, Hashes, Ints, Mask, ordered, segments
from streams.core.ids import mix


class Follower(ABC):
    """Looks at the events that a rule concerns, some at a time."""

    def __init__(self, within: int, needs: tuple[str, ...], **tables: Latest) -> None:
        self.within = within
        self.needs = needs  # the columns without which an event cannot be looked at
        self.tables = tables

    @abstractmethod
    def follow(self, events: Columns, others: Mask) -> tuple[Mask, Mask]:
        """
        Return masks of the events that could be compared with earlier ones, and of those of them that fail.

        `events` have the columns time, request, unit, score and label and stand in the order of time; `others` says
        which of them are of a rule's other model.
        """

    def forget(self, now: int) -> None:
        """Let go of what is too old to be compared with an event at this time, us, or later."""
        for table in self.tables.values():
            table.forget(now - self.within)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {name: table.snapshot() for name, table in self.tables.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        for name, table in self.tables.items():
            table.restore(saved[name])


class StableFollower(Follower):
    """Compares the score of each event with that of the unit's last one."""

    def __init__(self, rule: Stable) -> None:
        super().__init__(rule.within, ("unit", "score"), last=Latest({"score": np.float64}))
        self._by = rule.by

    def follow(self, events: Columns, others: Mask) -> tuple[Mask, Mask]:  # noqa: ARG002 - there is one model
        """Return which could be compared, and which moved too far."""
        known, before = self.tables["last"].follow(events["unit"], events)
        near = known & (events["time"] - before["time"] < self.within)
        return near, near & _apart(events, before, self._by)


class FlickerFollower(Follower):
    """Looks for a label that was left and has come back."""

    def __init__(self, rule: Flicker) -> None:
        super().__init__(rule.within, ("unit", "label"), last=Latest({"label": np.uint64}), same=Latest({}))

    def follow(self, events: Columns, others: Mask) -> tuple[Mask, Mask]:  # noqa: ARG002 - there is one model
        """Return which could be compared, and which came back to a label."""
        known, before = self.tables["last"].follow(events["unit"], events)
        seen, same = self.tables["same"].follow(mix(events["unit"], events["label"]), events)
        near = known & (events["time"] - before["time"] < self.within)
        again = seen & (events["time"] - same["time"] < self.within)
        return near, near & again & (before["label"] != events["label"])


class RateFollower(Follower):
    """
    Looks whether the event `at_most` places before each one of a unit is still near.

    Events of a unit are numbered, and the time of number n is kept in place n modulo `at_most`, so that an event
    finds the one that it is about to replace.
    """

    def __init__(self, rule: Rate) -> None:
        super().__init__(rule.within, ("unit",), counts=Latest({"count": np.int64}), times=Latest({}))
        self._at_most = rule.at_most

    def follow(self, events: Columns, others: Mask) -> tuple[Mask, Mask]:  # noqa: ARG002 - there is one model
        """Return all, and which are one too many."""
        order = ordered(events["unit"])
        units, times = events["unit"][order], events["time"][order]
        first, many = segments(units)
        place = np.arange(len(order)) - np.repeat(first, many)
        _, counted = self.tables["counts"].find(units[first])
        number = np.repeat(counted["count"], many) + place
        slots = mix(units, (number % self._at_most).astype(np.uint64))
        near = self._near(times, slots, place, number)
        last = first + many - 1
        self.tables["counts"].put(units[last], {"time": times[last], "count": number[last] + 1})
        kept = np.repeat(many, many) - place <= self._at_most
        self.tables["times"].put(slots[kept], {"time": times[kept]})
        failed = np.empty(len(order), np.bool_)
        failed[order] = near
        return np.ones(len(order), np.bool_), failed

    def _near(self, times: Ints, slots: Hashes, place: Ints, number: Ints) -> Mask:
        """For which the event `at_most` before is near: it stands here, or was kept in the same place."""
        known = place >= self._at_most
        before = times[np.maximum(np.arange(len(times)) - self._at_most, 0)]
        asked = ~known & (number >= self._at_most)
        known[asked], kept = self.tables["times"].find(slots[asked])
        before[asked] = kept["time"]
        near: Mask = known & (times - before < self.within)
        return near


class AgreeFollower(Follower):
    """Compares each prediction with the last one of the other model for the same request."""

    def __init__(self, rule: Agree, model: str) -> None:
        needs = ("request", "label") if rule.by is None else ("request", "score")
        super().__init__(rule.within, needs, last=Latest({"score": np.float64, "label": np.uint64}))
        self._by = rule.by
        self._two = rule.other != model

    def follow(self, events: Columns, others: Mask) -> tuple[Mask, Mask]:
        """Return which could be compared, and which disagree."""
        known, before = self.tables["last"].follow(events["request"], events, others if self._two else None)
        near = known & (events["time"] - before["time"] < self.within)
        if self._by is None:
            return near, near & (events["label"] != before["label"])
        return near, near & _apart(events, before, self._by)


def follower_of(check: OverTime, model: str) -> Follower:
    """Return what follows the events of a rule of this model."""
    if isinstance(check, Agree):
        return AgreeFollower(check, model)
    if isinstance(check, Stable):
        return StableFollower(check)
    return FlickerFollower(check) if isinstance(check, Flicker) else RateFollower(check)


def _apart(events: Columns, before: Columns, by: float) -> Mask:
    """Which scores lie further apart than this."""
    with np.errstate(over="ignore"):  # infinitely far is far
        apart: Mask = np.abs(events["score"] - before["score"]) > by
    return apart
