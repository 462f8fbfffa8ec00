"""Quality rows: the estimates of windows as the table that the store keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.core.columns import Array, Ints, Mask
from streams.core.groups import Group, Slice
from streams.core.ids import hash_strings
from streams.core.maturity.corrections import Correction
from streams.core.metric.base import Estimate, Metric
from streams.core.metric.crowd import Census, populations
from streams.core.metric.layout import label_coverage
from streams.core.window import Windows

_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.map_(pa.string(), pa.string())
_UNTOLD = dict.fromkeys(("n", "n_effective", "units", "label_coverage"), 0)  # stands where there is nothing to be told


def slice_ids(slices: Iterable[Slice]) -> pa.Array:
    """Stable numbers of slices: XXH3-64 of the JSON object of their attributes and values, sorted by name."""
    pairs = [dict(zip(one.attributes, one.values, strict=True)) for one in slices]
    texts = [json.dumps(each, sort_keys=True, ensure_ascii=False, separators=(",", ":")) for each in pairs]
    return pa.array(hash_strings(pa.array(texts, pa.string())))


@dataclass(frozen=True)
class Wanted:
    """
    What is to be told of windows.

    `uses[metric name]` masks the groups whose model has that metric. With a `census`, a window of too few units has no
    rows; where the window has enough, but what a metric rests on is of too few, its row says nothing: it takes the
    place of one that may have been shown before labels were corrected.
    """

    metrics: Sequence[Metric]
    uses: Mapping[str, Mask]
    census: Census | None = None


def quality_rows(
    windows: Windows, wanted: Wanted, correction: Correction, groups: Sequence[Group], revision: int
) -> pa.Table:
    """One row a window and metric; `revision` orders the versions of a row."""
    named, census = _Names(groups, windows.group), wanted.census
    shown = enough_units(windows, census)
    coverage = label_coverage(windows.totals)
    parts = []
    for metric in wanted.metrics:
        rows = np.flatnonzero(wanted.uses[metric.name][windows.group] & shown)
        numbers = {
            **_estimated(metric.estimate(windows.totals), rows),
            "label_coverage": pa.array(np.nan_to_num(coverage[rows])),
            **_corrected(correction, metric, rows),
        }
        if census is None:
            numbers["units"] = pa.nulls(len(rows), pa.uint64())
        else:
            numbers = _of_enough(numbers, census.units(windows.totals, populations(metric))[rows], census.smallest)
        fixed = {"metric": _same(metric.name, len(rows)), "window": _same(windows.spec.name, len(rows))}
        parts.append(_table(named.columns(rows) | fixed | numbers | _place(windows, rows, revision)))
    return pa.concat_tables(parts)


def enough_units(windows: Windows, census: Census | None) -> Mask:
    """Mask of the windows whose predictions are of enough units to be shown."""
    if census is None:
        return np.ones(len(windows.start), np.bool_)
    return census.units(windows.totals) >= census.smallest


def slice_rows(states: Iterable[tuple[Slice, int, str]], revision: int) -> pa.Table:
    """Rows of the catalogue of slices: each with its first event time (us) and its state."""
    rows = list(states)
    return pa.table(
        {
            "model": pa.array([one.model for one, _, _ in rows], pa.string()),
            "slice_id": slice_ids(one for one, _, _ in rows),
            "slice": pa.array([list(zip(one.attributes, one.values, strict=True)) for one, _, _ in rows], _TEXTS),
            "first_seen": pa.array([time for _, time, _ in rows], pa.int64()).cast(_TIME),
            "state": pa.array([state for _, _, state in rows], pa.string()),
            "revision": pa.array([revision] * len(rows), pa.uint64()),
        }
    )


def _estimated(estimate: Estimate, rows: Ints) -> dict[str, pa.Array]:
    return {
        "value": _nullable(estimate.value[rows]),
        "low": _nullable(estimate.low[rows]),
        "high": _nullable(estimate.high[rows]),
        "n": pa.array(estimate.n[rows]),
        "n_effective": pa.array(np.nan_to_num(estimate.n_effective[rows])),
    }


def _of_enough(numbers: Mapping[str, pa.Array], units: Ints, smallest: int) -> dict[str, pa.Array]:
    """Numbers with how many units they are of; nothing is left of those that are of too few."""
    few = pa.array(units < smallest)
    told = {**numbers, "units": pa.array(units, pa.uint64())}
    return {name: pc.if_else(few, pa.scalar(_UNTOLD.get(name), column.type), column) for name, column in told.items()}


def _corrected(correction: Correction, metric: Metric, rows: Ints) -> dict[str, pa.Array]:
    """How much of what a metric rests on has come, and what it will be; nulls where it rests on nothing late."""
    estimate = correction.estimates[metric.name]
    known = np.isfinite(estimate.value)
    maturity = correction.maturity if metric.name in correction.of_labels else np.full(len(known), np.nan)
    return {
        "maturity": _nullable(maturity[rows]),
        "corrected": _nullable(estimate.value[rows]),
        "corrected_low": _nullable(estimate.low[rows]),
        "corrected_high": _nullable(estimate.high[rows]),
        "corrected_n_effective": _nullable(np.where(known, estimate.n_effective, np.nan)[rows]),
    }


class _Names:
    """Model, version and slice of each window, looked up once a group."""

    def __init__(self, groups: Sequence[Group], group: Ints) -> None:
        distinct, self._row = np.unique(group, return_inverse=True)
        shown = [groups[g] for g in distinct.tolist()]
        self._columns = {
            "model": pa.array([g.slice.model for g in shown], pa.string()),
            "version": pa.array([g.version for g in shown], pa.string()),
            "slice_id": slice_ids(g.slice for g in shown),
            "slice": pa.array([list(zip(g.slice.attributes, g.slice.values, strict=True)) for g in shown], _TEXTS),
        }

    def columns(self, rows: Ints) -> dict[str, pa.Array]:
        index = pa.array(self._row[rows])
        return {name: column.take(index) for name, column in self._columns.items()}


def _place(windows: Windows, rows: Ints, revision: int) -> dict[str, pa.Array | Array]:
    return {
        "window_start": pa.array(windows.start[rows]).cast(_TIME),
        "window_end": pa.array(windows.end[rows]).cast(_TIME),
        "is_final": windows.final[rows],
        "revision": np.full(len(rows), revision, np.uint64),
    }


def _table(columns: Mapping[str, pa.Array | Array]) -> pa.Table:
    order = (
        "model version window window_start window_end slice_id slice metric value low high n n_effective units "
        "label_coverage maturity corrected corrected_low corrected_high corrected_n_effective is_final revision"
    )
    return pa.table({name: columns[name] for name in order.split()})


def _nullable(values: Array) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))


def _same(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), rows)
