"""
Summaries: what one partition has summed up, on its way to where the sums of all partitions meet.

A summary is sums and nothing else: it merges in any order, and says itself which groups its numbers mean. Those of
one model are merged in one place, so a summary is parted by model; and it is parted again until it fits a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from streams.core.columns import Ints, Mask
from streams.core.panes import cohort_of

Sums = dict[str, Any]
"""What `Measures.collect` returns: sums by task, and the names of cohorts and classes."""


def by_shard(sums: Sums, shard_of: Callable[[str], int]) -> dict[int, Sums]:
    """Part sums by the shard of their model; a shard without any is not there."""
    numbers, names = sums["cohorts"]["numbers"], sums["cohorts"]["names"]
    shards = np.array([shard_of(name[0]) for name in names], np.int64)
    here = np.full(int(numbers.max(initial=-1)) + 1, -1)
    here[numbers] = shards

    def belongs(shard: int) -> Callable[[Ints], Mask]:
        return lambda cohorts: here[cohorts] == shard

    return {shard: _where(sums, belongs(shard)) for shard in sorted(set(shards.tolist()))}


def parted(sums: Sums, fits: Callable[[Sums], bool]) -> Iterator[Sums]:
    """Part sums into halves, by cohort, and these again, until each part fits or is one cohort's."""
    numbers = sums["cohorts"]["numbers"]
    if len(numbers) < 2 or fits(sums):
        yield sums
        return
    middle = numbers[len(numbers) // 2]
    yield from parted(_where(sums, lambda cohorts: cohorts < middle), fits)
    yield from parted(_where(sums, lambda cohorts: cohorts >= middle), fits)


def _where(sums: Sums, wanted: Callable[[Ints], Mask]) -> Sums:
    """Return the sums of the cohorts that are wanted."""
    named = sums["cohorts"]
    kept = wanted(named["numbers"])
    return {
        "tasks": {task: _cells_where(panes, wanted) for task, panes in sums["tasks"].items()},
        "cohorts": {
            "numbers": named["numbers"][kept],
            "names": [named["names"][row] for row in np.flatnonzero(kept).tolist()],
        },
        "classes": sums["classes"],
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
