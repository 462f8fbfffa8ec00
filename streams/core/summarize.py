"""
Summarize: changes become exact sums in the cells of their panes.

This is the last place where there is anything like an event; what leaves it adds and merges in any order.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.core.columns import Array, Columns, Hashes, Ints, Mask, length, segments, take
from streams.core.exact import segment_sums
from streams.core.metric.base import Changes, Floats, Source, Variable
from streams.core.metric.histograms import CLASSES, HISTOGRAMS
from streams.core.metric.layout import Layout
from streams.core.metric.variables import variable
from streams.core.panes import Panes, Slots


@dataclass(frozen=True)
class Column:
    """One column of sums: the weight's power and the variable."""

    name: str
    power: int
    source: Source
    values: Variable


@dataclass(frozen=True)
class Terms:
    """
    How labels read, a row a cohort: hashes of the positive and negative class (0: any other), the threshold.

    `closed` has, for each multiclass model with a closed list of classes, a mask of its cohorts and their hashes.
    """

    positive: Array
    negative: Array
    threshold: Floats
    closed: tuple[tuple[Mask, Hashes], ...] = ()


class Summarizer:
    """Adds changes of its sources to the panes of one task."""

    def __init__(self, layout: Layout, pane: int) -> None:
        self._columns = [_column(name) for name in layout.columns]
        self._bin_columns = {name: [_column(one) for one in columns] for name, columns in layout.histograms.items()}
        self._headcounts = [(count, [_column(one) for one in count.columns]) for count in layout.headcounts]
        headcounts = {count.name: count.columns for count in layout.headcounts}
        self.panes = Panes(pane, layout.columns, {**layout.histograms, **headcounts})
        every = itertools.chain(self._columns, *self._bin_columns.values())
        self.sources = frozenset(column.source for column in every)

    def add(self, source: Source, rows: Columns, changes: Changes) -> None:
        """Add changes of one source; `rows` gives their `cohort`, `time` and `sign`, and `place` if units are known."""
        if not length(rows):
            return
        keys = self.panes.keys_of(rows["cohort"], rows["time"])
        order = np.argsort(keys)
        starts, lengths = segments(keys[order])
        slots = self.panes.touch(keys[order[starts]])
        weights = _powers(changes.weight, rows["sign"])
        for column in (c for c in self._columns if c.source == source):
            values = (column.values(changes) * weights[column.power])[order]
            self.panes.cells.add(column.name, slots, segment_sums(values, starts, lengths))
        cell = np.empty(len(order), np.int64)
        cell[order] = np.repeat(slots, lengths)
        for name, columns in self._bin_columns.items():
            of_source = [column for column in columns if column.source == source]
            if of_source:
                self._add_bins(name, HISTOGRAMS[name].bin_of(changes), of_source, cell, changes, weights)
        for count, columns in self._headcounts if "place" in rows else ():
            if count.source == source:
                self._add_bins(count.name, count.bin_of(rows["place"]), columns, cell, changes, weights)

    def _add_bins(
        self, name: str, bins: Ints, columns: list[Column], cell: Ints, changes: Changes, weights: list[Floats]
    ) -> None:
        present = np.flatnonzero(bins >= 0)
        keys = self.panes.entry_keys(name, cell[present], bins[present])
        order = np.argsort(keys)
        starts, lengths = segments(keys[order])
        if not len(starts):
            return
        table = self.panes.histograms[name]
        slots = table.resolve(keys[order[starts]])
        rows = present[order]
        for column in columns:
            values = column.values(changes)[rows] * weights[column.power][rows]
            table.add(column.name, slots, segment_sums(values, starts, lengths))


def traffic_changes(rows: Columns) -> Changes:
    """Changes of predictions as they come."""
    return _changes(length(rows), {"weight": rows["weight"]})


def timing_changes(rows: Columns) -> Changes:
    """Changes of predictions and feedback that say how long an answer took."""
    return _changes(length(rows), {"weight": rows["weight"], "latency": rows["latency"]})


def scoring_changes(rows: Columns) -> Changes:
    """Changes of predictions with a score, labelled or not."""
    return _changes(length(rows), {name: rows[name] for name in ("weight", "answers", "score", "score_squared")})


def feedback_changes(rows: Columns) -> Changes:
    """Changes of feedback that found its prediction."""
    return _changes(length(rows), {name: rows[name] for name in ("weight", "kind", "value", "first")})


def label_changes(task: str, rows: Columns, terms: Terms, classes: Slots) -> Changes:
    """
    Changes of labels, as the task reads them.

    `classes` numbers the class hashes of multiclass models as they are first seen.
    """
    read = {
        "binary": _binary,
        "multiclass": _multiclass,
        "regression": _regression,
        "ranking": _ranking,
        "none": _unread,
    }
    known = {"weight": rows["weight"], "prediction_weight": rows["prediction_weight"]}
    return _changes(length(rows), known | read[task](rows, terms, classes))


def _binary(rows: Columns, terms: Terms, _: Slots) -> Columns:
    cohort, score = rows["cohort"], rows["score"]
    positive, negative = terms.positive[cohort], terms.negative[cohort]
    by_score = np.where(np.isnan(score), np.nan, score >= terms.threshold[cohort])
    predicted = rows["predicted"]
    return {
        "score": score,
        "y": _side(rows["label"], positive, negative),
        "yhat": np.where(predicted == 0, by_score, _side(predicted, positive, negative)),
    }


def _side(label: Array, positive: Array, negative: Array) -> Floats:
    """1 for the positive class, 0 for the negative (any other, where none is named), NaN for no label."""
    is_negative = np.where(negative == 0, label != positive, label == negative)
    return np.where(label == 0, np.nan, np.where(label == positive, 1.0, np.where(is_negative, 0.0, np.nan)))


def _multiclass(rows: Columns, terms: Terms, classes: Slots) -> Columns:
    label = rows["label"]
    for cohorts, known in terms.closed:
        label = np.where(cohorts[rows["cohort"]] & ~np.isin(label, known), np.uint64(0), label)
    actual = _number(label, classes)
    return {"actual": actual, "predicted": _number(rows["predicted"], classes)}


def _number(labels: Array, classes: Slots) -> Ints:
    distinct, inverse = np.unique(labels.view(np.int64), return_inverse=True)
    numbers = np.minimum(classes.resolve(distinct), CLASSES - 1)
    return np.where(labels == 0, -1, numbers[inverse])


def _regression(rows: Columns, _: Terms, __: Slots) -> Columns:
    return {"score": rows["score"], "value": rows["value"]}


def _unread(_: Columns, __: Terms, ___: Slots) -> Columns:
    return {}


def _ranking(rows: Columns, _: Terms, __: Slots) -> Columns:
    hits = rows["ranking"] == rows["label"][:, None]
    rank = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)
    return {"rank": np.where(rows["label"] == 0, -1, rank)}


def _changes(rows: int, known: Mapping[str, Array]) -> Changes:
    """Fill in what is absent."""
    said = ("weight", "prediction_weight", "latency", "answers", "score", "score_squared")
    read = ("y", "yhat", "value", "first")
    absent = dict.fromkeys((*said, *read), np.full(rows, np.nan))
    codes = dict.fromkeys(("actual", "predicted", "rank", "kind"), np.full(rows, -1, np.int64))
    return Changes(**(absent | codes | dict(known)))


def _column(name: str) -> Column:
    power, _, of = name.partition(":")
    source, values = variable(of)
    return Column(name, int(power), source, values)


def _powers(weight: Floats, sign: Floats) -> list[Floats]:
    return [sign, sign * weight, sign * weight * weight]


def select(rows: Columns, wanted: Mask) -> Columns:
    """Rows where the mask is true; the same columns when that is all of them."""
    return rows if wanted.all() else take(rows, wanted)
