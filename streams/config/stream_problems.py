"""What is wrong with declared detectors of river, seen from the model that they are to watch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from streams.config.columns import holds_numbers
from streams.config.problems import Problem, shown, unknown
from streams.config.stream_detectors import StreamConfig

_UNWATCHED = ("count", "request_rate")  # unless they are named: as traffic they are watched anyway


class Fallible(Protocol):
    """What has to be known of a model."""

    @property
    def task(self) -> str:
        """What it answers."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Its metrics."""


class Watching(Protocol):
    """What has to be known of what is watched of it."""

    @property
    def detectors(self) -> tuple[StreamConfig, ...]:
        """Detectors of river."""

    @property
    def metrics(self) -> tuple[str, ...] | None:
        """Metrics; None for all but count and request_rate."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns."""

    @property
    def slices(self) -> tuple[tuple[str, ...], ...]:
        """Slices in which metrics are watched."""

    @property
    def column_slices(self) -> tuple[tuple[str, ...], ...]:
        """Slices in which columns are watched."""


def stream_problems(watch: Watching, model: Fallible) -> Iterator[Problem]:
    """Say what does not fit the model, or what is watched of it."""
    for number, one in enumerate(watch.detectors):
        where = ("detectors", number)
        if any(_overlap(one, other) for other in watch.detectors[:number]):
            yield (
                (*where, "detector"),
                f"{one.detector} is declared twice for the same: the two could not be told apart",
            )
        yield from (((*where, *place), text) for place, text in _of_slices(one, watch))
        if one.column is not None:
            yield from (((*where, *place), text) for place, text in _of_column(one, watch.columns, model))
        elif one.metric is None:
            yield from ((where, text) for text in _of_errors(one, model))
        elif one.metric not in model.metrics:
            yield (
                (*where, "metric"),
                f"{shown(one.metric)} is no metric of the model{unknown(one.metric, model.metrics)}",
            )
        elif one.metric in _UNWATCHED if watch.metrics is None else one.metric not in watch.metrics:
            yield (*where, "metric"), f"{one.metric} is not watched, so there is nothing to see: add it to `metrics`"


def _overlap(one: StreamConfig, other: StreamConfig) -> bool:
    """Whether two detectors would have findings of the same name in the same slice."""
    seen = ("detector", "metric", "column", "value", "missing")
    if any(getattr(one, name) != getattr(other, name) for name in seen):
        return False
    if set(one.attributes) != set(other.attributes):
        return False
    return one.slice == other.slice or not (one.values and other.values)


def _of_slices(one: StreamConfig, watch: Watching) -> Iterator[Problem]:
    key = "slices" if one.column is None else "column_slices"
    watched: Sequence[tuple[str, ...]] = getattr(watch, key)
    if not one.attributes or any(set(one.attributes) == set(some) for some in watched):
        return
    known = {attribute for some in watched for attribute in some}
    strange = [attribute for attribute in one.attributes if attribute not in known]
    if strange and known:
        said = f"{shown(strange[0])} is no attribute of a watched slice{unknown(strange[0], known)}"
    else:
        said = f"{shown(list(one.attributes))} is no watched slice"
    yield ("slice",), f"{said}: add it to `{key}` as well"


def _of_column(one: StreamConfig, columns: Sequence[str], model: Fallible) -> Iterator[Problem]:
    name = one.column or ""
    if name not in columns:
        known = unknown(name, columns) if columns else ""
        yield ("column",), f"{shown(name)} is no watched column{known}: add it to `columns`"
    elif one.missing and name == "outcome":
        yield ("missing",), "labels that do not come are watched as `label_coverage`: leave it out"
    elif holds_numbers(name, model.task) and one.value is not None:
        yield ("value",), f"{name} holds numbers, of which the mean is seen: leave it out"
    elif not holds_numbers(name, model.task) and one.value is None and not one.missing:
        yield ("column",), f"{name} holds categories: say with `value` of which the share, or `missing: true`"


def _of_errors(one: StreamConfig, model: Fallible) -> Iterator[str]:
    if model.task == "none":
        yield "the model has the task none, and so no errors: name a `metric` or a `column`"
    elif model.task == "regression" and one.is_binary and one.error_above is None:
        yield f"{one.detector} takes right and wrong only: say with `error_above` which answers are wrong"
    elif model.task != "regression" and one.error_above is not None:
        yield f"answers of the task {model.task} are right or wrong by themselves: `error_above` is for numbers"
