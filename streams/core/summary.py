"""
Summaries: what one partition has summed up, on its way to where the sums of all partitions meet.

A summary is sums, which merge in any order, and says itself which groups its numbers mean; where a rule is about
several predictions, what it compares of each goes with them. What is of one model is merged in one place, so a summary
is parted by model; and it is parted again until it fits a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streams.core.columns import Ints, Mask, length
from streams.core.detect.traveling import bare, halves, is_bare, of_models
from streams.core.detect.traveling import size_of as watched_size
from streams.core.panes import cohort_of

Sums = dict[str, Any]
"""
What `Measures.collect` returns: sums by task with the names of cohorts and classes, sums of trials, sightings, of
what is watched, and predictions that assertions follow.
"""

_BY_MODEL = ("trials", "seen", "followed")


def by_shard(sums: Sums, shard_of: Callable[[str], int]) -> dict[int, Sums]:
    """Part sums by the shard of their model; a shard without any is not there."""
    numbers, names = sums["cohorts"]["numbers"], sums["cohorts"]["names"]
    shards = np.array([shard_of(name[0]) for name in names], np.int64)
    here = np.full(int(numbers.max(initial=-1)) + 1, -1)
    here[numbers] = shards

    def part(shard: int) -> Sums:
        trials = _of_models(sums, lambda model: shard_of(model) == shard)
        part = _where(sums, lambda cohorts: here[cohorts] == shard) | trials
        return part | {"watched": of_models(part["watched"], lambda model: shard_of(model) == shard)}

    # A rule may follow predictions of other models only, whose sums meet elsewhere.
    followed = {shard_of(one["model"]) for one in sums["followed"]}
    return {shard: part(shard) for shard in sorted({*shards.tolist(), *followed})}


def parted(sums: Sums, fits: Callable[[Sums], bool]) -> Iterator[Sums]:
    """Part sums into halves, and these again, until each part fits or cannot be parted."""
    halves = [] if fits(sums) else _halves(sums)
    if not halves:
        yield sums
    for half in halves:
        yield from parted(half, fits)


def size_of(sums: Sums) -> int:
    """Bytes of the arrays in sums, before they are compressed."""
    every = [*sums["tasks"].values(), *sums["watched"]["tasks"].values()]
    tables = [table for panes in every for table in panes.values()]
    seen = [column for name in ("seen", "followed") for told in sums[name] for column in told["rows"].values()]
    arrays = (*(t["parts"] for t in tables), *(t["sums"] for t in sums["trials"]), *seen)
    return sum(int(array.nbytes) for array in arrays) + watched_size(sums["watched"])


def _halves(sums: Sums) -> list[Sums]:
    """Cut sums in two: what is watched apart, trials apart, then each of these; nothing if that cannot be."""
    numbers = sums["cohorts"]["numbers"]
    if not is_bare(sums["watched"]):
        return _without_watched(sums, numbers)
    if any(sums[name] for name in _BY_MODEL):
        nothing = _where(sums, lambda cohorts: np.zeros(len(cohorts), np.bool_))
        if len(numbers):
            return [sums | {name: [] for name in _BY_MODEL}, nothing | {name: sums[name] for name in _BY_MODEL}]
        cuts = {"trials": _ticks, "seen": _rows, "followed": _rows}
        pieces = [(name, one) for name in _BY_MODEL for one in _cut(sums[name], cuts[name])]
        middle = len(pieces) // 2
        return [_pieced(nothing, some) for some in (pieces[:middle], pieces[middle:]) if middle]
    if len(numbers) < 2:
        return []
    middle = numbers[len(numbers) // 2]
    return [_where(sums, lambda cohorts: cohorts < middle), _where(sums, lambda cohorts: cohorts >= middle)]


def _without_watched(sums: Sums, numbers: Ints) -> list[Sums]:
    """Cut what is watched off the rest or, where there is nothing else, in two."""
    alone = not (len(numbers) or any(sums[name] for name in _BY_MODEL))
    nothing = _where(sums, lambda cohorts: np.zeros(len(cohorts), np.bool_))
    cut = halves(nothing["watched"]) if alone else [nothing["watched"]]
    parts = [nothing | {"watched": part} for part in cut]
    return parts if alone else [sums | {"watched": bare(sums["watched"])}, *parts]


def _pieced(nothing: Sums, pieces: Sequence[tuple[str, Any]]) -> Sums:
    return nothing | {name: [one for of, one in pieces if of == name] for name in _BY_MODEL}


def _cut(parts: Sequence[Any], halves: Callable[[Any], list[Any]]) -> list[Any]:
    """The parts, or, if there is a single one, its halves."""
    return halves(parts[0]) if len(parts) == 1 else list(parts)


def _ticks(one: Mapping[str, Any]) -> list[Any]:
    middle = len(one["ticks"]) // 2
    sides = (slice(None, middle), slice(middle, None))
    return [{**one, "ticks": one["ticks"][side], "sums": one["sums"][side]} for side in sides] if middle else [one]


def _rows(one: Mapping[str, Any]) -> list[Any]:
    middle = length(one["rows"]) // 2
    sides = (slice(None, middle), slice(middle, None))
    return [{**one, "rows": {n: c[side] for n, c in one["rows"].items()}} for side in sides] if middle else [one]


def _of_models(sums: Sums, wanted: Callable[[str], bool]) -> Sums:
    return {name: [one for one in sums[name] if wanted(one["model"])] for name in _BY_MODEL}


def _where(sums: Sums, wanted: Callable[[Ints], Mask]) -> Sums:
    """Return the sums of the cohorts that are wanted, without what is by model."""
    named = sums["cohorts"]
    kept = wanted(named["numbers"])
    return {
        "tasks": {task: _cells_where(panes, wanted) for task, panes in sums["tasks"].items()},
        "cohorts": {
            "numbers": named["numbers"][kept],
            "names": [named["names"][row] for row in np.flatnonzero(kept).tolist()],
        },
        "classes": sums["classes"],
        **{name: [] for name in _BY_MODEL},
        "watched": sums["watched"]
        | {"tasks": {task: _cells_where(panes, wanted) for task, panes in sums["watched"]["tasks"].items()}},
    }


def _cells_where(panes: Mapping[str, Any], wanted: Callable[[Ints], Mask]) -> dict[str, Any]:
    cells = panes["cells"]
    kept = wanted(cohort_of(cells["key"]))
    place = np.cumsum(kept) - 1
    histograms = {name: _entries_where(panes[name], kept, place) for name in panes if name != "cells"}
    return {"cells": {"key": cells["key"][kept], "parts": cells["parts"][:, :, kept]}} | histograms


def _entries_where(entries: Mapping[str, Any], kept: Mask, place: Ints) -> dict[str, Any]:
    held = kept[entries["cell"]]
    return {
        "cell": place[entries["cell"][held]],
        "bin": entries["bin"][held],
        "parts": entries["parts"][:, :, held],
    }
