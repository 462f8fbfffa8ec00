"""All trials side by side: the sums of each, who was seen in them, and the looks that are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.config.models import ModelConfig
from streams.core.columns import Columns, Floats, Ints, length
from streams.core.crossing import Crossing, crossings
from streams.core.docket import Docket
from streams.core.exposure import BUCKETS, Exposures
from streams.core.judge.looks import Judge, Row
from streams.core.metric.base import Changes, Source
from streams.core.trial import TrialSums, Values
from streams.core.units import Register, Sightings

Key = tuple[str, str]
"""Model and experiment."""


@dataclass(frozen=True)
class Look:
    """
    What was found in one look.

    `tick` is the end of the event time that it covers, us; `asked` whether predictions were made in it in any arm;
    `units` how many each arm has had so far, by name.
    """

    model: str
    experiment: str
    tick: int
    asked: bool
    rows: Sequence[Row]
    units: Mapping[str, int]

    def shown(self, smallest: int) -> list[Row]:
        """Rows in which every arm has so many units; a check of the experiment itself is about all arms together."""
        return [row for row in self.rows if self._least(row) >= smallest] if smallest > 1 else list(self.rows)

    def _least(self, row: Row) -> int:
        if not row["control"]:
            return sum(self.units.values())
        return min(self.units[row["arm"]], self.units[row["control"]])


class Trials:
    """
    The trials of a configuration, with their state; without experiments it does nothing.

    Where changes are summed up, `add` and `collect` are used; where the sums of all partitions meet, `merge`, `look`.
    """

    def __init__(self, docket: Docket, models: Sequence[ModelConfig]) -> None:
        self._docket = docket
        self._numbers = {model.name: number for number, model in enumerate(models)}
        plans = {(plan.trial.model, plan.trial.experiment): plan for plan in docket.plans}
        self._sums = {key: TrialSums(plan.trial) for key, plan in plans.items()}
        self._judges = {key: Judge(plan) for key, plan in plans.items()}
        self._sightings = {model: Sightings() for model, _ in plans}
        self._registers = {model: _register(docket, model) for model in self._sightings}

    def add(self, source: Source, rows: Columns, changes: Changes, model: Ints) -> None:
        """
        Add changes of one source.

        `rows` gives their `arms`, `bucket`, `known` and `sign`, those of traffic their `unit`; `model` is the number
        of each one's model.
        """
        exposures = self._docket.exposures
        needing = {model: self._needing(model, source) for model in self._sightings}
        if exposures is None or not any(needing.values()) or not rows["arms"].any():
            return
        ticks, place = _numbered(rows["known"] // self._docket.tick)
        values, cells = Values(source, rows, changes), place * BUCKETS + rows["bucket"]
        of_model = {name: model == self._numbers[name] for name in self._sightings}
        for name, mine in of_model.items():
            here = slice(None) if mine.all() else np.flatnonzero(mine)
            found = crossings(exposures, needing[name], rows["arms"][here], cells[here], len(ticks))
            for crossing in found if mine.any() else ():
                self._cross(name, crossing, values, here, ticks)
        if source == "traffic":
            for name, sightings in self._sightings.items():
                mine = np.flatnonzero(of_model[name])
                sightings.see(rows["unit"][mine], rows["arms"][mine], rows["known"][mine])

    def _needing(self, model: str, source: Source) -> list[str]:
        """Experiments on a model that sum up changes of a source."""
        return [name for (of, name), sums in self._sums.items() if of == model and sums.trial.reads(source)]

    def _cross(self, model: str, crossing: Crossing, values: Values, here: Ints | slice, ticks: Ints) -> None:
        """Add the rows that are `here` to the experiments that they are crossed by."""
        inside = []
        for name in crossing.names:
            any_inside, strays = crossing.present(name)
            if strays.any():  # they add to no arm, but there is something to look at
                self._sums[model, name].rows(ticks[strays])
            if any_inside:
                inside.append(self._sums[model, name])
        values.add_to(inside, crossing, here, ticks)

    def collect(self) -> dict[str, Any]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        sums = [(key, one.collect()) for key, one in self._sums.items()]
        seen = [(model, one.collect()) for model, one in self._sightings.items()]
        layout = {} if self._docket.exposures is None else self._docket.exposures.layout()
        return {
            "trials": [_named(key, one) for key, one in sums if one is not None],
            "seen": [{"model": model, "layout": layout, "rows": rows} for model, rows in seen if length(rows)],
        }

    def merge(self, collected: Mapping[str, Any]) -> None:
        """Add what was collected elsewhere; what is not declared any more is forgotten."""
        for one in collected["trials"]:
            if (one["model"], one["experiment"]) in self._sums:
                self._sums[one["model"], one["experiment"]].merge(one)
        for told in collected["seen"]:
            exposures, register = self._docket.exposures, self._registers.get(told["model"])
            if exposures is not None and register is not None:
                rows = told["rows"]
                register.merge(rows | {"arms": exposures.adopt(rows["arms"], told["layout"])})

    def look(self, watermark: int) -> list[Look]:
        """Take the looks whose ticks the watermark has passed, by tick; their rows are of the table `verdicts`."""
        if not self._judges:
            return []
        self._admit()
        before = watermark // self._docket.tick
        due = [(tick, key, sums) for key, one in self._sums.items() for tick, sums in one.take(before)]
        looks = [self._looked(key, tick, sums) for tick, key, sums in sorted(due, key=lambda one: one[:2])]
        return [look for look in looks if look.rows]

    def _admit(self) -> None:
        """Take in who was seen on this side, where both are one."""
        for model, sightings in self._sightings.items():
            self._registers[model].merge(sightings.collect())

    def _looked(self, key: Key, tick: int, sums: Floats) -> Look:
        model, experiment = key
        end = (tick + 1) * self._docket.tick
        register = self._registers[model]
        register.advance(end)
        attendance = register.attendance[experiment]
        rows = self._judges[key].look(end, sums, attendance.units, attendance.crossed)
        made = sums[self._sums[key].trial.place("1:predictions")]
        units = dict(zip(self._sums[key].trial.arms, attendance.units.tolist(), strict=False))  # and those of no arm
        return Look(model, experiment, end, bool(made.any()), list(rows), units)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        self._admit()
        return {
            "sums": [_named(key, one.snapshot()) for key, one in self._sums.items()],
            "judges": [_named(key, one.snapshot()) for key, one in self._judges.items()],
            "registers": {model: one.snapshot() for model, one in self._registers.items()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a snapshot; experiments that were not in it begin anew, others are forgotten."""
        self.merge({"trials": saved["sums"], "seen": []})
        for one in saved["judges"]:
            if (one["model"], one["experiment"]) in self._judges:
                self._judges[one["model"], one["experiment"]].restore(one)
        for model, one in saved["registers"].items():
            if model in self._registers:
                self._registers[model].restore(one)


def _numbered(values: Ints) -> tuple[Ints, Ints]:
    """Return the distinct values in order, and for each value which of them it is."""
    least = int(values.min())
    if int(values.max()) - least > len(values):
        return np.unique(values, return_inverse=True)
    place = values - least
    present = np.bincount(place) > 0
    return np.flatnonzero(present) + least, (np.cumsum(present) - 1)[place]


def _named(key: Key, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": key[0], "experiment": key[1], **content}


def _register(docket: Docket, model: str) -> Register:
    trials = [plan.trial for plan in docket.plans if plan.trial.model == model]
    return Register(docket.exposures or Exposures({}), {trial.experiment: len(trial.arms) for trial in trials})
