"""What is read of a store to find changes: signals of the whole and of slices, and predictions by version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from streams.config.problems import unknown
from streams.core.alert.wording import quoted
from streams.core.columns import Floats, Ints
from streams.core.detect.finding import Slice
from streams.core.detect.movers import Sliced
from streams.core.detect.release import Marker, Series, versions_seen
from streams.core.judge.looks import CHECKS
from streams.core.window_spec import WindowSpec
from streams.errors import StreamsError, UsageError
from streams.report.read import Query

METRIC = "metric"
"""The kind of watches that are looked at if none is named."""


@dataclass(frozen=True, slots=True)
class Span:
    """
    Which ticks of which model are read: those that begin at `since` or later and end by `until` (us).

    None leaves a side open.
    """

    model: str
    since: int | None = None
    until: int | None = None

    @property
    def where(self) -> str:
        """The condition on rows of `signals`, as SQL."""
        parts = [f"model = {quoted(self.model)}"]
        if self.since is not None:
            parts.append(f"tick > fromUnixTimestamp64Micro(toInt64({self.since}))")
        if self.until is not None:
            parts.append(f"tick <= fromUnixTimestamp64Micro(toInt64({self.until}))")
        return " AND ".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """
    The signals of the whole.

    Attributes
    ----------
    tick
        Length of a tick, us.
    series
        By watch; sampling errors are not stored, and NaN.
    kinds
        Kind of each watch.
    """

    tick: int
    series: dict[str, Series]
    kinds: dict[str, str]


def read_whole(query: Query, span: Span) -> Stored:
    """
    Read all watches of a model's whole.

    Raises
    ------
    UsageError
        If the store watches other models, but not this one; the message says which.
    StreamsError
        If there are fewer than two ticks, of this model in this time or of any model.
    """
    rows = query(
        f"SELECT kind, watch, tick, value, n_effective AS n FROM signals FINAL "  # noqa: S608 - quoted, and only read
        f"WHERE {span.where} AND empty(slice) ORDER BY kind, watch, tick"
    )
    ends = np.unique(_micros(rows["tick"]))
    if len(ends) < 2:
        raise _nothing(query, span, len(ends))
    tick = int(np.gcd.reduce(np.diff(ends)))
    watch = np.array(rows["watch"].to_pylist(), np.str_)
    kinds = dict(zip(watch.tolist(), rows["kind"].to_pylist(), strict=True))
    return Stored(tick, {name: _series(rows.filter(pa.array(watch == name)), tick) for name in kinds}, kinds)


def read_slices(query: Query, span: Span, watch: str, whole: Series) -> list[Sliced]:
    """
    Read one watch in slices, one `Sliced` for each attribute (or attributes together) that it is sliced by.

    They have the ticks of the whole, with n = 0 where a slice has no row.
    """
    rows = query(
        f"SELECT slice, tick, value, n FROM signals FINAL "  # noqa: S608
        f"WHERE {span.where} AND watch = {quoted(watch)} AND notEmpty(slice) ORDER BY slice_id, tick"
    )
    names = [tuple(sorted(one)) for one in rows["slice"].to_pylist()]
    by_attributes: dict[tuple[str, ...], set[Slice]] = defaultdict(set)
    for name in names:
        by_attributes[tuple(attribute for attribute, _ in name)].add(name)
    columns = _micros(rows["tick"]), _numbers(rows["value"]), _numbers(rows["n"])
    return [_sliced(sorted(of), whole, names, columns) for _, of in sorted(by_attributes.items())]


def read_releases(query: Query, model: str, tick: int, metrics: Iterable[str]) -> list[Marker] | None:
    """
    Find when each version arrived, from windows of the whole; None where there are no windows to tell it from.

    Windows that neither overlap nor follow the calendar tell it, those whose length is nearest to a tick. Predictions
    are the metric `count`; without it, what the labels of a watched metric and their coverage say.
    """
    of_model = f"model = {quoted(model)} AND empty(slice)"
    names = query(f"SELECT DISTINCT window FROM windows WHERE {of_model} ORDER BY window").to_pydict()  # noqa: S608
    specs = [WindowSpec.parse(name) for name in names.get("window", [])]
    sizes = {spec.size: spec.name for spec in specs if not spec.months and spec.size == spec.slide}
    if not sizes:
        return None
    size = min(sizes, key=lambda size: (abs(np.log(size / tick)), size))
    watched = ", ".join(map(quoted, metrics)) or "''"
    rows = query(
        "SELECT version, window_start AS start, maxIf(value, metric = 'count') AS counted, "  # noqa: S608
        f"maxIf(n / label_coverage, metric IN ({watched}) AND label_coverage > 0) AS labelled "
        f"FROM windows FINAL WHERE {of_model} AND window = {quoted(sizes[size])} "
        "GROUP BY version, start ORDER BY version, start"
    )
    version = np.array(rows["version"].to_pylist(), np.str_)
    starts, at = np.unique(_micros(rows["start"]), return_inverse=True)
    versions, which = np.unique(version, return_inverse=True)
    counted = np.nan_to_num(_numbers(rows["counted"]))
    traffic = np.zeros((len(versions), len(starts)))
    traffic[which, at] = np.where(counted > 0, counted, np.nan_to_num(_numbers(rows["labelled"])))
    return versions_seen(starts + size, size, traffic, versions.tolist())


def read_decisions(query: Query, model: str) -> list[Marker]:
    """Find when experiments on a model reached verdicts on metrics, each for the first time."""
    checks = ", ".join(map(quoted, CHECKS))
    rows = query(
        "SELECT DISTINCT experiment, first_reached FROM verdicts FINAL "  # noqa: S608
        f"WHERE model = {quoted(model)} AND first_reached IS NOT NULL AND kind NOT IN ({checks}) "
        "ORDER BY first_reached, experiment"
    )
    names, times = rows["experiment"].to_pylist(), _micros(rows["first_reached"]).tolist()
    return [Marker(time, f"decision of experiment {name}") for name, time in zip(names, times, strict=True)]


def named(stored: Stored, watches: Sequence[str], model: str) -> list[str]:
    """
    Return the watches that are asked for, all metrics if none is named.

    Raises
    ------
    UsageError
        If one is not stored, or none is named and there are no metrics.
    """
    for name in watches:
        if name not in stored.series:
            raise UsageError(f"{model} is not watched for {name}{unknown(name, stored.series)}")
    found = list(dict.fromkeys(watches)) or [name for name, kind in stored.kinds.items() if kind == METRIC]
    if not found:
        others = ", ".join(sorted(stored.series))
        raise UsageError(f"{model} is watched for no metric: name another watch, with --watch. There are: {others}")
    return found


def _nothing(query: Query, span: Span, ticks: int) -> StreamsError:
    known = query("SELECT DISTINCT model FROM signals ORDER BY model").to_pydict().get("model", [])
    if not known:
        return StreamsError("the store has no signals: nothing has been watched yet, or the first tick is not over")
    if span.model not in known:
        return UsageError(f"the store has no signals of a model {span.model}{unknown(span.model, known)}")
    when = "" if span.since is None and span.until is None else " in this time"
    return StreamsError(f"{span.model} has {ticks or 'no'} tick with signals{when}: there is nothing to compare")


def _series(rows: pa.Table, tick: int) -> Series:
    value = _numbers(rows["value"])
    return Series(_micros(rows["tick"]), value, np.full(len(value), np.nan), _numbers(rows["n"]), tick)


def _sliced(of: Sequence[Slice], whole: Series, names: Sequence[Slice], columns: tuple[Ints, Floats, Floats]) -> Sliced:
    number = {name: i for i, name in enumerate(of)}
    which = np.array([number.get(name, -1) for name in names], np.int64)
    mine = (which >= 0) & np.isin(columns[0], whole.ends)
    ends, values, counts = (column[mine] for column in columns)
    at = np.searchsorted(whole.ends, ends)
    value = np.full((len(of), len(whole.ends)), np.nan)
    n = np.zeros_like(value)
    value[which[mine], at], n[which[mine], at] = values, counts
    return Sliced(tuple(of), whole.ends, whole.tick, value, n)


def _micros(times: pa.ChunkedArray) -> Ints:
    ends: Ints = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy().astype(np.int64)
    return ends


def _numbers(column: pa.ChunkedArray) -> Floats:
    """Numbers of a column; NaN for what is NULL or infinite, as neither can be added up."""
    found = column.cast(pa.float64()).to_numpy()
    numbers: Floats = np.where(np.isfinite(found), found, np.nan)
    return numbers
