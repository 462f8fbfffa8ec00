"""Measures: the summarize and window stages of every task side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.block import FEEDBACK_KINDS
from streams.core.catalog import Catalog
from streams.core.cohorts import adopted, named
from streams.core.columns import Columns, Hashes, Ints, length, take
from streams.core.detect.watched import Watched
from streams.core.groups import Slice
from streams.core.maturity.corrections import Corrections
from streams.core.maturity.delays import Delays
from streams.core.metric.base import Changes, Source, Task
from streams.core.metric.histograms import CLASSES
from streams.core.panes import Slots, cohort_of
from streams.core.quality import Wanted, enough_units, quality_rows
from streams.core.summarize import (
    Summarizer,
    feedback_changes,
    label_changes,
    scoring_changes,
    select,
    timing_changes,
    traffic_changes,
)
from streams.core.summarized import scoring_rows
from streams.core.trials import Trials
from streams.core.window import Cohorts, Windower


class Measures:
    """Sums and windows of all models, a summarizer and a windower a task."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._summarizers = {t: Summarizer(catalog.layout(t), catalog.pane(t)) for t in catalog.tasks}
        self._windowers = {t: Windower(s.panes, catalog.specs(t)) for t, s in self._summarizers.items()}
        self._scoring = any("scoring" in s.sources for s in self._summarizers.values()) or any(
            plan.trial.reads("scoring") for plan in catalog.docket.plans
        )
        self._classes = Slots()
        self.trials = Trials(catalog.docket, catalog.models)
        self.watched = Watched(catalog.watches, catalog.config.detection.tick, catalog.groups)
        self.delays = Delays(catalog.followed, catalog.groups)
        self._told: set[int] = set()  # groups of which windows with enough units have been shown
        self._corrections = Corrections(catalog.followed, self.delays, catalog.groups)

    def __len__(self) -> int:
        return sum(len(s.panes.cells) for s in self._summarizers.values())

    def add(self, source: Source, rows: Columns) -> None:
        """
        Summarize changes of one source; those that say how long an answer took, or what it was, as such too.

        Summaries of a service's own, of "summary", "timing" and "scoring", are of no arm of an experiment.
        """
        if source == "scoring" and not self._scoring:
            return
        self._add(source, rows)
        timing = _timing(source, rows)
        if length(timing):
            self._add("timing", timing)
        if self._scoring and source == "traffic":
            self._add("scoring", scoring_rows(rows))

    def _add(self, source: Source, rows: Columns) -> None:
        for task, summarizer in self._summarizers.items():
            mine = select(rows, self._catalog.of_task(task, rows["cohort"]))
            if length(mine):
                changes = self._read(source, task, mine)
                summarizer.add(source, mine, changes)
                if self._catalog.docket.plans or self.watched or self.delays:
                    model = self._catalog.model_of(mine["cohort"])
                    self.trials.add(source, mine, changes, model)
                    self.watched.add(source, task, mine, changes, model)
                    self.delays.add(source, mine, changes, model)
                    self._add_positives(summarizer, source, mine, changes, model)

    def _add_positives(
        self, summarizer: Summarizer, source: Source, rows: Columns, changes: Changes, model: Ints
    ) -> None:
        """Summarize positive labels once more, where classes have delays of their own."""
        if source == "label" and "positive" in summarizer.sources:
            some = self.delays.positives(changes, model)
            summarizer.add("positive", take(rows, some), changes.take(some))

    def see(self, table: pa.RecordBatch, places: Ints, keys: Hashes, rows: Columns) -> None:
        """Look at the columns of new predictions, as far as they are watched; parameters as for `Watched.see`."""
        if self.watched:
            self.watched.see(table, places, keys, rows, self._catalog.model_of(rows["cohort"]))

    def show(self, watermark: int, now: int, revision: int, *, provisional: bool) -> Iterator[pa.Table]:
        """
        Rows of the windows that became final and, if `provisional`, of those that changed.

        What became known up to `now` (us) has been seen, mostly.
        """
        self._corrections.draw(watermark)
        groups, horizons = self._catalog.groups, self._catalog.finality()
        cohorts = Cohorts.of(groups)
        for task, windower in self._windowers.items():
            uses, census = self._catalog.window_uses(task), self._catalog.census(task)
            for windows in windower.show(cohorts, uses, horizons, watermark, provisional=provisional):
                metrics, panes = self._catalog.metrics(task), self._summarizers[task].panes
                correction = self._corrections.of(panes, windows, metrics, task, now)
                wanted = Wanted(metrics, self._catalog.metric_uses(task), census)
                if census is not None:
                    self._told.update(windows.group[enough_units(windows, census)].tolist())
                yield quality_rows(windows, wanted, correction, groups.groups, revision)

    def slices(self) -> list[tuple[Slice, int, str]]:
        """Return the slices that may be told of: the decided ones; where units are counted, those that were shown."""
        decided = self._catalog.groups.decisions()
        if self._catalog.config.privacy.smallest_cell == 1:
            return list(decided)
        shown = {self._catalog.groups.groups[number].slice for number in self._told}
        return [row for row in decided if row[0] in shown]

    def told(self) -> int:
        """Return a number that grows whenever there are more such slices."""
        counted = self._catalog.config.privacy.smallest_cell > 1
        return len(self._told) if counted else self._catalog.groups.decided_slices()

    def collect(self) -> dict[str, Any]:
        """Return all sums since this was last called, with what their numbers mean, and begin anew."""
        tasks = {t: s.panes.collect() for t, s in self._summarizers.items()}
        watched = self.watched.collect() | {"delays": self.delays.collect()}
        followed = {"followed": watched.pop("followed")}
        panes = [*tasks.values(), *watched["tasks"].values()]
        used = np.concatenate([cohort_of(collected["cells"]["key"]) for collected in panes])
        cohorts, classes = named(self._catalog.groups, used), self._used_classes(panes)
        summed = {"tasks": tasks, "cohorts": cohorts, "classes": classes, "watched": watched}
        return summed | followed | self.trials.collect()

    def _used_classes(self, every: Iterable[Mapping[str, Any]]) -> Columns:
        """Hashes and numbers of the classes that are in pairs of actual and predicted class."""
        pairs = [panes["confusion"]["bin"] for panes in every if "confusion" in panes]
        used = np.unique(np.concatenate([np.empty(0, np.int64), *(bins // CLASSES for bins in pairs)]))
        used = np.union1d(used, np.concatenate([np.empty(0, np.int64), *(bins % CLASSES for bins in pairs)]))
        known = self._classes.snapshot()
        return take(known, np.isin(np.minimum(known["slots"], CLASSES - 1), used))

    def merge(self, collected: Mapping[str, Any]) -> None:
        """Add the sums that another partition collected under the same configuration."""
        cohorts, classes = adopted(self._catalog.groups, collected["cohorts"]), self._adopt(collected["classes"])

        def bins(histogram: str, there: Ints) -> Ints:
            if histogram != "confusion":
                return there
            return classes[there // CLASSES] * CLASSES + classes[there % CLASSES]

        for task, summarizer in self._summarizers.items():
            summarizer.panes.merge(collected["tasks"][task], cohorts, bins)
        self.trials.merge(collected)
        self.watched.merge(collected["watched"] | {"followed": collected["followed"]}, cohorts, bins)
        self.delays.merge(collected["watched"]["delays"])

    def _adopt(self, classes: Columns) -> Ints:
        """Number here of each class number there; classes beyond the last number are one, there as here."""
        numbers = np.minimum(classes["slots"], CLASSES - 1)
        here = np.full(int(numbers.max(initial=-1)) + 1, CLASSES - 1)
        here[numbers] = np.minimum(self._classes.resolve(classes["keys"]), CLASSES - 1)
        here[CLASSES - 1 :] = CLASSES - 1
        return here

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data."""
        tasks = {t: s.panes.snapshot() | self._windowers[t].snapshot() for t, s in self._summarizers.items()}
        return {"tasks": tasks, "classes": self._classes.snapshot(), "trials": self.trials.snapshot()} | {
            "watched": self.watched.snapshot(),
            "delays": self.delays.snapshot(),
            "told": sorted(self._told),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot."""
        for task, summarizer in self._summarizers.items():
            summarizer.panes.restore(saved["tasks"][task])
            self._windowers[task].restore(saved["tasks"][task])
        self._classes.restore(saved["classes"])
        self._told = set(saved.get("told", ()))  # state of an earlier version has none
        self.trials.restore(saved["trials"])
        self.watched.restore(saved["watched"])
        self.delays.restore(saved["delays"])

    def _read(self, source: Source, task: Task, rows: Columns) -> Changes:
        if source in ("traffic", "summary"):
            return traffic_changes(rows)
        if source == "timing":
            return timing_changes(rows)
        if source == "scoring":
            return scoring_changes(rows)
        if source == "feedback":
            return feedback_changes(rows)
        return label_changes(task, rows, self._catalog.terms(), self._classes)


def _timing(source: Source, rows: Columns) -> Columns:
    """Rows of predictions and latency feedback that carry a latency, as `latency`."""
    if source == "traffic":
        return take(rows, np.isfinite(rows["latency"]))
    if source == "feedback":
        latencies = take(rows, rows["kind"] == FEEDBACK_KINDS.index("latency"))
        return latencies | {"latency": latencies["value"]}
    return {}
