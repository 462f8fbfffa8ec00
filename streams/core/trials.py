"""All trials side by side: the sums of each, who was seen in them, and the looks that are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streams.config.models import ModelConfig
from streams.core.columns import Columns, Floats, Ints, length
from streams.core.docket import Docket
from streams.core.exposure import Exposures
from streams.core.judge.looks import Judge, verdict_rows
from streams.core.metric.base import Changes, Source
from streams.core.trial import Trial, TrialSums, Values
from streams.core.units import Register, Sightings

Key = tuple[str, str]
"""Model and experiment."""


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
        needing = [(key, sums) for key, sums in self._sums.items() if _reads(sums.trial, source)]
        if exposures is None or not needing or not rows["arms"].any():
            return
        ticks, place = _numbered(rows["known"] // self._docket.tick)
        values = Values(source, rows, changes)
        buckets = rows["bucket"].astype(np.int64)
        of_model = {name: model == self._numbers[name] for name in self._sightings}
        for (name, experiment), sums in needing:
            arms = len(sums.trial.arms)
            arm = exposures.arm(experiment, rows["arms"])
            strays = (arm == arms) & of_model[name]
            if strays.any():  # they add to no arm, but there is something to look at
                sums.rows(ticks[np.unique(place[strays])])
            inside = (arm >= 0) & (arm < arms) & of_model[name]
            if not inside.any():
                continue
            here = slice(None) if inside.all() else np.flatnonzero(inside)
            cell = place[here] * arms + arm[here]
            values.add_to(sums, here, cell, buckets, ticks)
            if source == "timing" and sums.trial.quantiles:
                values.count_in(sums, here, cell, ticks)
        if source == "traffic":
            for name, sightings in self._sightings.items():
                mine = np.flatnonzero(of_model[name])
                sightings.see(rows["unit"][mine], rows["arms"][mine], rows["known"][mine])

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

    def look(self, watermark: int, revision: int) -> Iterator[pa.Table]:
        """Take the looks whose ticks the watermark has passed; yields rows of the table `verdicts`."""
        if not self._judges:
            return
        self._admit()
        before = watermark // self._docket.tick
        due = [(tick, key, sums) for key, one in self._sums.items() for tick, sums in one.take(before)]
        rows = [
            row for tick, key, sums in sorted(due, key=lambda one: one[:2]) for row in self._looked(key, tick, sums)
        ]
        if rows:
            yield verdict_rows(rows, revision)

    def _admit(self) -> None:
        """Take in who was seen on this side, where both are one."""
        for model, sightings in self._sightings.items():
            self._registers[model].merge(sightings.collect())

    def _looked(self, key: Key, tick: int, sums: Floats) -> Iterator[dict[str, Any]]:
        model, experiment = key
        end = (tick + 1) * self._docket.tick
        register = self._registers[model]
        register.advance(end)
        attendance = register.attendance[experiment]
        return self._judges[key].look(end, sums, attendance.units, attendance.crossed)

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


def _reads(trial: Trial, source: Source) -> bool:
    return bool(trial.of_source(source)) or (source == "timing" and bool(trial.quantiles))


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
