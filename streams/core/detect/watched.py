"""
What is watched, summed up by tick of the event time in which it became known.

A prediction is known when it is made, a label when its outcome comes; what a corrected outcome had added is taken back
in the tick of the correction. So the sums of a tick never change once the watermark has passed it, and do not depend
on how the events were cut into blocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.assertion.rules import compile_rules
from streams.core.columns import Columns, Hashes, Ints, Mask, length, take
from streams.core.detect.assertion_watch import bins_of as verdict_bins
from streams.core.detect.column_sums import ColumnSums, Entries
from streams.core.detect.error_sample import Errors, ErrorSample, errors_of
from streams.core.detect.following import Following
from streams.core.detect.grid import bins_of, category_bins
from streams.core.detect.measuring import Measuring, Signal
from streams.core.detect.plan import LABEL_DELAY, LABEL_LAG, PREFIX, Watch
from streams.core.detect.texts import Names, Texts
from streams.core.detect.watched_columns import Values, read
from streams.core.groups import Groups, Slice
from streams.core.metric.base import Changes, Metric, Source, Task
from streams.core.metric.layout import layout
from streams.core.metric.registry import metric_for
from streams.core.pairs import pairs_of
from streams.core.panes import pane_of
from streams.core.sample import sampled
from streams.core.summarize import Summarizer

MOST_SILENT = 10_000
"""Ticks of silence that are looked at one by one: 27 years of days, more than a year of hours."""

_SECOND = 1e6
_AT_ONCE = 1 << 19  # values that are looked at together: more do not fit into a processor's cache


@dataclass(frozen=True)
class Tick:
    """
    What became known of one model in a tick that ends at `end` (us).

    Signals, the histograms of columns by slice, predictions by version, samples of single errors by slice, and what
    categories are called.
    """

    model: str
    end: int
    signals: Sequence[Signal]
    cells: Mapping[Slice, Entries]
    versions: Mapping[str, float]
    errors: Mapping[Slice, Errors] = field(default_factory=dict)
    names: Names = field(default_factory=dict)


class Watched:
    """The sums of all that is watched; without any watch it does nothing."""

    def __init__(self, watches: Sequence[Watch], tick: int, groups: Groups) -> None:
        self._watches, self._tick, self._groups = watches, tick, groups
        metrics = {task: _metrics(watches, task) for task in sorted({watch.task for watch in watches})}
        self._summarizers = {task: Summarizer(layout(of.values()), tick) for task, of in metrics.items()}
        self._measuring = {
            task: Measuring([watch for watch in watches if watch.task == task], of, tick)
            for task, of in metrics.items()
        }
        self._assertions = compile_rules([rule for watch in watches for rule in watch.rules])
        self._checks = {rule.name: watch for watch in watches for rule in watch.rules}
        self._columns = ColumnSums()
        self._errors = ErrorSample({watch.model: watch.errors for watch in watches}, groups)
        self._texts = Texts()
        self._following = Following(watches, tick, self._columns)
        self._next: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._passed = 0

    def __bool__(self) -> bool:
        return bool(self._watches)

    def add(self, source: Source, task: Task, rows: Columns, changes: Changes, model: Ints) -> None:
        """Add changes of one source and task; `rows` gives their `cohort`, `known` and `sign`."""
        if task not in self._summarizers:
            return
        mine = np.isin(model, [watch.number for watch in self._watches if watch.task == task])
        if not mine.all():
            rows, changes, model = take(rows, mine), changes.take(mine), model[mine]
        if not length(rows):
            return
        known = {"cohort": rows["cohort"], "time": rows["known"], "sign": rows["sign"]}
        self._summarizers[task].add(source, known, changes)
        if source == "label":
            self._add_labels(rows, model)
            self._add_errors(task, rows, changes, model)

    def see(self, table: pa.RecordBatch, places: Ints, keys: Hashes, rows: Columns, model: Ints) -> None:
        """
        Look at the columns of new predictions.

        `places` are their rows in the table, `keys` the hashes of their requests, `rows` their `cohort`, `time`,
        `weight` and `id`, all aligned.
        """
        for watch in self._watches:
            chosen = np.flatnonzero((model == watch.number) & sampled(keys, watch.share))
            step = max(_AT_ONCE // len(watch.columns), 1)
            for start in range(0, len(chosen), step):
                some = chosen[start : start + step]
                self._look(watch, read(table, places[some], watch.numbers, watch.centers), take(rows, some))
        self._check(table, places, rows)
        self._following.see(table, places, keys, rows)

    def _check(self, table: pa.RecordBatch, places: Ints, rows: Columns) -> None:
        """Check the assertions about single predictions, all of them."""
        if not self._checks:
            return
        row = np.empty(len(table), np.int64)
        row[places] = np.arange(len(places))
        for checked in self._assertions.check(table, places):
            watch = self._checks[checked.rule.name]
            mine = row[checked.rows]
            cells, _ = next(self._cells(watch, rows["cohort"][mine], rows["time"][mine]))
            number = np.full(len(mine), watch.numbers[PREFIX + checked.rule.name])
            self._columns.add(cells, number, verdict_bins(checked), rows["weight"][mine])

    def _look(self, watch: Watch, values: Values, rows: Columns) -> None:
        weight = rows["weight"]
        for tick, columns, bins, texts in values.told.by(rows["time"] // self._tick):
            self._texts.add((watch.model, tick), columns, bins, texts)
        for cells, inside in self._cells(watch, rows["cohort"], rows["time"]):
            self._columns.size(cells[inside], weight[inside], np.ones(int(inside.sum())))
            self._columns.tally(cells, weight, values)

    def _add_labels(self, rows: Columns, model: Ints) -> None:
        """Watch outcomes, and how long they took to come."""
        for watch in self._watches:
            for name in sorted({"outcome", LABEL_DELAY, LABEL_LAG}.intersection(watch.columns)):
                number = watch.numbers[name]
                mine = np.flatnonzero(model == watch.number)
                bins = _label_bins(name, take(rows, mine), self._tick, watch.centers.get(name, 0.0))
                weight = rows["weight"][mine] * rows["sign"][mine]
                for cells, inside in self._cells(watch, rows["cohort"][mine], rows["known"][mine]):
                    held = inside & (bins >= 0) if name == "outcome" else inside
                    self._columns.add(cells[held], np.full(int(held.sum()), number), bins[held], weight[held])

    def _add_errors(self, task: Task, rows: Columns, changes: Changes, model: Ints) -> None:
        """Keep a sample of single errors, for the detectors that take these."""
        for watch in self._watches:
            if self._errors.asks(watch.model) and (model == watch.number).any():
                mine = np.flatnonzero(model == watch.number)
                errors = errors_of(task, changes)[mine]
                self._errors.add(watch.model, rows["known"][mine] // self._tick, errors, take(rows, mine))

    def _cells(self, watch: Watch, cohorts: Ints, times: Ints) -> Iterator[tuple[Ints, Mask]]:
        """For each watched slice, the number of each row's cell, and which rows are in one."""
        pairs, place = pairs_of(times // self._tick, cohorts)
        for attributes in watch.column_slices:
            numbers = [self._cell(tick, cohort, attributes) for tick, cohort in pairs]
            cells = np.array(numbers, np.int64)[place]
            yield cells, cells >= 0

    def _cell(self, tick: int, cohort: int, attributes: tuple[str, ...]) -> int:
        slice_ = self._groups.slice_of(cohort, attributes)
        return self._columns.cell(tick, slice_)

    def collect(self) -> dict[str, Any]:
        """Return everything since this was last called, as plain data and arrays, and begin anew."""
        return {
            "signature": self._signature(),
            "tasks": {task: one.panes.collect() for task, one in self._summarizers.items()},
            "columns": self._columns.collect(),
            "errors": self._errors.collect(),
            "texts": self._texts.collect(),
            "followed": self._following.collect(),
        }

    def merge(self, collected: Mapping[str, Any], cohorts: Ints, bins: Any) -> None:
        """
        Add what was collected elsewhere; `cohorts` and `bins` say what its numbers are here.

        What was collected when something else was watched is of no use any more.
        """
        if collected["signature"] != self._signature():
            self._pass_over(collected)
            return
        for task, one in self._summarizers.items():
            one.panes.merge(collected["tasks"][task], cohorts, bins)
        self._columns.merge(collected["columns"])
        self._errors.merge(collected["errors"])
        self._texts.merge(collected["texts"])
        self._following.merge(collected["followed"])

    def _pass_over(self, useless: Mapping[str, Any]) -> None:
        """Look at no tick of which some sums are of no use: what is left of it would look like a drop of traffic."""
        cells = [panes["cells"]["key"] for panes in useless["tasks"].values()]
        last = max((int(pane_of(key).max(initial=-1)) for key in cells), default=-1)
        self._passed = max(self._passed, last + 1)
        for model, tick in useless.get("next", {}).items():  # a snapshot says which models there were
            self._next[model] = max(self._next.get(model, 0), tick)

    def _signature(self) -> list[Any]:
        """What sums must have been made for to be of use, as plain data."""
        return [
            self._tick,
            *(
                [
                    *(one.model, list(one.metrics), list(one.columns), str(one.slices), str(one.column_slices)),
                    *(dict(one.centers), one.errors_said),
                ]
                for one in self._watches
            ),
        ]

    def take(self, watermark: int, recorded: int) -> list[Tick]:
        """
        Take out what became known in the ticks that the watermark has passed, by tick and model.

        None is later than that of the latest prediction that is `recorded`, us: that a recording ends is no outage,
        and the labels that come after it stand beside no others.
        """
        self._following.advance(watermark)
        last = min(watermark // self._tick - 1, recorded // self._tick)
        found: dict[tuple[str, int], _Parts] = defaultdict(_Parts)
        self._take_predictions(found, last)
        for key, errors in self._errors.take(last + 1):
            found[key].errors = errors
        for task, one in self._summarizers.items():
            for signal in self._measuring[task].signals(one.panes, self._groups, last):
                found[signal.slice.model, signal.tick].signals.append(signal)
            for key, counts in self._measuring[task].versions(one.panes, self._groups, last).items():
                found[key].versions.update(counts)
            one.panes.drop(one.panes.live()[1] // self._tick <= last)
        return list(self._in_order(found, last))

    def _take_predictions(self, found: Mapping[tuple[str, int], _Parts], last: int) -> None:
        """Take out the histograms of columns, and what their categories are called."""
        self._columns.count_in(self._groups.counted_in)
        for tick, by_slice in self._columns.take(last + 1).items():
            for slice_, entries in by_slice.items():
                if self._groups.is_shown(slice_):
                    found[slice_.model, tick].cells[slice_] = entries
        for key, names in self._texts.take(last + 1).items():
            found[key].names = names

    def _in_order(self, found: Mapping[tuple[str, int], _Parts], last: int) -> Iterator[Tick]:
        """
        Yield every tick of every model from its first one on: also those in which nothing became known.

        Of a longer silence only so many: what has been silent for that long is told of, and one event of a time long
        past must not make up every tick since.
        """
        for watch in self._watches:
            seen = [tick for model, tick in found if model == watch.model and tick >= self._passed]
            first = max(self._next.get(watch.model, min(seen, default=last + 1)), self._passed)
            for tick in self._told(watch.model, first, last, sorted(seen)):
                parts = found.get((watch.model, tick), _Parts())
                yield parts.tick(watch.model, (tick + 1) * self._tick)
            if first <= last:
                self._next[watch.model] = last + 1

    def _told(self, model: str, first: int, last: int, heard: Sequence[int]) -> Iterator[int]:
        """Yield the ticks from the first to the last that are heard of, or no longer silent than is told."""
        for tick in heard:
            yield from range(first, min(tick, self._heard.get(model, tick) + MOST_SILENT + 1))
            yield from range(max(first, tick), tick + 1)
            self._heard[model], first = tick, max(first, tick + 1)
        yield from range(first, min(last, self._heard.get(model, last) + MOST_SILENT) + 1)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data and arrays."""
        return {
            "signature": self._signature(),
            "tasks": {task: one.panes.snapshot() for task, one in self._summarizers.items()},
            "columns": self._columns.snapshot(),
            "errors": self._errors.snapshot(),
            "texts": self._texts.snapshot(),
            "next": dict(self._next),
            "heard": dict(self._heard),
            "passed": self._passed,
            "followed": self._following.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot; one of when something else was watched is of no use."""
        if saved["signature"] != self._signature():
            self._pass_over(saved)
            return
        for task, one in self._summarizers.items():
            one.panes.restore(saved["tasks"][task])
        self._columns.restore(saved["columns"])
        self._errors.restore(saved["errors"])
        self._texts.restore(saved["texts"])
        self._heard = dict(saved["heard"])
        self._next, self._passed = dict(saved["next"]), saved.get("passed", 0)  # earlier snapshots passed nothing over
        self._following.restore(saved["followed"])


@dataclass
class _Parts:
    signals: list[Signal] = field(default_factory=list)
    cells: dict[Slice, Entries] = field(default_factory=dict)
    versions: dict[str, float] = field(default_factory=dict)
    errors: Mapping[Slice, Errors] = field(default_factory=dict)
    names: Names = field(default_factory=dict)

    def tick(self, model: str, end: int) -> Tick:
        return Tick(model, end, self.signals, self.cells, self.versions, self.errors, self.names)


def _metrics(watches: Sequence[Watch], task: Task) -> dict[str, Metric]:
    names = dict.fromkeys(name for watch in watches if watch.task == task for name in watch.metrics)
    return {name: metric_for(name, task) for name in names}


def _label_bins(name: str, rows: Columns, tick: int, center: float) -> Ints:
    """
    Bins of labels: -1 where the row has none, of numbers from their center.

    Or of how long they took to come: in seconds, or in ticks (us).
    """
    if name == LABEL_LAG:
        lags: Ints = rows["known"] // tick - rows["time"] // tick
        return lags
    if name == LABEL_DELAY:
        return bins_of((rows["known"] - rows["time"]) / _SECOND)
    if "label" in rows:
        return np.where(rows["label"] != 0, category_bins(rows["label"]), -1)
    value = rows.get("value", np.full(length(rows), np.nan))
    return np.where(np.isnan(value), -1, bins_of(value - center))
