"""What a reference that was handed over lacks, in words: what is not in it, and what there is too little of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from streams.core.detect.column_sums import Entries
from streams.core.detect.learning import Watches
from streams.core.detect.reference import LEAST_ROWS
from streams.core.groups import Slice

_ON = "it is learned on from the stream"
_NAMED = 5  # columns; there may be thousands


def absent(columns: Mapping[str, int], cells: Iterable[Entries]) -> list[str]:
    """Return the columns (by name, with their numbers) that have no value in any of some cells."""
    held = list(cells)
    return [name for name, number in columns.items() if not any(len(one.of(number)[0]) for one in held)]


def remarks(watches: Watches, whole: Slice, metrics: Sequence[str]) -> Iterator[str]:
    """Say what watches that have learned from a reference cannot do yet, and what their columns cannot see."""
    yield from _of_metrics(watches, whole, metrics)
    yield from _of_columns(watches, whole)


def _of_metrics(watches: Watches, whole: Slice, metrics: Sequence[str]) -> Iterator[str]:
    least, learning = watches.least.ticks, watches.levels.ticks_learned()
    known = watches.levels.names
    for name in metrics:
        if (whole, name) not in known:
            yield f"{name} has no value in it: it is learned from the stream"
    for (slice_, name), ticks in learning.items():
        if slice_ == whole:
            yield f"{name} has a value in {ticks} ticks, {least} are needed: {_ON}"
    slices = {slice_ for slice_, _ in learning} - {whole}
    if slices:
        yield f"metrics of {len(slices)} slices have values in fewer than {least} ticks: they are learned on likewise"


def _of_columns(watches: Watches, whole: Slice) -> Iterator[str]:
    for ticks, rows in (held for slice_, held in watches.columns.learned().items() if slice_ == whole):
        yield f"columns have {rows:.4g} effective rows in {ticks} ticks, {LEAST_ROWS} are needed: {_ON}"
    verdicts = watches.columns.verdicts(whole)
    for name, verdict in verdicts.items():
        if not verdict.judges or verdict.why:
            yield f"{name} {verdict}"
    learned = watches.distances.names - watches.distances.ticks_learned().keys()
    waiting = [name for name, verdict in verdicts.items() if verdict.judges and (whole, name) not in learned]
    if waiting:
        more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
        columns = ", ".join(waiting[:_NAMED]) + more
        yield f"how far ticks usually are from it is learned from the stream, as there are too few in it: {columns}"
